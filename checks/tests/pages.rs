//! The pages: every relative link leads somewhere, and no line of prose is too long to read.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use checks::pages::{Place, anchors, lines, links};

/// Prose lines may be this long. Tables, code, links that stand alone and HTML may be longer.
const MAX_LINE_CHARS: usize = 120;

/// The lines of a page that are prose, numbered from 1: neither code nor table nor a bare link.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    lines(text).filter_map(|(number, place, line)| {
        let start = line.trim_start();
        let bare_link = start.starts_with("- [") && line.ends_with(')');
        let no_prose = place == Place::Code || bare_link || start.starts_with(['|', '<', '!', '[']);
        (!no_prose).then_some((number, line))
    })
}

fn broken(page: &Path, text: &str) -> Vec<String> {
    let folder = page.parent().expect("a page lies in a folder");
    let mut broken = Vec::new();
    for link in links(text) {
        if link.contains("://") || link.starts_with("mailto:") {
            continue;
        }
        let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
        let target = if file.is_empty() {
            page.to_owned()
        } else {
            folder.join(file)
        };
        let there = target.exists();
        let anchored = anchor.is_empty()
            || target.extension().is_none_or(|extension| extension != "md")
            || std::fs::read_to_string(&target).is_ok_and(|text| anchors(&text).contains(anchor));
        if !there || !anchored {
            broken.push(format!("{}: {link}", page.display()));
        }
    }
    broken
}

#[test]
fn every_link_leads_somewhere() {
    let mut dead = Vec::new();
    for page in checks::files(&["md"]) {
        let text = std::fs::read_to_string(&page).expect("a page is text");
        dead.extend(broken(&page, &text));
    }
    assert_eq!(dead, Vec::<String>::new());
}

/// The path without `.` and `..`, so that two ways to a page are one.
fn plain(path: &Path) -> PathBuf {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts
}

/// The pages that links lead to from `start`. A link to a folder leads to its README, or to all of its pages.
fn reached(start: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![start.to_owned()];
    while let Some(page) = waiting.pop() {
        if page.extension().is_none_or(|extension| extension != "md")
            || !page.is_file()
            || !found.insert(page.clone())
        {
            continue;
        }
        let text = std::fs::read_to_string(&page).expect("a page is text");
        let folder = page.parent().expect("a page lies in a folder");
        for link in links(&text) {
            let file = link.split('#').next().unwrap_or_default();
            if file.is_empty() {
                continue;
            }
            let target = plain(&folder.join(file));
            if !target.is_dir() {
                waiting.push(target);
            } else if target.join("README.md").is_file() {
                waiting.push(target.join("README.md"));
            } else {
                let entries = std::fs::read_dir(&target).expect("a folder that is there");
                waiting.extend(entries.flatten().map(|entry| entry.path()));
            }
        }
    }
    found
}

/// A stranger follows links from README and looks into no folder. The book's own list of pages is none on a forge.
#[test]
fn links_from_readme_lead_to_every_page() {
    let root = checks::root();
    let reached = reached(&root.join("README.md"));
    let hidden: Vec<_> = checks::files(&["md"])
        .into_iter()
        .filter(|page| {
            let name = page.strip_prefix(&root).expect("a file of the repository");
            let parts = name.components().count();
            let is_summary = name == Path::new("docs/SUMMARY.md");
            // Deeper down, a README tells what lies beside it: fonts, test data.
            let is_for_readers = name.starts_with("docs")
                || name.starts_with("models")
                || parts == 1
                || (name.ends_with("README.md") && parts == 2);
            is_for_readers && !is_summary && !reached.contains(page)
        })
        .collect();
    assert_eq!(hidden, Vec::<PathBuf>::new());
}

#[test]
fn a_dead_link_is_seen() {
    let page = checks::root().join("README.md");
    for text in [
        "[x](no-such-page.md)",
        "[x](README.md#no-such-heading)",
        "a [b](README.md) [c](gone/)",
    ] {
        assert_eq!(broken(&page, text).len(), 1, "{text}");
    }
    assert_eq!(broken(&page, "`[x](no-such-page.md)`").len(), 0);
}

#[test]
fn lines_of_prose_are_short() {
    let mut long = Vec::new();
    for page in checks::files(&["md"]) {
        let text = std::fs::read_to_string(&page).expect("a page is text");
        for (number, line) in prose(&text) {
            if line.chars().count() > MAX_LINE_CHARS {
                long.push(format!("{}:{number}", page.display()));
            }
        }
    }
    assert_eq!(long, Vec::<String>::new());
}
