//! Whether shards still hold the bytes that were packed: their SHA-256 against that of their index.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use model_core::text::{hex, system_words};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::index;
use crate::dataset::{AnyFile, ContainerPart};
use crate::folder::Folder;

/// Read at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// The shards of `folders` that are not as they were packed, with the reason; shards without an index are passed over.
pub(crate) fn changed_shards(folders: &[&Folder]) -> Vec<(PathBuf, String)> {
    let samples = folders.iter().flat_map(|folder| &folder.samples);
    let shards: BTreeSet<&Path> = samples
        .filter_map(|sample| match &sample.part {
            Some(ContainerPart::Bytes { container, .. }) => Some(container.as_ref()),
            _ => None,
        })
        .collect();
    let shards: Vec<&Path> = shards.into_iter().collect();
    let changed = shards.par_iter().filter_map(|shard| {
        let expected = index::read(shard)?.sha256;
        let reason = match sha256_of(shard) {
            Ok(got) if got == expected => return None,
            Ok(got) => format!(
                "expected SHA-256 {expected} as in its index, got {got}: copy the shard again, or delete it and pack again"
            ),
            Err(error) => system_words(error),
        };
        Some((shard.to_path_buf(), reason))
    });
    changed.collect()
}

/// The SHA-256 of a file or of an object in a store.
fn sha256_of(path: &Path) -> std::io::Result<String> {
    let mut file = AnyFile::open(path)?;
    let (mut hash, mut buffer, mut at) = (Sha256::new(), vec![0; CHUNK_BYTES], 0);
    loop {
        let read = file.read_at(&mut buffer, at)?;
        if read == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&buffer[..read]);
        at += read as u64;
    }
}
