//! Bitmaps that the `image` crate refuses or shows otherwise than other programs do, put into the form that it reads:
//! without a file header (`.dib`, the clipboard), with OS/2's longer header, packed by runs (RLE), with a palette whose
//! length was forgotten, and without the bytes that fill up the last row.

use std::borrow::Cow;

use super::{DecodeError, DecodeLimits, Format};

const FILE_HEADER: usize = 14;
/// The header of Windows 3, whose fields the later ones begin with.
const HEADER: usize = 40;
const OS2_HEADER: u32 = 64;

/// A bitmap as the decoder takes it.
pub(super) struct Plain<'a> {
    pub bytes: Cow<'a, [u8]>,
    /// What was wrong with it, in words.
    pub damage: Option<&'static str>,
}

/// Whether these are a bitmap's headers without a file's in front: 16 bytes that make sense together.
pub(super) fn lacks_file_header(bytes: &[u8]) -> bool {
    let (Some(header), Some(compression)) = (word(bytes, 0), word(bytes, 16)) else {
        return false;
    };
    let sides = [word(bytes, 4), word(bytes, 8)];
    matches!(header, 40 | 108 | 124)
        && half(bytes, 12) == Some(1)
        && matches!(half(bytes, 14), Some(1 | 4 | 8 | 16 | 24 | 32))
        && compression <= 3
        && !sides.contains(&Some(0))
}

/// `bytes` as the decoder takes them; of a packed bitmap without `with_pixels` only the headers.
pub(super) fn plain<'a>(
    bytes: &'a [u8],
    limits: &DecodeLimits,
    with_pixels: bool,
) -> Result<Plain<'a>, DecodeError> {
    let mut bytes = Cow::Borrowed(bytes);
    let mends = [
        with_file_header,
        without_os2_fields,
        pixels_behind_palette,
        with_last_filling,
    ];
    for mend in mends {
        if let Some(mended) = mend(&bytes) {
            bytes = Cow::Owned(mended);
        }
    }
    let is_packed = matches!(
        (half(&bytes, 28), word(&bytes, 30)),
        (Some(8), Some(1)) | (Some(4), Some(2))
    );
    if !is_packed || word(&bytes, 14).is_none_or(|header| header < HEADER as u32) {
        return Ok(Plain {
            bytes,
            damage: None,
        });
    }
    unpacked(&bytes, limits, with_pixels)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at + 4)?;
    four.try_into().ok().map(u32::from_le_bytes)
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..at + 2)?;
    two.try_into().ok().map(u16::from_le_bytes)
}

/// Bytes that the palette takes, by the headers of a whole file.
fn palette_bytes(bytes: &[u8]) -> Option<usize> {
    let (bits, used) = (half(bytes, 28)?, word(bytes, 46)?);
    Some(match (bits, used) {
        (9.., _) => 0,
        (bits, 0) => 4 << bits,
        (_, used) => 4 * used.min(256) as usize,
    })
}

fn with_file_header(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.starts_with(b"BM") {
        return None;
    }
    let mut whole = b"BM".to_vec();
    whole.resize(FILE_HEADER, 0);
    whole.extend(bytes);
    // The oldest of these headers keeps the bits of its channels behind it.
    let masks = if (word(bytes, 0), word(bytes, 16)) == (Some(HEADER as u32), Some(3)) {
        12
    } else {
        0
    };
    let start = FILE_HEADER + word(bytes, 0)? as usize + masks + palette_bytes(&whole)?;
    whole[10..14].copy_from_slice(&u32::try_from(start).ok()?.to_le_bytes());
    Some(whole)
}

/// OS/2's second header says more about printing; two of its compressions have the numbers of other ones.
fn without_os2_fields(bytes: &[u8]) -> Option<Vec<u8>> {
    let more = OS2_HEADER as usize - HEADER;
    let (start, header, compression) = (word(bytes, 10)?, word(bytes, 14)?, word(bytes, 30)?);
    if header != OS2_HEADER || compression > 2 {
        return None;
    }
    let end = FILE_HEADER + HEADER;
    let mut short = bytes.get(..end)?.to_vec();
    short.extend(bytes.get(end + more..)?);
    short[10..14].copy_from_slice(&start.checked_sub(more as u32)?.to_le_bytes());
    short[14..18].copy_from_slice(&(HEADER as u32).to_le_bytes());
    Some(short)
}

/// A bitmap with a palette whose pixels are said to begin where the palette does: some writers forget the palette's
/// length.
fn pixels_behind_palette(bytes: &[u8]) -> Option<Vec<u8>> {
    let (start, header, bits) = (word(bytes, 10)?, word(bytes, 14)?, half(bytes, 28)?);
    // The shorter header of OS/2 has its numbers elsewhere.
    let is_wrong = header >= HEADER as u32
        && bits <= 8
        && header.checked_add(FILE_HEADER as u32) == Some(start);
    if !is_wrong {
        return None;
    }
    let mut moved = bytes.to_vec();
    let start = start.checked_add(u32::try_from(palette_bytes(bytes)?).ok()?)?;
    moved[10..14].copy_from_slice(&start.to_le_bytes());
    Some(moved)
}

/// A bitmap whose last row ends with its last pixel, and not with the zeros that fill it up to four bytes.
fn with_last_filling(bytes: &[u8]) -> Option<Vec<u8>> {
    let (start, header) = (word(bytes, 10)? as usize, word(bytes, 14)?);
    // OS/2's first header has shorter numbers, and no compression.
    let (width, height, bits, compression) = if header < HEADER as u32 {
        let side = |at| half(bytes, at).map(u32::from);
        (side(18)?, side(20)?, half(bytes, 24)?, 0)
    } else {
        let height = (word(bytes, 22)? as i32).unsigned_abs();
        (word(bytes, 18)?, height, half(bytes, 28)?, word(bytes, 30)?)
    };
    let row = (width as usize).checked_mul(usize::from(bits))?.div_ceil(8);
    let whole = row
        .checked_next_multiple_of(4)?
        .checked_mul(height as usize)?
        .checked_add(start)?;
    let missing = whole.checked_sub(bytes.len())?;
    let is_filling = (1..4).contains(&missing) && row + missing <= row.next_multiple_of(4);
    (matches!(compression, 0 | 3) && is_filling).then(|| [bytes, &[0; 3][..missing]].concat())
}

/// A bitmap packed by runs as one of a byte a pixel. Pixels that the runs jump over have the palette's first color, as
/// Pillow and most programs show them; rows may begin at the top, which the format does not foresee.
fn unpacked<'a>(
    bytes: &[u8],
    limits: &DecodeLimits,
    with_pixels: bool,
) -> Result<Plain<'a>, DecodeError> {
    let truncated = || DecodeError::Truncated {
        format: Format::Bmp,
        reason: "it ends before the last pixel".to_owned(),
    };
    let field = |at| word(bytes, at).ok_or_else(truncated);
    let (start, header) = (field(10)? as usize, field(14)? as usize);
    let (width, signed_height) = (field(18)?, field(22)? as i32);
    let height = signed_height.unsigned_abs();
    // The pixels here, in the decoder's picture and in ours.
    let pixels = u64::from(width) * u64::from(height);
    limits.check(width, height, pixels.saturating_mul(7))?;
    let palette_at = FILE_HEADER.saturating_add(header);
    let palette_end = palette_at
        .saturating_add(palette_bytes(bytes).unwrap_or(0))
        .min(start);
    let mut palette = bytes
        .get(palette_at..palette_end)
        .ok_or_else(truncated)?
        .to_vec();
    palette.resize(4 * 256, 0);
    let mut out = b"BM\0\0\0\0\0\0\0\0".to_vec();
    let begin = (FILE_HEADER + HEADER + palette.len()) as u32;
    for number in [begin, HEADER as u32, width, signed_height as u32] {
        out.extend(number.to_le_bytes());
    }
    out.extend([1, 0, 8, 0]);
    out.extend([0; 24]);
    out.extend(palette);
    let mut damage = None;
    if with_pixels {
        let size = [width as usize, height as usize];
        let runs = bytes.get(start..).ok_or_else(truncated)?;
        let (pixels, is_sound) =
            expand(runs, half(bytes, 28) == Some(4), size).ok_or_else(truncated)?;
        out.extend(pixels);
        damage = (!is_sound).then_some("runs of pixels go past the edge");
    }
    Ok(Plain {
        bytes: out.into(),
        damage,
    })
}

/// The rows, each filled up to four bytes, and whether all pixels lie inside; none where the data ends too early.
fn expand(runs: &[u8], halves: bool, [width, height]: [usize; 2]) -> Option<(Vec<u8>, bool)> {
    let stride = width.next_multiple_of(4);
    let mut out = vec![0; stride * height];
    let (mut at, mut x, mut y, mut is_sound) = (0, 0, 0, true);
    // Four bits a pixel: the high ones first, a run's two in turns.
    let pixel = |byte: u8, number: usize| match (halves, number % 2) {
        (false, _) => byte,
        (true, 0) => byte >> 4,
        (true, _) => byte & 15,
    };
    while y < height {
        let Some(&[count, value]) = runs.get(at..at + 2) else {
            // The end may be left unsaid where every pixel is there.
            return (y + 1 == height && x >= width).then_some((out, is_sound));
        };
        at += 2;
        let (length, literal) = match (count, value) {
            (0, 0) => {
                (x, y) = (0, y + 1);
                continue;
            }
            (0, 1) => break,
            (0, 2) => {
                let &[right, down] = runs.get(at..at + 2)? else {
                    return None;
                };
                at += 2;
                (x, y) = (x + usize::from(right), y + usize::from(down));
                continue;
            }
            (0, length) => {
                let length = usize::from(length);
                let packed = if halves { length.div_ceil(2) } else { length };
                let literal = runs.get(at..at + packed)?;
                at += packed.next_multiple_of(2);
                (length, literal)
            }
            (length, _) => (usize::from(length), &[][..]),
        };
        for number in 0..length {
            let byte = match (literal, halves) {
                ([], _) => value,
                (literal, true) => literal[number / 2],
                (literal, false) => literal[number],
            };
            match out.get_mut(y * stride + x) {
                Some(place) if x < width => *place = pixel(byte, number),
                _ => is_sound = false,
            }
            x += 1;
        }
    }
    Some((out, is_sound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_jumps_and_literals() {
        let wide = |runs: &[u8]| expand(runs, false, [4, 2]);
        let sound = |pixels: [u8; 8]| Some((pixels.to_vec(), true));
        assert_eq!(
            wide(&[2, 7, 0, 2, 1, 1, 1, 9, 0, 1]),
            sound([7, 7, 0, 0, 0, 0, 0, 9])
        );
        assert_eq!(
            wide(&[0, 3, 1, 2, 3, 0, 0, 0, 4, 5, 0, 0]),
            sound([1, 2, 3, 0, 5, 5, 5, 5])
        );
        assert_eq!(
            expand(&[3, 0x12, 0, 0, 0, 4, 0x34, 0x56], true, [4, 2]),
            sound([1, 2, 1, 0, 3, 4, 5, 6])
        );
        // Past the edge, and cut off.
        assert_eq!(
            wide(&[6, 1, 0, 1]),
            Some((vec![1, 1, 1, 1, 0, 0, 0, 0], false))
        );
        assert_eq!(wide(&[2, 1]), None);
        assert_eq!(wide(&[0, 9, 1]), None);
        assert_eq!(wide(&[0, 2, 1]), None);
    }
}
