//! Every rank tells the store twice a second where it is, so that when an exchange fails the others can say who is missing
//! and at which step. A watchdog ends a process whose exchange never returns (NCCL's may not). What a status means is in
//! `status`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use torch_ext::TorchError;
use torch_ext::c10d::Store;

use super::status::{RankFailure, Status, behind, key, missing, statuses};
use crate::failure::is_out_of_memory;
use crate::say;

/// Time between heartbeats.
const INTERVAL: Duration = Duration::from_millis(500);
/// A rank without a heartbeat for so long is gone or frozen. Several intervals: the machine may be busy.
const SILENCE: Duration = Duration::from_secs(3);
/// How much longer than the collectives' own timeout the watchdog waits.
const MARGIN: Duration = Duration::from_secs(2);
/// While waiting for the others outside of an exchange, how often to look whether they are alive.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// Between two questions whether all have come to a barrier.
const LONGEST_PAUSE: Duration = Duration::from_millis(32);
/// How long a rank may take to come at all.
const ARRIVAL: Duration = Duration::from_secs(300);
/// How long the one that serves the store waits for the others to go.
const LEAVING: Duration = Duration::from_secs(30);

struct Shared {
    rank: usize,
    size: usize,
    /// A connection of its own: it must not wait behind the main thread's.
    store: Store,
    /// Heartbeats so far.
    count: AtomicU64,
    /// Held while a status is told: a later one never overtakes an earlier one.
    telling: Mutex<()>,
    epoch: AtomicU64,
    step: AtomicU64,
    /// Inside an exchange.
    is_exchanging: AtomicBool,
    /// When the present exchange or question to the store began, in milliseconds since `start`; 0 outside of one.
    waiting_since: AtomicU64,
    failure: Mutex<Option<RankFailure>>,
    ended: AtomicBool,
    start: Instant,
    timeout: Duration,
}

/// This rank's heartbeat and its view of the others'.
pub struct Heartbeat {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Heartbeat {
    /// Begins to tell the status over `store`, a connection of its own. Exchanges may take `timeout`.
    pub fn new(store: Store, (rank, size): (usize, usize), timeout: Duration) -> Result<Self> {
        let shared = Arc::new(Shared {
            rank,
            size,
            store,
            count: AtomicU64::new(0),
            telling: Mutex::new(()),
            epoch: AtomicU64::new(0),
            step: AtomicU64::new(0),
            is_exchanging: AtomicBool::new(false),
            waiting_since: AtomicU64::new(0),
            failure: Mutex::new(None),
            ended: AtomicBool::new(false),
            start: Instant::now(),
            timeout,
        });
        let run = |name: &str, body: fn(&Arc<Shared>)| {
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new().name(name.into());
            thread.spawn(move || body(&shared))
        };
        // Two: the one that beats may wait for a store that does not answer.
        let threads = vec![run("heartbeat", beat_on)?, run("watchdog", watch)?];
        Ok(Self { shared, threads })
    }

    /// The step that begins now; both from 1. A new epoch is told at once, so that no rank is last seen before its first
    /// step when it froze after it; steps within an epoch wait for the next heartbeat.
    pub fn set_step(&self, epoch: u64, step: u64) {
        self.shared.step.store(step, Ordering::Relaxed);
        let before = self.shared.epoch.swap(epoch, Ordering::Relaxed);
        if before != epoch {
            // A store that is gone is found out, and explained, by the exchange that follows.
            self.shared.beat().ok();
        }
    }

    /// Runs an exchange with the others; a failure says who is to blame.
    pub fn exchange<T>(&self, body: impl FnOnce() -> Result<T>) -> Result<T> {
        self.shared.is_exchanging.store(true, Ordering::Relaxed);
        let result = self.watched(|| {
            body().map_err(|error| match is_out_of_memory(&error) {
                // Nobody else's fault.
                true => error,
                false => error.context(PeerFailure(blame(&self.shared))),
            })
        });
        self.shared.is_exchanging.store(false, Ordering::Relaxed);
        result
    }

    /// Runs what needs others to end; should it not, the watchdog ends this process.
    fn watched<T>(&self, body: impl FnOnce() -> T) -> T {
        self.watched_after(Duration::ZERO, body)
    }

    /// [`Heartbeat::watched`], for what follows on an exchange that has taken `waited` already.
    fn watched_after<T>(&self, waited: Duration, body: impl FnOnce() -> T) -> T {
        let since = &self.shared.waiting_since;
        let began = self.shared.start.elapsed().saturating_sub(waited);
        since.store((began.as_millis() as u64).max(1), Ordering::Relaxed);
        let result = body();
        since.store(0, Ordering::Relaxed);
        result
    }

    /// Waits until every rank has come to the point `name`, however long that takes, as long as they are alive.
    ///
    /// # Errors
    /// A rank is gone, or the store.
    pub fn barrier(&self, name: &str) -> Result<()> {
        let Shared {
            rank, size, store, ..
        } = self.shared.as_ref();
        let arrived = format!("barrier/{name}");
        let begin = Instant::now();
        let mut count = self.watched(|| store.add(&arrived, 1))?;
        // Short at first, because the last rank is mostly a moment away; c10d's own wait says so on stderr when it ends.
        let mut pause = Duration::from_millis(1);
        let mut looked = begin;
        let mut last = None;
        while count < *size as i64 {
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
            count = self.watched(|| store.add(&arrived, 0))?;
            if looked.elapsed() < LOOK_INTERVAL {
                continue;
            }
            looked = Instant::now();
            let now = self.watched(|| statuses(store, *size));
            // A rank without its first heartbeat may still be on its way.
            let all_came = now.iter().all(Option::is_some);
            if let Some(before) = last.replace(now.clone())
                && (all_came || begin.elapsed() > ARRIVAL)
                && let Some(text) = missing(&before, &now, *rank)
            {
                return Err(PeerFailure(format!("{}: {text}", self.shared.here())).into());
            }
        }
        Ok(())
    }

    /// Goes, after the last barrier. The one that serves the store goes last: the others may not yet have seen that all
    /// had come to that barrier.
    pub fn leave(&self, serves_the_store: bool) {
        let Shared { size, store, .. } = self.shared.as_ref();
        let begin = Instant::now();
        // All is done: a store that is gone, or a rank that died on its way out, changes nothing.
        let mut left = store.add("left", 1);
        while serves_the_store
            && matches!(left, Ok(count) if count < *size as i64)
            && begin.elapsed() < LEAVING
        {
            std::thread::sleep(Duration::from_millis(20));
            left = store.add("left", 0);
        }
    }

    /// Says who is to blame for a failed exchange outside of [`Heartbeat::exchange`]: synchronized batch norm's.
    pub fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let is_exchange = error
            .chain()
            .filter_map(|cause| cause.downcast_ref::<TorchError>())
            .any(TorchError::is_exchange);
        if is_exchange && error.downcast_ref::<PeerFailure>().is_none() {
            // The exchange has had its time: a store that does not answer now, either, is waited for no longer.
            let cause = self.watched_after(self.shared.timeout, || blame(&self.shared));
            error.context(PeerFailure(cause))
        } else {
            error
        }
    }

    /// This rank fails: the others can say why.
    pub fn fail(&self, error: &anyhow::Error) {
        let failure = RankFailure {
            reason: crate::failure::describe(error).replace('\n', " "),
            is_reaction: error.downcast_ref::<PeerFailure>().is_some(),
        };
        if let Ok(mut kept) = self.shared.failure.lock() {
            *kept = Some(failure);
        }
        // The process ends next: what the store says to it changes nothing.
        self.watched_after(self.shared.timeout, || self.shared.beat().ok());
    }
}

/// An exchange failed, and another rank is the cause; in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct PeerFailure(String);

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that panicked has nothing left to say.
            thread.join().ok();
        }
    }
}

impl Shared {
    fn status(&self) -> Status {
        let failure = self.failure.lock().ok();
        Status {
            count: self.count.load(Ordering::Relaxed),
            epoch: self.epoch.load(Ordering::Relaxed),
            step: self.step.load(Ordering::Relaxed),
            waiting: self.is_exchanging.load(Ordering::Relaxed),
            failure: failure.and_then(|failure| failure.clone()),
        }
    }

    fn beat(&self) -> Result<(), TorchError> {
        let _told = self.telling.lock();
        self.count.fetch_add(1, Ordering::Relaxed);
        self.store.set(&key(self.rank), &self.status().encode())
    }

    fn here(&self) -> String {
        format!("rank {} stopped {}", self.rank, self.status().place())
    }
}

fn beat_on(shared: &Arc<Shared>) {
    // After a lost store there is nobody to tell; the watchdog, or the exchange itself, ends the process.
    while !shared.ended.load(Ordering::Relaxed) && shared.beat().is_ok() {
        std::thread::sleep(INTERVAL);
    }
}

/// Ends the process when something that needs the others does not come back.
fn watch(shared: &Arc<Shared>) {
    while !shared.ended.load(Ordering::Relaxed) {
        std::thread::sleep(INTERVAL);
        let since = shared.waiting_since.load(Ordering::Relaxed);
        let waited = shared
            .start
            .elapsed()
            .saturating_sub(Duration::from_millis(since));
        if since == 0 || waited <= shared.timeout + SILENCE + MARGIN {
            continue;
        }
        // Asked beside: a frozen store's answer never comes.
        let (tell, told) = mpsc::channel();
        let asking = Arc::clone(shared);
        std::thread::spawn(move || tell.send(blame(&asking)));
        let text = told.recv_timeout(SILENCE + MARGIN).unwrap_or_else(|_| {
            format!(
                "{}: the store does not answer: rank 0 or the launcher, which serves it, hangs",
                shared.here()
            )
        });
        say!(
            "error: an exchange has not returned for {} s: {text}",
            waited.as_secs()
        );
        // Not `exit`: destructors would wait for the very exchange that hangs.
        std::process::abort();
    }
}

/// Who is the cause, in words. Watches the statuses for a moment.
fn blame(shared: &Shared) -> String {
    let Shared {
        rank, size, store, ..
    } = shared;
    let here = shared.here();
    if let Err(error) = store.try_get(&key(*rank)) {
        return format!(
            "{here}: the store is gone, with rank 0 or the launcher that serves it ({error})"
        );
    }
    let before = statuses(store, *size);
    std::thread::sleep(SILENCE);
    let after = statuses(store, *size);
    let cause = missing(&before, &after, *rank)
        .or_else(|| behind(&after, *rank))
        .unwrap_or_else(|| "all ranks are alive; none can be blamed".into());
    format!("{here}: {cause}")
}
