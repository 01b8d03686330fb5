//! Other people's text in our messages: names from damaged files and messages of libraries may hold line breaks and
//! control characters, and a problem is one line that no terminal obeys.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_harmless_line() {
        assert_eq!(one_line("a\n  b\tc\r\n"), "a b c");
        assert_eq!(one_line("\u{1b}[31mred\u{7}"), "[31mred");
        assert_eq!(short_line("größer als alles", 3), "grö...");
        assert_eq!(short_line("abc", 3), "abc");
    }
}
