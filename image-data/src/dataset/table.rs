//! A CSV or TSV file that lists images: a path, a label, and perhaps the split a row belongs to.

use std::path::{Path, PathBuf};

use model_core::text::system_words;

use super::part::Sample;
use crate::folder::FolderError;

/// Headings of the column of paths, in the order they are looked for.
const PATHS: [&str; 8] = [
    "path",
    "filepath",
    "file_path",
    "filename",
    "file_name",
    "file",
    "image",
    "image_path",
];
/// Headings of the column of labels.
const LABELS: [&str; 8] = [
    "label",
    "labels",
    "class",
    "class_name",
    "target",
    "category",
    "species",
    "breed",
];
/// Headings of the column of splits.
const SPLITS: [&str; 5] = ["split", "subset", "set", "data set", "partition"];

/// A row, before classes have numbers.
#[derive(Debug)]
pub(super) struct Row {
    /// `train`, `val`, ...; none where the table has no such column.
    pub split: Option<String>,
    /// The label.
    pub class: String,
    /// The image; its class is set later.
    pub sample: Sample,
}

/// Where the columns are.
struct Columns {
    path: usize,
    label: usize,
    split: Option<usize>,
}

/// Reads a table. Paths are relative to the table's folder, or to a folder `images` or `train` beside it.
pub(super) fn read(table: &Path) -> Result<Vec<Row>, FolderError> {
    let labels = |reason: String| FolderError::Labels {
        path: table.to_owned(),
        reason,
    };
    let is_tabbed = table
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("tsv"));
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(if is_tabbed { b'\t' } else { b',' })
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_path(table)
        .map_err(|error| labels(system_words(error)))?;
    let base = table.parent().unwrap_or(Path::new("")).to_owned();
    let mut rows = Vec::new();
    let mut columns: Option<Columns> = None;
    for (at, record) in reader.records().enumerate() {
        let record =
            record.map_err(|error| labels(format!("line {}: {}", at + 1, system_words(error))))?;
        let cells: Vec<&str> = record
            .iter()
            .map(|cell| cell.trim_start_matches('\u{feff}'))
            .collect();
        if columns.is_none() {
            match heading(&cells) {
                Some(found) => {
                    columns = Some(found);
                    continue;
                }
                None => columns = Some(unnamed(&cells).ok_or_else(|| no_columns(table, &cells))?),
            }
        }
        let Some(columns) = &columns else {
            continue;
        };
        let cell = |index: usize| cells.get(index).copied().filter(|text| !text.is_empty());
        let (Some(path), Some(class)) = (cell(columns.path), cell(columns.label)) else {
            return Err(labels(format!(
                "line {}: expected a path and a label, got `{}`",
                at + 1,
                cells.join(",")
            )));
        };
        rows.push(Row {
            split: columns.split.and_then(cell).map(str::to_lowercase),
            class: class.to_owned(),
            sample: Sample::file(locate(&base, path), 0),
        });
    }
    if rows.is_empty() {
        return Err(labels("expected a row per image, got none".to_owned()));
    }
    Ok(rows)
}

fn no_columns(table: &Path, cells: &[&str]) -> FolderError {
    FolderError::Labels {
        path: table.to_owned(),
        reason: format!(
            "expected a heading with a path ({}, ...) and a label ({}, ...), got `{}`",
            PATHS[..3].join(", "),
            LABELS[..3].join(", "),
            cells.join(",")
        ),
    }
}

/// The columns that a heading names; none where it is no heading.
fn heading(cells: &[&str]) -> Option<Columns> {
    let find = |names: &[&str]| {
        names.iter().find_map(|name| {
            cells
                .iter()
                .position(|cell| cell.eq_ignore_ascii_case(name))
        })
    };
    Some(Columns {
        path: find(&PATHS)?,
        label: find(&LABELS)?,
        split: find(&SPLITS),
    })
}

/// A table without a heading: path, label and perhaps split.
fn unnamed(cells: &[&str]) -> Option<Columns> {
    let looks_like_path = cells
        .first()
        .is_some_and(|cell| crate::folder::is_image_name(cell));
    (looks_like_path && cells.len() >= 2).then_some(Columns {
        path: 0,
        label: 1,
        split: (cells.len() > 2).then_some(2),
    })
}

/// The image beside the table, or in a folder of images beside it, with or without its ending.
fn locate(base: &Path, path: &str) -> PathBuf {
    let direct = base.join(path);
    if direct.is_file() {
        return direct;
    }
    let folders = ["images", "train", "img", "data"];
    let endings = ["", ".jpg", ".jpeg", ".png"];
    for folder in std::iter::once(base.to_owned()).chain(folders.map(|name| base.join(name))) {
        for ending in endings {
            let candidate = folder.join(format!("{path}{ending}"));
            if candidate.is_file() {
                return candidate;
            }
        }
    }
    direct
}
