//! Data sets as people have them: class folders, ImageNet's tars or Kaggle's layout, WebDataset shards, Hugging Face's
//! Parquet files, CSV tables. Everything becomes a [`Folder`]: classes, and samples that know where their bytes lie. Nothing is unpacked.

mod any_file;
mod classes;
mod discover;
mod junk;
mod layout;
mod parquet_file;
mod parquet_header;
mod parquet_packing;
mod parquet_pages;
mod part;
mod table;
mod tars;
mod url;

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::folder::{Folder, FolderError, FolderIndex, thousands};
use crate::remote;

pub(crate) use any_file::AnyFile;
pub use classes::ClassMap;
pub use discover::{Discovery, discover};
pub use junk::{is_junk_file, is_junk_folder};
pub use layout::VAL_NAMES;
pub use parquet_file::ParquetFile;
pub use part::{ContainerPart, Sample};

/// The training and validation images of a data set, as far as it has them.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// None where there are only images to validate on.
    pub train: Option<Folder>,
    /// None where the data names no validation images.
    pub val: Option<Folder>,
}

impl Dataset {
    /// What it holds, in one line.
    pub fn describe(&self) -> String {
        match (&self.train, &self.val) {
            (Some(train), Some(val)) => {
                format!(
                    "train: {}; validation: {}",
                    train.description, val.description
                )
            }
            (Some(only), None) | (None, Some(only)) => only.description.clone(),
            (None, None) => "nothing".to_owned(),
        }
    }
}

/// Opens what lies at `path`: a directory in any layout that is known, a table, a tar file, or shards named by a
/// pattern as `shards/train-{000000..000146}.tar`. A URL (`s3://bucket/prefix`, also with a pattern) is any of these in an
/// object store, where the program has a client for it ([`remote::configure`]).
///
/// # Errors
/// [`FolderError`], naming what was expected and what is there.
pub fn open(path: &Path) -> Result<Dataset, FolderError> {
    open_indexed(path, None)
}

/// [`open`]; `index` keeps the names in class folders from run to run.
///
/// # Errors
/// As [`open`].
pub fn open_indexed(path: &Path, index: Option<&FolderIndex>) -> Result<Dataset, FolderError> {
    if remote::is_url(path) {
        let place = url::mirrored(path)?;
        let mut dataset = open_indexed(&place.path, index)?;
        for folder in dataset.train.iter_mut().chain(&mut dataset.val) {
            place.note(folder);
        }
        return Ok(dataset);
    }
    if let Some(shards) = layout::expand(path) {
        let root = path.parent().unwrap_or(Path::new(""));
        return Ok(train_only(open_files(root, &shards)?));
    }
    if path.is_file() {
        return open_file(path);
    }
    let root = layout::unwrapped(path)?;
    let there = layout::Listing::read(&root)?;
    if let Some(inner) = layout::kaggle(&root) {
        return open_indexed(&inner, index);
    }
    if let Some(train) = there.folder(&layout::TRAIN_NAMES) {
        let val = there.folder(&VAL_NAMES);
        return Ok(Dataset {
            train: Some(split(&root.join(train), index)?),
            val: val.map(|name| split(&root.join(name), index)).transpose()?,
        });
    }
    if let Some(found) = layout::imagenet_tars(&root, &there) {
        return open_imagenet_tars(&root, &found);
    }
    let splits = layout::split_files(&root, &there);
    if let Some((train, val)) = splits {
        let val = match val.is_empty() {
            true => None,
            false => Some(open_files(&root, &val)?),
        };
        return Ok(Dataset {
            train: Some(open_files(&root, &train)?),
            val,
        });
    }
    if let Some(table) = layout::table(&root, &there) {
        return open_table(&table);
    }
    Ok(train_only(split(path, index)?))
}

/// Opens the images of one split: a folder of class folders (perhaps one level deeper), of class tars, of shards, a table, or ImageNet's flat `val/`.
///
/// # Errors
/// As [`open`].
pub fn open_split(path: &Path) -> Result<Folder, FolderError> {
    split(path, None)
}

fn split(path: &Path, index: Option<&FolderIndex>) -> Result<Folder, FolderError> {
    if remote::is_url(path) {
        let place = url::mirrored(path)?;
        let mut folder = split(&place.path, index)?;
        place.note(&mut folder);
        return Ok(folder);
    }
    if path.is_file() {
        let dataset = open_file(path)?;
        return dataset.train.or(dataset.val).ok_or_else(|| nothing(path));
    }
    let root = layout::unwrapped(path)?;
    let there = layout::Listing::read(&root)?;
    let named = |endings: &[&str]| -> Vec<PathBuf> {
        there
            .files_ending(endings)
            .iter()
            .map(|name| root.join(name))
            .collect()
    };
    for endings in layout::CONTAINERS {
        let files = named(&[endings]);
        if there.folders.is_empty() && !files.is_empty() {
            return open_files(&root, &files);
        }
    }
    if there.folders.is_empty()
        && let Some(table) = layout::table(&root, &there)
    {
        let dataset = open_table(&table)?;
        return dataset.train.or(dataset.val).ok_or_else(|| nothing(&root));
    }
    Folder::open_indexed(&root, index)
}

/// Validation images at `path`: its validation split where it has one, else all it holds.
///
/// # Errors
/// As [`open`].
pub fn open_val(path: &Path) -> Result<Folder, FolderError> {
    let dataset = open(path)?;
    dataset.val.or(dataset.train).ok_or_else(|| nothing(path))
}

fn nothing(path: &Path) -> FolderError {
    FolderError::NoClasses {
        path: path.to_owned(),
        found: "no labeled image".to_owned(),
    }
}

fn train_only(train: Folder) -> Dataset {
    Dataset {
        train: Some(train),
        val: None,
    }
}

fn open_file(path: &Path) -> Result<Dataset, FolderError> {
    match layout::ending(path).as_str() {
        "csv" | "tsv" => open_table(path),
        "tar" | "parquet" => {
            let root = path.parent().unwrap_or(Path::new("")).to_owned();
            Ok(train_only(open_files(&root, &[path.to_owned()])?))
        }
        other => Err(FolderError::NoClasses {
            path: path.to_owned(),
            found: format!("a file that ends in .{other}"),
        }),
    }
}

/// Tar or Parquet files of one split, told apart by what is inside.
fn open_files(root: &Path, files: &[PathBuf]) -> Result<Folder, FolderError> {
    let Some(first) = files.first() else {
        return Err(nothing(root));
    };
    if layout::ending(first) == "parquet" {
        return open_parquet(root, files);
    }
    let listing = match crate::pack::read_index(first) {
        Some(_) => tars::Listing::default(),
        None => tars::list(first)?,
    };
    let (found, what) = if listing.members.is_empty() {
        (tars::shards(files)?, "tar shard")
    } else if listing
        .members
        .iter()
        .any(|member| member.name.ends_with(".tar"))
    {
        (
            tars::nested_class_tars(first, &listing.members)?,
            "tar file of class tars",
        )
    } else if tars::is_shard(&listing.members) {
        (tars::shards(files)?, "tar shard")
    } else {
        (tars::class_tars(files)?, "class tar")
    };
    let description = describe(found.samples.len(), files.len(), what);
    let named = layout::with_class_names(root, found.samples);
    let mut folder = Folder::from_named(root, named, description)?;
    folder.notes = found.notes;
    Ok(folder)
}

/// Parquet files of one split. A file that cannot be read is said in a note, unless none can.
fn open_parquet(root: &Path, files: &[PathBuf]) -> Result<Folder, FolderError> {
    let opened: Vec<Result<_, FolderError>> = files
        .par_iter()
        .map(|file| parquet_file::open(file))
        .collect();
    let (mut named, mut notes, mut first_error) = (Vec::new(), Vec::new(), None);
    for result in opened {
        match result {
            Ok(samples) => named.extend(samples),
            Err(error) => {
                notes.push(error.to_string());
                first_error.get_or_insert(error);
            }
        }
    }
    if let (true, Some(error)) = (named.is_empty(), first_error) {
        return Err(error);
    }
    let description = describe(named.len(), files.len(), "Parquet file");
    let mut folder = Folder::from_named(root, layout::with_class_names(root, named), description)?;
    folder.notes = notes;
    Ok(folder)
}

fn describe(images: usize, files: usize, what: &str) -> String {
    let plural = if files == 1 { "" } else { "s" };
    format!(
        "{} images in {} {what}{plural}",
        thousands(images),
        thousands(files)
    )
}

fn open_imagenet_tars(root: &Path, found: &layout::ImagenetTars) -> Result<Dataset, FolderError> {
    let train = open_files(root, std::slice::from_ref(&found.train))?;
    let val = match &found.val {
        None => None,
        Some(tar) => {
            let listing = tars::list(tar)?;
            let container = std::sync::Arc::from(tar.as_path());
            let images = listing
                .members
                .iter()
                .filter(|member| tars::is_image(member));
            let samples =
                images.map(|member| (member.file_name().to_owned(), member.sample(&container, 0)));
            Some(crate::folder::open_flat_members(root, samples.collect())?)
        }
    };
    Ok(Dataset {
        train: Some(train),
        val,
    })
}

/// The splits of a table; without a column of splits all of it is for training.
fn open_table(path: &Path) -> Result<Dataset, FolderError> {
    let rows = table::read(path)?;
    let is_val = |split: &str| VAL_NAMES.contains(&split) || split == "dev";
    let has_val = rows.iter().any(|row| {
        row.split
            .as_deref()
            .is_some_and(|s| is_val(s) && s != "test")
    });
    let (mut train, mut val) = (Vec::new(), Vec::new());
    for row in rows {
        match row.split.as_deref() {
            // Test rows are left alone where there are others to validate on.
            Some("test") if has_val => {}
            Some(split) if is_val(split) => val.push((row.class, row.sample)),
            _ => train.push((row.class, row.sample)),
        }
    }
    let name = path.display();
    let set = |named: Vec<(String, Sample)>| {
        let description = format!("{} images listed in {name}", thousands(named.len()));
        Folder::from_named(path, named, description)
    };
    Ok(Dataset {
        val: match val.is_empty() {
            true => None,
            false => Some(set(val)?),
        },
        train: Some(set(train)?),
    })
}
