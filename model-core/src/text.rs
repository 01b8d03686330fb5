//! Other people's text in our messages and lists: names from damaged files and messages of libraries may hold line breaks
//! and control characters, and a problem is one line that no terminal obeys; file names stand in the order people expect.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fmt::Display;

/// The text on one line, without control characters.
pub fn one_line(text: impl Display) -> String {
    text.to_string()
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// [`one_line`] of at most `chars` characters; what was cut off shows as dots.
pub fn short_line(text: impl Display, chars: usize) -> String {
    let mut line = one_line(text);
    if let Some((at, _)) = line.char_indices().nth(chars) {
        line.truncate(at);
        line.push_str("...");
    }
    line
}

/// Bytes in lower-case hexadecimal, as checksums are written.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// What a system or library says of a failed read or write, on one line and without the number that Rust puts behind it:
/// "(os error 2)" helps nobody who misses a photo. The one place that words such errors.
pub fn system_words(error: impl Display) -> String {
    without_number(one_line(error))
}

/// An error and its causes as a person reads them, from the texts of its chain: without the system's numbers, and no text
/// twice, for some errors repeat their cause's in their own. A text of several lines keeps them.
pub fn join_causes(texts: impl IntoIterator<Item = String>) -> String {
    let mut parts: Vec<String> = Vec::new();
    for text in texts.into_iter().map(without_number) {
        if !parts.iter().any(|said| said.ends_with(&text)) {
            parts.push(text);
        }
    }
    parts.join(": ")
}

fn without_number(mut text: String) -> String {
    const NUMBER: &str = " (os error ";
    let mut from = 0;
    while let Some(start) = text[from..].find(NUMBER).map(|at| from + at) {
        let digits = &text[start + NUMBER.len()..];
        // Windows counts some of its errors below zero.
        let end = digits.find(|c: char| !c.is_ascii_digit() && c != '-');
        from = match end {
            Some(end) if end > 0 && digits[end..].starts_with(')') => {
                // Windows says whole sentences; here they go on.
                let head = text[..start].trim_end_matches('.');
                let rest = &digits[end + 1..];
                let from = head.len();
                text = format!("{head}{rest}");
                from
            }
            _ => start + NUMBER.len(),
        };
    }
    text
}

/// The order a person expects of file names: without regard to case, and numbers by their value (`IMG_2` before `IMG_10`).
pub fn natural_order(a: &OsStr, b: &OsStr) -> Ordering {
    let (first, second) = (a.to_string_lossy(), b.to_string_lossy());
    natural_order_of_text(&first, &second).then_with(|| a.cmp(b))
}

fn natural_order_of_text(mut a: &str, mut b: &str) -> Ordering {
    loop {
        let (Some(first), Some(second)) = (a.chars().next(), b.chars().next()) else {
            return a.len().cmp(&b.len());
        };
        let order = if first.is_ascii_digit() && second.is_ascii_digit() {
            let (one, two) = (take_digits(&mut a), take_digits(&mut b));
            one.len().cmp(&two.len()).then_with(|| one.cmp(two))
        } else {
            a = &a[first.len_utf8()..];
            b = &b[second.len_utf8()..];
            first.to_lowercase().cmp(second.to_lowercase())
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// The digits `text` begins with, without leading zeros; `text` goes on after them.
fn take_digits<'a>(text: &mut &'a str) -> &'a str {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    digits.trim_start_matches('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_by_value() {
        let mut names = [
            "IMG_10.jpg",
            "img_9.jpg",
            "IMG_1.jpg",
            "IMG_100.jpg",
            "a",
            "IMG_02.jpg",
        ];
        names.sort_by(|a, b| natural_order(OsStr::new(a), OsStr::new(b)));
        assert_eq!(
            names,
            [
                "a",
                "IMG_1.jpg",
                "IMG_02.jpg",
                "img_9.jpg",
                "IMG_10.jpg",
                "IMG_100.jpg"
            ]
        );
    }

    #[test]
    fn numbers_count_in_the_middle_and_beyond_64_bits_too() {
        let mut names = [
            "IMG_100.jpg",
            "img_9.jpg",
            "IMG_10.jpg",
            "IMG_1.jpg",
            "IMG_02.jpg",
            "b.jpg",
            "a10b2.jpg",
            "a10b10.jpg",
            "IMG_99999999999999999999998.jpg",
            "IMG_99999999999999999999997.jpg",
            "",
        ];
        names.sort_by(|a, b| natural_order(OsStr::new(a), OsStr::new(b)));
        assert_eq!(
            names,
            [
                "",
                "a10b2.jpg",
                "a10b10.jpg",
                "b.jpg",
                "IMG_1.jpg",
                "IMG_02.jpg",
                "img_9.jpg",
                "IMG_10.jpg",
                "IMG_100.jpg",
                "IMG_99999999999999999999997.jpg",
                "IMG_99999999999999999999998.jpg",
            ]
        );
    }

    #[test]
    fn the_words_of_the_system_come_without_their_number() {
        let missing = std::fs::read("no/such/file").unwrap_err();
        assert!(missing.to_string().contains("(os error "), "{missing}");
        let words = system_words(&missing);
        assert!(!words.contains("os error") && !words.is_empty(), "{words}");
        for (error, words) in [
            ("gone (os error 2)", "gone"),
            ("It is gone. (os error -5); 3 tries", "It is gone; 3 tries"),
            ("a (os error 1): b (os error 22)", "a: b"),
            ("plain (os error x)", "plain (os error x)"),
            (" (os error ", "(os error"),
            ("cut (os error 12", "cut (os error 12"),
        ] {
            assert_eq!(system_words(error), words);
        }
    }

    #[test]
    fn causes_are_said_once_and_without_the_systems_number() {
        let join = |texts: &[&str]| join_causes(texts.iter().map(|text| (*text).to_owned()));
        let system = "gone (os error 2)";
        assert_eq!(join(&["cannot read a", system]), "cannot read a: gone");
        // As errors of our libraries do, which end with their cause.
        assert_eq!(
            join(&["cannot read a: gone", system]),
            "cannot read a: gone"
        );
        assert_eq!(join(&["looked in:\n  a", "gone"]), "looked in:\n  a: gone");
        assert_eq!(join(&[]), "");
    }

    #[test]
    fn a_problem_is_one_harmless_line() {
        assert_eq!(one_line("a\n  b\tc\r\n"), "a b c");
        assert_eq!(one_line("\u{1b}[31mred\u{7}"), "[31mred");
        assert_eq!(short_line("größer als alles", 3), "grö...");
        assert_eq!(short_line("abc", 3), "abc");
    }
}
