//! The index beside a shard: where each image lies, so that opening a pack reads no tar header. A text file of lines, the
//! first of which says what shard it belongs to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dataset::{ContainerPart, Sample};
use crate::folder::Folder;
use model_core::text::one_line;

/// The first word of an index.
const MAGIC: &str = "tar-index-1";

/// One image of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub offset: u64,
    pub length: u64,
    pub class: usize,
    pub name: String,
}

/// Where the index of a shard is.
pub(super) fn path_of(shard: &Path) -> PathBuf {
    shard.with_extension("index")
}

/// The index's text: what the shard is, then an image a line.
pub(super) fn to_text(
    bytes: u64,
    sha256: &str,
    left_out: &[(PathBuf, String)],
    entries: &[Entry],
) -> String {
    let mut text = format!("{MAGIC}\t{bytes}\t{sha256}\t{}\n", entries.len());
    for Entry {
        offset,
        length,
        class,
        name,
    } in entries
    {
        text.push_str(&format!("{offset}\t{length}\t{class}\t{name}\n"));
    }
    for (path, reason) in left_out {
        let (path, reason) = (one_line(path.display()), one_line(reason));
        text.push_str(&format!("!\t{path}\t{reason}\n"));
    }
    text
}

/// An index as it was read.
pub(super) struct Index {
    pub bytes: u64,
    pub sha256: String,
    pub entries: Vec<Entry>,
    pub left_out: Vec<(PathBuf, String)>,
}

/// The index of a shard, if it is there, whole, and of a shard of this length.
pub(super) fn read(shard: &Path) -> Option<Index> {
    let text = std::fs::read_to_string(path_of(shard)).ok()?;
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next()?.split('\t').collect();
    let [MAGIC, bytes, sha256, count] = head.as_slice() else {
        return None;
    };
    let bytes: u64 = bytes.parse().ok()?;
    let count: usize = count.parse().ok()?;
    let sha256 = (*sha256).to_owned();
    if std::fs::metadata(shard).ok()?.len() != bytes {
        return None;
    }
    let (mut entries, mut left_out) = (Vec::new(), Vec::new());
    for line in lines {
        if let Some(bad) = line.strip_prefix("!\t") {
            let (path, reason) = bad.split_once('\t').unwrap_or((bad, ""));
            left_out.push((PathBuf::from(path), reason.to_owned()));
            continue;
        }
        let mut cells = line.splitn(4, '\t');
        entries.push(Entry {
            offset: cells.next()?.parse().ok()?,
            length: cells.next()?.parse().ok()?,
            class: cells.next()?.parse().ok()?,
            name: cells.next()?.to_owned(),
        });
    }
    (entries.len() == count).then_some(Index {
        bytes,
        sha256,
        entries,
        left_out,
    })
}

/// Whether the images lie in shards that [`pack`](super::pack) wrote.
pub fn is_packed(folder: &Folder) -> bool {
    let first = folder
        .samples
        .first()
        .and_then(|sample| sample.part.as_ref());
    match first {
        Some(ContainerPart::Bytes { container, .. }) => path_of(container).is_file(),
        _ => false,
    }
}

/// The images of a shard by its index, with their class numbers as names; none where it has no usable index.
pub(crate) fn read_index(shard: &Path) -> Option<Vec<(String, Sample)>> {
    let index = read(shard)?;
    let container: Arc<Path> = Arc::from(shard);
    let samples = index.entries.into_iter().map(|entry| {
        let sample = Sample {
            path: shard.join(&entry.name),
            class: 0,
            part: Some(ContainerPart::Bytes {
                container: container.clone(),
                offset: entry.offset,
                length: entry.length,
            }),
        };
        (entry.class.to_string(), sample)
    });
    Some(samples.collect())
}
