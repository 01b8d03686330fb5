//! What `export-onnx` takes when it is told nothing: the best checkpoint of the newest run, as `train` leaves runs.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};

/// Where `train` puts runs that are given no other place.
const RUNS: &str = "runs";

/// The best checkpoint of the run under `runs` that wrote one last.
///
/// # Errors
/// There is none.
pub fn best_checkpoint() -> Result<PathBuf> {
    newest(Path::new(RUNS)).with_context(|| {
        format!(
            "no --checkpoint given, and no {RUNS}/NAME/checkpoints/best.safetensors in this folder, \
             where `train` would have left one"
        )
    })
}

fn newest(runs: &Path) -> Option<PathBuf> {
    let best = |run: PathBuf| -> Option<(SystemTime, PathBuf)> {
        let file = run.join("checkpoints/best.safetensors");
        let time = std::fs::metadata(&file).and_then(|meta| meta.modified());
        Some((time.ok()?, file))
    };
    let entries = std::fs::read_dir(runs).into_iter().flatten().flatten();
    let found = entries.filter_map(|entry| best(entry.path()));
    // Of two of one time the later name, which begins later: names end in the time.
    found.max().map(|(_, file)| file)
}

/// The model beside a run's checkpoints: `runs/NAME/model.onnx`; for other checkpoints, their name with `.onnx`.
pub fn model_of(checkpoint: &Path) -> PathBuf {
    let folder = checkpoint.parent();
    let is_run = folder.is_some_and(|folder| folder.ends_with("checkpoints"));
    match folder.and_then(Path::parent).filter(|_| is_run) {
        Some(run) => run.join("model.onnx"),
        None => checkpoint.with_extension("onnx"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::time::Duration;

    #[test]
    fn the_run_that_wrote_its_best_last_counts() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(newest(&dir.path().join("absent")), None);
        let now = SystemTime::now();
        for (name, age) in [("a-2", 50), ("b-1", 10), ("c-3", 90)] {
            let folder = dir.path().join(name).join("checkpoints");
            fs::create_dir_all(&folder).unwrap();
            let file = File::create(folder.join("best.safetensors")).unwrap();
            file.set_modified(now - Duration::from_secs(age)).unwrap();
        }
        fs::create_dir_all(dir.path().join("d-unfinished/checkpoints")).unwrap();
        let found = newest(dir.path()).unwrap();
        assert!(found.ends_with("b-1/checkpoints/best.safetensors"));
        assert_eq!(model_of(&found), dir.path().join("b-1/model.onnx"));
        assert_eq!(
            model_of(Path::new("weights/x.pth")),
            Path::new("weights/x.onnx")
        );
    }
}
