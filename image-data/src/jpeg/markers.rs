//! A walk over a JPEG's markers before anything is decoded: the frame, the color space, EXIF, profile, the number of scans,
//! and whether the picture has an end.

use super::frame::{Frame, FrameError, JpegColor};
use crate::decode::{DecodeError, Format};

/// What the markers say.
#[derive(Debug)]
pub(crate) struct Markers<'a> {
    pub frame: Frame,
    pub color: JpegColor,
    /// Every coefficient must be kept until the last scan.
    pub buffered: bool,
    /// TIFF-structured EXIF, without the `Exif\0\0` in front.
    pub exif: Option<&'a [u8]>,
    /// The XMP packet, without the name in front.
    pub xmp: Option<&'a [u8]>,
    /// Pieces of the color profile, numbered from 1.
    pub icc: Vec<(u8, &'a [u8])>,
    /// The end-of-image marker was found.
    pub complete: bool,
}

impl Markers<'_> {
    /// The color profile, its pieces in order.
    pub fn icc_profile(&self) -> Option<Vec<u8>> {
        let mut pieces = self.icc.clone();
        pieces.sort_by_key(|&(number, _)| number);
        let whole: Vec<u8> = pieces
            .into_iter()
            .flat_map(|(_, piece)| piece)
            .copied()
            .collect();
        (!whole.is_empty()).then_some(whole)
    }
}

pub(super) fn malformed(reason: impl Into<String>) -> DecodeError {
    DecodeError::Malformed {
        format: Format::Jpeg,
        reason: reason.into(),
    }
}

fn truncated(reason: &str) -> DecodeError {
    DecodeError::Truncated {
        format: Format::Jpeg,
        reason: reason.to_owned(),
    }
}

impl From<FrameError> for DecodeError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Malformed(reason) => malformed(reason),
            FrameError::Unsupported(name) => Self::Unsupported { name },
        }
    }
}

/// Walks `bytes`, which start with SOI. `to_end` also skips over the compressed data to look for EOI.
///
/// # Errors
/// [`DecodeError`]: no frame header, one that is damaged, or a kind of JPEG that is not read.
pub(crate) fn walk(bytes: &[u8], to_end: bool) -> Result<Markers<'_>, DecodeError> {
    let mut at = 2;
    let mut frame: Option<Frame> = None;
    let mut jfif = false;
    let mut adobe: Option<u8> = None;
    let mut color = None;
    let (mut exif, mut xmp) = (None, None);
    let mut icc = Vec::new();
    let mut scans = 0_u32;
    let mut complete = false;
    while let Some(marker) = next_marker(bytes, &mut at) {
        match marker {
            0xD9 => {
                complete = true;
                break;
            }
            0x01 | 0xD0..=0xD8 => continue, // markers without a body
            _ => {}
        }
        let Some(body) = segment(bytes, &mut at) else {
            // Damaged data looks like a marker; an end marker behind it is one all the same.
            complete = scans > 0 && memchr::memmem::find(&bytes[at..], &[0xFF, 0xD9]).is_some();
            break;
        };
        match marker {
            // The first frame header counts.
            0xC0..=0xC2 if frame.is_none() => frame = Some(Frame::read(marker, body)?),
            // The height, when the frame header left it open.
            0xDC if scans == 1 => {
                if let (Some(frame), &[high, low]) = (&mut frame, body)
                    && frame.height == 0
                {
                    frame.set_height(u32::from(u16::from_be_bytes([high, low])));
                }
            }
            0xC4 | 0xC8 | 0xCC => {}
            0xC3 | 0xC5..=0xCF | 0xF7 if scans == 0 => {
                let name = match marker {
                    0xC3 => "lossless JPEG",
                    0xF7 => "JPEG-LS",
                    0xC9..=0xCB => "arithmetic-coded JPEG",
                    _ => "hierarchical JPEG",
                };
                return Err(DecodeError::Unsupported {
                    name: name.to_owned(),
                });
            }
            // libjpeg asks for the whole of JFIF's 14 bytes.
            0xE0 => jfif |= body.starts_with(b"JFIF\0") && body.len() >= 14,
            0xE1 => {
                exif = exif.or_else(|| body.strip_prefix(b"Exif\0\0"));
                xmp = xmp.or_else(|| body.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0"));
            }
            0xE2 => {
                if let Some([number, _count, piece @ ..]) = body.strip_prefix(b"ICC_PROFILE\0") {
                    icc.push((*number, piece));
                }
            }
            0xEE if body.starts_with(b"Adobe") && body.len() >= 12 => adobe = Some(body[11]),
            0xDA => {
                let Some(frame) = &frame else {
                    return Err(malformed("compressed data comes before the frame header"));
                };
                // What comes later cannot change how the first scan was understood.
                color.get_or_insert_with(|| frame.color(jfif, adobe));
                scans += 1;
                if !to_end && frame.height > 0 {
                    break;
                }
                at = skip_entropy(bytes, at);
            }
            _ => {}
        }
    }
    let frame = frame.ok_or_else(|| truncated("it ends before the frame header"))?;
    let color = color.ok_or_else(|| truncated("it ends before the compressed data"))?;
    Ok(Markers {
        buffered: frame.progressive,
        frame,
        color,
        exif,
        xmp,
        icc,
        complete,
    })
}

/// Moves to the byte after the next marker code and returns it. Bytes that belong to nothing are skipped, as libjpeg does.
pub(super) fn next_marker(bytes: &[u8], at: &mut usize) -> Option<u8> {
    loop {
        *at += memchr::memchr(0xFF, bytes.get(*at..)?)?;
        while *bytes.get(*at)? == 0xFF {
            *at += 1;
        }
        let code = bytes[*at];
        *at += 1;
        if code != 0 {
            return Some(code);
        }
    }
}

/// The body of the segment at `at`, moving past it. `None` when the file ends inside.
pub(super) fn segment<'a>(bytes: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let length = usize::from(u16::from_be_bytes([*bytes.get(*at)?, *bytes.get(*at + 1)?]));
    let body = bytes.get(*at + 2..*at + length.max(2))?;
    *at += length.max(2);
    Some(body)
}

/// The position of the first marker after `at` that can end a scan: stuffed bytes, restart markers and codes that are no
/// markers lie inside it.
fn skip_entropy(bytes: &[u8], mut at: usize) -> usize {
    while let Some(offset) = bytes.get(at..).and_then(|rest| memchr::memchr(0xFF, rest)) {
        at += offset;
        match bytes.get(at + 1) {
            Some(0xFF) => at += 1,
            Some(0x00..=0xBF | 0xD0..=0xD7) => at += 2,
            _ => return at,
        }
    }
    bytes.len()
}
