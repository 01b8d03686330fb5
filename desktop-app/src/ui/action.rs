//! What the user can do. Views only draw what they are given and say what was clicked; [`super::App`] does it.

use std::path::PathBuf;

use photos::sort::Plan;
use photos::sort::keywords::Tagged;

use super::dialogs::{Dialog, SortRequest, Subject};
use crate::classify::ModelChoice;
use crate::desktop::FileRequest;
use crate::photo::PhotoId;
use crate::samples::SamplePhoto;
use crate::teach::ClassId;

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
    /// Ask for the folder that photos are sorted into.
    Sort(Vec<PhotoId>),
    /// Sort photos as planned.
    CarryOut(Box<Plan>),
    /// Stop the sorting.
    StopSorting,
    /// Plan the sorting with other folders.
    PlanAgain(Box<SortRequest>),
    /// Look which labels of photos would be written as keywords beside them.
    PlanKeywords(Vec<PhotoId>),
    /// Write keywords as planned; so many photos are left out.
    WriteKeywords(Vec<Tagged>, usize),
    /// Take dropped files in, where they belong in this view.
    Dropped(Vec<PathBuf>),
    /// Ask what photos show.
    AskWhat(Vec<PhotoId>),
    /// These show this; learn from it, too.
    NameThem(Subject, String, bool),
    /// The program's own labels hold again.
    TakeLabelBack(Vec<PhotoId>),
    /// Show the classes that are taught.
    ShowTeaching,
    /// A new class.
    AddClass,
    /// Call a class otherwise.
    RenameClass(ClassId, String),
    /// Take a class away.
    RemoveClass(ClassId),
    /// Take all classes away.
    RemoveAllClasses,
    /// Learn the classes on top of this model.
    BuildOn(ModelChoice),
    /// Put photos into a class.
    PutIntoClass(ClassId, Vec<PathBuf>),
    /// Take photos out of their classes.
    TakeOut(Vec<PathBuf>),
    /// Stop the learning.
    StopLearning,
    /// Go on with it.
    Learn,
    /// Ask where to save what was learned.
    SaveModel,
    /// Take this notice away.
    Dismiss(super::notices::Topic),
}

/// The actions of one frame, in order.
pub(super) type Actions = Vec<Action>;
