//! What the first bytes say. File names are never looked at: ImageNet itself holds a PNG called `.JPEG`.

use std::fmt;

use super::{DecodeError, bmp, known, raw};

/// A format that is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Format {
    Jpeg,
    Png,
    WebP,
    Gif,
    Bmp,
    Tiff,
    Pnm,
    Ico,
    Qoi,
    Tga,
    /// JPEG XL.
    JpegXl,
    /// JPEG 2000.
    Jpeg2000,
    /// HEIC, where the system has libheif's `heif-dec`.
    Heic,
    /// AVIF, where the system has libheif's `heif-dec`.
    Avif,
    /// A camera's raw file; the preview inside is decoded.
    Raw,
}

impl Format {
    /// What no decoder here reads, but a program of the system does where there is one.
    pub(crate) const BY_PROGRAM: [Self; 2] = [Self::Heic, Self::Avif];

    /// File extensions people give this format, lower case, without the dot.
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Jpeg => &["jpg", "jpeg", "jpe", "jfif", "mpo"],
            Self::Png => &["png", "apng"],
            Self::WebP => &["webp"],
            Self::Gif => &["gif"],
            Self::Bmp => &["bmp", "dib"],
            Self::Tiff => &["tif", "tiff"],
            Self::Pnm => &["pnm", "pbm", "pgm", "ppm", "pam"],
            Self::Ico => &["ico", "cur"],
            Self::Qoi => &["qoi"],
            Self::Tga => &["tga"],
            Self::JpegXl => &["jxl"],
            Self::Jpeg2000 => &["jp2", "j2k", "j2c", "jpf", "jpx"],
            // Those with an "s" hold several pictures in a row, as a burst of photos does.
            Self::Heic => &["heic", "heif", "hif", "heics", "heifs"],
            Self::Avif => &["avif", "avifs"],
            Self::Raw => &[
                "arw", "cr2", "cr3", "dng", "gpr", "nef", "nrw", "orf", "pef", "raf", "rw2", "rwl",
                "sr2", "srf", "srw",
            ],
        }
    }

    /// Media types of this format, the usual one first.
    pub fn media_types(self) -> &'static [&'static str] {
        match self {
            Self::Jpeg => &["image/jpeg"],
            Self::Png => &["image/png", "image/apng"],
            Self::WebP => &["image/webp"],
            Self::Gif => &["image/gif"],
            Self::Bmp => &["image/bmp"],
            Self::Tiff => &["image/tiff"],
            Self::Pnm => &[
                "image/x-portable-anymap",
                "image/x-portable-bitmap",
                "image/x-portable-graymap",
                "image/x-portable-pixmap",
            ],
            Self::Ico => &["image/vnd.microsoft.icon"],
            Self::Qoi => &["image/qoi"],
            Self::Tga => &["image/x-tga"],
            Self::JpegXl => &["image/jxl"],
            Self::Jpeg2000 => &["image/jp2", "image/jpx"],
            Self::Heic => &["image/heic", "image/heif"],
            Self::Avif => &["image/avif"],
            // A desktop opens these with a program that develops them.
            Self::Raw => &[],
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Gif => "GIF",
            Self::Bmp => "BMP",
            Self::Tiff => "TIFF",
            Self::Pnm => "PNM",
            Self::Ico => "ICO",
            Self::Qoi => "QOI",
            Self::Tga => "TGA",
            Self::JpegXl => "JPEG XL",
            Self::Jpeg2000 => "JPEG 2000",
            Self::Heic => "HEIC",
            Self::Avif => "AVIF",
            Self::Raw => "camera raw",
        })
    }
}

/// Names the format of `bytes`, or says what they look like instead.
pub(super) fn sniff(bytes: &[u8]) -> Result<Format, DecodeError> {
    let starts = |prefix: &[u8]| bytes.starts_with(prefix);
    let at = |offset: usize, what: &[u8]| {
        bytes
            .get(offset..)
            .is_some_and(|rest| rest.starts_with(what))
    };
    if starts(&[0xFF, 0xD8, 0xFF]) {
        Ok(Format::Jpeg)
    } else if starts(b"\x89PNG\r\n\x1a\n") {
        Ok(Format::Png)
    } else if starts(b"RIFF") && at(8, b"WEBP") {
        Ok(Format::WebP)
    } else if starts(b"GIF87a") || starts(b"GIF89a") {
        Ok(Format::Gif)
    } else if raw::has_signature(bytes) {
        Ok(Format::Raw)
    } else if (starts(b"II*\0") || starts(b"II+\0")) || starts(b"MM\0*") || starts(b"MM\0+") {
        Ok(if raw::is_tiff_raw(bytes) {
            Format::Raw
        } else {
            Format::Tiff
        })
    } else if (starts(b"BM") && bytes.len() >= 26) || bmp::lacks_file_header(bytes) {
        Ok(Format::Bmp)
    } else if bytes.len() > 2
        && bytes[0] == b'P'
        && (b'1'..=b'7').contains(&bytes[1])
        && bytes[2].is_ascii_whitespace()
    {
        Ok(Format::Pnm)
    } else if has_brand(bytes, &[b"avif", b"avis"]) {
        Ok(Format::Avif)
    } else if has_brand(
        bytes,
        &[
            b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1",
            b"msf1",
        ],
    ) {
        Ok(Format::Heic)
    } else if starts(b"\0\0\0\x0cjP  ") || starts(b"\xff\x4f\xff\x51") {
        Ok(Format::Jpeg2000)
    } else if starts(b"\0\0\0\x0cJXL ") || starts(b"\xff\x0a") {
        Ok(Format::JpegXl)
    } else if starts(b"qoif") {
        Ok(Format::Qoi)
    } else if (starts(&[0, 0, 1, 0]) || starts(&[0, 0, 2, 0]))
        && bytes.len() >= 22
        && (1..=64).contains(&u16::from_le_bytes([bytes[4], bytes[5]]))
    {
        Ok(Format::Ico)
    } else if bytes.ends_with(b"TRUEVISION-XFILE.\0") || is_old_tga(bytes) {
        Ok(Format::Tga)
    } else if let Some(name) = known::by_content(bytes) {
        Err(DecodeError::Unsupported {
            name: name.to_owned(),
        })
    } else {
        Err(DecodeError::UnknownFormat {
            looks_like: known_other(bytes).map_or_else(|| describe(bytes), str::to_owned),
        })
    }
}

/// A TGA from before 1989 has no signature: its header must make sense in every field, and an uncompressed one must be
/// as long as it says.
fn is_old_tga(bytes: &[u8]) -> bool {
    let Some(header) = bytes.first_chunk::<18>() else {
        return false;
    };
    let number = |at: usize| usize::from(u16::from_le_bytes([header[at], header[at + 1]]));
    let (map, kind, depth, descriptor) = (header[1], header[2], header[16], header[17]);
    let map_bytes = number(5) * usize::from(header[7]).div_ceil(8);
    let pixels = number(12) * number(14);
    let consistent = match kind {
        1 | 9 => map == 1 && depth == 8 && number(5) > 0 && matches!(header[7], 15 | 16 | 24 | 32),
        2 | 10 => map == 0 && map_bytes == 0 && matches!(depth, 15 | 16 | 24 | 32),
        3 if depth == 1 => map == 0 && map_bytes == 0 && descriptor & 0xF == 0,
        3 | 11 => map == 0 && map_bytes == 0 && depth == 8,
        _ => false,
    };
    let data = bytes
        .len()
        .saturating_sub(18 + usize::from(header[0]) + map_bytes);
    let enough = if depth == 1 {
        // So few bits say so little that the length must fit to the byte.
        data == number(12).div_ceil(8) * number(14)
    } else if kind < 9 {
        data >= pixels * usize::from(depth).div_ceil(8)
    } else {
        // The best a run can do is 128 pixels in one packet of a pixel and a byte.
        data >= pixels.div_ceil(128) * (1 + usize::from(depth).div_ceil(8))
    };
    consistent && pixels > 0 && descriptor & 0xC0 == 0 && descriptor & 0xF <= 8 && enough
}

/// Whether the bytes are ISO base media with one of these brands, major or compatible.
fn has_brand(bytes: &[u8], wanted: &[&[u8; 4]]) -> bool {
    let brands = bytes.get(8..bytes.len().min(64)).unwrap_or_default();
    bytes.get(4..8) == Some(b"ftyp")
        && brands
            .as_chunks::<4>()
            .0
            .iter()
            .any(|brand| wanted.contains(&brand))
}

/// What is known and no picture.
fn known_other(bytes: &[u8]) -> Option<&'static str> {
    // QuickTime from before the `ftyp` box begins with any of the others.
    let boxes: [&[u8]; 5] = [b"ftyp", b"moov", b"mdat", b"wide", b"pnot"];
    let is_video = |kind: &[u8]| boxes.contains(&kind);
    if bytes.get(4..8).is_some_and(is_video) {
        return Some("a video (MP4 or MOV)");
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"AVI ") {
        return Some("a video (AVI)");
    }
    let table: [(&[u8], &str); 7] = [
        (b"\x1a\x45\xdf\xa3", "a video (MKV or WebM)"),
        (b"%PDF", "a PDF"),
        (b"%!PS", "a PostScript document"),
        (b"AT&TFORM", "a DjVu document"),
        (b"\0\x05\x16\x07", "a macOS resource fork (\"._\" file)"),
        (b"\x1f\x8b", "a gzip archive"),
        (b"PK\x03\x04", "a zip archive"),
    ];
    let found = table.iter().find(|(magic, _)| bytes.starts_with(magic));
    found.map(|&(_, name)| name)
}

fn describe(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(512)];
    let text = String::from_utf8_lossy(head);
    let trimmed = text.trim_start_matches('\u{feff}').trim_start();
    let lower = trimmed
        .get(..trimmed.len().min(64))
        .unwrap_or(trimmed)
        .to_ascii_lowercase();
    if trimmed.starts_with("version https://git-lfs") {
        return "a Git LFS pointer (run `git lfs pull`)".to_owned();
    }
    if lower.starts_with("<!doctype html") || lower.starts_with("<html") {
        return "a web page".to_owned();
    }
    let zeros = head.iter().all(|&b| b == 0);
    if zeros {
        return "zeros (a download that was never filled in?)".to_owned();
    }
    if std::str::from_utf8(head).is_ok()
        && head
            .iter()
            .all(|b| !b.is_ascii_control() || b.is_ascii_whitespace())
    {
        return "text".to_owned();
    }
    let hex: Vec<String> = bytes.iter().take(8).map(|b| format!("{b:02x}")).collect();
    format!("data that starts with {}", hex.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(bytes: &[u8]) -> String {
        sniff(bytes).expect_err("no image").to_string()
    }

    #[test]
    fn names_what_it_cannot_read() {
        let what = |bytes| sniff(bytes).ok();
        assert_eq!(
            what(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1"),
            Some(Format::Avif)
        );
        assert_eq!(
            what(b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic"),
            Some(Format::Heic)
        );
        assert_eq!(what(b"\xff\x0a\x01\x02"), Some(Format::JpegXl));
        let sequence = b"\0\0\0\x1cftyphevc\0\0\0\0msf1hevc";
        assert_eq!(what(sequence), Some(Format::Heic));
        for video in [
            b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2".as_slice(),
            b"\0\0\0\x14ftypqt  \0\0\0\0qt  \0\0\0\x08wide",
            b"\0\x01\0\0moov\0\0\0\x6cmvhd",
            b"RIFF\0\0\0\0AVI LIST",
            b"\x1a\x45\xdf\xa3\x01\0",
        ] {
            assert!(said(video).contains("video"), "{}", video.escape_ascii());
        }
        assert!(said(b"%!PS-Adobe-3.0\n").contains("a PostScript document"));
        assert!(said(b"AT&TFORM\0\0\0\0DJVU").contains("a DjVu document"));
        assert!(said(b"8BPS\0\x01").starts_with("Photoshop PSD is not read"));
        assert!(said(b"<!DOCTYPE html><html>").contains("a web page"));
        assert!(said(b"version https://git-lfs.github.com/spec/v1\n").contains("git lfs pull"));
        assert!(said(b"hello world").contains("text"));
        assert!(said(&[0; 40]).contains("zeros"));
        assert!(said(b"\xde\xad\xbe\xef").contains("de ad be ef"));
        assert!(said(b"\0\x05\x16\x07\0\x02\0\0").contains("macOS"));
    }

    #[test]
    fn a_tga_without_a_footer_is_known_by_its_header() {
        let mut tga = vec![0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 2, 0, 24, 0];
        tga.extend([7; 24]);
        assert_eq!(sniff(&tga).ok(), Some(Format::Tga));
        assert!(sniff(&tga[..41]).is_err(), "shorter than it says");
        tga[16] = 23;
        assert!(sniff(&tga).is_err(), "no such depth");
    }

    #[test]
    fn short_prefixes_never_panic() {
        for whole in [
            b"\xff\xd8\xff\xe0".as_slice(),
            b"\x89PNG\r\n\x1a\n",
            b"RIFF\0\0\0\0WEBP",
            b"BM",
            b"P6",
            b"ftypavif",
        ] {
            for end in 0..=whole.len() {
                let _ = sniff(&whole[..end]);
            }
        }
    }
}
