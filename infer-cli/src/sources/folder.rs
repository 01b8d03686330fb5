//! The images under a folder, in the natural order of their names within each folder (`IMG_2` before `IMG_10`). Hidden
//! files, and files that are no picture by content or by name, are left out; a picture that cannot be read stays in and
//! is reported, be it broken or of a kind that is only known by name.

use std::path::PathBuf;

use image_data::formats;
use inference::stream::Source;
use photos::walk::{is_hidden, walk};

use super::Several;

pub(super) fn images(dir: PathBuf) -> Several {
    Box::new(walk(&dir).filter_map(|entry| {
        match entry {
            Ok(entry)
                if entry.file_type().is_file()
                    && !is_hidden(entry.file_name())
                    && formats::looks_like_picture(entry.path()) =>
            {
                Some(Source::File(entry.into_path()))
            }
            Ok(_) => None,
            Err(error) => Some(Source::Failed {
                name: error
                    .path()
                    .map_or_else(String::new, |path| path.display().to_string()),
                error: error
                    .io_error()
                    .map_or_else(|| "a circle of links".to_owned(), ToString::to_string),
            }),
        }
    }))
}
