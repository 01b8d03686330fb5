//! What augmentation does to the pictures of a data set, as one contact sheet: each row a sample, the picture as
//! validation shows it first, then what training makes of it in successive epochs.

use std::path::Path;

use model_core::resample::{Filter, resize};
use model_core::{RgbImage, preprocessing::Preprocessing};

use crate::augment::Transform;
use crate::decode::DecodeError;
use crate::random::{Key, Purpose};
use crate::source::SampleSource;

/// Pixels between pictures.
const GAP: u32 = 4;
const PAPER: [u8; 3] = [255, 255, 255];
/// Pictures of fewer pixels a side (CIFAR) are shown enlarged, each pixel as a square.
const LEAST_SIDE: u32 = 96;

/// What to show.
#[derive(Clone, Copy, Debug)]
pub struct PreviewConfig {
    /// Samples, one a row, drawn from the whole data set.
    pub rows: usize,
    /// Augmented versions of each, as epochs 0, 1, 2, ... make them.
    pub columns: usize,
    /// The run's seed: the sheet shows what that run will see.
    pub seed: u64,
}

/// Makes the sheet. Unreadable samples are passed over; the other rows move up.
///
/// # Errors
/// [`DecodeError`] of the first unreadable sample when not one of those drawn can be read, or [`DecodeError::Empty`] for a
/// data set without samples.
pub fn contact_sheet(
    source: &dyn SampleSource,
    transform: &dyn Transform,
    evaluation: &Preprocessing,
    config: &PreviewConfig,
) -> Result<RgbImage, DecodeError> {
    let [height, width] = transform.size();
    let mut random = Key::new(config.seed, 0, u64::MAX, Purpose::Other).stream();
    let (mut rows, mut first_error) = (Vec::new(), None);
    let mut drawn = std::collections::HashSet::new();
    // A few draws more than rows: some may repeat, some may be unreadable.
    for _ in 0..config.rows.max(1) * 8 {
        if rows.len() == config.rows.max(1) || source.is_empty() {
            break;
        }
        let index = random.below(source.len() as u64) as usize;
        if !drawn.insert(index) {
            continue;
        }
        let image = match source.image(index) {
            Ok(image) => image,
            Err(error) => {
                first_error.get_or_insert(error);
                continue;
            }
        };
        let mut row = vec![resize(
            &evaluation.crop_pixels(&image),
            width,
            height,
            Filter::Bilinear,
        )];
        for epoch in 0..config.columns.max(1) {
            let key = Key::new(config.seed, epoch as u32, index as u64, Purpose::Augment);
            row.push(transform.apply(image.clone(), &mut key.stream()));
        }
        rows.push(row);
    }
    if rows.is_empty() {
        return Err(first_error.unwrap_or(DecodeError::Empty));
    }
    let zoom = (LEAST_SIDE / height.max(width)).max(1);
    let rows: Vec<Vec<RgbImage>> = rows
        .iter()
        .map(|row| row.iter().map(|image| enlarge(image, zoom)).collect())
        .collect();
    Ok(grid(&rows, width * zoom, height * zoom))
}

/// Every pixel as a square of `zoom` x `zoom`.
fn enlarge(image: &RgbImage, zoom: u32) -> RgbImage {
    let zoom = zoom as usize;
    let mut data = Vec::with_capacity(image.data.len() * zoom * zoom);
    for y in 0..image.height {
        let row: Vec<u8> = image
            .row(y)
            .chunks(3)
            .flat_map(|pixel| pixel.repeat(zoom))
            .collect();
        data.extend(row.repeat(zoom));
    }
    RgbImage {
        width: image.width * zoom as u32,
        height: image.height * zoom as u32,
        data,
    }
}

/// Pastes rows of equally large pictures onto white.
fn grid(rows: &[Vec<RgbImage>], width: u32, height: u32) -> RgbImage {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0) as u32;
    let sheet_width = columns * (width + GAP) + GAP;
    let sheet_height = rows.len() as u32 * (height + GAP) + GAP;
    let mut data = PAPER.repeat(sheet_width as usize * sheet_height as usize);
    for (r, row) in rows.iter().enumerate() {
        for (c, image) in row.iter().enumerate() {
            for y in 0..image.height {
                let top = GAP + r as u32 * (height + GAP) + y;
                let left = GAP + c as u32 * (width + GAP);
                let at = (top as usize * sheet_width as usize + left as usize) * 3;
                data[at..at + image.stride()].copy_from_slice(image.row(y));
            }
        }
    }
    RgbImage {
        width: sheet_width,
        height: sheet_height,
        data,
    }
}

/// Writes a picture as PNG.
///
/// # Errors
/// [`std::io::Error`] naming what failed: the folder is missing, the disk is full.
pub fn write_png(image: &RgbImage, path: &Path) -> std::io::Result<()> {
    image::save_buffer_with_format(
        path,
        &image.data,
        image.width,
        image.height,
        image::ExtendedColorType::Rgb8,
        image::ImageFormat::Png,
    )
    .map_err(|error| match error {
        image::ImageError::IoError(io) => io,
        other => std::io::Error::other(other.to_string()),
    })
}
