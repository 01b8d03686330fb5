//! The files of a run: `runs/NAME/...`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

/// The directory of one run.
#[derive(Clone, Debug)]
pub struct RunDir {
    root: PathBuf,
}

impl RunDir {
    /// The directory as given, nothing created.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// `runs/NAME-TIME`.
    pub fn fresh(recipe: &str) -> Self {
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let time: String = now.chars().filter(|c| c.is_ascii_digit()).collect();
        Self::at(format!("runs/{recipe}-{}-{}", &time[..8], &time[8..14]))
    }

    /// The run under `runs/` that saved its state last.
    ///
    /// # Errors
    /// There is none.
    pub fn newest() -> Result<Self> {
        let saved = |dir: PathBuf| {
            let run = Self::at(dir);
            let time = fs::metadata(run.state())
                .and_then(|meta| meta.modified())
                .ok()?;
            Some((time, run))
        };
        fs::read_dir("runs")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| saved(entry.path()))
            .max_by_key(|(time, _)| *time)
            .map(|(_, run)| run)
            .context("--resume: no run with a saved state under runs/; name one with --output DIR")
    }

    /// Creates the directories.
    ///
    /// # Errors
    /// Not writable.
    pub fn create(&self) -> Result<()> {
        for dir in ["checkpoints", "plots"] {
            let dir = self.root.join(dir);
            fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        }
        Ok(())
    }

    /// Refuses a directory that already holds a run; with `overwrite`, removes what a run wrote (nothing else).
    ///
    /// # Errors
    /// A run is there and may not be removed.
    pub fn claim(&self, overwrite: bool) -> Result<()> {
        if self.state().exists() || self.jsonl().exists() {
            if !overwrite {
                bail!(
                    "{} already holds a run: continue it with --resume, replace it with --overwrite, or give another --output",
                    self.root.display()
                );
            }
            for name in ["checkpoints", "plots", "tensorboard"] {
                remove(fs::remove_dir_all(self.root.join(name)), &self.root)?;
            }
            for file in [self.jsonl(), self.npz(), self.log(), self.config()] {
                remove(fs::remove_file(&file), &file)?;
            }
        }
        self.create()
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A checkpoint's weights, as `last`, `best` or `epoch-0010`.
    pub fn weights(&self, name: &str) -> PathBuf {
        self.root
            .join("checkpoints")
            .join(format!("{name}.safetensors"))
    }

    /// A few inputs and the best checkpoint's own answers.
    pub fn best_logits(&self) -> PathBuf {
        self.root.join("checkpoints/best.logits.safetensors")
    }

    /// Everything a resume needs.
    pub fn state(&self) -> PathBuf {
        self.root.join("checkpoints/last.state.safetensors")
    }

    /// The resolved recipe.
    pub fn config(&self) -> PathBuf {
        self.root.join("config.yaml")
    }

    /// One line an epoch.
    pub fn jsonl(&self) -> PathBuf {
        self.root.join("metrics.jsonl")
    }

    /// The same for numpy.
    pub fn npz(&self) -> PathBuf {
        self.root.join("metrics.npz")
    }

    /// What was said.
    pub fn log(&self) -> PathBuf {
        self.root.join("train.log")
    }

    /// Plots.
    pub fn plots(&self) -> PathBuf {
        self.root.join("plots")
    }

    /// TensorBoard's event files.
    pub fn tensorboard(&self) -> PathBuf {
        self.root.join("tensorboard")
    }
}

fn remove(result: std::io::Result<()>, path: &Path) -> Result<()> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
