//! Worker threads that turn a sampler's order into u8 batches. The content and order of the batches depend on the
//! seed and the epoch alone, never on the number of workers or their speed; memory is bounded by
//! `prefetch_batches`. The threads stay from epoch to epoch, and an epoch that follows another is begun before the other
//! has ended. Dropping the iterator ends the work on its epoch; with the loader and its last epoch the threads end.
//!
//! Pixels stay u8 in `[N, H, W, 3]`: a quarter of the bytes of f32, and already channels-last; the trainer
//! normalizes on the device.

mod batches;
mod pool;
mod report;
mod sample;

use std::sync::Arc;
use std::time::Duration;

use crate::augment::Transform;
use crate::sampler::{SampleRef, Sampler};
use crate::source::SampleSource;
use pool::Pool;
use sample::SampleMaker;

pub use batches::Batches;
pub use report::{BadImage, BadImageReport};

/// What to do with an image that cannot be decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BadImagePolicy {
    /// Report it and go on without it.
    #[default]
    Skip,
    /// Stop with an error that names it.
    Fail,
}

/// How to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoaderConfig {
    /// Decoding threads, at least 1.
    pub workers: usize,
    /// Batches being assembled or waiting, at least 1, over an epoch and the one that follows it. Memory is
    /// `(prefetch_batches + 1)` batches.
    pub prefetch_batches: usize,
    /// What to do with unreadable images.
    pub bad_images: BadImagePolicy,
    /// Under [`BadImagePolicy::Skip`], draw another sample in the place of an unreadable one, so that every batch is full and
    /// every rank makes the same number of steps. Training sets it; validation must not: there the batch gets shorter.
    pub replace_skipped: bool,
}

impl LoaderConfig {
    /// Full batches: unreadable images are replaced.
    pub fn training(workers: usize) -> Self {
        Self {
            workers,
            prefetch_batches: 3,
            bad_images: BadImagePolicy::Skip,
            replace_skipped: true,
        }
    }

    /// Every readable image exactly once.
    pub fn evaluation(workers: usize) -> Self {
        Self {
            replace_skipped: false,
            ..Self::training(workers)
        }
    }
}

/// One batch.
#[derive(Debug)]
pub struct Batch {
    /// `[N, H, W, 3]`, RGB, one byte a channel.
    pub pixels: Vec<u8>,
    /// Class indices, `[N]`.
    pub labels: Vec<i64>,
    /// Which samples these are, `[N]`; a replaced sample shows its replacement.
    pub items: Vec<SampleRef>,
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
    /// Place in the epoch, counted from 0 whatever the start.
    pub number: usize,
    /// How long the consumer waited for it.
    pub waited: Duration,
}

impl Batch {
    /// Number of images. Fewer than the batch size at the end of a validation, or where images were skipped; it may be 0.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether every image of the batch was skipped.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// Why loading stopped.
#[derive(Debug, thiserror::Error)]
pub enum LoaderError {
    /// An image could not be decoded and the policy is [`BadImagePolicy::Fail`].
    #[error("{name}: {reason}")]
    BadImage {
        /// The file.
        name: String,
        /// Why.
        reason: String,
    },
    /// One unreadable image after another.
    #[error(
        "{name}: {reason}; and {tried} others drawn in its place could not be read either: is the data set still there?"
    )]
    TooManyBad {
        /// The first file.
        name: String,
        /// Why.
        reason: String,
        /// How many replacements failed too.
        tried: usize,
    },
    /// The operating system gave no thread.
    #[error("cannot start a loader thread: {}", model_core::text::system_words(.0))]
    Thread(std::io::Error),
    /// A thread panicked outside of decoding and augmentation: a mistake of ours or of a [`SampleSource`].
    #[error("{name}: a loader thread broke: {reason}")]
    Broken {
        /// The sample.
        name: String,
        /// The panic's message.
        reason: String,
    },
}

/// A data set with its transform and order, ready to be iterated epoch after epoch. Clones share their threads.
#[derive(Clone)]
pub struct Loader {
    maker: SampleMaker,
    sampler: Sampler,
    config: LoaderConfig,
    /// The samples' classes, where every class is to come equally often.
    balance: Option<Arc<[u32]>>,
    pool: Arc<Pool>,
}

impl Loader {
    /// Puts the parts together; starts nothing.
    pub fn new(
        source: Arc<dyn SampleSource>,
        transform: Arc<dyn Transform>,
        sampler: Sampler,
        config: LoaderConfig,
    ) -> Self {
        Self {
            maker: SampleMaker {
                source,
                transform,
                seed: sampler.seed,
                bad_images: config.bad_images,
                replace_skipped: config.replace_skipped,
                report: BadImageReport::default(),
            },
            sampler,
            config,
            balance: None,
            pool: Arc::default(),
        }
    }

    /// The same, but every class comes equally often in an epoch; `labels` are the samples' classes.
    pub fn balanced(self, labels: Vec<u32>) -> Self {
        Self {
            balance: Some(labels.into()),
            ..self
        }
    }

    /// The same, on the threads of `other`: of two loaders that take turns, one's threads need not lie idle.
    pub fn on_threads_of(self, other: &Self) -> Self {
        Self {
            pool: other.pool.clone(),
            ..self
        }
    }

    /// The same data and order with another transform: another image size from some epoch on. The report is shared.
    pub fn with_transform(&self, transform: Arc<dyn Transform>) -> Self {
        let mut loader = self.clone();
        loader.maker.transform = transform;
        loader
    }

    /// Batches in an epoch on this rank.
    pub fn batches(&self) -> usize {
        self.sampler.batches()
    }

    /// The order it follows.
    pub fn sampler(&self) -> &Sampler {
        &self.sampler
    }

    /// Lets the threads work on `epoch` (from 0), at batch `start_batch`: a run resumed there sees what it would have seen.
    ///
    /// # Errors
    /// [`LoaderError::Thread`].
    pub fn epoch(&self, epoch: u32, start_batch: usize) -> Result<Batches, LoaderError> {
        Batches::start(self, epoch, start_batch, None)
    }

    /// `epoch` from its first batch on, begun in advance: as soon as `before` has no sample left to begin, and in the room
    /// that its batches leave. When the last batch of `before` is taken, the first ones of this epoch are there or in work.
    ///
    /// # Errors
    /// [`LoaderError::Thread`].
    pub fn epoch_after(&self, before: &Batches, epoch: u32) -> Result<Batches, LoaderError> {
        Batches::start(self, epoch, 0, Some(before))
    }

    /// Unreadable images met so far, in any epoch.
    pub fn report(&self) -> &BadImageReport {
        &self.maker.report
    }
}
