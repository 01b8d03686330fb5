//! Lines on stderr: one a problem, colored only on a terminal.

use anstyle::{AnsiColor, Style};
use image_data::decode::Format;
use inference::stream::Outcome;
use model_core::text::one_line;

use crate::advice::FailureText;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const NOTE: Style = AnsiColor::Yellow.on_default().bold();

/// Something failed.
pub fn error(text: &str) {
    anstream::eprintln!("{ERROR}error{ERROR:#}: {}", one_line(text));
}

/// One image failed.
pub fn failed_image(name: &str, text: &FailureText) {
    let advice = text
        .advice
        .as_deref()
        .map_or_else(String::new, |advice| format!("; {advice}"));
    anstream::eprintln!(
        "{ERROR}error{ERROR:#}: {}: {}{advice}",
        printable(name),
        text.error
    );
}

/// What a person should know of an image that has an answer: parts of it are missing, or it is not the photo itself.
pub fn about_image(name: &str, outcome: &Outcome) {
    let name = printable(name);
    if let Some(damage) = &outcome.damage {
        note(&format!(
            "{name}: the picture is damaged, so the answer may be wrong: {damage}"
        ));
    }
    if outcome.format == Format::Raw {
        let [width, height] = outcome.size;
        note(&format!(
            "{name}: answered by the camera's preview inside the raw file, {width} x {height}"
        ));
    }
}

/// What folders hold besides photos: nothing is passed over in silence.
pub fn passed_over(files: usize) {
    match files {
        0 => {}
        1 => note("1 file passed over: hidden, or no picture"),
        files => note(&format!(
            "{files} files passed over: hidden, or no pictures"
        )),
    }
}

/// Something was assumed or is odd.
pub fn note(text: &str) {
    anstream::eprintln!("{NOTE}note{NOTE:#}: {}", one_line(text));
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
