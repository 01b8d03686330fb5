//! The desktop around the window: its file dialogs and its clipboard, always asked off the window's thread.
//!
//! Behind a trait, so that tests answer in the user's place.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::intake;
use crate::platform::{self, Works};

/// What a dialog is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// Photos to look at.
    Photos,
    /// A folder of photos.
    Folder,
    /// An ONNX model.
    Model,
    /// Where to write an export; the suggested name.
    Save(String),
}

/// What came of a dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Picked {
    /// The user chose these.
    Chosen(Vec<PathBuf>),
    /// The user closed it.
    Closed,
    /// None is known on this system, or it closed at once.
    NoDialog,
}

/// What was on the clipboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pasted {
    /// Files, or paths as text.
    Files(Vec<PathBuf>),
    /// A picture, as a PNG file.
    Picture(Arc<[u8]>),
    /// Neither; why.
    Nothing(String),
}

/// Called from another thread with the answer.
pub type Answer<T> = Box<dyn FnOnce(T) + Send>;

/// The desktop.
pub trait Desk {
    /// Opens a dialog; returns at once.
    fn pick(&self, what: Pick, answer: Answer<Picked>);
    /// Reads the clipboard; returns at once.
    fn paste(&self, answer: Answer<Pasted>);
}

/// The real desktop: rfd and arboard.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDesk;

/// No user closes a dialog faster than this.
const TOO_FAST: Duration = Duration::from_millis(250);

const PICTURES: [&str; 12] = [
    "jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "pnm", "ppm", "pgm", "jfif",
];

impl Desk for RealDesk {
    fn pick(&self, what: Pick, answer: Answer<Picked>) {
        // Made here, awaited elsewhere: macOS wants its dialogs made on the window's thread.
        let dialog = rfd::AsyncFileDialog::new();
        let begun = Instant::now();
        let named = |files: Option<Vec<rfd::FileHandle>>| {
            files.map(|files| files.iter().map(|file| file.path().to_owned()).collect())
        };
        let finish = move |chosen: Option<Vec<PathBuf>>| {
            answer(match chosen {
                Some(paths) => Picked::Chosen(paths),
                None => unanswered(begun.elapsed(), platform::dialog().0),
            });
        };
        match what {
            Pick::Photos => {
                let asked = dialog
                    .set_title("Open photos")
                    .add_filter("Photos", &PICTURES)
                    .add_filter("All files", &["*"])
                    .pick_files();
                wait("dialog", move || finish(named(pollster::block_on(asked))));
            }
            Pick::Folder => {
                let asked = dialog.set_title("Open a folder of photos").pick_folders();
                wait("dialog", move || finish(named(pollster::block_on(asked))));
            }
            Pick::Model => {
                let asked = dialog
                    .set_title("Choose a model")
                    .add_filter("ONNX model", &["onnx"])
                    .pick_file();
                wait("dialog", move || {
                    finish(named(pollster::block_on(asked).map(|file| vec![file])))
                });
            }
            Pick::Save(name) => {
                let asked = dialog
                    .set_title("Export the answers")
                    .set_file_name(name)
                    .save_file();
                wait("dialog", move || {
                    finish(named(pollster::block_on(asked).map(|file| vec![file])))
                });
            }
        }
    }

    fn paste(&self, answer: Answer<Pasted>) {
        wait("paste", move || answer(read_clipboard()));
    }
}

/// What no answer of a dialog means: nobody closes one so fast, and a system that has none (a busy one may take its time to
/// say so) did not show one.
fn unanswered(after: Duration, dialog: Works) -> Picked {
    if after < TOO_FAST || dialog != Works::Yes {
        Picked::NoDialog
    } else {
        Picked::Closed
    }
}

/// Runs `work` in a thread of its own. Without a thread the answer never comes, and the window goes on.
fn wait(name: &str, work: impl FnOnce() + Send + 'static) {
    drop(
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(work),
    );
}

/// Files first (a file manager offers its icon or its name as well), then a picture, then text that names files.
fn read_clipboard() -> Pasted {
    let mut clipboard = match arboard::Clipboard::new() {
        Ok(clipboard) => clipboard,
        Err(error) => return Pasted::Nothing(format!("the clipboard could not be read ({error})")),
    };
    if let Ok(files) = clipboard.get().file_list()
        && !files.is_empty()
    {
        return Pasted::Files(files);
    }
    if let Ok(picture) = clipboard.get_image() {
        return match png(&picture) {
            Ok(bytes) => Pasted::Picture(bytes),
            Err(error) => {
                Pasted::Nothing(format!("the copied picture could not be used ({error})"))
            }
        };
    }
    match clipboard.get_text() {
        Ok(text) => match intake::paths_in_text(&text) {
            paths if paths.is_empty() => {
                Pasted::Nothing("the clipboard holds text that names no file".to_owned())
            }
            paths => Pasted::Files(paths),
        },
        Err(_) => Pasted::Nothing("the clipboard holds no picture, no file and no path".to_owned()),
    }
}

fn png(picture: &arboard::ImageData<'_>) -> Result<Arc<[u8]>, String> {
    let (width, height) = (picture.width as u32, picture.height as u32);
    encode_png(width, height, &picture.bytes)
}

/// RGBA pixels as a PNG file, encoded fast.
///
/// # Errors
/// When the pixels are not `4 * width * height` bytes.
pub fn encode_png(width: u32, height: u32, rgba: &[u8]) -> Result<Arc<[u8]>, String> {
    use image::ImageEncoder as _;
    use image::codecs::png::{CompressionType, FilterType, PngEncoder};
    if rgba.len() as u64 != 4 * u64::from(width) * u64::from(height) {
        return Err(format!(
            "expected {width} x {height} pixels, got {} bytes",
            rgba.len()
        ));
    }
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Sub)
        .write_image(rgba, width, height, image::ExtendedColorType::Rgba8)
        .map_err(|error| error.to_string())?;
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_from_a_system_without_dialogs_is_no_closing() {
        let (soon, later) = (Duration::from_millis(20), Duration::from_secs(3));
        assert_eq!(unanswered(soon, Works::Yes), Picked::NoDialog);
        assert_eq!(unanswered(later, Works::Yes), Picked::Closed);
        assert_eq!(unanswered(later, Works::Perhaps), Picked::NoDialog);
    }

    #[test]
    fn pictures_survive_the_way_through_png() {
        let rgba = [10, 20, 30, 255, 200, 100, 50, 255];
        let file = encode_png(2, 1, &rgba).unwrap();
        assert_eq!(
            image::load_from_memory(&file).unwrap().to_rgba8().as_raw(),
            &rgba
        );
        assert!(encode_png(3, 1, &rgba).is_err());
    }
}
