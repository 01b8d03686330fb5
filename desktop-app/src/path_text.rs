//! Paths in JSON that survive being no UTF-8: `"/home/me/cat.jpg"`, or `{"percent": "/home/me/caf%E9.jpg"}`.
//!
//! For `#[serde(with = "crate::path_text")]`. A file system may hold names in any encoding, and JSON only Unicode.

use std::path::{Path, PathBuf};

use model_core::platform::path_from_bytes_lossy;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Bytes { percent: String },
}

/// Writes a path.
///
/// # Errors
/// The serializer's.
pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    match path.to_str() {
        Some(text) => Written::Text(text.to_owned()),
        None => Written::Bytes {
            percent: encode(path),
        },
    }
    .serialize(serializer)
}

/// Reads a path.
///
/// # Errors
/// What is no path.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    Ok(match Written::deserialize(deserializer)? {
        Written::Text(text) => text.into(),
        Written::Bytes { percent } => decode(&percent),
    })
}

/// A path on its own, where a list of them is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct PathText(#[serde(with = "self")] pub PathBuf);

fn encode(path: &Path) -> String {
    const KEPT: percent_encoding::AsciiSet = percent_encoding::CONTROLS.add(b'%');
    percent_encoding::percent_encode(path.as_os_str().as_encoded_bytes(), &KEPT).to_string()
}

/// On Windows a name with half a surrogate pair, which is no Unicode, does not come back.
fn decode(text: &str) -> PathBuf {
    let bytes: Vec<u8> = percent_encoding::percent_decode_str(text).collect();
    path_from_bytes_lossy(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(path: PathBuf) -> String {
        let written = serde_json::to_string(&PathText(path.clone())).unwrap();
        let read: PathText = serde_json::from_str(&written).unwrap();
        assert_eq!(read.0, path);
        written
    }

    #[test]
    fn ordinary_paths_are_text() {
        assert_eq!(there_and_back("/p/100 %.jpg".into()), "\"/p/100 %.jpg\"");
    }

    #[cfg(unix)]
    #[test]
    fn paths_that_are_no_utf8_survive() {
        use std::os::unix::ffi::OsStringExt as _;
        let path = std::ffi::OsString::from_vec(b"/p/caf\xe9 100%.jpg".to_vec());
        assert_eq!(
            there_and_back(path.into()),
            r#"{"percent":"/p/caf%E9 100%25.jpg"}"#
        );
    }
}
