//! Photos go into folders, and back again.
//!
//! A [`Plan`] says where each file goes, before anything is touched. [`carry_out`] writes the whole plan into a journal in
//! the target folder first, so that [`undo`] finds its way back from wherever the work was broken off: each step is
//! judged by what is on the disk. Nothing is ever overwritten, and no last copy of a file is ever removed.
//!
//! Instead of moving, [`keywords`] writes what a photo shows into a sidecar beside it, with the same way back.
//!
//! Not here: which photo belongs where (a classifier says), and what is printed.

mod files;
mod journal;
pub mod keywords;
mod packet;
mod plan;
mod template;
mod work;

use std::path::PathBuf;

use model_core::diagnostic::{Diagnose, Remedy};
use model_core::text::system_words;

pub use packet::PacketError;
pub use plan::{Item, Mode, Plan, Step, folder_name};
pub use template::{TakenOn, Template, TemplateError, taken_on};
pub use work::{Undone, carry_out, carry_out_until, undo};

/// Why photos could not be sorted, or the sorting not undone.
#[derive(Debug, thiserror::Error)]
pub enum SortError {
    /// A file could not be read, written, moved or removed.
    #[error("cannot {action} {}: {}", path.display(), system_words(reason))]
    File {
        /// What was to be done: `read`, `write`, `move`, ...
        action: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The folder holds no journal.
    #[error("{}: expected the journal of a sorting, got none", path.display())]
    NothingToUndo {
        /// The folder.
        path: PathBuf,
    },
    /// The journal cannot be understood.
    #[error("{}: expected a journal of this program, got a damaged one (line {line})", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// A sidecar was changed between being read and being written.
    #[error("{}: expected the sidecar as it was read before, got another", path.display())]
    SidecarChanged {
        /// The sidecar.
        path: PathBuf,
    },
}

impl Diagnose for SortError {
    fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "sort.file",
            Self::NothingToUndo { .. } => "sort.nothing-to-undo",
            Self::Journal { .. } => "sort.journal-damaged",
            Self::SidecarChanged { .. } => "sort.sidecar-changed",
        }
    }

    fn remedy(&self) -> Option<Remedy> {
        match self {
            Self::File { path, .. } => {
                let folder = path.parent().unwrap_or(path);
                Some(Remedy::CheckWritable(folder.to_owned()))
            }
            _ => None,
        }
    }
}

fn problem(
    action: &'static str,
    path: &std::path::Path,
) -> impl FnOnce(std::io::Error) -> SortError {
    let path = path.to_owned();
    move |reason| SortError::File {
        action,
        path,
        reason,
    }
}

#[cfg(test)]
mod tests;
