//! Pictures and tensors to files: PNG, NumPy's .npy, and the contact sheet.

use std::io::Cursor;
use std::path::Path;

use anyhow::{Context, Result};
use image::{ExtendedColorType, ImageFormat};
use model_core::resample::{Filter, resize};
use model_core::{RgbImage, atomic_file};

/// Writes a PNG.
///
/// # Errors
/// When the file cannot be written.
pub fn save_png(path: &Path, image: &RgbImage) -> Result<()> {
    Ok(atomic_file::write(path, &png(image)?)?)
}

/// A picture as PNG bytes.
///
/// # Errors
/// When the encoder refuses the size.
pub fn png(image: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    let (width, height) = (image.width, image.height);
    image::write_buffer_with_format(
        &mut bytes,
        &image.data,
        width,
        height,
        ExtendedColorType::Rgb8,
        ImageFormat::Png,
    )
    .context("cannot encode the PNG")?;
    Ok(bytes.into_inner())
}

/// Writes a float32 tensor in NumPy's format 1.0.
///
/// # Errors
/// When the file cannot be written.
pub fn save_npy(path: &Path, shape: &[usize], values: &[f32]) -> Result<()> {
    Ok(atomic_file::write(path, &npy(shape, values))?)
}

/// A float32 tensor as .npy bytes: magic, version, a header padded to 64 bytes, little-endian values.
pub fn npy(shape: &[usize], values: &[f32]) -> Vec<u8> {
    let dims: String = shape.iter().map(|dim| format!("{dim}, ")).collect();
    let mut header = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}",
        dims.trim_end()
    );
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    header.push_str(&" ".repeat(length - header.len() - 1));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(length as u16).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

/// Side of a picture on the contact sheet, in pixels.
pub const TILE: u32 = 160;

/// Pictures in rows, each shrunk to fit a square tile; the order is the reader's.
pub fn contact_sheet(images: &[RgbImage], columns: u32) -> Option<RgbImage> {
    let count = u32::try_from(images.len())
        .ok()
        .filter(|count| *count > 0)?;
    let columns = columns.clamp(1, count);
    let rows = count.div_ceil(columns);
    let cell = TILE + 8;
    let mut sheet = RgbImage::filled(columns * cell, rows * cell, [255; 3]).ok()?;
    for (place, image) in (0u32..).zip(images) {
        let scale = f64::from(TILE) / f64::from(image.width.max(image.height));
        let side = |side: u32| ((f64::from(side) * scale).round() as u32).clamp(1, TILE);
        let small = resize(
            image,
            side(image.width),
            side(image.height),
            Filter::Bilinear,
        );
        let x = place % columns * cell + 4 + (TILE - small.width) / 2;
        let y = place / columns * cell + 4 + (TILE - small.height) / 2;
        let stride = sheet.stride();
        for row in 0..small.height {
            let to = (y + row) as usize * stride + x as usize * 3;
            sheet.data[to..to + small.stride()].copy_from_slice(small.row(row));
        }
    }
    Some(sheet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn npy_has_numpys_layout() {
        let bytes = npy(&[1, 3], &[1.0, 2.0, 3.0]);
        assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
        let header_len = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        assert_eq!((10 + header_len) % 64, 0);
        let header = std::str::from_utf8(&bytes[10..10 + header_len]).unwrap();
        assert!(
            header.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3,), }"),
            "{header}"
        );
        assert!(header.ends_with('\n'));
        assert_eq!(
            &bytes[10 + header_len..10 + header_len + 4],
            1f32.to_le_bytes()
        );
        assert_eq!(bytes.len(), 10 + header_len + 12);
    }

    #[test]
    fn a_sheet_has_room_for_every_picture() {
        let tall = RgbImage::filled(10, 400, [9; 3]).unwrap();
        let sheet = contact_sheet(&[tall.clone(), tall.clone(), tall], 2).unwrap();
        assert_eq!(
            (sheet.width, sheet.height),
            (2 * (TILE + 8), 2 * (TILE + 8))
        );
        assert_eq!(sheet.pixel(84, 84), [9; 3]);
        assert!(contact_sheet(&[], 4).is_none());
    }
}
