//! How a picture must be turned, whatever container says it: one reader for all of them.
//!
//! | container | read from, the first that says something counts |
//! |---|---|
//! | JPEG, MPO | EXIF (first `APP1`), then XMP. The MPF index of an MPO has no orientation of its own |
//! | PNG, APNG | `eXIf` wherever it stands, `Raw profile type exif` or `APP1` in a text chunk, then XMP (`iTXt`) |
//! | WebP | `EXIF` chunk with or without `Exif\0\0` in front, then `XMP ` |
//! | TIFF | tag 274 of the first directory, then XMP (tag 700); applied under [`Exif::Ignore`](super::Exif) too, as Pillow does |
//! | camera raw | the raw file's own directory (CR3: its `CMT1` box), then the preview's EXIF |
//! | all others | nothing |

use image::metadata::Orientation;

use super::Format;
use super::png;
use super::tiff::directory::{Directory, tag};

/// What tag 274 means. Values that the standard does not know turn nothing.
pub(super) fn orientation_of(value: u64) -> Option<Orientation> {
    u8::try_from(value).ok().and_then(Orientation::from_exif)
}

/// The orientation in an EXIF block: a TIFF directory, with or without `Exif\0\0` in front.
pub(super) fn exif_orientation(exif: &[u8]) -> Option<Orientation> {
    let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    if !(exif.starts_with(b"II") || exif.starts_with(b"MM")) {
        return None;
    }
    let directory = Directory::first(exif).ok()?;
    orientation_of(directory.integer(tag::ORIENTATION)?)
}

/// The orientation in an XMP packet: `tiff:Orientation` as an attribute or as an element.
pub(super) fn xmp_orientation(xmp: &[u8]) -> Option<Orientation> {
    const NAME: &[u8] = b"tiff:Orientation";
    let at = xmp.windows(NAME.len()).position(|w| w == NAME)? + NAME.len();
    let rest = &xmp[at..xmp.len().min(at + 16)];
    let value = rest
        .iter()
        .position(|b| !matches!(b, b' ' | b'=' | b'"' | b'\'' | b'>'))?;
    let (digit, end) = (rest[value], rest.get(value + 1));
    if value == 0 || end.is_some_and(u8::is_ascii_digit) {
        return None;
    }
    orientation_of(u64::from(digit.wrapping_sub(b'0')))
}

/// The orientation of a picture that is neither JPEG nor TIFF: those readers look while they read.
pub(super) fn orientation(bytes: &[u8], format: Format) -> Orientation {
    let (exif, xmp) = match format {
        Format::Png => png::metadata(bytes),
        Format::WebP => (
            riff_chunk(bytes, b"EXIF").map(<[u8]>::to_vec),
            riff_chunk(bytes, b"XMP ").map(<[u8]>::to_vec),
        ),
        _ => (None, None),
    };
    exif.as_deref()
        .and_then(exif_orientation)
        .or_else(|| xmp.as_deref().and_then(xmp_orientation))
        .unwrap_or(Orientation::NoTransforms)
}

/// The body of the first chunk of a kind in a RIFF file.
fn riff_chunk<'a>(bytes: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    let mut at = 12;
    loop {
        let header = bytes.get(at..at + 8)?;
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let body = at + 8;
        if header[..4] == kind[..] {
            return bytes.get(body..body.checked_add(length)?);
        }
        // Bodies are padded to an even length.
        at = body.checked_add(length)?.checked_add(length % 2)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXIF: &[u8] = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";

    #[test]
    fn exif_with_and_without_its_name() {
        assert_eq!(exif_orientation(EXIF), Some(Orientation::Rotate90));
        let named = [b"Exif\0\0".as_slice(), EXIF].concat();
        assert_eq!(exif_orientation(&named), Some(Orientation::Rotate90));
        for end in 0..EXIF.len() {
            let _ = exif_orientation(&EXIF[..end]);
        }
    }

    #[test]
    fn xmp_in_either_form() {
        for text in [
            "<rdf:Description tiff:Orientation=\"8\" x=\"1\"/>",
            "<rdf:Description tiff:Orientation = '8'/>",
            "<tiff:Orientation>8</tiff:Orientation>",
        ] {
            assert_eq!(
                xmp_orientation(text.as_bytes()),
                Some(Orientation::Rotate270),
                "{text}"
            );
        }
        for text in [
            "",
            "tiff:Orientation",
            "tiff:Orientation=\"12\"",
            "tiff:Orientation=\"9\"",
        ] {
            assert_eq!(xmp_orientation(text.as_bytes()), None, "{text}");
        }
    }
}
