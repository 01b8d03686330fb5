//! The images under a folder, in the natural order of their names within each folder (`IMG_2` before `IMG_10`). Hidden
//! files, and files that are no picture by content or by name, are left out and counted; a picture that cannot be read
//! stays in and is reported, be it broken or of a kind that is only known by name.

use std::path::Path;

use inference::stream::Source;
use model_core::text::system_words;
use photos::walk::{WalkEntry, walk};

use super::{PassedOver, Several};

pub(super) fn images(dir: &Path, passed_over: &PassedOver) -> Several {
    let passed_over = passed_over.clone();
    Box::new(walk(dir).filter_map(move |found| match found {
        WalkEntry::Photo(path) => Some(Source::File(path)),
        WalkEntry::PassedOver(_) => {
            passed_over.add();
            None
        }
        WalkEntry::Unreadable { path, reason } => Some(Source::Failed {
            name: path.display().to_string(),
            error: reason.map_or_else(
                || "it leads back to a folder above".to_owned(),
                |reason| format!("cannot be read: {}", system_words(reason)),
            ),
        }),
    }))
}
