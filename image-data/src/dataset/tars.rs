//! Tar files read in place: ImageNet's class tars (also inside `ILSVRC2012_img_train.tar`), its validation tar, and
//! WebDataset shards. Only headers are read here; an image is a stretch of the tar file.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model_core::text::system_words;
use rayon::prelude::*;

use super::any_file::AnyFile;
use super::junk::is_junk_file;
use super::part::{ContainerPart, Sample, read_stretch};
use crate::folder::{FolderError, is_image_name};

/// A label file of a shard is a number or a short JSON text; more than this is none.
const MAX_LABEL_BYTES: u64 = 1 << 20;

/// A file inside a tar file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Its path inside.
    pub name: String,
    /// Where its bytes begin in the outermost file.
    pub offset: u64,
    /// How many they are.
    pub length: u64,
}

impl Member {
    /// The last part of the path.
    pub fn file_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// A sample of `class`, its path shown as the tar file's with the name behind it.
    pub fn sample(&self, container: &Arc<Path>, class: usize) -> Sample {
        Sample {
            path: container.join(&self.name),
            class,
            part: Some(ContainerPart::Bytes {
                container: container.clone(),
                offset: self.offset,
                length: self.length,
            }),
        }
    }
}

/// What a tar file holds, and what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Its files, in their order.
    pub members: Vec<Member>,
    /// Why it ends where it ends, when that is not its end.
    pub damage: Option<String>,
}

/// The files of a tar file.
pub(super) fn list(path: &Path) -> Result<Listing, FolderError> {
    let io = |reason| FolderError::Io {
        path: path.to_owned(),
        reason,
    };
    let file = AnyFile::open(path).map_err(io)?;
    let length = file.length();
    Ok(list_stretch(file, 0, length))
}

/// The files of a tar file that is itself a member of one.
pub(super) fn list_member(path: &Path, member: &Member) -> Result<Listing, FolderError> {
    let file = AnyFile::open(path).map_err(|reason| FolderError::Io {
        path: path.to_owned(),
        reason,
    })?;
    Ok(list_stretch(file, member.offset, member.length))
}

fn list_stretch(file: AnyFile, start: u64, length: u64) -> Listing {
    let mut listing = Listing::default();
    let window = Window {
        file,
        start,
        length,
        position: 0,
    };
    let mut archive = tar::Archive::new(window);
    let entries = match archive.entries_with_seek() {
        Ok(entries) => entries,
        Err(error) => {
            listing.damage = Some(system_words(error));
            return listing;
        }
    };
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                listing.damage = Some(format!(
                    "not readable behind its first {} files: {}",
                    listing.members.len(),
                    system_words(error)
                ));
                break;
            }
        };
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let member = Member {
            name: name.trim_start_matches("./").to_owned(),
            offset: start + entry.raw_file_position(),
            length: entry.size(),
        };
        if entry.raw_file_position() + member.length > length {
            let name = member.file_name();
            listing.damage = Some(format!("ends in the middle of {name}"));
        }
        listing.members.push(member);
    }
    listing
}

/// A stretch of a file as a file.
struct Window {
    file: AnyFile,
    start: u64,
    length: u64,
    position: u64,
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = self.length.saturating_sub(self.position);
        let wanted = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = self
            .file
            .read_at(&mut buffer[..wanted], self.start + self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let position = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
        };
        let invalid = || std::io::Error::new(std::io::ErrorKind::InvalidInput, "a place before 0");
        self.position = position.ok_or_else(invalid)?;
        Ok(self.position)
    }
}

/// What came out of one or several tar files: samples whose classes are named, and notes about what is wrong.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Class name and sample; the sample's class is set later.
    pub samples: Vec<(String, Sample)>,
    /// One line each.
    pub notes: Vec<String>,
}

impl Found {
    fn note(&mut self, path: &Path, damage: Option<String>) {
        if let Some(damage) = damage {
            self.notes.push(format!("{}: {damage}", path.display()));
        }
    }
}

/// Images of one class a tar file, called by the class.
pub(super) fn class_tars(paths: &[PathBuf]) -> Result<Found, FolderError> {
    let each: Vec<(Arc<Path>, Listing)> = paths
        .par_iter()
        .map(|path| Ok((Arc::from(path.as_path()), list(path)?)))
        .collect::<Result<_, FolderError>>()?;
    let mut found = Found::default();
    for (path, listing) in each {
        let class = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        take_images(&mut found, &path, &class, &listing.members);
        found.note(&path, listing.damage);
    }
    Ok(found)
}

/// Class tars inside one tar file: `ILSVRC2012_img_train.tar`.
pub(super) fn nested_class_tars(path: &Path, members: &[Member]) -> Result<Found, FolderError> {
    let path: Arc<Path> = Arc::from(path);
    let inner: Vec<&Member> = members
        .iter()
        .filter(|m| m.name.ends_with(".tar"))
        .collect();
    let each: Vec<Listing> = inner
        .par_iter()
        .map(|member| list_member(&path, member))
        .collect::<Result<_, _>>()?;
    let mut found = Found::default();
    for (member, listing) in inner.into_iter().zip(each) {
        let class = member.file_name().trim_end_matches(".tar").to_owned();
        take_images(&mut found, &path, &class, &listing.members);
        found.note(&path.join(&member.name), listing.damage);
    }
    Ok(found)
}

fn take_images(found: &mut Found, path: &Arc<Path>, class: &str, members: &[Member]) {
    let images = members.iter().filter(|member| is_image(member));
    found
        .samples
        .extend(images.map(|member| (class.to_owned(), member.sample(path, 0))));
}

pub(super) fn is_image(member: &Member) -> bool {
    is_image_name(member.file_name()) && !is_junk_file(member.file_name())
}

/// Whether these are WebDataset samples: an image and a label file of one name.
pub(super) fn is_shard(members: &[Member]) -> bool {
    let has = |wanted: fn(&str) -> bool| {
        members
            .iter()
            .take(200)
            .any(|m| wanted(split_key(&m.name).1))
    };
    has(|ending| matches!(ending, "cls" | "json" | "txt")) && members.iter().take(200).any(is_image)
}

/// A sample's key and the rest of the name: WebDataset cuts at the first dot of the last part.
fn split_key(name: &str) -> (&str, &str) {
    let begin = name.rfind('/').map_or(0, |slash| slash + 1);
    match name[begin..].find('.') {
        Some(dot) => (&name[..begin + dot], &name[begin + dot + 1..]),
        None => (name, ""),
    }
}

/// WebDataset shards: images with their classes, as their label files name them.
pub(super) fn shards(paths: &[PathBuf]) -> Result<Found, FolderError> {
    let each: Vec<Found> = paths
        .par_iter()
        .map(|path| shard(path))
        .collect::<Result<_, FolderError>>()?;
    let mut all = Found::default();
    for found in each {
        all.samples.extend(found.samples);
        all.notes.extend(found.notes);
    }
    Ok(all)
}

fn shard(path: &Path) -> Result<Found, FolderError> {
    if let Some(samples) = crate::pack::read_index(path) {
        return Ok(Found {
            samples,
            notes: Vec::new(),
        });
    }
    let listing = list(path)?;
    let path: Arc<Path> = Arc::from(path);
    let mut found = Found::default();
    let mut groups: BTreeMap<&str, (Option<&Member>, Option<&Member>)> = BTreeMap::new();
    for member in &listing.members {
        let (key, ending) = split_key(&member.name);
        let group = groups.entry(key).or_default();
        if is_image(member) {
            group.0 = Some(member);
        } else if matches!(ending, "cls" | "txt") || (ending == "json" && group.1.is_none()) {
            group.1 = Some(member);
        }
    }
    for (key, (image, label)) in groups {
        let Some(image) = image else {
            continue;
        };
        let class = match label {
            Some(label) if label.length <= MAX_LABEL_BYTES => class_of(&path, label),
            _ => None,
        };
        match class {
            Some(class) => found.samples.push((class, image.sample(&path, 0))),
            None => found.notes.push(format!(
                "{}: {key} has no class beside it (.cls, .json or .txt)",
                path.display()
            )),
        }
    }
    found.note(&path, listing.damage);
    Ok(found)
}

/// The class that a label file names: a number, a word, or one of JSON's usual keys.
fn class_of(path: &Path, member: &Member) -> Option<String> {
    let bytes = read_stretch(path, member.offset, member.length).ok()?;
    let text = std::str::from_utf8(&bytes).ok()?.trim();
    if !member.name.ends_with(".json") {
        let line = text.lines().next()?.trim();
        return (!line.is_empty()).then(|| line.to_owned());
    }
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    [
        "class_name",
        "wnid",
        "synset",
        "label_name",
        "class",
        "cls",
        "label",
        "class_id",
    ]
    .iter()
    .find_map(|key| match &json[*key] {
        serde_json::Value::String(name) => Some(name.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_ends_at_the_first_dot_of_the_last_part() {
        assert_eq!(split_key("a.b/n01.x.jpg"), ("a.b/n01", "x.jpg"));
        assert_eq!(split_key("000.cls"), ("000", "cls"));
        assert_eq!(split_key("README"), ("README", ""));
    }
}
