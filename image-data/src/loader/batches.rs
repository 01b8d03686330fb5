//! The batches of one epoch: the order that is followed, the batches being filled, and the iterator that hands them out
//! in order. Which thread fills what is the business of [`super::pool`].

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use model_core::sync::lock;

use super::pool::{JobId, Pool};
use super::sample::SampleMaker;
use super::{Batch, Loader, LoaderError};
use crate::sampler::{SampleRef, Sampler};
use crate::sandbox::catch;

/// Batches whose bytes are asked for before a worker comes to them.
const AHEAD_BATCHES: usize = 2;

/// The batches of one epoch, in order. Dropping it ends the work on them and waits for the samples in work.
pub struct Batches {
    pool: Arc<Pool>,
    id: JobId,
    job: Arc<Job>,
    waited: Duration,
}

/// One epoch, from its first batch or a later one on.
pub(super) struct Job {
    maker: SampleMaker,
    sampler: Sampler,
    balance: Option<Arc<[u32]>>,
    epoch: u32,
    first_batch: usize,
    /// Positions of the order, from `first_batch` on.
    len: usize,
    size: [u32; 2],
    window: usize,
    /// Made by the first thread that needs it: whoever starts an epoch does not wait for a shuffle.
    order: OnceLock<Vec<SampleRef>>,
    /// Batches that the source was told of.
    asked: Mutex<usize>,
}

/// A batch being filled.
pub(super) struct Assembly {
    /// Places that no thread is done with.
    pub remaining: AtomicUsize,
    body: Mutex<Body>,
}

struct Body {
    pixels: Vec<u8>,
    /// What lies in each place; `None` until filled, and for good when skipped.
    items: Vec<Option<SampleRef>>,
    /// The failure nearest the front of the batch: the same one whatever the workers' order.
    error: Option<(usize, LoaderError)>,
}

impl Batches {
    pub(super) fn start(
        loader: &Loader,
        epoch: u32,
        start_batch: usize,
        after: Option<&Self>,
    ) -> Result<Self, LoaderError> {
        let pool = loader.pool.clone();
        pool.start(loader.config.workers)?;
        let job = Arc::new(Job::new(loader, epoch, start_batch));
        // Only epochs of the same threads can wait for each other.
        let after = after.filter(|other| Arc::ptr_eq(&other.pool, &pool));
        Ok(Self {
            id: pool.add(job.clone(), after.map(|other| other.id)),
            pool,
            job,
            waited: Duration::ZERO,
        })
    }

    /// Batches still to come.
    pub fn remaining(&self) -> usize {
        self.job.batches() - self.pool.taken(self.id)
    }

    /// Time spent waiting for data so far: the trainer's data-wait.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Gives a batch's pixel buffer back, so that the next one needs no fresh memory. Optional.
    pub fn recycle(&self, pixels: Vec<u8>) {
        self.pool.recycle(pixels, self.job.window());
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, LoaderError>;

    fn next(&mut self) -> Option<Self::Item> {
        let began = Instant::now();
        let (number, assembly) = self.pool.take(self.id)?;
        let waited = began.elapsed();
        self.waited += waited;
        Some(self.job.finish(number, &assembly, waited))
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.pool.remove(self.id);
    }
}

impl Job {
    fn new(loader: &Loader, epoch: u32, first_batch: usize) -> Self {
        let all = loader.sampler.epoch_len();
        let skipped = first_batch.saturating_mul(loader.sampler.batch_size.max(1));
        Self {
            maker: loader.maker.clone(),
            sampler: loader.sampler,
            balance: loader.balance.clone(),
            epoch,
            first_batch,
            len: all.saturating_sub(skipped),
            size: loader.maker.transform.size(),
            window: loader.config.prefetch_batches.max(1),
            order: OnceLock::new(),
            asked: Mutex::default(),
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn batch_size(&self) -> usize {
        self.sampler.batch_size.max(1)
    }

    pub fn batches(&self) -> usize {
        self.len.div_ceil(self.batch_size())
    }

    /// Most batches in work or waiting.
    pub fn window(&self) -> usize {
        self.window
    }

    fn image_bytes(&self) -> usize {
        self.size[0] as usize * self.size[1] as usize * 3
    }

    /// The items from `first_batch` on.
    fn order(&self) -> &[SampleRef] {
        self.order.get_or_init(|| {
            let mut order = match &self.balance {
                Some(labels) => self.sampler.balanced_epoch(self.epoch, labels),
                None => self.sampler.epoch(self.epoch),
            };
            order.drain(..order.len() - self.len);
            order
        })
    }

    /// An empty batch, in a buffer that was used before or a new one.
    pub fn open_batch(&self, batch: usize, spare: Option<Vec<u8>>) -> Assembly {
        let images = self.batch_size().min(self.len - batch * self.batch_size());
        let mut pixels = spare.unwrap_or_default();
        pixels.resize(images * self.image_bytes(), 0);
        Assembly {
            remaining: AtomicUsize::new(images),
            body: Mutex::new(Body {
                pixels,
                items: vec![None; images],
                error: None,
            }),
        }
    }

    /// Loads the sample at `position` into its place. Who comes first to a batch tells the source which ones follow.
    pub fn fill(&self, position: usize, assembly: &Assembly) {
        self.read_ahead(position / self.batch_size());
        let place = position % self.batch_size();
        let item = self.order()[position];
        // Decoding and augmentation have a net of their own; this one is for everything around them.
        let result = catch(|| self.maker.load(self.epoch, item)).unwrap_or_else(|reason| {
            Err(LoaderError::Broken {
                name: format!("sample {}", item.index),
                reason,
            })
        });
        let mut body = lock(&assembly.body);
        match result {
            Ok(Some((item, image))) => {
                let bytes = self.image_bytes();
                body.pixels[place * bytes..][..bytes].copy_from_slice(&image.data);
                body.items[place] = Some(item);
            }
            Ok(None) => {}
            Err(error) => body.fail(place, error),
        }
    }

    /// A thread broke before it came to the sample.
    pub fn broke(&self, position: usize, assembly: &Assembly, reason: String) {
        let error = LoaderError::Broken {
            name: format!("position {position} of epoch {}", self.epoch),
            reason,
        };
        lock(&assembly.body).fail(position % self.batch_size(), error);
    }

    /// Tells the source of `batch` and those that come soon after it, each once. No thread reads before its batch was told
    /// of: what is asked for behind a reader's back travels a second time, and nobody comes for it.
    fn read_ahead(&self, batch: usize) {
        let mut asked = lock(&self.asked);
        while *asked <= batch + AHEAD_BATCHES {
            let size = self.batch_size();
            let from = (*asked * size).min(self.len);
            let items = &self.order()[from..(from + size).min(self.len)];
            if !items.is_empty() {
                let indices: Vec<usize> = items.iter().map(|item| item.index).collect();
                self.maker.source.read_ahead(&indices);
            }
            *asked += 1;
        }
    }

    /// Closes the gaps of skipped images and adds the labels.
    fn finish(
        &self,
        number: usize,
        assembly: &Assembly,
        waited: Duration,
    ) -> Result<Batch, LoaderError> {
        let mut body = lock(&assembly.body);
        if let Some((_, error)) = body.error.take() {
            return Err(error);
        }
        let bytes = self.image_bytes();
        let places = std::mem::take(&mut body.items);
        let mut pixels = std::mem::take(&mut body.pixels);
        let mut items = Vec::with_capacity(places.len());
        for (place, item) in places.into_iter().enumerate() {
            if let Some(item) = item {
                if items.len() != place {
                    pixels.copy_within(place * bytes..(place + 1) * bytes, items.len() * bytes);
                }
                items.push(item);
            }
        }
        pixels.truncate(items.len() * bytes);
        Ok(Batch {
            pixels,
            labels: items
                .iter()
                .map(|item| self.maker.source.label(item.index) as i64)
                .collect(),
            items,
            height: self.size[0],
            width: self.size[1],
            number: self.first_batch + number,
            waited,
        })
    }
}

impl Body {
    /// Notes why a place stays empty.
    fn fail(&mut self, place: usize, error: LoaderError) {
        if self
            .error
            .as_ref()
            .is_none_or(|&(earlier, _)| place < earlier)
        {
            self.error = Some((place, error));
        }
    }
}
