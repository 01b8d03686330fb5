//! Reading ahead: threads that fetch what the next batches need while the present one is decoded. A store answers a request
//! in tens of milliseconds, so many are under way at a time; memory is bounded.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use model_core::sync::lock;

use super::fetch::Shared;

/// Lists of wishes after which one that nobody came for is forgotten: a run that ended early, a replaced image.
const REMEMBERED: u64 = 16;

/// Bytes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stretch {
    /// The object's place in the listing.
    pub object: u32,
    pub offset: u64,
    pub length: u64,
}

/// What a request came to; none while it is under way.
type Outcome = Option<io::Result<Vec<u8>>>;

/// The threads and what they fetched.
pub(super) struct Ahead {
    inner: Arc<Inner>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    connections: usize,
}

struct Inner {
    shared: Arc<Shared>,
    limit_bytes: u64,
    state: Mutex<State>,
    /// There is work, or room for its bytes, or it is over.
    work: Condvar,
    /// Something was fetched.
    ready: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(u64, Stretch)>,
    /// Under way or here, by stretch, with the list that asked for it.
    fetched: HashMap<Stretch, (u64, Outcome)>,
    /// Of all in `fetched`.
    bytes: u64,
    /// Lists of wishes so far.
    lists: u64,
    stop: bool,
}

impl Ahead {
    pub fn new(shared: Arc<Shared>, connections: usize, limit_bytes: u64) -> Self {
        Self {
            inner: Arc::new(Inner {
                shared,
                limit_bytes,
                state: Mutex::default(),
                work: Condvar::new(),
                ready: Condvar::new(),
            }),
            threads: Mutex::default(),
            connections,
        }
    }

    /// Fetches these in their order, as far as there is room. Where no thread can be had, whoever reads fetches for itself.
    pub fn ask(&self, wanted: Vec<Stretch>) {
        let mut state = lock(&self.inner.state);
        state.lists += 1;
        let list = state.lists;
        state.forget_before(list.saturating_sub(REMEMBERED));
        state
            .queue
            .extend(wanted.into_iter().map(|stretch| (list, stretch)));
        drop(state);
        self.inner.work.notify_all();
        let mut threads = lock(&self.threads);
        while threads.len() < self.connections {
            let inner = self.inner.clone();
            let name = format!("remote-{}", threads.len());
            match std::thread::Builder::new()
                .name(name)
                .spawn(move || inner.run())
            {
                Ok(thread) => threads.push(thread),
                Err(_) => break,
            }
        }
    }

    /// What was read ahead, waiting for it where it is under way; none where nobody asked or no thread came to it.
    pub fn take(&self, stretch: Stretch) -> Option<io::Result<Vec<u8>>> {
        let mut state = lock(&self.inner.state);
        loop {
            match state.fetched.get(&stretch) {
                None => {
                    // Not begun: the caller is quicker itself.
                    state.queue.retain(|(_, queued)| *queued != stretch);
                    return None;
                }
                Some((_, None)) => {
                    state = self
                        .inner
                        .ready
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                Some((_, Some(_))) => break,
            }
        }
        let (_, result) = state.fetched.remove(&stretch)?;
        state.bytes -= stretch.length;
        self.inner.work.notify_all();
        result
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        lock(&self.inner.state).stop = true;
        self.inner.work.notify_all();
        for thread in lock(&self.threads).drain(..) {
            let _ = thread.join();
        }
    }
}

impl State {
    fn forget_before(&mut self, list: u64) {
        self.queue.retain(|(asked, _)| *asked >= list);
        let mut freed = 0;
        self.fetched.retain(|stretch, (asked, result)| {
            let stays = *asked >= list || result.is_none();
            freed += if stays { 0 } else { stretch.length };
            stays
        });
        self.bytes -= freed;
    }

    /// The next stretch to fetch, if there is room for it in memory.
    fn next(&mut self, shared: &Shared, limit_bytes: u64) -> Option<(Stretch, bool)> {
        let (list, stretch) = *self.queue.front()?;
        if shared.keeps(stretch.object) {
            self.queue.pop_front();
            return Some((stretch, true));
        }
        let fits = self.bytes == 0 || self.bytes + stretch.length <= limit_bytes;
        if !fits {
            return None;
        }
        self.queue.pop_front();
        if self.fetched.contains_key(&stretch) {
            return None;
        }
        self.fetched.insert(stretch, (list, None));
        self.bytes += stretch.length;
        Some((stretch, false))
    }
}

impl Inner {
    fn run(&self) {
        loop {
            let mut state = lock(&self.state);
            let (stretch, is_kept) = loop {
                if state.stop {
                    return;
                }
                let before = state.queue.len();
                if let Some(next) = state.next(&self.shared, self.limit_bytes) {
                    break next;
                }
                // A stretch that was asked for twice is taken off the queue and nothing more.
                if state.queue.len() == before {
                    state = self
                        .work
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            };
            drop(state);
            if is_kept {
                // What fails here is tried again, and told, by whoever reads it.
                let _ = self
                    .shared
                    .keep(stretch.object, stretch.offset, stretch.length);
                continue;
            }
            let result = self.shared.fetch(stretch);
            let mut state = lock(&self.state);
            if let Some((_, place)) = state.fetched.get_mut(&stretch) {
                *place = Some(result);
            }
            self.ready.notify_all();
        }
    }
}
