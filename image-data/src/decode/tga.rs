//! What the `image` crate does not do about TGA. One of one bit a pixel, which Pillow writes, becomes one of eight bits;
//! runs that do not fit are seen.

use super::{DecodeError, DecodeLimits, Format};

/// Bytes of the header.
const HEADER: usize = 18;

/// The same picture with a byte a pixel, if it has one bit a pixel.
///
/// # Errors
/// One that is run-length coded, breaks off, or is over a limit.
pub(super) fn widened(bytes: &[u8], limits: &DecodeLimits) -> Result<Option<Vec<u8>>, DecodeError> {
    let Some(header) = bytes.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let (kind, depth) = (header[2], header[16]);
    if depth != 1 || !matches!(kind, 3 | 11) {
        return Ok(None);
    }
    if kind == 11 {
        return Err(DecodeError::Unsupported {
            name: "a run-length coded TGA of one bit a pixel".to_owned(),
        });
    }
    let number = |at: usize| usize::from(u16::from_le_bytes([header[at], header[at + 1]]));
    let (width, height) = (number(12), number(14));
    limits.check(width as u32, height as u32, 5 * (width * height) as u64)?;
    let map = number(5) * usize::from(header[7]).div_ceil(8);
    let start = HEADER + usize::from(header[0]) + if header[1] == 1 { map } else { 0 };
    let stride = width.div_ceil(8);
    let rows = bytes.get(start..start + stride * height);
    let rows = rows.ok_or_else(|| DecodeError::Truncated {
        format: Format::Tga,
        reason: "it ends before the last pixel".to_owned(),
    })?;
    let mut wide = header.to_vec();
    // No id, no palette, 8 bits.
    wide[0] = 0;
    wide[1] = 0;
    wide[3..8].fill(0);
    wide[16] = 8;
    for row in rows.chunks_exact(stride) {
        wide.extend((0..width).map(|x| {
            let on = row[x / 8] & (0x80 >> (x % 8)) != 0;
            if on { 255 } else { 0 }
        }));
    }
    Ok(Some(wide))
}

/// Whether the last run of a packed picture goes past its end: a bit fell over somewhere, and pixels behind it are
/// displaced. The decoder leaves out what is too much without a word.
pub(super) fn runs_past_end(bytes: &[u8]) -> bool {
    let Some(header) = bytes.first_chunk::<HEADER>() else {
        return false;
    };
    if !matches!(header[2], 9..=11) {
        return false;
    }
    let number = |at: usize| usize::from(u16::from_le_bytes([header[at], header[at + 1]]));
    let mut left = number(12) * number(14);
    let size = usize::from(header[16]).div_ceil(8);
    let map = number(5) * usize::from(header[7]).div_ceil(8);
    let mut at = HEADER + usize::from(header[0]) + if header[1] == 1 { map } else { 0 };
    while left > 0
        && let Some(&packet) = bytes.get(at)
    {
        let pixels = usize::from(packet & 0x7F) + 1;
        if pixels > left {
            return true;
        }
        left -= pixels;
        let stored = if packet & 0x80 == 0 { pixels } else { 1 };
        at += 1 + stored * size;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_become_bytes() {
        let mut tga = vec![2, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 2, 0, 1, 0x20];
        tga.extend([9, 9, 0b1010_0000, 0b0100_0000, 0, 0x80]);
        let limits = DecodeLimits::default();
        let wide = widened(&tga, &limits).unwrap().unwrap();
        let pixels = &wide[HEADER..];
        let on: Vec<usize> = (0..pixels.len()).filter(|at| pixels[*at] == 255).collect();
        assert_eq!((pixels.len(), on), (20, vec![0, 2, 9, 18]));
        assert!(widened(&tga[..23], &limits).is_err(), "it breaks off");
        tga[2] = 11;
        assert!(
            widened(&tga, &limits)
                .unwrap_err()
                .to_string()
                .contains("run-length")
        );
        tga[16] = 8;
        assert_eq!(widened(&tga, &limits).unwrap(), None);
    }
}
