//! Globs that the shell did not expand: as in a shell, case counts (but not on Windows), `*` matches no leading dot, and
//! names come in natural order. `**` at the end means every picture below. A folder that is really called `photos[2024]`
//! is that folder.

use std::path::{Component, Path, PathBuf};

use glob::{MatchOptions, Pattern, glob_with};
use inference::stream::Source;
use model_core::text::natural_order;

use super::{Several, folder, listed, one};

const SPECIAL: [char; 3] = ['*', '?', '['];

/// Whether a path can be meant as a pattern. The `?` of Windows' `\\?\` stands for nothing.
pub(super) fn is(path: &Path) -> bool {
    path.components().any(|component| {
        matches!(component, Component::Normal(name) if name.to_string_lossy().contains(SPECIAL))
    })
}

fn options() -> MatchOptions {
    MatchOptions {
        case_sensitive: !cfg!(windows),
        require_literal_separator: true,
        require_literal_leading_dot: true,
    }
}

pub(super) fn images(path: &Path) -> Several {
    let failed = |error: String| {
        one(Source::Failed {
            name: path.display().to_string(),
            error,
        })
    };
    if path.to_str().is_none() {
        return failed("expected a file, a folder or a pattern in UTF-8".to_owned());
    }
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
        return folder::images(start.to_owned());
    }
    let pattern = with_real_names(start);
    let paths = match glob_with(&pattern, options()) {
        Ok(paths) => paths,
        Err(error) => {
            return failed(format!(
                "expected a pattern, got one that is wrong: {}",
                error.msg
            ));
        }
    };
    let mut found = Vec::new();
    let mut problems = Vec::new();
    for path in paths {
        match path {
            // A pattern's folders are not searched, as a shell's `*` would give them: only `**` goes down.
            Ok(path) if path.is_dir() && !below => {}
            Ok(path) => found.push(path),
            Err(error) => problems.push(Source::Failed {
                name: error.path().display().to_string(),
                error: error.error().to_string(),
            }),
        }
    }
    if found.is_empty() && problems.is_empty() {
        return failed(nothing(&pattern));
    }
    found.sort_by(|a, b| by_component(a, b));
    Box::new(
        problems
            .into_iter()
            .chain(found.into_iter().flat_map(listed)),
    )
}

/// The pattern with every leading component escaped that is there under its own name.
fn with_real_names(path: &Path) -> String {
    let mut real = Some(PathBuf::new());
    let mut pattern = PathBuf::new();
    for component in path.components() {
        let name = component.as_os_str().to_string_lossy();
        real = real.map(|real| real.join(component));
        let is_there = real.as_deref().is_some_and(Path::exists);
        if matches!(component, Component::Normal(_)) && name.contains(SPECIAL) {
            if is_there {
                pattern.push(Pattern::escape(&name));
            } else {
                pattern.push(&*name);
                real = None;
            }
        } else {
            pattern.push(component);
        }
    }
    pattern.to_string_lossy().into_owned()
}

/// Why nothing was found, as far as another way of matching tells.
fn nothing(pattern: &str) -> String {
    let without_case = MatchOptions {
        case_sensitive: false,
        ..options()
    };
    let other_case = glob_with(pattern, without_case).is_ok_and(|mut found| found.next().is_some());
    if other_case {
        "no file matches; some would if upper and lower case were the same".to_owned()
    } else if pattern.contains('[') {
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
