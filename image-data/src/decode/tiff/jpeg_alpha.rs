//! Color and transparency in one JPEG inside a TIFF: two or four components, of which a JPEG file knows no meaning. The
//! JPEG reader gives three channels of a picture, so it is given a stream whose headers name those that are wanted.

use std::ops::RangeInclusive;

use super::super::jpeg::Components;
use super::super::{Damage, DecodeConfig, DecodeError, Format, jpeg};
use super::jpeg::fit;
use super::refused;
use crate::jpeg::JpegColor;

/// Gray and transparency, or four components as they are, of exactly `size` pixels.
pub(super) fn samples(
    stream: &[u8],
    ycbcr: bool,
    count: usize,
    size: [usize; 2],
    config: &DecodeConfig,
) -> Result<(Vec<u8>, Option<Damage>), DecodeError> {
    let frame = frame_at(stream).ok_or_else(|| malformed("a strip or tile has no JPEG header"))?;
    if usize::from(stream[frame + 9]) != count {
        let got = stream[frame + 9];
        let reason = format!("a strip or tile has {got} channels, not {count}");
        return Err(malformed(&reason));
    }
    if count == 2 {
        let (decoded, _) = jpeg::decode(&with_third(stream, frame)?, config)?;
        let pixels = fit(&decoded, size)?;
        let pairs = pixels.as_chunks::<3>().0.iter().flat_map(|p| [p[0], p[1]]);
        return Ok((pairs.collect(), decoded.damage));
    }
    let color = if ycbcr {
        JpegColor::YCbCr
    } else {
        JpegColor::Rgb
    };
    let (colors, _) = jpeg::decode_as(stream, config, Components::FirstOfFour(color))?;
    let last_first = last_first(stream, frame);
    let gray = Components::FirstOfFour(JpegColor::Gray);
    let (last, _) = jpeg::decode_as(&last_first, config, gray)?;
    let (rgb, fourth) = (fit(&colors, size)?, fit(&last, size)?);
    let pixels = rgb.as_chunks::<3>().0.iter().zip(fourth.as_chunks::<3>().0);
    let four = pixels.flat_map(|(rgb, fourth)| [rgb[0], rgb[1], rgb[2], fourth[0]]);
    Ok((four.collect(), colors.damage))
}

fn malformed(reason: &str) -> DecodeError {
    DecodeError::Malformed {
        format: Format::Tiff,
        reason: reason.to_owned(),
    }
}

/// Where the first of these markers is, from the marker at `at` on.
fn marker_at(stream: &[u8], mut at: usize, wanted: RangeInclusive<u8>) -> Option<usize> {
    loop {
        let &[0xFF, marker, high, low] = stream.get(at..at + 4)? else {
            return None;
        };
        if wanted.contains(&marker) {
            return Some(at);
        }
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
    }
}

/// Where the frame header is, of a kind that is read and with all its components.
fn frame_at(stream: &[u8]) -> Option<usize> {
    let frame = marker_at(stream, 2, 0xC0..=0xC2)?;
    let count = usize::from(*stream.get(frame + 9)?);
    (stream.len() >= frame + 10 + 3 * count).then_some(frame)
}

/// The same picture with its last component in front, where the reader looks for gray. Scans name components by number,
/// so they stay as they are.
fn last_first(stream: &[u8], frame: usize) -> Vec<u8> {
    let mut stream = stream.to_vec();
    let components = frame + 10;
    stream[components..components + 12].rotate_right(3);
    stream
}

/// The same picture with a third component, which is even: a scan of its own, in which every block is the same.
fn with_third(stream: &[u8], frame: usize) -> Result<Vec<u8>, DecodeError> {
    if stream[frame + 1] == 0xC2 {
        return Err(refused("progressive JPEG of 2 channels"));
    }
    let number = |at: usize| usize::from(u16::from_be_bytes([stream[at], stream[at + 1]]));
    let (height, width) = (number(frame + 5), number(frame + 7));
    let components = &stream[frame + 10..frame + 16];
    let id = (0..=2).find(|id| ![components[0], components[3]].contains(id));
    let id = id.unwrap_or(3);
    let largest = |shift: u8| (components[1] >> shift & 15).max(components[4] >> shift & 15);
    let blocks = |side: usize, factor: u8| side.div_ceil(usize::from(factor.max(1))).div_ceil(8);
    let blocks = blocks(width, largest(4)) * blocks(height, largest(0));
    // Compressed data holds no end marker.
    let scan = marker_at(stream, frame, 0xDA..=0xDA).unwrap_or(frame);
    let end = memchr::memmem::find(&stream[scan..], &[0xFF, 0xD9]);
    let end = end.map_or(stream.len(), |end| scan + end);
    let mut out = stream[..frame].to_vec();
    out.extend([0xFF, stream[frame + 1], 0, 17]);
    out.extend(&stream[frame + 4..frame + 9]);
    out.push(3);
    out.extend(components);
    out.extend([id, 0x11, components[2]]);
    out.extend(&stream[frame + 16..end]);
    // No restarts, and tables in which the one code, a single 0, means "no difference" and "no more".
    out.extend([0xFF, 0xDD, 0, 4, 0, 0]);
    for class in [0x00, 0x10] {
        out.extend([0xFF, 0xC4, 0, 20, class, 1]);
        out.extend([0; 16]);
    }
    out.extend([0xFF, 0xDA, 0, 8, 1, id, 0x00, 0, 63, 0]);
    out.extend(std::iter::repeat_n(0, (2 * blocks).div_ceil(8)));
    out.extend([0xFF, 0xD9]);
    Ok(out)
}
