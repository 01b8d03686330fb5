//! Which images could not be read: each named once, however many epochs meet it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An image that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadImage {
    /// Its path.
    pub name: String,
    /// The decoder's sentence.
    pub reason: String,
    /// How often it was met.
    pub times: usize,
}

/// The unreadable images met so far. Clones share the list.
#[derive(Clone, Debug, Default)]
pub struct BadImageReport(Arc<Mutex<BTreeMap<usize, BadImage>>>);

impl BadImageReport {
    /// Different images.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// All of them, in the order of the data set.
    pub fn images(&self) -> Vec<BadImage> {
        self.lock().values().cloned().collect()
    }

    /// Notes one; true when it is new.
    pub(super) fn add(&self, index: usize, name: &str, reason: &str) -> bool {
        let mut list = self.lock();
        let entry = list.entry(index).or_insert_with(|| BadImage {
            name: name.to_owned(),
            reason: reason.to_owned(),
            times: 0,
        });
        entry.times += 1;
        entry.times == 1
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, BadImage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for BadImageReport {
    /// A line a person reads, and one line per image.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let images = self.images();
        match images.len() {
            0 => return write!(f, "no unreadable images"),
            1 => write!(f, "1 unreadable image was left out")?,
            n => write!(f, "{n} unreadable images were left out")?,
        }
        images
            .iter()
            .try_for_each(|image| write!(f, "\n  {}: {}", image.name, image.reason))
    }
}
