//! The pages: every relative link leads somewhere, and no line and no sentence of prose is too long to read.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use checks::pages::{Place, anchors, lines, links};

/// Prose lines may be this long. Tables, code, links that stand alone and HTML may be longer.
const MAX_LINE_CHARS: usize = 120;

/// A sentence may have this many words.
const MAX_WORDS: usize = 25;

/// Words that end in a stop and no sentence.
const ABBREVIATIONS: [&str; 6] = ["e.g.", "i.e.", "etc.", "vs.", "al.", "cf."];

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

/// What the item of a list says, where a line begins one.
fn item(line: &str) -> Option<&str> {
    let (marker, said) = line.split_once(' ')?;
    let digits = marker.trim_end_matches(['.', ')']);
    let is_number = marker.len() == digits.len() + 1
        && (1..=2).contains(&digits.len())
        && digits.bytes().all(|digit| digit.is_ascii_digit());
    (is_number || ["-", "*", "+"].contains(&marker)).then_some(said.trim_start())
}

/// Whether a line is a heading, a row of a table, HTML or the target of links that stand elsewhere.
fn is_apart(line: &str) -> bool {
    let is_html = line.starts_with('<') && !line.starts_with("<http");
    let is_target = line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .is_some_and(|(_, after)| after.starts_with(':'));
    is_html || is_target || line.starts_with(['#', '|'])
}

/// The paragraphs of a page, as numbered lines. The item of a list is one of its own.
fn paragraphs(text: &str) -> Vec<Vec<(usize, &str)>> {
    let (mut found, mut paragraph) = (Vec::new(), Vec::new());
    let mut in_list = false;
    for (number, place, line) in lines(text) {
        let said = line.trim();
        // Four spaces make code, except below the item of a list.
        let is_indented = line.starts_with("    ") && paragraph.is_empty() && !in_list;
        if place == Place::Code || said.is_empty() || is_indented || is_apart(said) {
            found.push(std::mem::take(&mut paragraph));
            continue;
        }
        let said = said.strip_prefix("> ").unwrap_or(said);
        let item = item(said);
        if item.is_some() {
            found.push(std::mem::take(&mut paragraph));
            in_list = true;
        } else if paragraph.is_empty() && !line.starts_with(' ') {
            in_list = false;
        }
        paragraph.push((number, item.unwrap_or(said)));
    }
    found.push(paragraph);
    found.retain(|paragraph| !paragraph.is_empty());
    found
}

/// The words of a paragraph, each with its line. What stands between backticks is one word.
fn words(paragraph: &[(usize, &str)]) -> Vec<(usize, String)> {
    let (mut found, mut word) = (Vec::new(), String::new());
    let (mut begun, mut is_code) = (0, false);
    for &(number, line) in paragraph {
        for c in line.chars().chain([' ']) {
            is_code ^= c == '`';
            if !c.is_whitespace() || is_code {
                if word.is_empty() {
                    begun = number;
                }
                word.push(c);
            } else if !word.is_empty() {
                found.push((begun, std::mem::take(&mut word)));
            }
        }
    }
    if !word.is_empty() {
        found.push((begun, word));
    }
    found
}

/// Whether a sentence ends with a word: at a stop, behind which quotation marks, brackets and emphasis may close.
fn ends_sentence(word: &str) -> bool {
    // The target of a link is no part of what is read.
    let shown = match word.split_once("](") {
        Some((shown, rest)) => shown.to_owned() + rest.split_once(')').map_or("", |(_, rest)| rest),
        None => word.to_owned(),
    };
    let shown = shown.trim_end_matches([')', ']', '"', '\'', '*', '_']);
    let plain = shown.trim_start_matches(['(', '[', '"', '\'', '*', '_']);
    shown.ends_with(['.', '!', '?']) && !ABBREVIATIONS.contains(&plain.to_lowercase().as_str())
}

/// The sentences of a page that are too long, each with the line where it begins.
fn long_sentences(text: &str) -> Vec<(usize, String)> {
    let mut long = Vec::new();
    for paragraph in paragraphs(text) {
        for sentence in words(&paragraph).split_inclusive(|(_, word)| ends_sentence(word)) {
            let read: Vec<&str> = sentence.iter().map(|(_, word)| word.as_str()).collect();
            // A dash or an arrow alone is no word.
            let is_word = |word: &&&str| word.contains('`') || word.contains(char::is_alphanumeric);
            if read.iter().filter(is_word).count() > MAX_WORDS {
                long.push((sentence[0].0, read.join(" ")));
            }
        }
    }
    long
}

#[test]
fn sentences_are_short() {
    let mut long = Vec::new();
    for page in checks::files(&["md"]) {
        let text = std::fs::read_to_string(&page).expect("a page is text");
        // The changelog tells of old versions, in the words of their time.
        if page.ends_with("CHANGELOG.md") {
            continue;
        }
        for (number, sentence) in long_sentences(&text) {
            long.push(format!("{}:{number}: {sentence}", page.display()));
        }
    }
    assert_eq!(long, Vec::<String>::new());
}

#[test]
fn a_long_sentence_is_seen() {
    let half = "word ".repeat(MAX_WORDS / 2);
    let most = "word ".repeat(MAX_WORDS - 1) + "end.";
    let long = format!("One {most}");
    let numbers = |text: &str| -> Vec<usize> {
        let long = long_sentences(text).into_iter();
        long.map(|(number, _)| number).collect()
    };
    assert_eq!(numbers(&format!("# Title\n\nShort.\n{long} Short.")), [4]);
    assert_eq!(numbers(&format!("1. Short\n2. {long}\n   Short.")), [2]);
    assert_eq!(numbers(&long.replacen("word ", "word\n", 9)), [1]);
    // What ends no sentence.
    assert_eq!(numbers(&format!("{half} et al. 1.2 {half}")), [1]);
    for text in [
        most.clone(),
        format!("**Most.** {most} (\"{most}\") {most}"),
        format!("```\n{long}\n```\n| {long} |\n# {long}\n<p>{long}\n\n    {long}"),
        format!("- {half} word\n- {half} word"),
        format!("{half} [a link.](README.md) {half}"),
        most.replace("end.", &format!("`{long}`.")),
        most.replace("word ", "word - "),
    ] {
        assert_eq!(numbers(&text).len(), 0, "{text}");
    }
}
