//! Lines on stderr: one a problem, colored only on a terminal.

use anstyle::{AnsiColor, Style};
use image_data::text::one_line;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// Something failed.
pub fn error(text: &str) {
    anstream::eprintln!("{ERROR}error{ERROR:#}: {}", one_line(text));
}

/// One image failed.
pub fn failed_image(name: &str, text: &str) {
    anstream::eprintln!(
        "{ERROR}error{ERROR:#}: {}: {}",
        printable(name),
        one_line(text)
    );
}

/// Something was assumed or is odd.
pub fn warning(text: &str) {
    anstream::eprintln!("{WARNING}note{WARNING:#}: {}", one_line(text));
}

/// File names and metadata may hold control characters that would steer the terminal.
pub fn printable(text: &str) -> String {
    let show = |c: char| {
        if c.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    text.chars().map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_does_not_steer_the_terminal() {
        assert_eq!(printable("\u{1b}[31mred"), "\u{fffd}[31mred");
    }
}
