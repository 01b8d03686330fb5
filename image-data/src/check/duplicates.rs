//! Files of equal content. A sketch of each file finds candidates; only those are read whole and compared by SHA-256.

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::file::Looked;
use super::report::Duplicate;
use crate::dataset::Sample;
use crate::decode::DecodeLimits;
use crate::folder::Folder;

pub(super) fn find(
    samples: &[(usize, &Sample)],
    files: &[Looked],
    folders: &[&Folder],
    limits: &DecodeLimits,
) -> Vec<Duplicate> {
    let mut by_sketch: HashMap<(u64, u64), Vec<usize>> = HashMap::new();
    for (at, file) in files
        .iter()
        .enumerate()
        .filter(|(_, file)| file.header.is_some())
    {
        by_sketch
            .entry((file.bytes, file.sketch))
            .or_default()
            .push(at);
    }
    let candidates: Vec<usize> = by_sketch
        .into_values()
        .filter(|group| group.len() > 1)
        .flatten()
        .collect();
    let hashed: Vec<([u8; 32], usize)> = candidates
        .into_par_iter()
        .filter_map(|at| {
            // A file that vanished meanwhile equals nothing.
            let bytes = samples[at].1.read(limits).ok()?;
            Some((Sha256::digest(&bytes).into(), at))
        })
        .collect();
    let mut by_hash: BTreeMap<[u8; 32], Vec<usize>> = BTreeMap::new();
    for (hash, at) in hashed {
        by_hash.entry(hash).or_default().push(at);
    }
    let mut found: Vec<Vec<usize>> = by_hash
        .into_values()
        .filter(|group| group.len() > 1)
        .collect();
    found.iter_mut().for_each(|group| group.sort_unstable());
    found.sort();
    found
        .into_iter()
        .map(|group| {
            let class = |&at: &usize| {
                let (folder, sample) = samples[at];
                folders[folder].classes[sample.class].as_str()
            };
            Duplicate {
                different_labels: group.iter().any(|at| class(at) != class(&group[0])),
                different_folders: group.iter().any(|&at| samples[at].0 != samples[group[0]].0),
                paths: group.iter().map(|&at| samples[at].1.path.clone()).collect(),
            }
        })
        .collect()
}
