//! Which content of a file an answer belongs to. A file can be overwritten while its path stays the same, so the path
//! alone identifies nothing.
//!
//! Size and time of change are compared first, because that costs no reading. Whatever was read is compared by a hash
//! of its bytes. This module knows no photos, no list and no window.

use std::hash::{DefaultHasher, Hasher as _};
use std::path::Path;
use std::time::SystemTime;

/// What the file system says of a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    /// Size of the file.
    pub size_bytes: u64,
    /// When it was last written, where the file system knows.
    pub modified: Option<SystemTime>,
}

impl FileStamp {
    /// The stamp of a file; `None` when it cannot be asked for.
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            size_bytes: metadata.len(),
            modified: metadata.modified().ok(),
        })
    }
}

/// The content that was read: its hash, and the file's stamp at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentId {
    /// The stamp before the bytes were read; `None` for what is only in memory.
    pub stamp: Option<FileStamp>,
    hash: u64,
}

impl ContentId {
    /// Identifies `bytes`, read from a file with this stamp.
    pub fn of(bytes: &[u8], stamp: Option<FileStamp>) -> Self {
        // SipHash with fixed keys: stable within a run of the program, which is as long as an answer lives.
        let mut hasher = DefaultHasher::new();
        hasher.write(bytes);
        Self {
            stamp,
            hash: hasher.finish(),
        }
    }

    /// Whether both were read from the same bytes, whatever their stamps say.
    pub fn same_bytes(&self, other: &Self) -> bool {
        self.hash == other.hash
    }

    /// Whether a file with this stamp may hold other bytes than the ones that were read.
    pub fn may_differ_from(&self, now: Option<FileStamp>) -> bool {
        now.is_none() || self.stamp != now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_bytes_are_another_content_and_a_touched_file_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jpg");
        std::fs::write(&path, b"one").unwrap();
        let first = ContentId::of(b"one", FileStamp::of(&path));
        assert!(!first.may_differ_from(FileStamp::of(&path)));
        std::fs::write(&path, b"three").unwrap();
        assert!(first.may_differ_from(FileStamp::of(&path)), "another size");
        let second = ContentId::of(b"three", FileStamp::of(&path));
        assert!(!first.same_bytes(&second));
        let again = ContentId::of(b"one", FileStamp::of(&path));
        assert!(first.same_bytes(&again), "the same bytes, written again");
        std::fs::remove_file(&path).unwrap();
        assert!(first.may_differ_from(FileStamp::of(&path)), "it is gone");
    }
}
