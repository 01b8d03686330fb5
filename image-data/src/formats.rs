//! The picture formats there are for this toolkit: those it decodes, and those it only knows by name.
//!
//! The one list behind the folder walk, the file dialogs, the desktop entry and the documentation. What a file really is
//! its first bytes say (see [`crate::decode`]); a name only decides whether a folder's walk looks at the file at all.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::decode::known::TELLING_BYTES;
use crate::decode::{DecodeError, DecodeLimits, probe};

pub use crate::decode::Format;
pub use crate::decode::known::{KnownFormat, NOT_DECODED};

/// Every format that is decoded, in the order the documentation lists them.
pub const DECODED: [Format; 13] = [
    Format::Jpeg,
    Format::Png,
    Format::WebP,
    Format::Gif,
    Format::Bmp,
    Format::Tiff,
    Format::Pnm,
    Format::Ico,
    Format::Qoi,
    Format::Tga,
    Format::JpegXl,
    Format::Jpeg2000,
    Format::Raw,
];

/// What a file's name promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameSays {
    /// A picture of a format that is decoded.
    Decoded,
    /// A picture of this format, which is not decoded.
    NotDecoded(&'static str),
    /// No picture that we know.
    NoPicture,
}

/// What the extension of `path` promises, without regard to case.
pub fn by_name(path: &Path) -> NameSays {
    let Some(extension) = path.extension().and_then(|extension| extension.to_str()) else {
        return NameSays::NoPicture;
    };
    let is = |known: &str| known.eq_ignore_ascii_case(extension);
    let by_a_program = || {
        let mut extensions = Format::BY_PROGRAM.iter().flat_map(|f| f.extensions());
        extensions.any(|known| is(known)) && crate::decode::asks_program()
    };
    if decoded_extensions().any(is) || by_a_program() {
        return NameSays::Decoded;
    }
    // A folder's walk names and counts these files, so that no photo is passed over in silence.
    NOT_DECODED
        .iter()
        .find(|format| format.extensions.iter().any(|known| is(known)))
        .map_or(NameSays::NoPicture, |format| {
            NameSays::NotDecoded(format.name)
        })
}

/// Whether a file found in a folder is meant as a picture: by its name, or by its first bytes.
///
/// A pipe or a device is none: opening it could wait for ever. A file that cannot be opened counts by its name alone.
pub fn looks_like_picture(path: &Path) -> bool {
    if by_name(path) != NameSays::NoPicture {
        return true;
    }
    if !std::fs::metadata(path).is_ok_and(|found| found.is_file()) {
        return false;
    }
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(TELLING_BYTES).read_to_end(&mut head));
    read.is_ok()
        && !matches!(
            probe(&head, &DecodeLimits::default()),
            Err(DecodeError::Empty | DecodeError::UnknownFormat { .. })
        )
}

/// The extensions of every decoded format, lower case, without the dot.
pub fn decoded_extensions() -> impl Iterator<Item = &'static str> {
    DECODED
        .iter()
        .flat_map(|format| format.extensions().iter().copied())
}

/// The extensions of pictures that are known and not decoded, likewise.
pub fn not_decoded_extensions() -> impl Iterator<Item = &'static str> {
    NOT_DECODED
        .iter()
        .flat_map(|format| format.extensions.iter().copied())
}

/// The media types of every decoded format, as desktop entries and HTTP name them.
pub fn media_types() -> impl Iterator<Item = &'static str> {
    DECODED
        .iter()
        .flat_map(|format| format.media_types().iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_without_regard_to_case() {
        assert_eq!(by_name(Path::new("a/B.JPG")), NameSays::Decoded);
        let by_a_program = if crate::decode::asks_program() {
            NameSays::Decoded
        } else {
            NameSays::NotDecoded("HEIC")
        };
        assert_eq!(by_name(Path::new("x.HIF")), by_a_program);
        assert_eq!(
            by_name(Path::new("x.psd")),
            NameSays::NotDecoded("Photoshop PSD")
        );
        assert_eq!(by_name(Path::new("x.txt")), NameSays::NoPicture);
        assert_eq!(by_name(Path::new("jpg")), NameSays::NoPicture);
    }

    #[test]
    fn what_is_no_photo_is_not_counted_and_no_photo_is_passed_over() {
        let named = |name: &str| by_name(Path::new(name));
        assert_eq!(named("a.XCF"), NameSays::NotDecoded("GIMP image (XCF)"));
        assert_eq!(named("a.pcx"), NameSays::NotDecoded("PCX"));
        for document in [
            "live.mov", "live.mp4", "a.pdf", "a.ps", "a.ai", "a.djvu", "a.fit", "a.pic", "a.rgb",
            "a.bw", "a.ras",
        ] {
            assert_eq!(named(document), NameSays::NoPicture, "{document}");
        }
        let folder = tempfile::tempdir().unwrap();
        let holds = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            looks_like_picture(&path)
        };
        // Where a name says too little, the bytes do.
        assert!(holds("sun.ras", b"\x59\xa6\x6a\x95\0\0\0\x80"));
        assert!(holds("scan", &[&[0; 128][..], b"DICM\x02\0"].concat()));
        assert!(holds("sgi.rgb", b"\x01\xda\x01\x01\0\x03"));
        assert!(!holds("samples.rgb", &[9; 300]));
        assert!(!holds("live.mov", b"\0\0\0\x14ftypqt  \0\0\0\0qt  "));
        assert!(!holds("old.mov", b"\0\x01\0\0moov\0\0\0\x6cmvhd"));
        assert!(!holds("page.ai", b"%PDF-1.5"));
    }

    #[test]
    fn no_extension_is_in_both_lists_or_twice_in_one() {
        let mut all: Vec<&str> = decoded_extensions()
            .chain(not_decoded_extensions())
            .collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
