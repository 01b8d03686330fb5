//! The files of a run: `runs/NAME/...`, and the lock that keeps two runs out of one directory.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use model_core::runs::{self, RUNS};

/// Most runs that may begin in one second.
const SAME_SECOND: u32 = 1000;

/// The directory of one run.
#[derive(Clone, Debug)]
pub struct RunDir {
    root: PathBuf,
    /// Made for this run.
    is_new: bool,
}

impl RunDir {
    /// The directory as given, nothing created.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            is_new: false,
        }
    }

    /// A new `runs/NAME-TIME`, made so that no other run gets the same.
    ///
    /// # Errors
    /// Not writable.
    pub fn fresh(recipe: &str) -> Result<Self> {
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let time: String = now.chars().filter(|c| c.is_ascii_digit()).collect();
        let name = format!("{recipe}-{}-{}", &time[..8], &time[8..14]);
        Self::fresh_in(Path::new(RUNS), &name)
    }

    fn fresh_in(runs: &Path, name: &str) -> Result<Self> {
        fs::create_dir_all(runs).with_context(|| format!("cannot create {}", runs.display()))?;
        for number in 1..=SAME_SECOND {
            let dir = match number {
                1 => runs.join(name),
                _ => runs.join(format!("{name}-{number}")),
            };
            match fs::create_dir(&dir) {
                Ok(()) => {
                    return Ok(Self {
                        root: dir,
                        is_new: true,
                    });
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot create {}", dir.display()));
                }
            }
        }
        bail!(
            "{}: {SAME_SECOND} runs of this name began in one second",
            runs.display()
        )
    }

    /// The run under `runs/` that saved its state last.
    ///
    /// # Errors
    /// There is none.
    pub fn newest() -> Result<Self> {
        runs::newest(Path::new(RUNS), Self::at("").state())
            .map(Self::at)
            .context("--resume: no run with a saved state under runs/; name one with --output DIR")
    }

    /// Creates the directories, and removes what killed writers left.
    ///
    /// # Errors
    /// Not writable.
    pub fn create(&self) -> Result<()> {
        for dir in ["checkpoints", "plots"] {
            let dir = self.root.join(dir);
            fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        }
        for dir in [self.root.clone(), self.checkpoints(), self.plots()] {
            model_core::atomic_file::remove_leftovers(&dir)
                .with_context(|| format!("cannot clean up {}", dir.display()))?;
        }
        Ok(())
    }

    /// Takes the directory for this process, making it where it is not there. Whoever holds the lock may write.
    ///
    /// # Errors
    /// Another process has it, or the directory cannot be made.
    pub fn lock(&self) -> Result<RunLock> {
        RunLock::take(&self.root, self.is_new)
    }

    /// Whether a run has written here.
    pub fn holds_a_run(&self) -> bool {
        self.state().exists() || self.jsonl().exists()
    }

    /// Refuses a directory that already holds a run.
    ///
    /// # Errors
    /// A run is there.
    pub fn refuse_a_run(&self) -> Result<()> {
        if self.holds_a_run() {
            bail!(
                "{} already holds a run: continue it with --resume, replace it with --overwrite, or give another --output",
                self.root.display()
            );
        }
        Ok(())
    }

    /// Removes what a run wrote, and nothing else.
    ///
    /// # Errors
    /// Something cannot be removed.
    pub fn clear(&self) -> Result<()> {
        for name in ["checkpoints", "plots", "tensorboard"] {
            remove(fs::remove_dir_all(self.root.join(name)), &self.root)?;
        }
        let files = [
            self.jsonl(),
            self.npz(),
            self.steps(),
            self.log(),
            self.config(),
        ];
        for file in files {
            remove(fs::remove_file(&file), &file)?;
        }
        Ok(())
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the names of large data sets are kept: beside the run, for the next one too.
    pub fn indexes(&self) -> PathBuf {
        self.root.with_file_name(".data-index")
    }

    /// Where weights and states are.
    pub fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// A checkpoint's weights, as `last`, `best` or `epoch-0010`.
    pub fn weights(&self, name: &str) -> PathBuf {
        self.checkpoints().join(format!("{name}.safetensors"))
    }

    /// Everything a resume from that checkpoint needs.
    pub fn state_of(&self, name: &str) -> PathBuf {
        self.checkpoints().join(format!("{name}.state.safetensors"))
    }

    /// A few inputs and the best checkpoint's own answers.
    pub fn best_logits(&self) -> PathBuf {
        self.checkpoints().join("best.logits.safetensors")
    }

    /// Everything a resume needs.
    pub fn state(&self) -> PathBuf {
        self.state_of("last")
    }

    /// The resolved recipe.
    pub fn config(&self) -> PathBuf {
        self.root.join("config.yaml")
    }

    /// One line an epoch.
    pub fn jsonl(&self) -> PathBuf {
        self.root.join("metrics.jsonl")
    }

    /// One line every so many steps.
    pub fn steps(&self) -> PathBuf {
        self.root.join("steps.jsonl")
    }

    /// The epochs for numpy.
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

/// The run directory belongs to this process while this lives. The system gives the lock back when the process ends,
/// however it ends.
#[derive(Debug)]
pub struct RunLock {
    path: PathBuf,
    _file: File,
    made_root: bool,
}

impl RunLock {
    fn take(root: &Path, is_new: bool) -> Result<Self> {
        let made_root = is_new || !root.exists();
        fs::create_dir_all(root).with_context(|| format!("cannot create {}", root.display()))?;
        let path = root.join(".lock");
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path);
            let mut file = file.with_context(|| format!("cannot write {}", path.display()))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut who = String::new();
                    // The other process may just be writing it.
                    let _ = file.read_to_string(&mut who);
                    let who = who.trim();
                    bail!(
                        "{}: another run writes here{}{who}; end it first, or give another --output",
                        root.display(),
                        if who.is_empty() { "" } else { ", process " },
                    );
                }
                // A file system without locks: nothing can be known of others there.
                Err(TryLockError::Error(error))
                    if error.kind() == std::io::ErrorKind::Unsupported => {}
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("cannot lock {}", path.display()));
                }
            }
            if !is_still_there(&file, &path) {
                continue;
            }
            let mut note = || -> std::io::Result<()> {
                file.set_len(0)?;
                file.rewind()?;
                write!(file, "{}", std::process::id())
            };
            note().with_context(|| format!("cannot write {}", path.display()))?;
            return Ok(Self {
                path,
                _file: file,
                made_root,
            });
        }
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // The lock is held until the file is closed, after this; nothing here can be done better by failing.
        let _ = fs::remove_file(&self.path);
        if self.made_root
            && let Some(root) = self.path.parent()
        {
            // Only an empty directory goes: one that was made for a run that wrote nothing.
            let _ = fs::remove_dir(root);
        }
    }
}

/// Whether the locked file is the one under `path`: whoever had the lock before may just have removed it.
#[cfg(unix)]
fn is_still_there(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |meta: fs::Metadata| (meta.dev(), meta.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(locked), Ok(there)) => id(locked) == id(there),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_still_there(_file: &File, path: &Path) -> bool {
    path.exists()
}

fn remove(result: std::io::Result<()>, path: &Path) -> Result<()> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_second_get_directories_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let names: Vec<PathBuf> = (0..3)
            .map(|_| RunDir::fresh_in(dir.path(), "a").unwrap().root)
            .collect();
        assert_eq!(names, ["a", "a-2", "a-3"].map(|name| dir.path().join(name)));
    }

    #[test]
    fn a_directory_belongs_to_one_until_it_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::at(dir.path().join("run"));
        let lock = run.lock().unwrap();
        let error = run.lock().unwrap_err().to_string();
        let me = std::process::id().to_string();
        assert!(
            error.contains("another run writes here") && error.contains(&me),
            "{error}"
        );
        drop(lock);
        assert!(!run.root().exists());
        let lock = run.lock().unwrap();
        fs::write(run.log(), "said").unwrap();
        drop(lock);
        assert!(run.log().exists() && !run.root().join(".lock").exists());
    }
}
