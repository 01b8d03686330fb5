//! `docs/` as a book: every page is in it, it links to nothing outside it, and the commands, flags and files that its pages
//! and those beside it name are there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use checks::pages::{Place, lines, links, spans};

fn docs() -> PathBuf {
    checks::root().join("docs")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The pages of the book by their paths from `docs/`, with what they say.
fn pages() -> BTreeMap<String, String> {
    let docs = docs();
    checks::files(&["md"])
        .iter()
        .filter_map(|path| {
            let name = path.strip_prefix(&docs).ok()?;
            let name = name.to_string_lossy().replace('\\', "/");
            (name != "SUMMARY.md").then(|| (name, read(path)))
        })
        .collect()
}

#[test]
fn every_page_is_in_the_summary_once() {
    let listed = links(&read(&docs().join("SUMMARY.md")));
    let mut sorted = listed.clone();
    sorted.sort();
    let pages: Vec<String> = pages().into_keys().collect();
    assert_eq!(sorted, pages);
}

#[test]
fn the_book_links_to_nothing_outside_it() {
    let mut outside = Vec::new();
    for (name, text) in pages() {
        let depth = name.matches('/').count();
        for link in links(&text) {
            let up = link.matches("../").count();
            if up > depth {
                outside.push(format!("{name}: {link}"));
            }
        }
    }
    assert_eq!(outside, Vec::<String>::new());
}

/// The programs that have a reference page.
const PROGRAMS: [&str; 4] = ["infer-cli", "train", "export-onnx", "desktop-app"];

/// What the reference page of a program tells: every flag, and every command.
struct Reference {
    flags: BTreeSet<String>,
    commands: BTreeSet<String>,
}

fn references() -> BTreeMap<&'static str, Reference> {
    let of = |name: &'static str| {
        let text = read(&docs().join(format!("reference/{name}.md")));
        let flags = spans(&text).flat_map(flags).map(str::to_owned).collect();
        let heading = format!("## {name} ");
        let commands = text
            .lines()
            .filter_map(|line| line.strip_prefix(&heading))
            .map(str::to_owned)
            .collect();
        (name, Reference { flags, commands })
    };
    PROGRAMS.map(of).into_iter().collect()
}

/// The long flags among the words of a command.
fn flags(command: &str) -> impl Iterator<Item = &str> {
    command.split_whitespace().filter_map(|word| {
        let end = word
            .find(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '-')
            .unwrap_or(word.len());
        let flag = &word[..end];
        (flag.len() > 3 && flag.starts_with("--") && flag.as_bytes()[2] != b'-').then_some(flag)
    })
}

/// The commands in one line of a shell.
fn commands(line: &str) -> impl Iterator<Item = &str> {
    let line = line.split(" # ").next().unwrap_or(line);
    line.split(['|', ';', '`', '('])
        .flat_map(|part| part.split("&&"))
        .map(str::trim)
}

/// What is wrong with a command, where it is one of our programs'.
fn wrong(command: &str, references: &BTreeMap<&str, Reference>) -> Vec<String> {
    let mut words = command
        .split_whitespace()
        .skip_while(|word| *word == "$" || word.contains('='));
    let program = words.next().unwrap_or_default();
    let program = program.rsplit('/').next().unwrap_or_default();
    let Some(reference) = references.get(program) else {
        return Vec::new();
    };
    let mut wrong: Vec<String> = flags(command)
        .filter(|flag| !reference.flags.contains(*flag))
        .filter(|flag| !["--help", "--version"].contains(flag))
        .map(|flag| format!("{program} has no {flag}"))
        .collect();
    let second = words.next().unwrap_or_default();
    let is_name = second.len() > 2 && second.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    if is_name && !second.starts_with('-') && !reference.commands.contains(second) {
        wrong.push(format!("{program} has no command {second}"));
    }
    wrong
}

/// The commands of a page, in blocks of code and between backticks. A line that ends in `\` goes on.
fn commands_of(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut begun = String::new();
    for (_, place, line) in lines(text) {
        if place == Place::Text {
            continue;
        }
        if let Some(part) = line.trim_end().strip_suffix('\\') {
            begun.push_str(part);
            continue;
        }
        begun.push_str(line);
        found.extend(commands(&std::mem::take(&mut begun)).map(str::to_owned));
    }
    found.extend(spans(text).flat_map(commands).map(str::to_owned));
    found
}

#[test]
fn commands_and_flags_on_the_pages_are_those_of_the_programs() {
    let references = references();
    let mut found = Vec::new();
    for page in checks::files(&["md"]) {
        // What was true of older versions.
        if page.ends_with("CHANGELOG.md") {
            continue;
        }
        for command in commands_of(&read(&page)) {
            for wrong in wrong(&command, &references) {
                found.push(format!("{}: {wrong}: {command}", page.display()));
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_flag_or_command_that_is_none_is_seen() {
    let references = references();
    let wrong = |command| wrong(command, &references).len();
    assert_eq!(wrong("infer-cli photo.jpg --no-such-flag"), 1);
    assert_eq!(wrong("X=1 target/release/train unpack --data=x"), 1);
    assert_eq!(wrong("export-onnx verify model.onnx --data photos/"), 0);
    assert_eq!(wrong("cargo test --no-such-flag"), 0);
    let page = "`infer-cli a`\n```\ninfer-cli b \\\n  --c 3 # d\n```\n";
    assert_eq!(
        commands_of(page),
        ["infer-cli b   --c 3", "infer-cli a"].map(str::to_owned)
    );
}

/// The paths between backticks that begin with a folder of the repository.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    let root = checks::root();
    spans(text).filter(move |span| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
        let example = span.contains("...") || span.contains("NAME");
        let first = span.split('/').next().unwrap_or_default();
        span.contains('/')
            && !first.is_empty()
            && span.chars().all(plain)
            && !example
            && root.join(first).is_dir()
            && !["models", "data", "runs", "target"].contains(&first)
            // What a script makes and git ignores.
            && !span.ends_with("/dist")
    })
}

#[test]
fn files_that_the_book_names_are_there() {
    let mut gone = Vec::new();
    for (name, text) in pages() {
        gone.extend(
            paths(&text)
                .filter(|path| !checks::root().join(path).exists())
                .map(|path| format!("{name}: {path}")),
        );
    }
    assert_eq!(gone, Vec::<String>::new());
}

#[test]
fn a_file_that_is_gone_is_seen() {
    let found: Vec<&str> =
        paths("`kernels/src/gone.rs` `a/b` `kernels` `kernels/NAME.rs`").collect();
    assert_eq!(found, ["kernels/src/gone.rs"]);
}

/// The targets of `href` and `src` in a page of HTML.
fn hrefs(html: &str) -> impl Iterator<Item = &str> {
    ["href=\"", "src=\""]
        .into_iter()
        .flat_map(move |attribute| {
            html.split(attribute)
                .skip(1)
                .filter_map(|rest| rest.split('"').next())
        })
}

#[test]
#[ignore = "needs the book that mdbook builds: scripts/test runs both"]
fn every_link_of_the_built_book_leads_somewhere() {
    let book = std::env::var_os("BOOK").expect("BOOK names the folder of the built book");
    let mut open = vec![PathBuf::from(book)];
    let (mut dead, mut looked_at) = (Vec::new(), 0);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the book") {
            let path = entry.expect("an entry of the folder").path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            // These two are made for other places: the page for a wrong address, and all pages as one.
            let special = path.ends_with("404.html") || path.ends_with("print.html");
            if special || path.extension().is_none_or(|extension| extension != "html") {
                continue;
            }
            let html = read(&path);
            for link in hrefs(&html).filter(|link| !link.contains("://")) {
                looked_at += 1;
                let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
                let target = if file.is_empty() {
                    path.clone()
                } else {
                    folder.join(file)
                };
                let anchored = anchor.is_empty()
                    || std::fs::read_to_string(&target)
                        .is_ok_and(|html| html.contains(&format!("id=\"{anchor}\"")));
                if !target.exists() || !anchored {
                    dead.push(format!("{}: {link}", path.display()));
                }
            }
        }
    }
    assert_eq!(dead, Vec::<String>::new());
    assert!(looked_at > 100, "{looked_at} links are no book");
}
