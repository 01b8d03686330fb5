//! Where a photo goes below the target folder, as a person writes it: `{label}/{year}`. And the day a photo was taken.
//!
//! A day is what the camera wrote into the photo (EXIF). The day of the file is no substitute: a download or a copy has
//! today's. A photo that does not say gets the words "no date" where its day would stand.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use super::folder_name;

/// What stands where a photo does not say when it was taken.
const NO_DATE: &str = "no date";

/// The day a photo was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenOn {
    /// Four digits.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

/// The day a photo was taken, as its camera noted it; none where it says nothing, or something that is no day.
pub fn taken_on(photo: &Path) -> Option<TakenOn> {
    let mut reader = BufReader::new(File::open(photo).ok()?);
    // What is damaged in a photo's notes is the decoder's to tell; here it only means that there is no day.
    let exif = exif::Reader::new().read_from_container(&mut reader).ok()?;
    [
        exif::Tag::DateTimeOriginal,
        exif::Tag::DateTimeDigitized,
        exif::Tag::DateTime,
    ]
    .iter()
    .find_map(|tag| {
        let field = exif.get_field(*tag, exif::In::PRIMARY)?;
        let exif::Value::Ascii(lines) = &field.value else {
            return None;
        };
        let date = exif::DateTime::from_ascii(lines.first()?).ok()?;
        let is_day =
            date.year > 0 && (1..=12).contains(&date.month) && (1..=31).contains(&date.day);
        is_day.then_some(TakenOn {
            year: date.year,
            month: date.month,
            day: date.day,
        })
    })
}

/// A name that a template can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Label,
    Date,
    Year,
    Month,
    Day,
}

impl Name {
    const ALL: [(&str, Self); 5] = [
        ("label", Self::Label),
        ("date", Self::Date),
        ("year", Self::Year),
        ("month", Self::Month),
        ("day", Self::Day),
    ];

    fn of_day(self, on: TakenOn) -> String {
        match self {
            Self::Label => String::new(),
            Self::Date => format!("{:04}-{:02}-{:02}", on.year, on.month, on.day),
            Self::Year => format!("{:04}", on.year),
            Self::Month => format!("{:02}", on.month),
            Self::Day => format!("{:02}", on.day),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Name(Name),
}

/// Folders below the target folder, outer first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    folders: Vec<Vec<Piece>>,
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A name that means nothing.
    #[error("expected {{label}}, {{date}}, {{year}}, {{month}} or {{day}}, got {{{0}}}")]
    UnknownName(String),
    /// A brace without its other half.
    #[error("expected a }} after each {{, got '{0}'")]
    OpenBrace(String),
    /// No folder at all, or one without a name.
    #[error("expected folders between the slashes, got '{0}'")]
    NoFolder(String),
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let folders = text
            .split('/')
            .map(|folder| match folder.trim() {
                "" | "." | ".." => Err(TemplateError::NoFolder(text.to_owned())),
                folder => pieces(folder),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { folders })
    }

    /// Whether a photo's day matters.
    pub fn needs_day(&self) -> bool {
        let names = self.folders.iter().flatten();
        names
            .into_iter()
            .any(|piece| matches!(piece, Piece::Name(name) if *name != Name::Label))
    }

    /// The folder of a photo, below the target folder.
    pub fn folder(&self, label: &str, on: Option<TakenOn>) -> PathBuf {
        let folders = self.folders.iter();
        folders
            .map(|pieces| folder_name(&filled(pieces, label, on)))
            .collect()
    }
}

impl Default for Template {
    /// One folder a label.
    fn default() -> Self {
        Self {
            folders: vec![vec![Piece::Name(Name::Label)]],
        }
    }
}

fn pieces(mut folder: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    while let Some(open) = folder.find(['{', '}']) {
        let unpaired = || TemplateError::OpenBrace(folder.to_owned());
        let (before, rest) = folder.split_at(open);
        let rest = rest.strip_prefix('{').ok_or_else(unpaired)?;
        let (name, after) = rest.split_once('}').ok_or_else(unpaired)?;
        let known = Name::ALL.iter().find(|(word, _)| *word == name);
        let (_, known) = known.ok_or_else(|| TemplateError::UnknownName(name.to_owned()))?;
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        pieces.push(Piece::Name(*known));
        folder = after;
    }
    if !folder.is_empty() {
        pieces.push(Piece::Text(folder.to_owned()));
    }
    Ok(pieces)
}

fn filled(pieces: &[Piece], label: &str, on: Option<TakenOn>) -> String {
    let of_day = |piece: &Piece| matches!(piece, Piece::Name(name) if *name != Name::Label);
    let first = pieces.iter().position(of_day);
    let last = pieces.iter().rposition(of_day);
    let mut text = String::new();
    for (place, piece) in pieces.iter().enumerate() {
        let within =
            first.is_some_and(|first| first <= place) && last.is_some_and(|last| place <= last);
        match (piece, on) {
            (Piece::Name(Name::Label), _) => text.push_str(label),
            // From the first to the last part of a day that is not known stands one remark.
            _ if within && on.is_none() => {
                if first == Some(place) {
                    text.push_str(NO_DATE);
                }
            }
            (Piece::Text(one), _) => text.push_str(one),
            (Piece::Name(name), Some(on)) => text.push_str(&name.of_day(on)),
            (Piece::Name(_), None) => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: TakenOn = TakenOn {
        year: 2026,
        month: 3,
        day: 7,
    };

    fn of(template: &str, label: &str, on: Option<TakenOn>) -> String {
        let folder = Template::parse(template).unwrap().folder(label, on);
        folder.display().to_string().replace('\\', "/")
    }

    #[test]
    fn a_template_becomes_folders() {
        assert_eq!(of("{label}/{date}", "cat", Some(DAY)), "cat/2026-03-07");
        assert_eq!(
            of("{year}/{month} {label}", "cat", Some(DAY)),
            "2026/03 cat"
        );
        assert_eq!(of("all {label}s", "cat", None), "all cats");
        // A label is one folder, whatever is in it.
        assert_eq!(of("{label}", "a/..", None), "a_");
        let plain = Template::default();
        assert_eq!(plain, Template::parse("{label}").unwrap());
        assert!(!plain.needs_day() && Template::parse("{day}").unwrap().needs_day());
    }

    #[test]
    fn a_photo_without_a_day_says_so_once() {
        assert_eq!(of("{label}/{year}-{month}", "cat", None), "cat/no date");
        assert_eq!(
            of("{label}, {day}.{month}. here", "cat", None),
            "cat, no date. here"
        );
        assert_eq!(of("{year}/{month}", "cat", None), "no date/no date");
    }

    #[test]
    fn what_means_nothing_is_refused() {
        let wrong = |text: &str| Template::parse(text).unwrap_err().to_string();
        assert_eq!(
            wrong("{name}"),
            "expected {label}, {date}, {year}, {month} or {day}, got {name}"
        );
        assert_eq!(wrong("{label"), "expected a } after each {, got '{label'");
        assert!(wrong("label}").contains("'label}'"));
        for text in ["", "/{label}", "{label}//x", "../{label}", "{label}/"] {
            assert!(wrong(text).contains("between the slashes"), "{text}");
        }
    }

    #[test]
    fn the_day_comes_from_the_camera() {
        let dir = tempfile::tempdir().unwrap();
        let photo = dir.path().join("a.jpg");
        // A TIFF directory with nothing but `DateTime` (306), as an APP1 segment of an empty JPEG.
        let mut tiff = b"II*\0\x08\0\0\0\x01\0\x32\x01\x02\0\x14\0\0\0\x1a\0\0\0\0\0\0\0".to_vec();
        tiff.extend_from_slice(b"2026:03:07 10:20:30\0");
        let length = u16::try_from(tiff.len() + 8).unwrap().to_be_bytes();
        let bytes = [
            b"\xff\xd8\xff\xe1".as_slice(),
            &length,
            b"Exif\0\0",
            &tiff,
            b"\xff\xd9",
        ]
        .concat();
        std::fs::write(&photo, &bytes).unwrap();
        assert_eq!(taken_on(&photo), Some(DAY));
        let text = |day: &[u8]| {
            let at = bytes.windows(4).position(|w| w == b"2026").unwrap();
            let mut other = bytes.clone();
            other[at..at + day.len()].copy_from_slice(day);
            std::fs::write(&photo, other).unwrap();
            taken_on(&photo)
        };
        assert_eq!(text(b"0000:00:00 00:00:00"), None);
        assert_eq!(text(b"    :  :     :  :  "), None);
        for end in 0..bytes.len() {
            std::fs::write(&photo, &bytes[..end]).unwrap();
            let _ = taken_on(&photo);
        }
        assert_eq!(taken_on(&dir.path().join("missing")), None);
    }
}
