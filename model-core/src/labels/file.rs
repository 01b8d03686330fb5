//! Lists of class names as text: one a line, or `id<TAB>name`, in the order of the network's outputs.

use std::path::{Path, PathBuf};

use super::Label;
use crate::diagnostic::{Diagnose, Remedy};

/// Why a file gives no labels.
#[derive(Debug, thiserror::Error)]
pub enum LabelsError {
    /// The file could not be read as UTF-8 text.
    #[error("cannot read the labels {}: {}", path.display(), crate::text::system_words(reason))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// No line holds a name.
    #[error("expected class names, one a line, got a file without any: {}", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A line with an id and no name.
    #[error("expected a class name on line {line}, got none: {}", path.display())]
    NoName {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
}

impl Diagnose for LabelsError {
    fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "labels.not-readable",
            Self::Empty { .. } => "labels.empty",
            Self::NoName { .. } => "labels.no-name",
        }
    }

    fn remedy(&self) -> Option<Remedy> {
        Some(match self {
            Self::Read { path, .. } => Remedy::CheckReadable(path.clone()),
            Self::Empty { .. } | Self::NoName { .. } => Remedy::FixLabels,
        })
    }
}

/// Reads a list of class names. Blank lines and a byte order mark are passed over.
///
/// # Errors
/// The file cannot be read, holds no name, or has a line with an id and no name.
pub fn read_labels(path: &Path) -> Result<Vec<Label>, LabelsError> {
    let text = std::fs::read_to_string(path).map_err(|reason| LabelsError::Read {
        path: path.to_owned(),
        reason,
    })?;
    let labels = parse_labels(&text).map_err(|line| LabelsError::NoName {
        path: path.to_owned(),
        line,
    })?;
    if labels.is_empty() {
        return Err(LabelsError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(labels)
}

/// The labels of a list of class names.
///
/// # Errors
/// The number, counted from 1, of a line with an id and no name.
pub fn parse_labels(text: &str) -> Result<Vec<Label>, usize> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            let (id, name) = match line.split_once('\t') {
                Some((id, name)) => (Some(id.trim()), name.trim()),
                None => (None, line.trim()),
            };
            if name.is_empty() {
                return Err(index + 1);
            }
            Ok(Label {
                id: id.filter(|id| !id.is_empty()).map(str::to_owned),
                name: name.to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_and_without_ids_are_read() {
        let labels = parse_labels("\u{feff}cat\r\n\n n02123045\ttabby \n\tdog\n").unwrap();
        assert_eq!(labels[0], Label::named("cat"));
        assert_eq!(labels[1].id.as_deref(), Some("n02123045"));
        assert_eq!(labels[1].name, "tabby");
        assert_eq!(labels[2], Label::named("dog"));
        assert_eq!(parse_labels("cat\nn02123045\t\n"), Err(2));
    }

    #[test]
    fn a_file_without_names_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("labels.txt");
        std::fs::write(&path, "\n  \n").unwrap();
        let error = read_labels(&path).unwrap_err();
        assert_eq!(error.code(), "labels.empty");
        assert!(error.to_string().contains("labels.txt"));
        let error = read_labels(&dir.path().join("missing.txt")).unwrap_err();
        assert_eq!(error.code(), "labels.not-readable");
    }
}
