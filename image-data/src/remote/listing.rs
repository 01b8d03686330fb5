//! The objects of a mirror, and what is kept of them on this machine: a text file of the listing, so that a later run knows
//! which of them changed.

use std::collections::HashMap;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::Object;

/// Whether file systems here usually take `A` and `a` for the same name.
const IGNORES_CASE: bool = cfg!(any(windows, target_vendor = "apple"));

/// The first line of a stored listing.
const MAGIC: &str = "objects-1";

/// Objects whose names can be files of one folder, sorted by name; and the others, with why not.
pub(super) fn usable(objects: Vec<Object>) -> (Vec<Object>, Vec<String>) {
    let mut notes = Vec::new();
    let mut kept: Vec<Object> = objects
        .into_iter()
        // A name that ends in a slash is how some tools mark a folder.
        .filter(|object| !object.key.ends_with('/'))
        .filter(|object| {
            let is_safe = is_safe(&object.key);
            if !is_safe {
                let key = model_core::text::one_line(&object.key);
                notes.push(format!("{key}: left out, its name is no path of a file"));
            }
            is_safe
        })
        .collect();
    kept.sort_by(|a, b| a.key.cmp(&b.key));
    kept.dedup_by(|a, b| a.key == b.key);
    // Where the file system does not tell letters from capitals, two objects would share a file.
    let mut seen = std::collections::HashSet::new();
    kept.retain(|object| {
        let is_first = !IGNORES_CASE || seen.insert(object.key.to_lowercase());
        if !is_first {
            notes.push(format!(
                "{}: left out, another differs only in capitals",
                object.key
            ));
        }
        is_first
    });
    let folders: std::collections::HashSet<String> = kept
        .iter()
        .flat_map(|object| {
            object
                .key
                .match_indices('/')
                .map(|(at, _)| object.key[..at].to_owned())
        })
        .collect();
    kept.retain(|object| {
        let is_folder = folders.contains(&object.key);
        if is_folder {
            notes.push(format!(
                "{}: left out, there are objects below it",
                object.key
            ));
        }
        !is_folder
    });
    (kept, notes)
}

/// Whether a key is a path inside a folder, on every system.
fn is_safe(key: &str) -> bool {
    let path = Path::new(key);
    let is_plain = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    let is_clean = key
        .split('/')
        .all(|part| !part.is_empty() && part != "." && part != "..");
    is_plain && is_clean && !key.contains(['\0', '\\', ':', '\n', '\r', '\t'])
}

/// The listing as text.
pub(super) fn to_text(objects: &[Object]) -> String {
    let mut text = format!("{MAGIC}\n");
    for Object {
        key,
        length,
        version,
    } in objects
    {
        let version = version.replace(['\t', '\n', '\r'], " ");
        text.push_str(&format!("{length}\t{version}\t{key}\n"));
    }
    text
}

/// A stored listing: the place of each object by name, with its length and version. Empty where there is none, or none that
/// is whole.
pub(super) fn read(path: &Path) -> io::Result<HashMap<String, (u32, u64, String)>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(error) => return Err(error),
    };
    let mut lines = text.lines();
    if lines.next() != Some(MAGIC) {
        return Ok(HashMap::new());
    }
    let parse = |(index, line): (usize, &str)| {
        let mut cells = line.splitn(3, '\t');
        let length = cells.next()?.parse().ok()?;
        let version = cells.next()?.to_owned();
        Some((cells.next()?.to_owned(), (index as u32, length, version)))
    };
    let read: Option<HashMap<_, _>> = lines.enumerate().map(parse).collect();
    Ok(read.unwrap_or_default())
}

/// The key of the object whose file a path is; none where it lies outside of `root`.
pub(super) fn key_of(root: &Path, path: &Path) -> Option<String> {
    let inside = path.strip_prefix(root).ok()?;
    let parts: Vec<_> = inside
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    Some(parts.join("/"))
}

/// Where an object's file is.
pub(super) fn path_of(root: &Path, object: &Object) -> PathBuf {
    root.join(&object.key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(key: &str) -> Object {
        Object {
            key: key.to_owned(),
            length: 3,
            version: "v".to_owned(),
        }
    }

    #[test]
    fn a_name_that_leaves_the_folder_is_left_out_and_said() {
        let keys = [
            "b/x.jpg",
            "a.jpg",
            "../up",
            "/etc/passwd",
            "a//b",
            "a/./b",
            "c:x",
            "dir/",
            "b",
            "n\nl",
        ];
        let (kept, notes) = usable(keys.map(object).to_vec());
        let kept: Vec<&str> = kept.iter().map(|object| object.key.as_str()).collect();
        assert_eq!(kept, ["a.jpg", "b/x.jpg"]);
        assert_eq!(notes.len(), 7, "{notes:?}");
        assert!(notes.iter().all(|note| !note.contains('\n')), "{notes:?}");
    }

    #[test]
    fn a_listing_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("objects");
        assert!(read(&path).unwrap().is_empty());
        std::fs::write(&path, to_text(&[object("a b.jpg"), object("c")])).unwrap();
        let read_back = read(&path).unwrap();
        assert_eq!(read_back["a b.jpg"], (0, 3, "v".to_owned()));
        assert_eq!(read_back["c"].0, 1);
        std::fs::write(&path, "objects-1\nx\ty").unwrap();
        assert!(read(&path).unwrap().is_empty());
    }
}
