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
