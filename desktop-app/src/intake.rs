//! From what the user brings (dropped files, folders, pasted text, a drop's URI list) to files to look at.
//!
//! It decides what is a photo to try, what is a model and what is passed over, and says so; it decodes nothing and knows no window.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode;

/// What [`gather`] found, apart from the photos it handed out on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Photos handed out.
    pub photos: usize,
    /// `.onnx` files.
    pub models: Vec<PathBuf>,
    /// Files inside folders that are no pictures.
    pub passed_over: usize,
    /// Folders and entries that could not be read, one sentence each.
    pub unreadable: Vec<String>,
    /// Folders looked through.
    pub folders: usize,
    /// True when it was stopped before the end.
    pub stopped: bool,
}

/// Files handed out at once.
const CHUNK: usize = 256;

/// Looks through `paths`: a file is handed to `found` whatever it is (if it is no picture, its tile will say so), a folder is searched
/// for pictures in the order of their names. `go_on` is asked often.
pub fn gather(
    paths: &[PathBuf],
    go_on: &dyn Fn() -> bool,
    found: &mut dyn FnMut(Vec<PathBuf>),
) -> Report {
    let mut report = Report::default();
    let mut chunk = Vec::new();
    'paths: for path in paths {
        if !path.is_dir() {
            if is_model(path) {
                report.models.push(path.clone());
            } else {
                chunk.push(path.clone());
            }
            continue;
        }
        report.folders += 1;
        for entry in walkdir::WalkDir::new(path).sort_by_file_name() {
            if !go_on() {
                report.stopped = true;
                break 'paths;
            }
            match entry {
                // Links to files are photos like others; links to folders are not followed, so that no circle is walked.
                Ok(entry)
                    if entry.file_type().is_file()
                        || (entry.path_is_symlink() && !entry.path().is_dir()) =>
                {
                    if is_hidden(entry.path()) || !looks_like_picture(entry.path()) {
                        report.passed_over += 1;
                    } else {
                        chunk.push(entry.into_path());
                    }
                }
                Ok(_) => {}
                Err(error) => report.unreadable.push(error.to_string()),
            }
            if chunk.len() >= CHUNK {
                report.photos += chunk.len();
                found(std::mem::take(&mut chunk));
            }
        }
    }
    if !chunk.is_empty() && !report.stopped {
        report.photos += chunk.len();
        found(chunk);
    }
    report
}

/// True for a file that is a model by its name.
pub fn is_model(path: &Path) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("onnx"))
}

/// `.DS_Store`, `._photo.jpg` and the like: leftovers no one means.
fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

/// A picture by its first bytes, or by its name when the bytes say nothing (then its tile will show the error).
fn looks_like_picture(path: &Path) -> bool {
    const NAMES: [&str; 13] = [
        "jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff", "pnm", "ppm",
        "pgm",
    ];
    let named = path
        .extension()
        .is_some_and(|e| NAMES.contains(&e.to_string_lossy().to_ascii_lowercase().as_str()));
    if named {
        return true;
    }
    let mut head = [0_u8; 32];
    let read = std::fs::File::open(path)
        .and_then(|mut file| file.read(&mut head))
        .unwrap_or(0);
    image::guess_format(&head[..read]).is_ok()
}

/// Entries of a `text/uri-list` drop: the files, and for each entry that is none, why.
///
/// An entry that cannot be used never spoils the others.
pub fn parse_uri_list(list: &[u8]) -> (Vec<PathBuf>, Vec<String>) {
    let mut paths = Vec::new();
    let mut refused = Vec::new();
    for line in list.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii();
        if line.is_empty() || line[0] == b'#' || line == b"\0" {
            continue;
        }
        match path_of_uri(line) {
            Ok(path) => paths.push(path),
            Err(reason) => refused.push(reason),
        }
    }
    (paths, refused)
}

fn path_of_uri(uri: &[u8]) -> Result<PathBuf, String> {
    let shown = String::from_utf8_lossy(uri).into_owned();
    let Some(rest) = strip_scheme(uri) else {
        return Err(match shown.split_once("://") {
            Some((scheme @ ("http" | "https"), _)) => {
                format!("{shown} is a link ({scheme}), not a file on this computer")
            }
            _ => format!("{shown} is not a file on this computer"),
        });
    };
    let Some(slash) = rest.iter().position(|byte| *byte == b'/') else {
        return Err(format!("{shown} names no file"));
    };
    let host = String::from_utf8_lossy(&rest[..slash]).into_owned();
    if !(host.is_empty() || host == "localhost" || is_this_host(&host)) {
        return Err(format!("{shown} is on another computer ({host})"));
    }
    Ok(path_of_bytes(percent_decode(&rest[slash..]).collect()))
}

fn strip_scheme(uri: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = uri.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"file://").then_some(rest)
}

fn is_this_host(host: &str) -> bool {
    std::fs::read_to_string("/proc/sys/kernel/hostname").is_ok_and(|name| name.trim() == host)
}

#[cfg(unix)]
fn path_of_bytes(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt as _;
    OsString::from_vec(bytes).into()
}

#[cfg(not(unix))]
fn path_of_bytes(bytes: Vec<u8>) -> PathBuf {
    let text = String::from_utf8_lossy(&bytes).into_owned();
    // file:///C:/x is C:/x
    let text = match text.as_bytes() {
        [b'/', drive, b':', ..] if drive.is_ascii_alphabetic() => text[1..].to_owned(),
        _ => text,
    };
    OsString::from(text).into()
}

/// Paths in pasted or typed text: one a line, as `file://` links or as plain paths, quoted or not, `~` for home.
///
/// Empty when the text speaks of something else.
pub fn paths_in_text(text: &str) -> Vec<PathBuf> {
    text.lines()
        .map(str::trim)
        .filter(|line| {
            !line.is_empty() && *line != "copy" && *line != "cut" && !line.starts_with("x-special/")
        })
        .filter_map(path_in_line)
        .collect()
}

fn path_in_line(line: &str) -> Option<PathBuf> {
    if strip_scheme(line.as_bytes()).is_some() {
        return path_of_uri(line.as_bytes()).ok();
    }
    let quoted = |q: char| line.strip_prefix(q).and_then(|l| l.strip_suffix(q));
    let bare = quoted('"').or_else(|| quoted('\'')).unwrap_or(line);
    let path = match bare.strip_prefix("~/") {
        Some(rest) => std::env::home_dir()?.join(rest),
        None => PathBuf::from(bare),
    };
    (path.is_absolute() || path.exists()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n0000";

    #[test]
    fn one_bad_entry_does_not_spoil_a_drop() {
        let list = b"file:///tmp/a%20b.jpg\r\nhttp://example.org/x.jpg\r\nfile://elsewhere/y.jpg\r\n# comment\r\nfile:///caf%C3%A9.png\r\nmailto:x\r\n";
        let (paths, refused) = parse_uri_list(list);
        assert_eq!(
            paths,
            [PathBuf::from("/tmp/a b.jpg"), PathBuf::from("/café.png")]
        );
        assert_eq!(refused.len(), 3, "{refused:?}");
        assert!(refused[0].contains("link"));
        assert!(refused[1].contains("another computer (elsewhere)"));
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_utf8_survive() {
        use std::os::unix::ffi::OsStrExt as _;
        let (paths, refused) = parse_uri_list(b"file:///tmp/%FF%FE.jpg");
        assert!(refused.is_empty());
        assert_eq!(paths[0].as_os_str().as_bytes(), b"/tmp/\xff\xfe.jpg");
    }

    #[test]
    fn pasted_text_gives_paths_and_prose_gives_none() {
        let text = "copy\nfile:///tmp/a%20b.jpg\n\"/tmp/c d.png\"\n/tmp/e.jpg\n";
        assert_eq!(
            paths_in_text(text),
            ["/tmp/a b.jpg", "/tmp/c d.png", "/tmp/e.jpg"].map(PathBuf::from)
        );
        assert!(paths_in_text("what a lovely cat").is_empty());
        assert!(paths_in_text("https://example.org/cat.jpg").is_empty());
    }

    #[test]
    fn folders_are_searched_for_pictures_and_the_rest_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("deep")).unwrap();
        std::fs::write(at("b.jpg"), b"not really").unwrap();
        std::fs::write(at("a.png"), PNG).unwrap();
        std::fs::write(at("deep/no-extension"), PNG).unwrap();
        std::fs::write(at("notes.txt"), b"hello").unwrap();
        std::fs::write(at("._b.jpg"), b"leftover").unwrap();
        let mut found = Vec::new();
        let paths = [
            dir.path().to_owned(),
            at("notes.txt"),
            PathBuf::from("/m/net.ONNX"),
        ];
        let report = gather(&paths, &|| true, &mut |chunk| found.extend(chunk));
        assert_eq!(
            found,
            [
                at("a.png"),
                at("b.jpg"),
                at("deep/no-extension"),
                at("notes.txt")
            ]
        );
        assert_eq!(report.passed_over, 2);
        assert_eq!(report.models, [PathBuf::from("/m/net.ONNX")]);
        assert_eq!((report.photos, report.folders), (4, 1));
    }

    #[cfg(unix)]
    #[test]
    fn links_to_photos_are_photos_and_circles_are_not_walked() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("inside");
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(dir.path().join("real"), PNG).unwrap();
        symlink(dir.path().join("real"), inside.join("link.png")).unwrap();
        symlink(dir.path(), inside.join("circle")).unwrap();
        let mut found = Vec::new();
        gather(std::slice::from_ref(&inside), &|| true, &mut |chunk| {
            found.extend(chunk)
        });
        assert_eq!(found, [inside.join("link.png")]);
    }

    #[test]
    fn a_search_can_be_stopped() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.png"), PNG).unwrap();
        let report = gather(&[dir.path().to_owned()], &|| false, &mut |_| {
            panic!("nothing was asked for")
        });
        assert!(report.stopped);
    }
}
