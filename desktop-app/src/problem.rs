//! What went wrong, in words for someone at home, with a remedy that can be followed in this window.
//!
//! Library errors say what was expected and what was got. Their remedies are flags and settings that the window does
//! not have, so every kind of error is worded here. Nothing in this module looks into an error's text.

use std::path::Path;

use image_data::decode::DecodeError;
use model_core::diagnostic::Remedy;

/// What went wrong, and what the user can do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// One sentence: what happened.
    pub what: String,
    /// One sentence: what to do about it.
    pub remedy: String,
    /// Two or three words for a tile: "HEIC: convert first".
    pub brief: String,
}

impl Problem {
    /// A problem from its two sentences.
    pub fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: remedy.into(),
            brief: "Could not be read".to_owned(),
        }
    }

    /// The same with these words for its tile.
    #[must_use]
    pub fn brief(self, brief: impl Into<String>) -> Self {
        Self {
            brief: brief.into(),
            ..self
        }
    }

    /// A reader or an engine that panicked on a file. What it said is for the log, not for a person.
    pub fn broken_reader() -> Self {
        Self::new(
            "This file is damaged in a way that the picture reader cannot handle.",
            SAVE_AGAIN,
        )
        .brief("Damaged")
    }

    /// An engine that panicked on a model. What it said is for the log, not for a person.
    pub fn broken_model() -> Self {
        Self::new(
            "This model is damaged in a way that the engine cannot handle.",
            "Choose another model.",
        )
    }
}

const SAVE_AGAIN: &str = "Open it in a photo editor, save it as JPEG or PNG, and try the new file.";
const COPY_AGAIN: &str = "Copy or download it again.";
const SMALLER: &str = "Make a smaller copy of it in a photo editor, and open that.";

/// Why a photo could not be read.
pub fn of_decoding(error: &DecodeError) -> Problem {
    match error {
        DecodeError::Io(error) => of_reading(error),
        DecodeError::Empty => {
            Problem::new("The file is empty (0 bytes).", COPY_AGAIN).brief("Empty file")
        }
        DecodeError::TooManyBytes { bytes, limit } => Problem::new(
            format!(
                "The file has {}. At most {} are read.",
                file_size(*bytes),
                file_size(*limit)
            ),
            SMALLER,
        )
        .brief("Too large"),
        DecodeError::UnknownFormat { looks_like } => Problem::new(
            format!("This is not a photo, but {looks_like}."),
            "Choose a JPEG, PNG, WebP, GIF, BMP or TIFF file.",
        )
        .brief("Not a photo"),
        DecodeError::Unsupported { name } => Problem::new(
            format!("{} cannot be read here.", capitalized(name)),
            SAVE_AGAIN,
        )
        .brief(format!("{}: convert first", capitalized(kind(name)))),
        DecodeError::NoPixels { width, height } => Problem::new(
            format!("The file says that it has {width} \u{00d7} {height} pixels, so it is damaged."),
            COPY_AGAIN,
        )
        .brief("Damaged"),
        DecodeError::TooManyPixels {
            width,
            height,
            limit,
        } => Problem::new(
            format!(
                "The photo has {width} \u{00d7} {height} pixels. At most {} million are read.",
                limit / 1_000_000
            ),
            SMALLER,
        )
        .brief("Too large"),
        DecodeError::SideTooLong {
            width,
            height,
            limit,
        } => Problem::new(
            format!(
                "The photo has {width} \u{00d7} {height} pixels. No side may have more than {limit}."
            ),
            SMALLER,
        )
        .brief("Too large"),
        DecodeError::TooMuchMemory { width, height, .. } => Problem::new(
            format!("A photo of {width} \u{00d7} {height} pixels of this kind takes too much memory."),
            SMALLER,
        )
        .brief("Too large"),
        DecodeError::Truncated { format, .. } => {
            Problem::new(format!("The {format} file ends too early."), COPY_AGAIN)
                .brief("Incomplete")
        }
        DecodeError::Malformed { format, .. } | DecodeError::Panicked { format, .. } => {
            Problem::new(format!("The {format} file is damaged."), SAVE_AGAIN).brief("Damaged")
        }
    }
}

/// Why a file could not be opened.
pub fn of_reading(error: &std::io::Error) -> Problem {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => Problem::new(
            "The file is no longer there.",
            "Check that it was not moved, renamed or deleted, and that its drive is connected.",
        )
        .brief("Not found"),
        ErrorKind::PermissionDenied => Problem::new(
            "You are not allowed to read this file.",
            "Check that the file is still there and that you may read it.",
        )
        .brief("No permission"),
        ErrorKind::IsADirectory => Problem::new(
            "This is a folder.",
            "Drop it on the window to look through it.",
        )
        .brief("A folder"),
        _ => Problem::new(
            format!("The file could not be read: {}.", reason(error)),
            "Check that its drive is connected, and try again.",
        ),
    }
}

/// What can be done, in this window, about a model that cannot be used.
pub fn remedy_for_model(remedy: Option<&Remedy>) -> String {
    let words = match remedy {
        Some(Remedy::CheckReadable(path)) => {
            return format!(
                "Check that {} is there and that you may read it.",
                path.display()
            );
        }
        Some(Remedy::CheckWritable(path)) => {
            return format!("Check that you may write into {}.", path.display());
        }
        Some(Remedy::CopyAgain) => "Copy or download the model again.",
        Some(Remedy::UseEngine(_) | Remedy::InstallOnnxRuntime) => {
            "This window cannot run it. Choose another model, or the built-in one."
        }
        Some(
            Remedy::StateNetworkOutput
            | Remedy::ChooseOutput(_)
            | Remedy::StatePreprocessing
            | Remedy::ChooseArchitecture(_)
            | Remedy::FixLabels
            | Remedy::ExportAgain,
        ) => {
            "Choose another model, or the built-in one. Export it again with export-onnx to use it."
        }
        Some(Remedy::UseFewerThreads) => "Close other programs and try again.",
        Some(Remedy::UsePrecision(_)) => "Start the window again, without a choice of precision.",
        Some(Remedy::ReportBug) => "Report this, with the file.",
        Some(
            Remedy::ChooseAnotherModel
            | Remedy::ConvertPicture
            | Remedy::InstallLibheif
            | Remedy::NotAPicture
            | Remedy::RaiseLimit(_),
        )
        | None => "Choose a classifier that was exported as ONNX, or the built-in one.",
    };
    words.to_owned()
}

/// Why a folder or a file inside it could not be looked into.
pub fn of_scanning(path: &Path, error: &std::io::Error) -> String {
    format!("{} could not be read: {}.", path.display(), reason(error))
}

/// The system's words for an error, without its number.
pub fn reason(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "it is not there".to_owned(),
        ErrorKind::PermissionDenied => "you are not allowed to".to_owned(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "the disk is full".to_owned(),
        ErrorKind::ReadOnlyFilesystem => "the disk can only be read".to_owned(),
        ErrorKind::NotADirectory => "a part of its path is no folder".to_owned(),
        kind => kind.to_string(),
    }
}

/// "12 MB", "0.3 MB", "870 kB".
pub fn file_size(bytes: u64) -> String {
    let bytes = bytes as f64;
    if bytes >= 9.95e9 {
        format!("{:.0} GB", bytes / 1e9)
    } else if bytes >= 999.5e6 {
        format!("{:.1} GB", bytes / 1e9)
    } else if bytes >= 9.95e6 {
        format!("{:.0} MB", bytes / 1e6)
    } else if bytes >= 99.5e3 {
        format!("{:.1} MB", bytes / 1e6)
    } else {
        format!("{:.0} kB", (bytes / 1e3).ceil())
    }
}

/// "10,000".
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// An error's text as a sentence: a capital at its beginning, a stop at its end.
pub fn sentence(text: &str) -> String {
    let mut sentence = capitalized(text.trim_end_matches('.'));
    sentence.push('.');
    sentence
}

/// What a picture is, without what it lacks or holds: a tile has room for two or three words.
fn kind(name: &str) -> &str {
    let ends = [" without ", " with ", " of ", " in "].map(|word| name.find(word));
    let end = ends.into_iter().flatten().min();
    end.map_or(name, |end| &name[..end])
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let mut capitalized: String = letters
        .next()
        .map(|first| first.to_uppercase().collect())
        .unwrap_or_default();
    capitalized.extend(letters);
    capitalized
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remedies_can_be_followed_here() {
        let too_large = of_decoding(&DecodeError::TooManyPixels {
            width: 60_000,
            height: 60_000,
            limit: 128_000_000,
        });
        assert!(too_large.what.contains("60000 \u{00d7} 60000"));
        assert!(too_large.what.contains("128 million"));
        for flag in ["--", "limit", "raise"] {
            assert!(!too_large.remedy.contains(flag), "{}", too_large.remedy);
        }
        let heic = of_decoding(&DecodeError::Unsupported {
            name: "HEIC".to_owned(),
        });
        assert_eq!(heic.brief, "HEIC: convert first");
        let raw = of_decoding(&DecodeError::Unsupported {
            name: "camera raw without a preview inside".to_owned(),
        });
        assert_eq!(raw.brief, "Camera raw: convert first");
        let gone = of_reading(&std::io::ErrorKind::NotFound.into());
        assert_eq!(gone.brief, "Not found");
    }

    #[test]
    fn the_words_of_the_system_come_without_numbers() {
        let looped = std::io::Error::from_raw_os_error(40);
        assert!(!reason(&looped).contains("os error"), "{}", reason(&looped));
    }

    #[test]
    fn sizes_are_never_nothing() {
        let shown = [0, 4_000, 300_000, 4_700_000, 18_600_000, 2_100_000_000].map(file_size);
        assert_eq!(
            shown,
            ["0 kB", "4 kB", "0.3 MB", "4.7 MB", "19 MB", "2.1 GB"]
        );
        assert_eq!(
            [7, 999, 1000, 1_234_567].map(thousands),
            ["7", "999", "1,000", "1,234,567"]
        );
    }

    #[test]
    fn errors_become_sentences() {
        assert_eq!(sentence("no picture: got text"), "No picture: got text.");
    }
}
