//! Reference pages: made from the definitions that the programs themselves go by, and held by tests.
//!
//! `options` makes the page of a program's options. `keys` makes that of the keys of a settings file, from what `types`
//! reads in the sources. Not here: the programs and their settings; each has a test of its own that calls [`hold`].

pub mod keys;
pub mod options;
pub mod types;

/// Columns of a line.
const WIDTH: usize = 118;

/// Set, the pages are written anew instead of being compared.
const UPDATE: &str = "UPDATE_PAGES";

/// Holds `docs/reference/NAME.md` against the definition of a command line.
///
/// # Errors
/// How to write the page, when it says something else.
pub fn check(name: &str, command: clap::Command) -> Result<(), String> {
    hold(name, &options::page(command))
}

/// Holds `docs/reference/NAME.md` against `page`.
///
/// # Errors
/// How to write the page, when it says something else.
pub fn hold(name: &str, page: &str) -> Result<(), String> {
    let shown = format!("docs/reference/{name}.md");
    let path = crate::root().join(&shown);
    if std::env::var_os(UPDATE).is_some() {
        return std::fs::write(&path, page).map_err(|error| format!("{shown}: {error}"));
    }
    compared(&shown, std::fs::read_to_string(&path).ok(), page)
}

fn compared(shown: &str, there: Option<String>, page: &str) -> Result<(), String> {
    match there {
        Some(text) if text.replace("\r\n", "\n") == page => Ok(()),
        _ => Err(format!(
            "{shown} differs from the definition: run the test with {UPDATE}=1"
        )),
    }
}

/// One line that ends in a stop, in which nothing is taken for HTML.
fn sentence(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ").replace('<', "\\<");
    match text.ends_with(['.', '!', '?']) {
        true => text,
        false => format!("{text}."),
    }
}

/// An item of a list, and below it the values that what it describes may have.
fn item(text: &str, values: &[String]) -> String {
    let first = if values.is_empty() { "" } else { " One of:" };
    let mut lines = wrapped(&format!("- {text}{first}"), "  ") + "\n";
    for value in values {
        lines.push_str(&wrapped(&format!("  - {value}"), "    "));
        lines.push('\n');
    }
    lines
}

/// Broken into lines, of which all but the first begin with `indent`. What stands between backticks stays together.
fn wrapped(text: &str, indent: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let open = words
            .last()
            .is_some_and(|last| last.matches('`').count() % 2 == 1);
        match words.last_mut() {
            Some(last) if open => {
                last.push(' ');
                last.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    let (mut out, mut column) = (String::new(), 0);
    for (place, word) in words.iter().enumerate() {
        let length = word.chars().count();
        if place > 0 && column + 1 + length > WIDTH {
            out.push('\n');
            out.push_str(indent);
            column = indent.len();
        } else if place > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_never_in_code() {
        let text = format!("{} `a b` {}", "x".repeat(114), "y".repeat(114));
        let lines = wrapped(&text, "  ");
        let lines: Vec<&str> = lines.lines().collect();
        assert_eq!(lines[1], "  `a b`");
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn a_page_that_says_something_else_is_seen() {
        assert_eq!(compared("x.md", Some("a\r\nb".to_owned()), "a\nb"), Ok(()));
        for there in [None, Some("a".to_owned())] {
            let error = compared("x.md", there, "a\nb").unwrap_err();
            assert!(error.starts_with("x.md differs"), "{error}");
        }
    }
}
