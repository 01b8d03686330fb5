//! What lies under the transparent pixels of a GIF: the color that Pillow's `convert("RGB")` shows there. The `image`
//! crate, which decodes the pixels, gives them no color.

use std::io::Cursor;

use image::RgbaImage;

/// Gives pixels without opacity their color from the palette.
pub(super) fn fill_hidden(bytes: &[u8], pixels: &mut RgbaImage) {
    if let Some([r, g, b]) = hidden_color(bytes) {
        for pixel in pixels.pixels_mut().filter(|pixel| pixel.0[3] == 0) {
            pixel.0 = [r, g, b, 0];
        }
    }
}

/// The color of the index that the first frame calls transparent, which also stands around a frame smaller than the
/// picture; without such an index, the first color.
fn hidden_color(bytes: &[u8]) -> Option<[u8; 3]> {
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::Indexed);
    let mut decoder = options.read_info(Cursor::new(bytes)).ok()?;
    let frame = decoder.next_frame_info().ok()??;
    let index = 3 * usize::from(frame.transparent.unwrap_or(0));
    let own = frame.palette.clone();
    let palette = own.as_deref().or_else(|| decoder.global_palette())?;
    palette.get(index..index + 3)?.try_into().ok()
}

/// The file as other programs understand it, where its header is wrong: a screen smaller than the first frame grows,
/// and without any palette places mean shades of gray. None where nothing is wrong.
pub(super) fn mended(bytes: &[u8]) -> Option<Vec<u8>> {
    const HEADER: usize = 13;
    const GLOBAL_PALETTE: usize = 10;
    let palette_bytes = |flags: u8| match flags & 0x80 {
        0 => 0,
        _ => 3 * (2 << (flags & 7)),
    };
    let number = |at: usize| {
        let two = bytes.get(at..at + 2)?;
        two.try_into().ok().map(u16::from_le_bytes)
    };
    let flags = *bytes.get(GLOBAL_PALETTE)?;
    let mut at = HEADER + palette_bytes(flags);
    // Extensions in front of the first frame, each in pieces that say how long they are.
    while bytes.get(at) == Some(&0x21) {
        at += 2;
        while let length @ 1.. = usize::from(*bytes.get(at)?) {
            at += 1 + length;
        }
        at += 1;
    }
    if bytes.get(at) != Some(&0x2C) {
        return None;
    }
    let end = |first: usize| Some(number(first)?.saturating_add(number(first + 4)?));
    let screen = [number(6)?, number(8)?];
    let grown = [screen[0].max(end(at + 1)?), screen[1].max(end(at + 3)?)];
    let has_palette = (flags | bytes.get(at + 9)?) & 0x80 != 0;
    if grown == screen && has_palette {
        return None;
    }
    let mut mended = bytes.to_vec();
    mended[6..8].copy_from_slice(&grown[0].to_le_bytes());
    mended[8..10].copy_from_slice(&grown[1].to_le_bytes());
    if !has_palette {
        mended[GLOBAL_PALETTE] |= 0x87;
        let grays = (0..=u8::MAX).flat_map(|shade| [shade; 3]);
        mended.splice(HEADER..HEADER, grays);
    }
    Some(mended)
}
