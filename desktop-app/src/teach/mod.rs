//! Teaching the window classes of one's own: which photos belong to which class, and what was learned from them.
//!
//! | module | idea |
//! |---|---|
//! | `board` | the classes and their photos, as a person arranges them |
//! | `gather` | dropped files and folders to photos of classes |
//! | `school` | a thread that looks at photos, learns, tries and writes |
//! | `seen` | what was seen in each photo, and which of it a lesson gets |
//! | `network` | the real teacher, over `photos::teach` |
//! | `memory` | the classes on disk, from one start of the program to the next |
//! | `pictures` | a home for pictures that were pasted, and so have no file |
//!
//! Not here: how anything of it looks (`ui::teaching`), and how learning works (`photos::teach`).

mod board;
mod gather;
mod memory;
mod network;
pub mod pictures;
mod school;
mod seen;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use photos::teach::{Lesson, NONE_ID, NONE_NAME, TrainingPhoto};

use crate::classify::{Cancel, Classify};
use crate::problem::Problem;

pub use board::{Arrangement, ClassBoard, ClassId, KeptClass, PhotoClass};
pub use gather::{Gathered, gather, nothing_found};
pub use memory::{ClassMemory, ClassMemoryWarning};
pub use network::NetworkTeacher;
pub use school::{LearnOutcome, LearnState, School, SchoolEvent, Tell};

/// What became of a photo that a teacher looked at.
pub type Looked = (PathBuf, Result<TrainingPhoto, Problem>);

/// Sees photos as a trained network does, and makes a model of what was learned.
pub trait Teach: Send + Sync {
    /// What the network sees in each photo; `each` hears of every photo in turn. Their class is left open.
    ///
    /// # Errors
    /// When the network fails; `None` when `cancel` was asked meanwhile.
    fn look(
        &self,
        photos: &[PathBuf],
        cancel: &Cancel,
        each: &mut dyn FnMut(&Path),
    ) -> Result<Option<Vec<Looked>>, Problem>;

    /// The photos that the model was taught from and keeps, as numbers; none for a model that keeps none.
    fn kept(&self) -> &[TrainingPhoto];

    /// The ONNX file of what was learned.
    ///
    /// # Errors
    /// When the file cannot be put together.
    fn to_onnx(&self, lesson: &Lesson, name: &str) -> Result<Vec<u8>, Problem>;

    /// The model of an ONNX file made by [`Self::to_onnx`].
    ///
    /// # Errors
    /// When the engine refuses it.
    fn open(&self, onnx: Vec<u8>) -> Result<Arc<dyn Classify>, Problem>;
}

/// The class as the lesson knows it: none for one that takes photos of nothing that is taught.
pub(crate) fn taught_name(name: &str) -> Option<String> {
    let name = name.trim();
    let plain = name.replace('_', " ").to_lowercase();
    (![NONE_ID, NONE_NAME].contains(&plain.as_str())).then(|| name.to_owned())
}

/// The classes of these photos, as a taught model keeps them.
pub(crate) fn kept_classes(photos: &[TrainingPhoto]) -> Vec<KeptClass> {
    let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
    for photo in photos {
        *classes.entry(kept_name(photo)).or_default() += 1;
    }
    let class = |(name, photos): (&str, usize)| KeptClass {
        name: name.to_owned(),
        photos,
    };
    classes.into_iter().map(class).collect()
}

/// The class of a photo that a model keeps; photos of nothing that is taught have one, too.
fn kept_name(photo: &TrainingPhoto) -> &str {
    photo.class.as_deref().unwrap_or(NONE_NAME)
}
