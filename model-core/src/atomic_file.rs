//! Files that appear whole or not at all: the one writer of everything that must survive a kill or a full disk.
//!
//! A temporary file beside the target is written, synced and renamed over it, then the folder is synced. The temporary
//! file is made exclusively, so a link planted under its name is never followed; a target that is a link is replaced,
//! not followed. Permissions of a file that was there are kept; a new file gets what the umask allows.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::diagnostic::{Diagnose, Remedy};
use crate::platform;
use crate::text::system_words;

const SUFFIX: &str = ".partial";

/// A file could not be written. What stood there before is untouched.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {}", path.display(), system_words(reason))]
pub struct WriteFileError {
    /// The file that was to be written.
    pub path: PathBuf,
    /// What the system said.
    pub reason: io::Error,
}

impl WriteFileError {
    /// The system says of a missing folder what it says of a missing file; which of them it is, is said here.
    fn new(path: &Path, reason: io::Error) -> Self {
        let folder = folder_of(path);
        let is_missing = reason.kind() == io::ErrorKind::NotFound && !folder.exists();
        let reason = match is_missing {
            true => io::Error::new(
                io::ErrorKind::NotFound,
                format!("there is no folder {}", folder.display()),
            ),
            false => reason,
        };
        Self {
            path: path.to_owned(),
            reason,
        }
    }
}

impl Diagnose for WriteFileError {
    fn code(&self) -> &'static str {
        "file.not-writable"
    }

    fn remedy(&self) -> Option<Remedy> {
        Some(Remedy::CheckWritable(folder_of(&self.path).to_owned()))
    }
}

/// Writes `bytes` to `path`, whole or not at all.
///
/// # Errors
/// The folder is missing or cannot be written, or the disk is full; a file that was there stays as it was.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), WriteFileError> {
    write_with(path, |file| file.write_all(bytes))
}

/// Writes `path`, whole or not at all, with what `contents` writes.
///
/// # Errors
/// As [`write()`], and what `contents` returns.
pub fn write_with(
    path: &Path,
    contents: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), WriteFileError> {
    let attempt = || -> io::Result<()> {
        let file = temporary_beside(path)?;
        let mut writer = BufWriter::with_capacity(1 << 20, file);
        contents(&mut writer)?;
        let file = writer
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        if let Ok(old) = std::fs::symlink_metadata(path)
            && old.is_file()
        {
            file.as_file().set_permissions(old.permissions())?;
        }
        file.as_file().sync_all()?;
        let folder = platform::of_any_length(folder_of(path));
        let name = path.file_name().unwrap_or_default();
        let (_file, temporary) = file.keep().map_err(|error| error.error)?;
        // On Windows tempfile's own rename refuses to replace a model that some program has open.
        std::fs::rename(&temporary, folder.join(name)).inspect_err(|_| {
            let _ = std::fs::remove_file(&temporary);
        })?;
        sync_folder(folder_of(path));
        Ok(())
    };
    attempt().map_err(|reason| WriteFileError::new(path, reason))
}

/// Fails when `path` could not be written, before any long work is done for it. Leaves nothing behind.
///
/// # Errors
/// The target is a folder, or its folder is missing or read-only.
pub fn check_writable(path: &Path) -> Result<(), WriteFileError> {
    let attempt = || {
        if path.is_dir() {
            return Err(io::Error::new(
                io::ErrorKind::IsADirectory,
                "expected a file name, got a folder",
            ));
        }
        temporary_beside(path).map(drop)
    };
    attempt().map_err(|reason| WriteFileError::new(path, reason))
}

/// Removes temporary files that killed writers left in `folder`. Call it only while no other process writes there.
///
/// # Errors
/// The folder cannot be listed, or a leftover cannot be removed.
pub fn remove_leftovers(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.ends_with(SUFFIX) && entry.file_type()?.is_file() {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    let name = path.file_name().ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "expected a path that ends in a file name",
        )
    })?;
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    // Opened here, not by tempfile, whose errors name the temporary file, which nobody asked for.
    let mut refused = None;
    let made = tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(SUFFIX)
        .make_in(platform::of_any_length(folder_of(path)), |path| {
            let mut options = File::options();
            let opened = options.write(true).create_new(true).open(path);
            opened.inspect_err(|error| refused = error.raw_os_error())
        });
    made.map_err(|error| refused.map_or(error, io::Error::from_raw_os_error))
}

/// The rename itself is on the disk once the folder is. Not every system can open or sync a folder, and the file is
/// complete either way, so a refusal is no error.
fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write(&path, b"old").unwrap();
        let error = write_with(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("disk full"))
        })
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot write {}: disk full", path.display())
        );
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_made_says_what_the_system_said() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        write(&file, b"in the way").unwrap();
        let path = file.join("below");
        let error = write(&path, b"new").unwrap_err();
        let system = File::create(&path).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot write {}: {}", path.display(), system_words(system))
        );
    }

    #[test]
    fn a_missing_folder_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("away");
        let path = folder.join("file");
        for error in [
            write(&path, b"new").unwrap_err(),
            check_writable(&path).unwrap_err(),
        ] {
            assert_eq!(
                error.to_string(),
                format!(
                    "cannot write {}: there is no folder {}",
                    path.display(),
                    folder.display()
                )
            );
        }
    }

    #[test]
    fn a_file_that_is_open_is_replaced_and_its_reader_keeps_the_old_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.onnx");
        write(&path, b"old").unwrap();
        let mut open = File::open(&path).unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut open, &mut bytes).unwrap();
        assert_eq!(bytes, b"old");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_target_that_cannot_be_replaced_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("folder");
        std::fs::create_dir(&folder).unwrap();
        assert!(write(&folder, b"x").is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_and_a_folder_as_target_are_refused_early() {
        let dir = tempfile::tempdir().unwrap();
        assert!(check_writable(&dir.path().join("missing/file")).is_err());
        assert!(check_writable(dir.path()).is_err());
        assert!(write(dir.path(), b"x").is_err());
        check_writable(&dir.path().join("file")).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn leftovers_of_a_kill_are_removed_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("last.safetensors");
        write(&path, b"x").unwrap();
        let (_, left) = temporary_beside(&path).unwrap().keep().unwrap();
        write(&dir.path().join("mine.partial"), b"x").unwrap();
        remove_leftovers(dir.path()).unwrap();
        assert!(!left.exists());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn new_files_follow_the_umask_and_old_ones_keep_their_permissions() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (plain, ours) = (dir.path().join("plain"), dir.path().join("ours"));
        std::fs::write(&plain, b"x").unwrap();
        write(&ours, b"x").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&ours), mode(&plain));
        std::fs::set_permissions(&ours, std::fs::Permissions::from_mode(0o640)).unwrap();
        write(&ours, b"y").unwrap();
        assert_eq!(mode(&ours), 0o640);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (kept, link) = (dir.path().join("kept"), dir.path().join("link"));
        std::fs::write(&kept, b"kept").unwrap();
        std::os::unix::fs::symlink(&kept, &link).unwrap();
        write(&link, b"new").unwrap();
        assert_eq!(std::fs::read(&kept).unwrap(), b"kept");
        assert_eq!(std::fs::read(&link).unwrap(), b"new");
    }
}
