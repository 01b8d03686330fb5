//! A home for pictures that have no file, because they were pasted: photos of a class are files. They stay in this
//! folder until somebody removes them.

use std::path::{Path, PathBuf};

use image_data::decode::{DecodeLimits, probe};
use model_core::atomic_file::{self, WriteFileError};

/// Below the folder of the settings.
const FOLDER: &str = "pasted pictures";

/// The folder of pictures that were pasted, below the folder of the settings.
pub fn folder(settings: &Path) -> PathBuf {
    settings.join(FOLDER)
}

/// Writes a picture into the folder, unless it is there already; gives its file. Nothing is overwritten.
///
/// # Errors
/// When the folder cannot be made or the file not be written.
pub fn keep(settings: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, WriteFileError> {
    let folder = folder(settings);
    let at = |path: &Path| {
        let path = path.to_owned();
        |reason| WriteFileError { path, reason }
    };
    std::fs::create_dir_all(&folder).map_err(at(&folder))?;
    let name = photos::sort::folder_name(name);
    let header = probe(bytes, &DecodeLimits::default());
    let endings: &[&str] = header.map_or(&["png"], |header| header.format.extensions());
    let ending = endings.first().unwrap_or(&"png");
    let mut number = 1;
    loop {
        let file = match number {
            1 => folder.join(format!("{name}.{ending}")),
            _ => folder.join(format!("{name} ({number}).{ending}")),
        };
        match std::fs::read(&file) {
            Ok(there) if there == bytes => return Ok(file),
            Ok(_) => number += 1,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return atomic_file::write(&file, bytes).map(|()| file);
            }
            Err(reason) => return Err(at(&file)(reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_gets_one_file_and_another_of_its_name_a_second_one() {
        let dir = tempfile::tempdir().unwrap();
        let one = keep(dir.path(), "a/b", b"one").unwrap();
        assert_eq!(one, folder(dir.path()).join("a_b.png"));
        assert_eq!(keep(dir.path(), "a/b", b"one").unwrap(), one);
        let two = keep(dir.path(), "a/b", b"two").unwrap();
        assert_eq!(two, folder(dir.path()).join("a_b (2).png"));
        assert_eq!(std::fs::read(one).unwrap(), b"one");
        let png = crate::clipboard::encode_png(1, 1, &[1, 2, 3, 255]).unwrap();
        let kept = keep(dir.path(), "c", &png).unwrap();
        assert_eq!(kept.extension().unwrap(), "png");
        let file = dir.path().join("file");
        std::fs::write(&file, "in the way").unwrap();
        assert!(keep(&file, "c", &png).is_err());
    }
}
