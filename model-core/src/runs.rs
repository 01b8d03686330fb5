//! Where `train` puts its runs, and which of them is meant when nobody names one. Not here: what a run's files hold.

use std::path::{Path, PathBuf};

/// The folder of all runs that are given no other place: `runs/NAME-TIME/`.
pub const RUNS: &str = "runs";

/// The folder under `runs` whose `file` (a path inside it, as `checkpoints/best.safetensors`) was written last; `None`
/// where no folder has one.
///
/// Of two that were written at one time the later name counts, as names of runs end in the time they began.
pub fn newest(runs: &Path, file: impl AsRef<Path>) -> Option<PathBuf> {
    let written = |run: PathBuf| {
        let time = std::fs::metadata(run.join(&file)).and_then(|meta| meta.modified());
        Some((time.ok()?, run))
    };
    let entries = std::fs::read_dir(runs).into_iter().flatten().flatten();
    let found = entries.filter_map(|entry| written(entry.path()));
    found.max().map(|(_, run)| run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::time::{Duration, SystemTime};

    #[test]
    fn the_run_that_wrote_the_file_last_counts() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(newest(&dir.path().join("absent"), "last"), None);
        let now = SystemTime::now();
        for (name, age) in [("a-2", 50), ("b-1", 10), ("b-2", 10), ("c-3", 90)] {
            let folder = dir.path().join(name);
            fs::create_dir_all(&folder).unwrap();
            let file = File::create(folder.join("last")).unwrap();
            file.set_modified(now - Duration::from_secs(age)).unwrap();
        }
        fs::create_dir_all(dir.path().join("d-without")).unwrap();
        assert_eq!(newest(dir.path(), "last"), Some(dir.path().join("b-2")));
        assert_eq!(newest(dir.path(), "best"), None);
    }
}
