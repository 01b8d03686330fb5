//! The threads behind an epoch. Workers take one position of the order at a time, so all of them fill the batch that is
//! needed next; a window of batches in flight bounds memory; finished batches leave in order.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Batch, Loader, LoaderError};
use crate::sampler::SampleRef;
use crate::sandbox::catch;
use crate::sync::lock;

/// Batches whose bytes are asked for before a worker comes to them.
const AHEAD_BATCHES: usize = 2;

/// The batches of one epoch, in order. Dropping it stops the workers.
pub struct Batches {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    waited: Duration,
}

struct Shared {
    loader: Loader,
    epoch: u32,
    size: [u32; 2],
    order: Vec<SampleRef>,
    first_batch: usize,
    state: Mutex<State>,
    /// A batch left: there is room in the window.
    room: Condvar,
    /// A batch is finished.
    ready: Condvar,
}

struct State {
    /// The next position of `order` to hand to a worker.
    next: usize,
    /// Batches handed to the consumer.
    taken: usize,
    /// Batches `taken..`, oldest first.
    flight: VecDeque<Arc<Assembly>>,
    /// Buffers the consumer gave back.
    spare: Vec<Vec<u8>>,
    stop: bool,
}

/// A batch being filled.
struct Assembly {
    remaining: AtomicUsize,
    body: Mutex<Body>,
}

struct Body {
    pixels: Vec<u8>,
    /// What lies in each place; `None` until filled, and for good when skipped.
    items: Vec<Option<SampleRef>>,
    /// The failure nearest the front of the batch: the same one whatever the workers' order.
    error: Option<(usize, LoaderError)>,
}

/// A place of a batch that a worker is filling: counted as done when dropped, a panic included.
struct Done<'a> {
    shared: &'a Shared,
    assembly: &'a Assembly,
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        if self.assembly.remaining.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Under the lock, so that the consumer cannot miss it between its check and its wait.
            let _state = lock(&self.shared.state);
            self.shared.ready.notify_all();
        }
    }
}

impl Batches {
    pub(super) fn start(
        loader: &Loader,
        epoch: u32,
        start_batch: usize,
    ) -> Result<Self, LoaderError> {
        let batch_size = loader.sampler.batch_size.max(1);
        let mut order = loader.order(epoch);
        order.drain(..(start_batch * batch_size).min(order.len()));
        let shared = Arc::new(Shared {
            size: loader.transform.size(),
            loader: loader.clone(),
            epoch,
            order,
            first_batch: start_batch,
            state: Mutex::new(State {
                next: 0,
                taken: 0,
                flight: VecDeque::new(),
                spare: Vec::new(),
                stop: false,
            }),
            room: Condvar::new(),
            ready: Condvar::new(),
        });
        for batch in 0..AHEAD_BATCHES {
            shared.read_ahead(batch);
        }
        let mut batches = Self {
            shared,
            threads: Vec::new(),
            waited: Duration::ZERO,
        };
        for worker in 0..loader.config.workers.max(1) {
            let shared = batches.shared.clone();
            let thread = std::thread::Builder::new()
                .name(format!("data-{worker}"))
                .spawn(move || shared.work());
            // On an error the workers that did start are stopped by `Drop`.
            batches.threads.push(thread.map_err(LoaderError::Thread)?);
        }
        Ok(batches)
    }

    /// Batches still to come.
    pub fn remaining(&self) -> usize {
        self.shared.batches() - lock(&self.shared.state).taken
    }

    /// Time spent waiting for data so far: the trainer's data-wait.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Gives a batch's pixel buffer back, so that the next one needs no fresh memory. Optional.
    pub fn recycle(&self, pixels: Vec<u8>) {
        let mut state = lock(&self.shared.state);
        if state.spare.len() < self.shared.window() {
            state.spare.push(pixels);
        }
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, LoaderError>;

    fn next(&mut self) -> Option<Self::Item> {
        let began = Instant::now();
        let (number, assembly) = self.shared.take()?;
        let waited = began.elapsed();
        self.waited += waited;
        Some(self.shared.finish(number, &assembly, waited))
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        lock(&self.shared.state).stop = true;
        self.shared.room.notify_all();
        for thread in self.threads.drain(..) {
            // Workers catch panics themselves; nothing to report here.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn batch_size(&self) -> usize {
        self.loader.sampler.batch_size.max(1)
    }

    fn batches(&self) -> usize {
        self.order.len().div_ceil(self.batch_size())
    }

    fn window(&self) -> usize {
        self.loader.config.prefetch_batches.max(1)
    }

    fn image_bytes(&self) -> usize {
        self.size[0] as usize * self.size[1] as usize * 3
    }

    /// A worker's life.
    fn work(&self) {
        while let Some((position, place, assembly)) = self.claim() {
            // Whatever happens to this place, it is done when `_done` goes: the consumer never waits for a dead thread.
            let _done = Done {
                shared: self,
                assembly: &assembly,
            };
            let item = self.order[position];
            // Decoding and augmentation have a net of their own; this one is for everything around them.
            let result = catch(|| self.loader.load(self.epoch, item)).unwrap_or_else(|reason| {
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
                Err(error) => {
                    if body
                        .error
                        .as_ref()
                        .is_none_or(|&(earlier, _)| place < earlier)
                    {
                        body.error = Some((place, error));
                    }
                }
            }
        }
    }

    /// The next position to load: its place in the order, in its batch, and the batch. `None` when there is no more work.
    fn claim(&self) -> Option<(usize, usize, Arc<Assembly>)> {
        let mut state = lock(&self.state);
        loop {
            if state.stop || state.next == self.order.len() {
                return None;
            }
            let batch = state.next / self.batch_size();
            if batch < state.taken + self.window() {
                let (position, slot) = (state.next, batch - state.taken);
                state.next += 1;
                if slot == state.flight.len() {
                    self.read_ahead(batch + AHEAD_BATCHES);
                    let assembly = self.open_batch(batch, state.spare.pop());
                    state.flight.push_back(assembly);
                }
                return Some((
                    position,
                    position % self.batch_size(),
                    state.flight[slot].clone(),
                ));
            }
            state = self
                .room
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Tells the source that a batch comes soon.
    fn read_ahead(&self, batch: usize) {
        let size = self.batch_size();
        let from = (batch * size).min(self.order.len());
        let items = &self.order[from..(from + size).min(self.order.len())];
        if !items.is_empty() {
            let indices: Vec<usize> = items.iter().map(|item| item.index).collect();
            self.loader.source.read_ahead(&indices);
        }
    }

    fn open_batch(&self, batch: usize, spare: Option<Vec<u8>>) -> Arc<Assembly> {
        let images = self
            .batch_size()
            .min(self.order.len() - batch * self.batch_size());
        let mut pixels = spare.unwrap_or_default();
        pixels.resize(images * self.image_bytes(), 0);
        Arc::new(Assembly {
            remaining: AtomicUsize::new(images),
            body: Mutex::new(Body {
                pixels,
                items: vec![None; images],
                error: None,
            }),
        })
    }

    /// Waits for the oldest batch.
    fn take(&self) -> Option<(usize, Arc<Assembly>)> {
        let mut state = lock(&self.state);
        loop {
            if state.taken == self.batches() {
                return None;
            }
            let done = state
                .flight
                .front()
                .is_some_and(|a| a.remaining.load(Ordering::Acquire) == 0);
            if done && let Some(assembly) = state.flight.pop_front() {
                let number = state.taken;
                state.taken += 1;
                self.room.notify_all();
                return Some((number, assembly));
            }
            state = self
                .ready
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
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
                .map(|item| self.loader.source.label(item.index) as i64)
                .collect(),
            items,
            height: self.size[0],
            width: self.size[1],
            number: self.first_batch + number,
            waited,
        })
    }
}
