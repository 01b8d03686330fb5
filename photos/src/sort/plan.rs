//! Where each file goes: names that collide, files that are the same. Reads names and contents, changes nothing.

use std::collections::{BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};

use super::files::{is_there, same_content};

/// What is done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The original stays.
    Copy,
    /// The original goes.
    Move,
    /// The original stays, the folder gets a link to it.
    Link,
}

/// A file and the folder it belongs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The file.
    pub from: PathBuf,
    /// Below the target folder: `cat/2026-11-26`.
    pub folder: PathBuf,
}

/// One file's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Where it is.
    pub from: PathBuf,
    /// Where it goes; nothing has that name.
    pub to: PathBuf,
}

/// All that will be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The target folder.
    pub into: PathBuf,
    /// What is done with each file.
    pub mode: Mode,
    /// Folders to be made, outer ones first.
    pub folders: Vec<PathBuf>,
    /// Files with a way to go.
    pub steps: Vec<Step>,
    /// Files that stay where they are, and the file with the same content that is or comes where they belong.
    pub same: Vec<Step>,
    /// Steps to another name, because another file has theirs.
    pub renamed: usize,
}

impl Plan {
    /// Plans. Paths should be absolute, so that the way back can be found from anywhere.
    pub fn new(items: &[Item], into: &Path, mode: Mode) -> Self {
        let mut taken: HashMap<PathBuf, PathBuf> = HashMap::new();
        let mut plan = Self {
            into: into.to_owned(),
            mode,
            folders: Vec::new(),
            steps: Vec::new(),
            same: Vec::new(),
            renamed: 0,
        };
        for item in items {
            let folder = into.join(below(&item.folder));
            let name = Path::new(item.from.file_name().unwrap_or_default());
            for number in 1.. {
                let to = folder.join(numbered(name, number));
                let step = Step {
                    from: item.from.clone(),
                    to: to.clone(),
                };
                let there = taken.get(&to).map(PathBuf::as_path);
                let there = there.or_else(|| is_there(&to).then_some(&to));
                match there {
                    None => {
                        plan.renamed += usize::from(number > 1);
                        taken.insert(to, item.from.clone());
                        plan.steps.push(step);
                        break;
                    }
                    Some(other) if other == item.from || same_content(other, &item.from) => {
                        plan.same.push(step);
                        break;
                    }
                    Some(_) => {}
                }
            }
        }
        plan.folders = missing_folders(&plan.steps);
        plan
    }
}

/// The path without anything that would lead out of the target folder.
fn below(folder: &Path) -> PathBuf {
    let parts = folder.components();
    parts
        .filter(|part| matches!(part, Component::Normal(_)))
        .collect()
}

/// `photo.jpg`, `photo (2).jpg`, ...
fn numbered(name: &Path, number: usize) -> PathBuf {
    if number == 1 {
        return name.to_owned();
    }
    let mut new = name.file_stem().unwrap_or_default().to_owned();
    new.push(format!(" ({number})"));
    if let Some(extension) = name.extension() {
        new.push(".");
        new.push(extension);
    }
    new.into()
}

fn missing_folders(steps: &[Step]) -> Vec<PathBuf> {
    let mut folders = BTreeSet::new();
    for step in steps {
        for folder in step.to.ancestors().skip(1) {
            if folder.as_os_str().is_empty()
                || folder.is_dir()
                || !folders.insert(folder.to_owned())
            {
                break;
            }
        }
    }
    // A path sorts before those below it.
    folders.into_iter().collect()
}

/// A label as the name of a folder, on every system: `red/white` and `CON` and `...` would not do.
pub fn folder_name(label: &str) -> String {
    let plain: String = label
        .chars()
        .map(|c| match c {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
            c if c.is_control() => '_',
            c => c,
        })
        .collect();
    let plain = plain.trim().trim_matches('.').trim();
    let upper = plain.to_ascii_uppercase();
    let device = ["CON", "PRN", "AUX", "NUL"].contains(&upper.as_str())
        || (upper.len() == 4
            && (upper.starts_with("COM") || upper.starts_with("LPT"))
            && upper.ends_with(|c: char| c.is_ascii_digit()));
    match plain {
        "" => "_".to_owned(),
        plain if device => format!("{plain}_"),
        plain => plain.to_owned(),
    }
}
