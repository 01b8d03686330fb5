//! What operating systems do differently and several crates need: names of files as bytes, links, permissions, reads at
//! an offset, long paths. A crate with needs of its own has a `platform` module of its own.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The path that these bytes name: any bytes on Unix, UTF-8 elsewhere, where others give none.
pub fn path_from_bytes(bytes: &[u8]) -> Option<PathBuf> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        Some(std::ffi::OsStr::from_bytes(bytes).into())
    }
    #[cfg(not(unix))]
    std::str::from_utf8(bytes).ok().map(PathBuf::from)
}

/// As [`path_from_bytes`]; what is no UTF-8 and has to be becomes U+FFFD, so that the name can be shown.
pub fn path_from_bytes_lossy(bytes: &[u8]) -> PathBuf {
    path_from_bytes(bytes).unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned().into())
}

/// Makes `to` lead to the file `from`: a symbolic link on Unix, a second name elsewhere, where symbolic links need an
/// administrator.
///
/// # Errors
/// The system's; `to` is there already.
pub fn link(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::symlink(from, to);
    #[cfg(not(unix))]
    std::fs::hard_link(from, to)
}

/// The folder under a name that every call takes, whatever its length. On Windows calls that do not go through the
/// standard library end at 260 characters, unless the path is absolute and begins with `\\?\`.
pub fn of_any_length(folder: &Path) -> Cow<'_, Path> {
    match cfg!(windows).then(|| folder.canonicalize()) {
        Some(Ok(whole)) => whole.into(),
        // A folder that cannot be opened is reported by whoever writes there.
        _ => folder.into(),
    }
}

/// When a file or directory last changed in any way, which nobody can set, in nanoseconds since 1970; and its number on its
/// disk. Both are 0 where the system has no such thing; none where the time is out of reach of such a number.
pub fn change_and_number(file: &std::fs::Metadata) -> Option<(i64, u64)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let nanoseconds = file.ctime().checked_mul(1_000_000_000)?;
        Some((nanoseconds.checked_add(file.ctime_nsec())?, file.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        Some((0, 0))
    }
}

/// Reads at an offset, which does not move the file's own place: several threads read one file at once. 0 at its end.
///
/// # Errors
/// The system's; systems that are neither Unix nor Windows (WebAssembly in a browser) have no such files.
pub fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_at(file, buffer, offset);
    #[cfg(windows)]
    return std::os::windows::fs::FileExt::seek_read(file, buffer, offset);
    #[cfg(not(any(unix, windows)))]
    {
        let _ = (file, buffer, offset);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Fills `buffer` from an offset.
///
/// # Errors
/// As [`read_at`], and [`io::ErrorKind::UnexpectedEof`] where the file ends before the buffer does.
pub fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    let (mut buffer, mut offset) = (buffer, offset);
    while !buffer.is_empty() {
        match read_at(file, buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                buffer = &mut buffer[read..];
                offset += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_bytes_are_kept_where_they_can_be() {
        assert_eq!(path_from_bytes("é.jpg".as_bytes()), Some("é.jpg".into()));
        let odd = b"caf\xe9.jpg";
        assert_eq!(path_from_bytes(odd).is_some(), cfg!(unix));
        let shown = path_from_bytes_lossy(odd);
        assert_eq!(shown.to_string_lossy(), "caf\u{fffd}.jpg");
        assert_eq!(shown.to_str().is_some(), !cfg!(unix));
    }

    #[test]
    fn bytes_are_read_at_an_offset_up_to_the_end() {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, b"0123456789").unwrap();
        let mut four = [0; 4];
        read_exact_at(&file, &mut four, 3).unwrap();
        assert_eq!(&four, b"3456");
        assert_eq!(read_at(&file, &mut four, 8).unwrap(), 2);
        assert_eq!(read_at(&file, &mut four, 10).unwrap(), 0);
        let error = read_exact_at(&file, &mut four, 8).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_link_leads_to_the_file_and_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link_to) = (dir.path().join("file"), dir.path().join("link"));
        std::fs::write(&file, b"x").unwrap();
        link(&file, &link_to).unwrap();
        assert_eq!(std::fs::read(&link_to).unwrap(), b"x");
        assert!(link(&file, &link_to).is_err());
    }
}
