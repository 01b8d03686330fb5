//! The threads of a loader and what they work on: the epochs in [`super::batches`]. Threads start with the first epoch
//! and stay until the loader and its last epoch are gone, so that buffers and tables of the decoders stay warm and
//! no epoch waits for its threads.
//!
//! A thread takes one position of an epoch's order at a time, so all of them fill the batch that is needed next. An
//! epoch that somebody waits for comes first. One that follows another begins when the other has nothing more to begin,
//! in the room that the other leaves: both together never hold more batches than one.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use model_core::sync::lock;

use super::LoaderError;
use super::batches::{Assembly, Job};
use crate::sandbox::catch;

/// Names an epoch for as long as its pool lives.
pub(super) type JobId = u64;

/// Threads. Dropping it ends them.
#[derive(Default)]
pub(super) struct Pool {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// There may be work.
    work: Condvar,
    /// A batch is finished, or a thread left an epoch.
    ready: Condvar,
}

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    next_id: JobId,
    /// Buffers that consumers gave back.
    spare: Vec<Vec<u8>>,
    stop: bool,
}

/// How far an epoch is.
struct Entry {
    id: JobId,
    job: Arc<Job>,
    /// The epoch whose end it waits for.
    after: Option<JobId>,
    /// Somebody takes its batches.
    is_begun: bool,
    /// Nobody will take any more.
    is_dropped: bool,
    /// Threads that are working on it.
    busy: usize,
    /// The next position to hand to a thread.
    next: usize,
    /// Batches handed to the consumer.
    taken: usize,
    /// Batches `taken..`, oldest first.
    flight: VecDeque<Arc<Assembly>>,
}

/// One place of a batch to fill: it counts as done when dropped, a panic included.
struct Claim<'a> {
    shared: &'a Shared,
    id: JobId,
    job: Arc<Job>,
    position: usize,
    assembly: Arc<Assembly>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // Under the lock, so that the consumer cannot miss it between its check and its wait.
        let mut state = lock(&self.shared.state);
        let is_full = self.assembly.remaining.fetch_sub(1, Ordering::AcqRel) == 1;
        let entry = state.entries.iter_mut().find(|entry| entry.id == self.id);
        let is_left = entry.is_some_and(|entry| {
            entry.busy -= 1;
            entry.is_dropped && entry.busy == 0
        });
        if is_full || is_left {
            self.shared.ready.notify_all();
        }
    }
}

impl Entry {
    fn is_exhausted(&self) -> bool {
        self.next == self.job.len()
    }
}

impl Pool {
    /// Makes sure that `workers` threads run.
    ///
    /// # Errors
    /// [`LoaderError::Thread`]; those that did start go on.
    pub fn start(&self, workers: usize) -> Result<(), LoaderError> {
        let mut threads = lock(&self.threads);
        while threads.len() < workers.max(1) {
            let shared = self.shared.clone();
            let thread = std::thread::Builder::new()
                .name(format!("data-{}", threads.len()))
                .spawn(move || shared.work())
                .map_err(LoaderError::Thread)?;
            threads.push(thread);
        }
        Ok(())
    }

    /// Lets the threads work on an epoch, when `after` has nothing more to begin.
    pub fn add(&self, job: Arc<Job>, after: Option<JobId>) -> JobId {
        let mut state = lock(&self.shared.state);
        let id = state.next_id;
        state.next_id += 1;
        state.entries.push(Entry {
            id,
            job,
            after,
            is_begun: false,
            is_dropped: false,
            busy: 0,
            next: 0,
            taken: 0,
            flight: VecDeque::new(),
        });
        self.shared.work.notify_all();
        id
    }

    /// Ends the work on an epoch; returns when no thread is in it.
    pub fn remove(&self, id: JobId) {
        let mut state = lock(&self.shared.state);
        loop {
            let Some(at) = state.entries.iter().position(|entry| entry.id == id) else {
                return;
            };
            state.entries[at].is_dropped = true;
            if state.entries[at].busy == 0 {
                state.entries.remove(at);
                // What follows it may begin.
                self.shared.work.notify_all();
                return;
            }
            state = wait(&self.shared.ready, state);
        }
    }

    /// Waits for the oldest batch of an epoch: its place among those taken, and the batch. None at the end.
    pub fn take(&self, id: JobId) -> Option<(usize, Arc<Assembly>)> {
        let mut state = lock(&self.shared.state);
        loop {
            let entry = state.entries.iter_mut().find(|entry| entry.id == id)?;
            if entry.taken == entry.job.batches() {
                return None;
            }
            if !entry.is_begun {
                entry.is_begun = true;
                self.shared.work.notify_all();
            }
            let oldest = entry.flight.front();
            let is_done = oldest.is_some_and(|a| a.remaining.load(Ordering::Acquire) == 0);
            if is_done && let Some(assembly) = entry.flight.pop_front() {
                let number = entry.taken;
                entry.taken += 1;
                self.shared.work.notify_all();
                return Some((number, assembly));
            }
            state = wait(&self.shared.ready, state);
        }
    }

    /// Batches of an epoch that were handed out.
    pub fn taken(&self, id: JobId) -> usize {
        let state = lock(&self.shared.state);
        let entry = state.entries.iter().find(|entry| entry.id == id);
        entry.map_or(0, |entry| entry.taken)
    }

    /// Keeps a buffer for a later batch, unless there are `most` already.
    pub fn recycle(&self, pixels: Vec<u8>, most: usize) {
        let mut state = lock(&self.shared.state);
        if state.spare.len() < most {
            state.spare.push(pixels);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        lock(&self.shared.state).stop = true;
        self.shared.work.notify_all();
        let threads = self.threads.get_mut();
        for thread in threads.unwrap_or_else(PoisonError::into_inner).drain(..) {
            // Threads catch panics themselves; nothing to report here.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// A thread's life.
    fn work(&self) {
        while let Some(claim) = self.claim() {
            // A net for what breaks outside of the job's own; the claim is settled either way.
            let filled = catch(|| claim.job.fill(claim.position, &claim.assembly));
            if let Err(reason) = filled {
                claim.job.broke(claim.position, &claim.assembly, reason);
            }
        }
    }

    /// The next place to fill. None when the threads are to end.
    fn claim(&self) -> Option<Claim<'_>> {
        let mut state = lock(&self.state);
        loop {
            if state.stop {
                return None;
            }
            if let Some(at) = state.next_entry() {
                return Some(state.claim(self, at));
            }
            state = wait(&self.work, state);
        }
    }
}

impl State {
    /// The epoch to work on: one that somebody waits for before one that is begun in advance.
    fn next_entry(&self) -> Option<usize> {
        let has_work = |begun: bool| {
            self.entries
                .iter()
                .position(|entry| entry.is_begun == begun && self.has_room(entry))
        };
        has_work(true).or_else(|| has_work(false))
    }

    fn has_room(&self, entry: &Entry) -> bool {
        if entry.is_exhausted() || entry.is_dropped {
            return false;
        }
        let before = self
            .entries
            .iter()
            .find(|other| Some(other.id) == entry.after);
        let room = match before {
            // Whoever takes batches of this one no longer waits for the other.
            Some(before) if !entry.is_begun && !before.is_dropped => {
                if !before.is_exhausted() {
                    return false;
                }
                entry.job.window().saturating_sub(before.flight.len())
            }
            _ => entry.job.window(),
        };
        entry.next / entry.job.batch_size() < entry.taken + room
    }

    fn claim<'a>(&mut self, shared: &'a Shared, at: usize) -> Claim<'a> {
        let (position, batch_size) = (self.entries[at].next, self.entries[at].job.batch_size());
        let batch = position / batch_size;
        if batch == self.entries[at].taken + self.entries[at].flight.len() {
            let spare = self.spare.pop();
            let entry = &mut self.entries[at];
            let assembly = entry.job.open_batch(batch, spare);
            entry.flight.push_back(Arc::new(assembly));
        }
        let entry = &mut self.entries[at];
        entry.next += 1;
        entry.busy += 1;
        Claim {
            shared,
            id: entry.id,
            job: entry.job.clone(),
            position,
            assembly: entry.flight[batch - entry.taken].clone(),
        }
    }
}

fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
}
