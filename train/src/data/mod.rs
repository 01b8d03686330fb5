//! Where batches come from, as the training loop sees it; `synthetic` makes them up, `images` reads files.

mod discovery;
pub mod fingerprint;
mod hints;
pub mod images;
mod loading;
pub mod relabeled;
pub mod synthetic;

use std::path::Path;
use std::rc::Rc;

use anyhow::{Result, bail};
use image_data::folder::FolderIndex;
use tch::Tensor;
use torch_ext::host_memory;

use crate::recipe::Recipe;
use fingerprint::DataFingerprint;

/// Images as the network's square, and their classes, on the host.
#[derive(Debug)]
pub struct TensorBatch {
    /// u8 `[N, 3, H, W]`; in memory usually `[N, H, W, 3]`.
    pub pixels: Tensor,
    /// i64 `[N]`.
    pub labels: Tensor,
}

impl TensorBatch {
    /// From interleaved RGB bytes `[N, H, W, 3]`.
    pub fn from_interleaved(
        pixels: &[u8],
        height: u32,
        width: u32,
        labels: &[i64],
    ) -> Result<Self> {
        let shape = [labels.len() as i64, i64::from(height), i64::from(width), 3];
        let pixels = host_memory::tensor_of(pixels)?
            .f_view(shape)?
            .f_permute([0, 3, 1, 2])?;
        Ok(Self {
            pixels,
            labels: host_memory::tensor_of_i64(labels)?,
        })
    }
}

/// Batches in order; an error ends them.
pub type BatchIter<'a> = Box<dyn Iterator<Item = Result<TensorBatch>> + 'a>;

/// Training and validation images of one process.
pub trait DataSource {
    /// Class names, in the order of the labels.
    fn classes(&self) -> &[String];

    /// Training images of each class, `[classes]`, where they are known.
    fn class_counts(&self) -> Option<&[usize]> {
        None
    }

    /// What they are, in one line.
    fn describe(&self) -> String;

    /// What is worth remarking about them, a line each.
    fn hints(&self) -> Vec<String> {
        Vec::new()
    }

    /// A short name, for the manifest.
    fn name(&self) -> String;

    /// Training images over all processes.
    fn train_images(&self) -> u64;

    /// Validation images over all processes.
    fn val_images(&self) -> u64;

    /// The training batches of `epoch` (from 0) from batch `first` on, square images of `side` pixels.
    ///
    /// The contents depend on nothing but the seed, the epoch and the batch: an interrupted epoch goes on as it would have.
    fn train(&self, epoch: u32, first: u64, side: u32) -> Result<BatchIter<'_>>;

    /// What [`train`](Self::train) gives of epoch 0, for a look at the first batches before training: nothing of the
    /// next epoch is made ready.
    fn look(&self, side: u32) -> Result<BatchIter<'_>> {
        self.train(0, 0, side)
    }

    /// The validation batches; each image comes exactly once, over all processes together.
    fn val(&self) -> Result<BatchIter<'_>>;

    /// What a run that goes on compares with what it was trained on.
    fn fingerprint(&self) -> DataFingerprint;

    /// Images met so far that could not be read, a line each.
    fn unreadable(&self) -> Vec<String> {
        Vec::new()
    }

    /// How training images are loaded; none where they are made up.
    fn loading(&self) -> Option<Loading> {
        None
    }
}

pub use discovery::discover;
pub use loading::Loading;

/// The source a recipe names, as seen by process `rank` of `world_size`. The names in large class folders are kept in
/// `index_dir`, which the first process writes.
///
/// # Errors
/// No data named, or data that cannot be used.
pub fn open(
    recipe: &Recipe,
    rank: usize,
    world_size: usize,
    index_dir: &Path,
) -> Result<Rc<dyn DataSource>> {
    match (&recipe.data, recipe.synthetic) {
        (_, Some(count)) => {
            let side = recipe.preprocessing.crop[0];
            let classes = if recipe.arch.starts_with("cifar") {
                10
            } else {
                1000
            };
            Ok(Rc::new(
                synthetic::Synthetic::new(count, classes, recipe.batch_size, side, recipe.seed)
                    .sharded(rank, world_size),
            ))
        }
        (Some(dir), None) => {
            let index = FolderIndex::in_dir(index_dir);
            let index = if rank == 0 { index } else { index.read_only() };
            Ok(Rc::new(images::Images::open_indexed(
                recipe,
                dir,
                rank,
                world_size,
                Some(&index),
            )?))
        }
        (None, None) => bail!("data: expected a directory, or synthetic images, got neither"),
    }
}
