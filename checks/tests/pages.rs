//! The pages: every relative link leads somewhere, and no line of prose is too long to read.

use std::collections::BTreeSet;
use std::path::Path;

/// Prose lines may be this long. Tables, code, links that stand alone and HTML may be longer.
const MAX_LINE_CHARS: usize = 120;

/// The lines of a page that are prose, numbered from 1: neither code nor table nor a bare link.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let start = line.trim_start();
        if start.starts_with("```") || start.starts_with("~~~") {
            code = !code;
            return None;
        }
        let bare_link = start.starts_with("- [") && line.ends_with(')');
        let no_prose = code || bare_link || start.starts_with(['|', '<', '!', '[']);
        (!no_prose).then_some((index + 1, line))
    })
}

/// The targets of `[text](target)` and `![text](target)` outside code.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        if code {
            continue;
        }
        // What stands between backticks is code.
        let outside: String = line.split('`').step_by(2).collect::<Vec<_>>().join(" ");
        let mut rest = outside.as_str();
        while let Some(start) = rest.find("](") {
            rest = &rest[start + 2..];
            if let Some(end) = rest.find([')', ' ']) {
                found.push(rest[..end].to_owned());
                rest = &rest[end..];
            }
        }
    }
    found
}

/// The anchors that a forge and mdBook make of a page's headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut code = false;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        let Some(heading) = line.strip_prefix('#').filter(|_| !code) else {
            continue;
        };
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let anchor = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        found.insert(anchor);
    }
    found
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
