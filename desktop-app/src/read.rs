//! A photo's bytes to pixels, and to the smaller pictures the window shows. The decoder is the one `infer-cli` uses.

use std::sync::{Mutex, PoisonError};

use image_data::decode::{self, DecodeOptions};
use model_core::RgbImage;

use crate::classify::Problem;
use crate::photo::Source;

/// Long side of a thumbnail, in pixels.
pub const THUMBNAIL_SIDE: u32 = 224;

/// Long side of the photo as the single view shows it, in pixels.
pub const SHOWN_SIDE: u32 = 1600;

/// A picture of more pixels than this waits until no other such picture is in memory.
const LARGE_PIXELS: u64 = 24_000_000;

/// Decodes a photo, with its EXIF orientation applied.
///
/// # Errors
/// A [`Problem`] with the decoder's reason and a remedy.
pub fn photo(source: &Source, large: &Mutex<()>) -> Result<RgbImage, Problem> {
    let options = DecodeOptions::default();
    let file;
    let bytes: &[u8] = match source {
        Source::Memory { bytes, .. } => bytes,
        Source::File(path) => {
            // Opening a pipe would wait for a writer that may never come.
            if std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
                return Err(Problem::new(
                    "It is no file but a pipe or a device.",
                    "Save the photo as a file and open that.",
                ));
            }
            file = decode::read_file(path, &options.limits).map_err(|error| problem(&error))?;
            &file
        }
    };
    let header = decode::probe(bytes, &options.limits).map_err(|error| problem(&error))?;
    let pixels = u64::from(header.width) * u64::from(header.height);
    let _alone =
        (pixels > LARGE_PIXELS).then(|| large.lock().unwrap_or_else(PoisonError::into_inner));
    decode::decode(bytes, &options).map_err(|error| problem(&error))
}

fn problem(error: &decode::DecodeError) -> Problem {
    let remedy = match error {
        decode::DecodeError::Io(_) => {
            "Check that the file is still there and that you may read it."
        }
        _ => "Try another file, or open it in an image editor and save it as JPEG or PNG.",
    };
    split(&error.to_string(), remedy)
}

/// A library's "what happened; what to do" as a [`Problem`]; `remedy` when the text brings none.
pub fn split(text: &str, remedy: &str) -> Problem {
    match text.rsplit_once("; ") {
        Some((what, todo)) => Problem::new(sentence(what), sentence(todo)),
        None => Problem::new(sentence(text), remedy),
    }
}

/// An error's text as a sentence: a capital at its beginning, a stop at its end.
pub fn sentence(text: &str) -> String {
    let mut letters = text.trim_end_matches('.').chars();
    let mut sentence: String = letters
        .next()
        .map(|first| first.to_uppercase().collect())
        .unwrap_or_default();
    sentence.extend(letters);
    sentence.push('.');
    sentence
}

/// The small picture of a photo for the grid.
pub fn thumbnail(image: &RgbImage) -> RgbImage {
    fit(image, THUMBNAIL_SIDE)
}

/// The photo for the single view.
pub fn shown(image: &RgbImage) -> RgbImage {
    fit(image, SHOWN_SIDE)
}

/// The photo with its long side at most `side`, averaged over areas (for the eye; the network gets its own, exact resize).
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
        let problem = photo(&Source::File(pipe), &Mutex::new(())).unwrap_err();
        assert!(problem.what.contains("pipe"));
    }

    #[test]
    fn errors_become_sentences() {
        assert_eq!(sentence("no picture: got text"), "No picture: got text.");
        assert_eq!(
            split("it is empty; copy it again", "x"),
            Problem::new("It is empty.", "Copy it again.")
        );
        assert_eq!(
            split("it is empty", "Do x."),
            Problem::new("It is empty.", "Do x.")
        );
    }
}
