//! Single files: whole copies, moves that overwrite nothing, comparison by content.

use std::fs::{self, File, FileTimes};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The end of the name that a copy has while it is written.
const PARTIAL: &str = ".infer-cli-partial";

/// What a copy to `to` is called while it is written.
pub(super) fn partial(to: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(to.file_name().unwrap_or_default());
    name.push(PARTIAL);
    to.with_file_name(name)
}

/// Whether something, be it a dangling link, has this name.
pub(super) fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Copies with permissions and times. The copy has its name once it is whole; what has the name already stays.
pub(super) fn copy(from: &Path, to: &Path, sync: bool) -> io::Result<()> {
    let partial = partial(to);
    // The name is ours: what lies there is a leftover of a kill.
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = write_copy(from, &partial, sync).and_then(|()| place(&partial, to));
    if written.is_err() {
        // The copy's own error is what counts; an undo would remove the rest, too.
        let _ = fs::remove_file(&partial);
    }
    written
}

fn write_copy(from: &Path, partial: &Path, sync: bool) -> io::Result<()> {
    let mut source = File::open(from)?;
    let facts = source.metadata()?;
    let mut target = File::create_new(partial)?;
    io::copy(&mut source, &mut target)?;
    let mut times = FileTimes::new().set_modified(facts.modified()?);
    if let Ok(accessed) = facts.accessed() {
        times = times.set_accessed(accessed);
    }
    target.set_times(times)?;
    if sync {
        target.sync_all()?;
    }
    // Last, because a read-only file could not be written any more.
    fs::set_permissions(partial, facts.permissions())
}

/// Gives a file another name on the same file system; fails when something has that name.
fn place(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => Err(error),
        // A file system without hard links: its rename would overwrite, so look first.
        Err(_) if is_there(to) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(from, to),
    }
}

/// Moves, over file systems where need be; fails when something has the name already.
pub(super) fn relocate(from: &Path, to: &Path) -> io::Result<()> {
    match place(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            // On the disk before the original goes.
            copy(from, to, true)?;
            fs::remove_file(from)
        }
        other => other,
    }
}

/// Whether two regular files hold the same bytes; false where either cannot be read.
pub(super) fn same_content(a: &Path, b: &Path) -> bool {
    let attempt = || -> io::Result<bool> {
        let (a_facts, b_facts) = (fs::symlink_metadata(a)?, fs::symlink_metadata(b)?);
        if !a_facts.is_file() || !b_facts.is_file() || a_facts.len() != b_facts.len() {
            return Ok(false);
        }
        let (mut a, mut b) = (File::open(a)?, File::open(b)?);
        let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
        loop {
            let got = a.read(&mut left)?;
            if got == 0 {
                return Ok(b.read(&mut right)? == 0);
            }
            b.read_exact(&mut right[..got])?;
            if left[..got] != right[..got] {
                return Ok(false);
            }
        }
    };
    attempt().unwrap_or(false)
}
