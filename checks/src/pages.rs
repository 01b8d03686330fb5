//! Markdown as far as the tests over the pages need it: links, headings, code.

use std::collections::BTreeSet;

/// Parts of a page that are looked at differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Words, tables and lists.
    Text,
    /// A line inside a block of code.
    Code,
}

/// The lines of a page, numbered from 1, without the fences around code.
pub fn lines(text: &str) -> impl Iterator<Item = (usize, Place, &str)> {
    let mut place = Place::Text;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let start = line.trim_start();
        if start.starts_with("```") || start.starts_with("~~~") {
            place = match place {
                Place::Text => Place::Code,
                Place::Code => Place::Text,
            };
            return None;
        }
        Some((index + 1, place, line))
    })
}

/// What stands between backticks in the words of a page.
pub fn spans(text: &str) -> impl Iterator<Item = &str> {
    lines(text)
        .filter(|(_, place, _)| *place == Place::Text)
        .flat_map(|(_, _, line)| line.split('`').skip(1).step_by(2))
}

/// The targets of `[text](target)` and `![text](target)` outside code.
pub fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (_, place, line) in lines(text) {
        if place == Place::Code {
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
pub fn anchors(text: &str) -> BTreeSet<String> {
    let headings = lines(text)
        .filter(|(_, place, _)| *place == Place::Text)
        .filter_map(|(_, _, line)| line.strip_prefix('#'));
    headings
        .map(|heading| {
            let heading = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = heading
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}
