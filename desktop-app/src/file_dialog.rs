//! The system's file dialogs: zenity attached to the window where there is no desktop portal, else what `rfd` finds.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use image_data::formats;

use crate::desktop::{FileRequest, FileResponse, ParentWindow, Reply, in_thread};
use crate::platform::{self, Support};

/// No user closes a dialog faster than this.
const TOO_FAST: Duration = Duration::from_millis(250);

/// The title of a dialog.
pub(crate) fn title(request: &FileRequest) -> &'static str {
    match request {
        FileRequest::Photos => "Open photos",
        FileRequest::Folder => "Open a folder of photos",
        FileRequest::Model => "Choose a model",
        FileRequest::Export(_) => "Export the answers",
        FileRequest::ClassPhotos(_) => "Photos of this class",
        FileRequest::TryPhoto => "A photo to try",
        FileRequest::SaveModel(_) => "Save as a model",
        FileRequest::SortInto => "A folder to sort the photos into",
    }
}

/// Opens a dialog; the reply comes from another thread.
pub(crate) fn open(request: FileRequest, parent: &dyn ParentWindow, reply: Reply<FileResponse>) {
    let started = Instant::now();
    let finish = move |chosen: Option<Vec<PathBuf>>| {
        reply(match chosen {
            Some(paths) => FileResponse::Chosen(paths),
            None => unanswered(started.elapsed(), platform::dialog().0),
        });
    };
    if let Some(dialog) = platform::attached_dialog(&request, parent) {
        in_thread("file dialog", move || finish(dialog()));
        return;
    }
    // Made here, awaited elsewhere: macOS wants its dialogs made on the window's thread.
    let dialog = rfd::AsyncFileDialog::new()
        .set_title(title(&request))
        .set_parent(parent);
    let path = |file: rfd::FileHandle| file.path().to_owned();
    let paths = move |files: Option<Vec<rfd::FileHandle>>| {
        files.map(|files| files.into_iter().map(path).collect())
    };
    match request {
        FileRequest::Photos | FileRequest::ClassPhotos(_) | FileRequest::TryPhoto => {
            let photos: Vec<&str> = formats::decoded_extensions().collect();
            let asked = dialog
                .add_filter("Photos", &photos)
                .add_filter("All files", &["*"])
                .pick_files();
            in_thread("file dialog", move || {
                finish(paths(pollster::block_on(asked)))
            });
        }
        FileRequest::Folder => {
            let asked = dialog.pick_folders();
            in_thread("file dialog", move || {
                finish(paths(pollster::block_on(asked)))
            });
        }
        FileRequest::SortInto => {
            let asked = dialog.pick_folder();
            in_thread("file dialog", move || {
                finish(pollster::block_on(asked).map(|file| vec![path(file)]))
            });
        }
        FileRequest::Model => {
            let asked = dialog.add_filter("ONNX model", &["onnx"]).pick_file();
            in_thread("file dialog", move || {
                finish(pollster::block_on(asked).map(|file| vec![path(file)]))
            });
        }
        FileRequest::Export(name) | FileRequest::SaveModel(name) => {
            let asked = dialog.set_file_name(name).save_file();
            in_thread("file dialog", move || {
                finish(pollster::block_on(asked).map(|file| vec![path(file)]))
            });
        }
    }
}

/// What no answer of a dialog means: nobody closes one so fast, and a system that has none (a busy one may take its
/// time to say so) did not show one.
fn unanswered(after: Duration, dialog: Support) -> FileResponse {
    if after < TOO_FAST || dialog != Support::Yes {
        FileResponse::NoDialog
    } else {
        FileResponse::Closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_from_a_system_without_dialogs_is_no_closing() {
        let (soon, later) = (Duration::from_millis(20), Duration::from_secs(3));
        assert_eq!(unanswered(soon, Support::Yes), FileResponse::NoDialog);
        assert_eq!(unanswered(later, Support::Yes), FileResponse::Closed);
        assert_eq!(unanswered(later, Support::Perhaps), FileResponse::NoDialog);
    }
}
