//! What the user can do. Views only draw what they are given and say what was clicked; [`super::App`] does it.

use std::path::PathBuf;

use super::dialogs::Dialog;
use crate::classify::ModelChoice;
use crate::desktop::FileRequest;
use crate::photo::PhotoId;
use crate::samples::SamplePhoto;

/// Something to do after the views are drawn.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// Ask for files with the system's dialog.
    ChooseFiles(FileRequest),
    /// Go on with the files that were chosen or typed.
    FilesChosen(FileRequest, Vec<PathBuf>),
    /// Look at files and folders.
    OpenPaths(Vec<PathBuf>),
    /// Look at one of the sample photos.
    OpenSample(&'static SamplePhoto),
    /// Take in what was copied.
    Paste,
    /// Show a dialog in place of what is open.
    OpenDialog(Dialog),
    /// Close the dialog.
    CloseDialog,
    /// Show one photo.
    ShowPhoto(PhotoId),
    /// Show the photo after (1) or before (-1) the one that is shown.
    ShowNeighbor(isize),
    /// Show all photos.
    ShowGrid,
    /// Put the keyboard into the filter field.
    FocusFilter,
    /// Take photos out of the list.
    Remove(Vec<PhotoId>),
    /// Take all photos out of the list.
    RemoveAll,
    /// Put back what was removed last.
    Undo,
    /// Stop the work.
    Cancel,
    /// Go on with what was stopped.
    Resume,
    /// Look at photos once more.
    Retry(Vec<PhotoId>),
    /// Copy the answers of these photos.
    Copy(Vec<PhotoId>),
    /// Show the photo's file in the file manager.
    ShowInFolder(PhotoId),
    /// Use another model.
    UseModel(ModelChoice),
    /// Take this notice away.
    Dismiss(super::notices::Topic),
}

/// The actions of one frame, in order.
pub(super) type Actions = Vec<Action>;
