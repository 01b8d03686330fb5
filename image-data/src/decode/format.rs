//! What the first bytes say. File names are never looked at: ImageNet itself holds a PNG called `.JPEG`.

use std::fmt;

use super::DecodeError;

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
}

impl Format {
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
            Self::Ico => &["ico"],
            Self::Qoi => &["qoi"],
            Self::Tga => &["tga"],
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
    } else if (starts(b"II*\0") || starts(b"II+\0")) && !at(8, b"CR\x02")
        || starts(b"MM\0*")
        || starts(b"MM\0+")
    {
        Ok(Format::Tiff)
    } else if starts(b"BM") && bytes.len() >= 26 {
        Ok(Format::Bmp)
    } else if bytes.len() > 2
        && bytes[0] == b'P'
        && (b'1'..=b'7').contains(&bytes[1])
        && bytes[2].is_ascii_whitespace()
    {
        Ok(Format::Pnm)
    } else if starts(b"qoif") {
        Ok(Format::Qoi)
    } else if starts(&[0, 0, 1, 0])
        && bytes.len() >= 22
        && (1..=64).contains(&u16::from_le_bytes([bytes[4], bytes[5]]))
    {
        Ok(Format::Ico)
    } else if bytes.ends_with(b"TRUEVISION-XFILE.\0") {
        Ok(Format::Tga)
    } else if let Some(name) = known_by_name(bytes) {
        Err(DecodeError::Unsupported {
            name: name.to_owned(),
        })
    } else {
        Err(DecodeError::UnknownFormat {
            looks_like: describe(bytes),
        })
    }
}

/// Formats worth a sentence of their own because people have them.
fn known_by_name(bytes: &[u8]) -> Option<&'static str> {
    let starts = |prefix: &[u8]| bytes.starts_with(prefix);
    if bytes.get(4..8) == Some(b"ftyp") {
        // ISO base media: the major brand, then the compatible ones.
        let brands = bytes.get(8..bytes.len().min(64)).unwrap_or_default();
        let has = |brand: &[u8]| brands.chunks(4).any(|b| b == brand);
        return Some(if has(b"avif") || has(b"avis") {
            "AVIF"
        } else if has(b"heic") || has(b"heix") || has(b"hevc") || has(b"mif1") || has(b"msf1") {
            "HEIC"
        } else if has(b"crx ") {
            "Canon CR3 raw"
        } else {
            "a video (MP4 or MOV)"
        });
    }
    let table: [(&[u8], &'static str); 14] = [
        (b"\0\0\0\x0cjP  ", "JPEG 2000"),
        (b"\xff\x4f\xff\x51", "JPEG 2000"),
        (b"\0\0\0\x0cJXL ", "JPEG XL"),
        (b"\xff\x0a", "JPEG XL"),
        (b"8BPS", "Photoshop PSD"),
        (b"\x76\x2f\x31\x01", "OpenEXR"),
        (b"#?RADIANCE", "Radiance HDR"),
        (b"DDS ", "DDS texture"),
        (b"II*\0", "Canon CR2 raw"),
        (b"FUJIFILMCCD-RAW", "Fujifilm raw"),
        (b"%PDF", "PDF"),
        (b"\0\x05\x16\x07", "a macOS resource fork (\"._\" file)"),
        (b"\x1f\x8b", "a gzip archive"),
        (b"PK\x03\x04", "a zip archive"),
    ];
    table
        .iter()
        .find(|(magic, _)| starts(magic))
        .map(|&(_, name)| name)
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
    if lower.starts_with("<svg") || (lower.starts_with("<?xml") && text.contains("<svg")) {
        return "an SVG drawing".to_owned();
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
        assert!(said(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1").starts_with("AVIF is not supported"));
        assert!(said(b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic").starts_with("HEIC is not supported"));
        assert!(said(b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2").contains("video"));
        assert!(said(b"\xff\x0a\x01\x02").starts_with("JPEG XL"));
        assert!(said(b"<!DOCTYPE html><html>").contains("a web page"));
        assert!(said(b"version https://git-lfs.github.com/spec/v1\n").contains("git lfs pull"));
        assert!(said(b"hello world").contains("text"));
        assert!(said(&[0; 40]).contains("zeros"));
        assert!(said(b"\xde\xad\xbe\xef").contains("de ad be ef"));
        assert!(said(b"\0\x05\x16\x07\0\x02\0\0").contains("macOS"));
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
