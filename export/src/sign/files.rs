//! What is signed: each file of a model with its SHA-256.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::source::sha256_file;

/// Largest key or signature file read, in bytes: a million files are listed in less.
const MAX_TEXT_BYTES: u64 = 256 << 20;
/// What version control keeps beside a model; the specification leaves it out by default.
const GIT: [&str; 4] = [".git", ".gitattributes", ".github", ".gitignore"];

/// A model's files.
#[derive(Debug, PartialEq)]
pub struct Signed {
    /// The last part of the model's path; it may change without harm to the signature.
    pub name: String,
    /// SHA-256 in lower-case hex by path inside the folder, in the order of the paths' parts; a model of one file is `.`.
    pub files: BTreeMap<PathBuf, String>,
    /// Paths inside the folder that are left out, each with all below it.
    pub ignored: Vec<String>,
}

impl Signed {
    /// Reads the model file, or every file below the folder `model` but `ignored` ones, Git's and `signature`.
    ///
    /// # Errors
    /// Nothing there, a link, a pipe or the like, a name that is not Unicode, an `ignored` path outside the folder.
    pub fn read(model: &Path, signature: &Path, ignored: &[String]) -> Result<Self> {
        let absolute = std::path::absolute(model)?;
        let name = absolute
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let mut signed = Self {
            name,
            files: BTreeMap::new(),
            ignored: Vec::new(),
        };
        if kind(model)?.is_file() {
            signed.files.insert(".".into(), sha256_file(model)?);
            return Ok(signed);
        }
        let signature = std::path::absolute(signature)?;
        let inside = signature
            .strip_prefix(&absolute)
            .ok()
            .map(posix)
            .transpose()?;
        let given = ignored
            .iter()
            .map(|path| path.trim_end_matches('/').to_owned());
        for path in inside
            .into_iter()
            .chain(given)
            .chain(GIT.map(str::to_owned))
        {
            if Path::new(&path).is_absolute() || path.split('/').any(|part| part == "..") {
                bail!(
                    "'{path}': expected a path inside {}, relative to it",
                    model.display()
                );
            }
            if !signed.ignored.contains(&path) {
                signed.ignored.push(path);
            }
        }
        signed.walk(model, Path::new(""))?;
        if signed.files.is_empty() {
            bail!("{} holds no file to sign", model.display());
        }
        Ok(signed)
    }

    fn walk(&mut self, model: &Path, folder: &Path) -> Result<()> {
        let here = model.join(folder);
        let entries =
            fs::read_dir(&here).with_context(|| format!("cannot read {}", here.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot read {}", here.display()))?;
            let path = folder.join(entry.file_name());
            let name = posix(&path)?;
            if self.ignored.contains(&name) {
                continue;
            }
            let whole = model.join(&path);
            if kind(&whole)?.is_dir() {
                self.walk(model, &path)?;
            } else {
                self.files.insert(path, sha256_file(&whole)?);
            }
        }
        Ok(())
    }

    /// What of `found` is not as it is stated here, one sentence a file; empty where all is.
    pub fn differences(&self, found: &Self) -> Vec<String> {
        const SHOWN: usize = 8;
        let mut all = Vec::new();
        for (path, digest) in &self.files {
            match found.files.get(path) {
                None => all.push(format!("{} is missing", path.display())),
                Some(other) if other != digest => {
                    all.push(format!("{} was changed", path.display()))
                }
                Some(_) => {}
            }
        }
        let extra = found
            .files
            .keys()
            .filter(|path| !self.files.contains_key(*path));
        all.extend(extra.map(|path| format!("{} was not signed", path.display())));
        if all.len() > SHOWN {
            let more = all.len() - SHOWN;
            all.truncate(SHOWN);
            all.push(format!("{more} more"));
        }
        all
    }
}

/// A regular file or a folder, and no link to one.
fn kind(path: &Path) -> Result<fs::FileType> {
    let kind = fs::symlink_metadata(path)
        .with_context(|| format!("cannot read {}", path.display()))?
        .file_type();
    if !kind.is_file() && !kind.is_dir() {
        bail!(
            "{}: expected a file or a folder, got a link or a special file, which cannot be signed",
            path.display()
        );
    }
    Ok(kind)
}

/// A path's parts with `/` between them.
fn posix(path: &Path) -> Result<String> {
    let part = |part: std::path::Component<'_>| part.as_os_str().to_str().map(str::to_owned);
    let parts: Option<Vec<String>> = path.components().map(part).collect();
    let parts = parts.with_context(|| format!("{}: expected a name in Unicode", path.display()))?;
    Ok(parts.join("/"))
}

/// The text of a key or signature.
///
/// # Errors
/// A file that cannot be read, is too large, or is no text.
pub fn read_bounded(path: &Path) -> Result<String> {
    let cannot = || format!("cannot read {}", path.display());
    let bytes = fs::metadata(path).with_context(cannot)?.len();
    if bytes > MAX_TEXT_BYTES {
        bail!(
            "{}: expected at most {MAX_TEXT_BYTES} bytes, got {bytes}",
            path.display()
        );
    }
    fs::read_to_string(path).with_context(cannot)
}
