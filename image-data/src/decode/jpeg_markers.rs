//! A walk over a JPEG's markers before anything is decoded: size, components, color transform, EXIF, and whether
//! the picture has an end. The rules for color are libjpeg's (`jdapimin.c`, `default_decompress_parms`), because
//! they are what the world's files were checked against.

use super::{DecodeError, Format};

/// How the components of a JPEG are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JpegColor {
    Gray,
    YCbCr,
    Rgb,
    Cmyk,
    Ycck,
}

/// What the markers say.
#[derive(Debug)]
pub(super) struct Markers<'a> {
    pub width: u32,
    pub height: u32,
    pub components: u8,
    pub color: JpegColor,
    /// Progressive, or several scans: the decoder keeps every coefficient.
    pub buffered: bool,
    /// TIFF-structured EXIF, without the `Exif\0\0` in front.
    pub exif: Option<&'a [u8]>,
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

fn malformed(reason: impl Into<String>) -> DecodeError {
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

struct Frame {
    width: u32,
    height: u32,
    ids: Vec<u8>,
    progressive: bool,
}

/// Walks `bytes`, which start with SOI. `to_end` also skips over the compressed data to look for EOI.
pub(super) fn scan(bytes: &[u8], to_end: bool) -> Result<Markers<'_>, DecodeError> {
    let mut at = 2;
    let mut frame: Option<Frame> = None;
    let mut jfif = false;
    let mut adobe: Option<u8> = None;
    let mut exif = None;
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
            break;
        };
        match marker {
            // The first frame header counts.
            0xC0..=0xC2 if frame.is_none() => frame = Some(read_frame(marker, body)?),
            0xC4 | 0xC8 | 0xCC => {}
            0xC3 | 0xC5..=0xCF => {
                let name = match marker {
                    0xC3 => "lossless JPEG",
                    0xC9..=0xCB => "arithmetic-coded JPEG",
                    _ => "hierarchical JPEG",
                };
                return Err(DecodeError::Unsupported {
                    name: name.to_owned(),
                });
            }
            0xE0 => jfif |= body.starts_with(b"JFIF\0"),
            0xE1 if exif.is_none() => exif = body.strip_prefix(b"Exif\0\0"),
            0xE2 => {
                if let Some([number, _count, piece @ ..]) = body.strip_prefix(b"ICC_PROFILE\0") {
                    icc.push((*number, piece));
                }
            }
            0xEE if body.starts_with(b"Adobe") && body.len() >= 12 => adobe = Some(body[11]),
            0xDA => {
                if frame.is_none() {
                    return Err(malformed("compressed data comes before the frame header"));
                }
                scans += 1;
                if !to_end {
                    break;
                }
                at = skip_entropy(bytes, at);
            }
            _ => {}
        }
    }
    let frame = frame.ok_or_else(|| truncated("it ends before the frame header"))?;
    if scans == 0 {
        return Err(truncated("it ends before the compressed data"));
    }
    let color = color(&frame.ids, jfif, adobe)?;
    let components = frame.ids.len() as u8;
    Ok(Markers {
        width: frame.width,
        height: frame.height,
        components,
        color,
        buffered: frame.progressive || scans > 1,
        exif,
        icc,
        complete,
    })
}

/// Moves to the byte after the next marker code and returns it. Bytes that belong to nothing are skipped, as libjpeg does.
fn next_marker(bytes: &[u8], at: &mut usize) -> Option<u8> {
    loop {
        *at += bytes.get(*at..)?.iter().position(|&b| b == 0xFF)?;
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
fn segment<'a>(bytes: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let length = usize::from(u16::from_be_bytes([*bytes.get(*at)?, *bytes.get(*at + 1)?]));
    let body = bytes.get(*at + 2..*at + length.max(2))?;
    *at += length.max(2);
    Some(body)
}

/// The position of the first real marker after `at`: stuffed bytes and restart markers are data.
fn skip_entropy(bytes: &[u8], mut at: usize) -> usize {
    while let Some(offset) = bytes
        .get(at..)
        .and_then(|rest| rest.iter().position(|&b| b == 0xFF))
    {
        at += offset;
        match bytes.get(at + 1) {
            Some(0x00 | 0xD0..=0xD7) => at += 2,
            Some(0xFF) => at += 1,
            _ => return at,
        }
    }
    bytes.len()
}

fn read_frame(marker: u8, body: &[u8]) -> Result<Frame, DecodeError> {
    let [precision, h1, h0, w1, w0, count, rest @ ..] = body else {
        return Err(malformed("the frame header is too short"));
    };
    if *precision != 8 {
        return Err(DecodeError::Unsupported {
            name: format!("{precision}-bit JPEG"),
        });
    }
    let ids: Vec<u8> = rest
        .chunks_exact(3)
        .take(usize::from(*count))
        .map(|c| c[0])
        .collect();
    if ids.len() != usize::from(*count) {
        return Err(malformed(
            "the frame header lists fewer components than it counts",
        ));
    }
    Ok(Frame {
        width: u32::from(u16::from_be_bytes([*w1, *w0])),
        height: u32::from(u16::from_be_bytes([*h1, *h0])),
        ids,
        progressive: marker == 0xC2,
    })
}

fn color(ids: &[u8], jfif: bool, adobe: Option<u8>) -> Result<JpegColor, DecodeError> {
    match ids.len() {
        1 => Ok(JpegColor::Gray),
        3 if jfif => Ok(JpegColor::YCbCr),
        3 => Ok(match adobe {
            Some(0) => JpegColor::Rgb,
            Some(_) => JpegColor::YCbCr,
            None if ids == b"RGB" => JpegColor::Rgb,
            None => JpegColor::YCbCr,
        }),
        4 => Ok(if adobe == Some(2) {
            JpegColor::Ycck
        } else {
            JpegColor::Cmyk
        }),
        n => Err(DecodeError::Unsupported {
            name: format!("a JPEG of {n} components"),
        }),
    }
}
