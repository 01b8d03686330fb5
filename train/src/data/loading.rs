//! How training images are loaded, as far as a person can change it.

use image_data::folder::Folder;
use image_data::pack;

use crate::recipe::{DecodeKind, Recipe};

/// What decides how fast images come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loading {
    /// Threads that decode, in this process.
    pub workers: usize,
    /// Cores that this process may use.
    pub cores: usize,
    /// The images lie in shards that `train pack` wrote.
    pub is_pack: bool,
    /// Every pixel of a JPEG is decoded.
    pub is_exact: bool,
}

impl Loading {
    /// As a recipe says, of these images.
    pub(super) fn of(recipe: &Recipe, train: &Folder) -> Self {
        Self {
            workers: workers(recipe),
            cores: crate::distributed::cores_per_process(),
            is_pack: pack::is_packed(train),
            is_exact: recipe.decode == DecodeKind::Exact,
        }
    }
}

/// The threads that load, in this process.
pub(super) fn workers(recipe: &Recipe) -> usize {
    recipe
        .workers
        .unwrap_or_else(crate::distributed::cores_per_process)
}
