//! A photo's bytes to pixels, and to the smaller pictures the window shows. The decoder is the one `infer-cli` uses.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use image_data::decode::{self, DecodeConfig, Format};
use model_core::RgbImage;
use model_core::reading::ReadingConfig;

use crate::content::{ContentId, FileStamp};
use crate::photo::PhotoSource;
use crate::problem::{self, Problem};

/// Long side of a thumbnail, in pixels.
pub const THUMBNAIL_SIDE: u32 = 224;

/// Long side of the photo as the single view shows it, in pixels.
pub const SHOWN_SIDE: u32 = 2048;

/// A picture of more pixels than this waits until no other such picture is being decoded.
const LARGE_PIXELS: u64 = 24_000_000;

/// A file that is written while it is read is read again, this often.
const ATTEMPTS: usize = 3;

/// A decoded photo, and which content it was decoded from.
#[derive(Clone, Debug)]
pub struct LoadedPhoto {
    /// The pixels, as the model reads them.
    pub image: RgbImage,
    /// The content they came from.
    pub content: ContentId,
    /// Why parts of the picture may be wrong, when the decoder noticed damage.
    pub damage: Option<String>,
    /// The pixels are those of the preview that a camera put into its raw file.
    pub is_preview: bool,
}

/// Reads and decodes a photo as a model's `reading` says. What the window shows of it is made from the same pixels: a
/// model that leaves turned photos lying shows them so.
///
/// # Errors
/// A [`Problem`] in words for the window.
pub fn load(
    source: &PhotoSource,
    reading: &ReadingConfig,
    large: &Mutex<()>,
) -> Result<LoadedPhoto, Problem> {
    let mut config = DecodeConfig::reading(reading);
    // `infer-cli` counts its limit in whole megapixels, and both refuse the same photos.
    config.limits.max_pixels -= config.limits.max_pixels % 1_000_000;
    let (bytes, stamp) = match source {
        PhotoSource::Memory { bytes, .. } => return decode_bytes(bytes, None, &config, large),
        PhotoSource::File(path) => read_file(path, &config)?,
    };
    decode_bytes(&bytes, stamp, &config, large)
}

/// The bytes of a file and the stamp that belongs to them: it was the same before and after the reading.
fn read_file(path: &Path, config: &DecodeConfig) -> Result<(Vec<u8>, Option<FileStamp>), Problem> {
    // Opening a pipe would wait for a writer that may never come.
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return Err(Problem::new(
            "This is no file but a pipe or a device.",
            "Save the photo as a file and open that.",
        )
        .brief("Not a file"));
    }
    for _ in 1..ATTEMPTS {
        let before = FileStamp::of(path);
        let bytes = decode::read_file(path, &config.limits)
            .map_err(|error| problem::of_decoding(&error))?;
        if before.is_some() && before == FileStamp::of(path) {
            return Ok((bytes, before));
        }
    }
    // It changes all the time. Without a stamp it counts as changed whenever somebody asks.
    decode::read_file(path, &config.limits)
        .map(|bytes| (bytes, None))
        .map_err(|error| problem::of_decoding(&error))
}

fn decode_bytes(
    bytes: &[u8],
    stamp: Option<FileStamp>,
    config: &DecodeConfig,
    large: &Mutex<()>,
) -> Result<LoadedPhoto, Problem> {
    let header =
        decode::probe(bytes, &config.limits).map_err(|error| problem::of_decoding(&error))?;
    let pixels = u64::from(header.width) * u64::from(header.height);
    let _alone =
        (pixels > LARGE_PIXELS).then(|| large.lock().unwrap_or_else(PoisonError::into_inner));
    let decoded =
        decode::decode_full(bytes, config).map_err(|error| problem::of_decoding(&error))?;
    Ok(LoadedPhoto {
        is_preview: decoded.format == Format::Raw,
        image: decoded.image,
        content: ContentId::of(bytes, stamp),
        damage: decoded.damage.map(|damage| damage.to_string()),
    })
}

/// The small picture of a photo for the grid.
pub fn thumbnail(image: &RgbImage) -> RgbImage {
    fit(image, THUMBNAIL_SIDE)
}

/// The photo for the single view.
pub fn shown(image: &RgbImage) -> RgbImage {
    fit(image, SHOWN_SIDE)
}

/// The photo with its long side at most `side`, averaged over areas (for the eye; the network gets its own, exact
/// resize).
fn fit(image: &RgbImage, side: u32) -> RgbImage {
    let long = image.width.max(image.height);
    if long <= side {
        return image.clone();
    }
    let scaled =
        |length: u32| ((u64::from(length) * u64::from(side) / u64::from(long)) as u32).max(1);
    let (width, height) = (scaled(image.width), scaled(image.height));
    let view = image::ImageBuffer::<image::Rgb<u8>, &[u8]>::from_raw(
        image.width,
        image.height,
        image.data.as_slice(),
    );
    match view {
        Some(view) => {
            let small = image::imageops::thumbnail(&view, width, height);
            RgbImage {
                width,
                height,
                data: small.into_raw(),
            }
        }
        None => image.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_shrink_to_fit_and_never_vanish() {
        let wide = RgbImage::new(3000, 2, vec![7; 18_000]).unwrap();
        let small = thumbnail(&wide);
        assert_eq!((small.width, small.height), (THUMBNAIL_SIDE, 1));
        assert_eq!(small.data.len(), 3 * THUMBNAIL_SIDE as usize);
        let tiny = RgbImage::new(2, 3, vec![1; 18]).unwrap();
        assert_eq!(thumbnail(&tiny), tiny);
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_does_not_hold_a_worker() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe.jpg");
        let made = std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap();
        assert!(made.success());
        let problem = load(
            &PhotoSource::File(pipe),
            &ReadingConfig::default(),
            &Mutex::new(()),
        )
        .unwrap_err();
        assert!(problem.what.contains("pipe"));
    }
}
