//! Globs that the shell did not expand: as in a shell, case counts (but not on Windows), `*` matches no leading dot, and
//! names come in natural order. `**` at the end means every picture below. A folder that is really called `photos[2024]`
//! is that folder.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use glob::{MatchOptions, Pattern};
use inference::stream::Source;
use model_core::text::{natural_order, system_words};
use photos::walk::is_hidden;

use super::{PassedOver, Several, folder, listed, one};

const SPECIAL: [char; 3] = ['*', '?', '['];

/// Whether a path can be meant as a pattern. The `?` of Windows' `\\?\` stands for nothing.
pub(super) fn is(path: &Path) -> bool {
    path.components().any(|component| {
        matches!(component, Component::Normal(name) if name.to_string_lossy().contains(SPECIAL))
    })
}

pub(super) fn images(path: &Path, passed_over: &PassedOver) -> Several {
    let (start, below) = match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if name == "**" => (parent, true),
        _ => (path, false),
    };
    if below && (start.as_os_str().is_empty() || start.is_dir()) {
        let here = Path::new(".");
        let start = if start.as_os_str().is_empty() {
            here
        } else {
            start
        };
        return folder::images(start, passed_over);
    }
    let parts = parts(start);
    let found = find(&parts, !cfg!(windows));
    // A pattern's folders are not searched, as a shell's `*` would give them: only `**` goes down.
    let is_wanted = |path: &PathBuf| below || !path.is_dir();
    let (mut wanted, folders): (Vec<_>, Vec<_>) = found.paths.into_iter().partition(is_wanted);
    if wanted.is_empty() && found.problems.is_empty() {
        return one(Source::Failed {
            name: path.display().to_string(),
            error: nothing(path, &parts, folders.first()),
        });
    }
    wanted.sort_by(|a, b| by_component(a, b));
    let passed_over = passed_over.clone();
    let wanted = wanted.into_iter();
    let wanted = wanted.flat_map(move |path| listed(path, &passed_over));
    Box::new(found.problems.into_iter().chain(wanted))
}

/// A component of a pattern.
enum Part {
    /// A name as it stands: without special characters, or of something that is there.
    Name(OsString),
    /// What names have to match; those with a leading dot only where the pattern has one, too.
    Matching { pattern: Pattern, dotted: bool },
    /// `**`: any number of folders.
    AnyFolders,
}

/// The components of a pattern. Leading ones that are there under their own name stand for themselves.
fn parts(path: &Path) -> Vec<Part> {
    let mut real = Some(PathBuf::new());
    let mut parts = Vec::new();
    for component in path.components() {
        let name = component.as_os_str();
        let text = name.to_string_lossy();
        real = real.map(|real| real.join(component));
        let is_special = matches!(component, Component::Normal(_)) && text.contains(SPECIAL);
        if !is_special || real.as_deref().is_some_and(Path::exists) {
            parts.push(Part::Name(name.to_owned()));
            continue;
        }
        real = None;
        if text != "**" {
            let dotted = text.starts_with('.');
            let pattern = compile(&text);
            parts.push(Part::Matching { pattern, dotted });
        } else if !matches!(parts.last(), Some(Part::AnyFolders)) {
            // A second one in a row would find everything twice.
            parts.push(Part::AnyFolders);
        }
    }
    parts
}

/// POSIX' names for characters in brackets, as ASCII has them.
const CHARACTER_CLASSES: [(&str, &str); 5] = [
    ("[:upper:]", "A-Z"),
    ("[:lower:]", "a-z"),
    ("[:digit:]", "0-9"),
    ("[:alpha:]", "A-Za-z"),
    ("[:alnum:]", "A-Za-z0-9"),
];

/// As a shell reads it: `**` inside a name is `*`, `[^a]` is `[!a]`, `[[:digit:]]` is `[0-9]`, and a bracket that nothing
/// closes is itself.
fn compile(text: &str) -> Pattern {
    let mut plain = text.replace("[^", "[!");
    for (name, range) in CHARACTER_CLASSES {
        plain = plain.replace(name, range);
    }
    while plain.contains("**") {
        plain = plain.replace("**", "*");
    }
    Pattern::new(&plain)
        .or_else(|_| Pattern::new(&plain.replace('[', "[[]")))
        .unwrap_or_default()
}

/// What a search came to.
#[derive(Default)]
struct Found {
    paths: Vec<PathBuf>,
    /// Folders that cannot be listed.
    problems: Vec<Source>,
}

fn find(parts: &[Part], case_sensitive: bool) -> Found {
    let mut found = Found::default();
    search(PathBuf::new(), parts, case_sensitive, &mut found);
    found
}

fn search(at: PathBuf, parts: &[Part], case_sensitive: bool, found: &mut Found) {
    let Some((part, rest)) = parts.split_first() else {
        if at.symlink_metadata().is_ok() {
            found.paths.push(at);
        }
        return;
    };
    match part {
        Part::Name(name) => search(at.join(name), rest, case_sensitive, found),
        Part::Matching { pattern, dotted } => {
            let options = MatchOptions {
                case_sensitive,
                require_literal_separator: true,
                require_literal_leading_dot: false,
            };
            for entry in entries(&at, found) {
                let name = entry.file_name();
                // A name that is no UTF-8 is matched by what can be shown of it.
                let text = name.to_string_lossy();
                let path = at.join(&name);
                if (*dotted || !is_hidden(&name))
                    && pattern.matches_with(&text, options)
                    && (rest.is_empty() || path.is_dir())
                {
                    search(path, rest, case_sensitive, found);
                }
            }
        }
        Part::AnyFolders => {
            search(at.clone(), rest, case_sensitive, found);
            for entry in entries(&at, found) {
                let name = entry.file_name();
                // Links are not followed: they may lead in a circle.
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if is_folder && !is_hidden(&name) {
                    search(at.join(&name), parts, case_sensitive, found);
                }
            }
        }
    }
}

/// What lies in a folder; one that is not there holds nothing.
fn entries(folder: &Path, found: &mut Found) -> Vec<std::fs::DirEntry> {
    let here = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let listed = std::fs::read_dir(here).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    listed.unwrap_or_else(|error| {
        let name = here.display().to_string();
        let is_known = found
            .problems
            .iter()
            .any(|problem| matches!(problem, Source::Failed { name: known, .. } if *known == name));
        if error.kind() != std::io::ErrorKind::NotFound && !is_known {
            let error = format!("cannot list it: {}", system_words(error));
            found.problems.push(Source::Failed { name, error });
        }
        Vec::new()
    })
}

/// Why no file was found, as far as another way of matching tells.
fn nothing(path: &Path, parts: &[Part], folder: Option<&PathBuf>) -> String {
    if let Some(folder) = folder {
        return format!(
            "no file matches, but folders do: {} would be read with /* or /** behind it",
            folder.display()
        );
    }
    if find(parts, false).paths.iter().any(|path| !path.is_dir()) {
        "no file matches; some would if upper and lower case were the same".to_owned()
    } else if path.to_string_lossy().contains('[') {
        "no file matches; [...] stands for one character, and [[] for a bracket itself".to_owned()
    } else {
        "no file matches".to_owned()
    }
}

fn by_component(a: &Path, b: &Path) -> std::cmp::Ordering {
    let mut pairs = a.components().zip(b.components());
    pairs
        .find_map(|(a, b)| {
            let order = natural_order(a.as_os_str(), b.as_os_str());
            (order != std::cmp::Ordering::Equal).then_some(order)
        })
        .unwrap_or_else(|| a.components().count().cmp(&b.components().count()))
}
