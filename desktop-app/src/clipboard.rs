//! What was copied, as files or as a picture. On X11 it is read by [`platform::read_clipboard`], which waits for slow
//! programs and takes pictures as the files they are; elsewhere by `arboard`.

use std::sync::Arc;

use crate::desktop::{ClipboardContent, ClipboardProblem};
use crate::paths::paths_in_text;
use crate::platform::{self, WindowSystem};

/// Reads the clipboard. May take as long as the program that copied takes to hand its content over.
pub(crate) fn read(system: WindowSystem) -> ClipboardContent {
    platform::read_clipboard(system).unwrap_or_else(read_with_arboard)
}

/// Files first (a file manager offers its icon or its name as well), then a picture, then text that names files.
fn read_with_arboard() -> ClipboardContent {
    use arboard::Error;
    let Ok(mut clipboard) = arboard::Clipboard::new() else {
        return ClipboardContent::Nothing(ClipboardProblem::Unavailable);
    };
    if let Ok(files) = clipboard.get().file_list()
        && !files.is_empty()
    {
        return ClipboardContent::Files(files);
    }
    let problem = match clipboard.get_image() {
        Ok(picture) => {
            let (width, height) = (picture.width as u32, picture.height as u32);
            return match encode_png(width, height, &picture.bytes) {
                Some(bytes) => ClipboardContent::Picture(bytes),
                None => ClipboardContent::Nothing(ClipboardProblem::Unavailable),
            };
        }
        Err(Error::ContentNotAvailable) => ClipboardProblem::OtherKind,
        // There is a picture, but it could not be had.
        Err(_) => ClipboardProblem::Unavailable,
    };
    match clipboard.get_text() {
        Ok(text) => match paths_in_text(&text) {
            paths if paths.is_empty() => ClipboardContent::Nothing(ClipboardProblem::OnlyText),
            paths => ClipboardContent::Files(paths),
        },
        Err(_) => ClipboardContent::Nothing(problem),
    }
}

/// RGBA pixels as a PNG file, encoded fast; `None` when they are not `4 * width * height` bytes.
pub fn encode_png(width: u32, height: u32, rgba: &[u8]) -> Option<Arc<[u8]>> {
    use image::ImageEncoder as _;
    use image::codecs::png::{CompressionType, FilterType, PngEncoder};
    if rgba.len() as u64 != 4 * u64::from(width) * u64::from(height) {
        return None;
    }
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Sub)
        .write_image(rgba, width, height, image::ExtendedColorType::Rgba8)
        .ok()?;
    Some(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_survive_the_way_through_png() {
        let rgba = [10, 20, 30, 255, 200, 100, 50, 255];
        let file = encode_png(2, 1, &rgba).unwrap();
        assert_eq!(
            image::load_from_memory(&file).unwrap().to_rgba8().as_raw(),
            &rgba
        );
        assert!(encode_png(3, 1, &rgba).is_none());
    }
}
