//! What `export-onnx` takes when it is told nothing: the best checkpoint of the newest run, as `train` leaves runs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use model_core::runs::{self, RUNS};

/// Where `train` puts a run's best weights.
const BEST: &str = "checkpoints/best.safetensors";

/// The best checkpoint of the run under `runs` that wrote one last.
///
/// # Errors
/// There is none.
pub fn best_checkpoint() -> Result<PathBuf> {
    let run = runs::newest(Path::new(RUNS), BEST).with_context(|| {
        format!("no --checkpoint given, and no {RUNS}/NAME/{BEST} in this folder, where `train` would have left one")
    })?;
    Ok(run.join(BEST))
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

    #[test]
    fn a_model_lies_in_its_run_or_beside_its_checkpoint() {
        let of = |checkpoint: &str| model_of(Path::new(checkpoint));
        assert_eq!(
            of("runs/b-1/checkpoints/best.safetensors"),
            Path::new("runs/b-1/model.onnx")
        );
        assert_eq!(of("weights/x.pth"), Path::new("weights/x.onnx"));
    }
}
