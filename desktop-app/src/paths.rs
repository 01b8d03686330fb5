//! Paths in what other programs hand over: a drag's URI list, a file manager's clipboard, pasted or typed text.
//!
//! It touches no file beyond asking whether one exists.

use std::path::PathBuf;

use model_core::platform::path_from_bytes_lossy;
use percent_encoding::percent_decode;

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
    let bytes: Vec<u8> = percent_decode(&rest[slash..]).collect();
    Ok(path_of_bytes(&bytes))
}

fn strip_scheme(uri: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = uri.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"file://").then_some(rest)
}

fn is_this_host(host: &str) -> bool {
    std::fs::read_to_string("/proc/sys/kernel/hostname").is_ok_and(|name| name.trim() == host)
}

fn path_of_bytes(bytes: &[u8]) -> PathBuf {
    // With drives, file:///C:/x is C:/x.
    let bytes = match bytes {
        [b'/', rest @ ..]
            if cfg!(windows) && matches!(rest, [b'A'..=b'Z' | b'a'..=b'z', b':', ..]) =>
        {
            rest
        }
        _ => bytes,
    };
    path_from_bytes_lossy(bytes)
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
}
