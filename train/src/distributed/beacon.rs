//! Signs of life: every rank tells the store twice a second where it is, so that when an exchange fails the others can
//! say who is missing and at which step. A watchdog ends a process whose exchange never returns (NCCL's may not).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use torch_ext::c10d::Store;

/// Time between signs of life.
const INTERVAL: Duration = Duration::from_millis(500);
/// A rank without a sign for so long is gone or frozen. Several intervals: the machine may be busy.
const SILENCE: Duration = Duration::from_secs(3);
/// How much longer than the collectives' own timeout the watchdog waits.
const MARGIN: Duration = Duration::from_secs(5);
/// While waiting for the others outside of an exchange, how often to look whether they are alive.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// How long a rank may take to come at all.
const ARRIVAL: Duration = Duration::from_secs(300);

/// Where one rank says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sign {
    count: u64,
    /// From 1.
    epoch: u64,
    /// From 1, within the epoch; 0 before the first.
    step: u64,
    /// Inside an exchange, waiting for the others.
    waiting: bool,
    /// It failed by itself, and why.
    failure: Option<String>,
}

impl Sign {
    fn encode(&self) -> Vec<u8> {
        let Self {
            count,
            epoch,
            step,
            waiting,
            ..
        } = self;
        let failure = self.failure.as_deref().unwrap_or_default();
        format!("{count} {epoch} {step} {} {failure}", u8::from(*waiting)).into_bytes()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut parts = text.splitn(5, ' ');
        let mut number = || parts.next()?.parse::<u64>().ok();
        let (count, epoch, step, waiting) = (number()?, number()?, number()?, number()?);
        let failure = parts
            .next()
            .filter(|text| !text.is_empty())
            .map(str::to_owned);
        Some(Self {
            count,
            epoch,
            step,
            waiting: waiting == 1,
            failure,
        })
    }

    fn place(&self) -> String {
        match (self.epoch, self.step) {
            (0, _) => "before the first step".into(),
            (epoch, step) => format!("at epoch {epoch} step {step}"),
        }
    }
}

/// Where a rank last said it was, in words; none: it has said nothing yet.
pub fn place_of(store: &Store, rank: usize) -> Option<String> {
    let bytes = store.try_get(&key(rank)).ok().flatten()?;
    Some(Sign::decode(&bytes)?.place())
}

/// Whether a rank has begun a step.
pub fn has_begun(store: &Store, rank: usize) -> bool {
    let bytes = store.try_get(&key(rank)).ok().flatten();
    bytes
        .and_then(|bytes| Sign::decode(&bytes))
        .is_some_and(|sign| sign.epoch > 0)
}

fn key(rank: usize) -> String {
    format!("life/{rank}")
}

struct Shared {
    epoch: AtomicU64,
    step: AtomicU64,
    /// When the present exchange began, in milliseconds since `start`; 0 outside of one.
    waiting_since: AtomicU64,
    failure: Mutex<Option<String>>,
    ended: AtomicBool,
    start: Instant,
    timeout: Duration,
}

/// This rank's signs of life and its view of the others'.
pub struct Beacon {
    shared: Arc<Shared>,
    store: Arc<Store>,
    rank: usize,
    size: usize,
    thread: Option<JoinHandle<()>>,
}

impl Beacon {
    /// Begins to give signs over a connection of its own. Exchanges may take `timeout`.
    pub fn new(store: Store, rank: usize, size: usize, timeout: Duration) -> Result<Self> {
        let shared = Arc::new(Shared {
            epoch: AtomicU64::new(0),
            step: AtomicU64::new(0),
            waiting_since: AtomicU64::new(0),
            failure: Mutex::new(None),
            ended: AtomicBool::new(false),
            start: Instant::now(),
            timeout,
        });
        let store = Arc::new(store);
        let (for_thread, its_store) = (Arc::clone(&shared), Arc::clone(&store));
        let run = move || give_signs(&for_thread, &its_store, rank, size);
        let thread = std::thread::Builder::new()
            .name("beacon".into())
            .spawn(run)?;
        Ok(Self {
            shared,
            store,
            rank,
            size,
            thread: Some(thread),
        })
    }

    /// The step that begins now; both from 1.
    pub fn at(&self, epoch: u64, step: u64) {
        self.shared.step.store(step, Ordering::Relaxed);
        self.shared.epoch.store(epoch, Ordering::Relaxed);
    }

    /// Runs an exchange with the others; a failure says who is to blame.
    pub fn exchange<T>(&self, body: impl FnOnce() -> Result<T>) -> Result<T> {
        let now = self.shared.start.elapsed().as_millis() as u64;
        self.shared
            .waiting_since
            .store(now.max(1), Ordering::Relaxed);
        let result = body();
        let result = result.map_err(|error| error.context(self.blame()));
        self.shared.waiting_since.store(0, Ordering::Relaxed);
        result
    }

    /// Waits until every rank has come to the point `name`, however long that takes, as long as they are alive.
    pub fn meet(&self, name: &str) -> Result<()> {
        let arrived = format!("meet/{name}");
        let mut count = self.store.add(&arrived, 1)?;
        let begin = Instant::now();
        let mut looked = begin;
        let mut last = self.signs();
        while count < self.size as i64 {
            std::thread::sleep(Duration::from_millis(20));
            count = self.store.add(&arrived, 0)?;
            if looked.elapsed() < LOOK_INTERVAL {
                continue;
            }
            let signs = self.signs();
            // A rank that has not given its first sign may still be on its way.
            let all_came = signs.iter().all(Option::is_some);
            if (all_came || begin.elapsed() > ARRIVAL)
                && let Some(text) = missing(&last, &signs, self.rank)
            {
                anyhow::bail!("{text}");
            }
            last = signs;
            looked = Instant::now();
        }
        Ok(())
    }

    /// Says who is to blame for a failed exchange outside of [`Beacon::exchange`]: synchronised batch norm's.
    pub fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let is_bare = !format!("{error:#}").contains("stopped ");
        let is_exchange = error
            .chain()
            .filter_map(|cause| cause.downcast_ref::<torch_ext::Error>())
            .any(torch_ext::Error::is_exchange);
        if is_bare && is_exchange {
            error.context(self.blame())
        } else {
            error
        }
    }

    /// This rank fails for a reason of its own: the others can say so.
    pub fn fail(&self, reason: &str) {
        let line = reason.replace('\n', " ");
        if let Ok(mut failure) = self.shared.failure.lock() {
            *failure = Some(line.clone());
        }
        let sign = sign(&self.shared, u64::MAX);
        // The process ends next: what the store says to it changes nothing.
        self.store.set(&key(self.rank), &sign.encode()).ok();
    }

    fn signs(&self) -> Vec<Option<Sign>> {
        signs(&self.store, self.size)
    }

    fn blame(&self) -> String {
        blame(&self.shared, &self.store, self.rank, self.size)
    }
}

impl Drop for Beacon {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A beacon that panicked has nothing left to say.
            thread.join().ok();
        }
    }
}

fn sign(shared: &Shared, count: u64) -> Sign {
    Sign {
        count,
        epoch: shared.epoch.load(Ordering::Relaxed),
        step: shared.step.load(Ordering::Relaxed),
        waiting: shared.waiting_since.load(Ordering::Relaxed) > 0,
        failure: shared
            .failure
            .lock()
            .ok()
            .and_then(|failure| failure.clone()),
    }
}

fn give_signs(shared: &Shared, store: &Store, rank: usize, size: usize) {
    let mut store_is_lost = false;
    for count in 1.. {
        if shared.ended.load(Ordering::Relaxed) {
            return;
        }
        if !store_is_lost {
            store_is_lost = store
                .set(&key(rank), &sign(shared, count).encode())
                .is_err();
        }
        let since = shared.waiting_since.load(Ordering::Relaxed);
        let waited = shared
            .start
            .elapsed()
            .saturating_sub(Duration::from_millis(since));
        if since > 0 && waited > shared.timeout + SILENCE + MARGIN {
            let text = if store_is_lost {
                "the store (rank 0 or the launcher) is gone".to_owned()
            } else {
                blame(shared, store, rank, size)
            };
            eprintln!(
                "error: an exchange has not returned for {} s: {text}",
                waited.as_secs()
            );
            // Not `exit`: destructors would wait for the very exchange that hangs.
            std::process::abort();
        }
        std::thread::sleep(INTERVAL);
    }
}

fn signs(store: &Store, size: usize) -> Vec<Option<Sign>> {
    (0..size)
        .map(|rank| {
            store
                .try_get(&key(rank))
                .ok()
                .flatten()
                .and_then(|bytes| Sign::decode(&bytes))
        })
        .collect()
}

/// Who is the cause, in words. Watches the signs for a moment.
fn blame(shared: &Shared, store: &Store, rank: usize, size: usize) -> String {
    let here = format!("rank {rank} stopped {}", sign(shared, 0).place());
    if let Err(error) = store.try_get(&key(rank)) {
        return format!(
            "{here}: the store is gone, with rank 0 or the launcher that serves it ({error})"
        );
    }
    let before = signs(store, size);
    std::thread::sleep(SILENCE);
    let after = signs(store, size);
    let cause = missing(&before, &after, rank)
        .or_else(|| behind(&after, rank))
        .unwrap_or_else(|| "all ranks are alive; none can be blamed".into());
    format!("{here}: {cause}")
}

/// Ranks that failed by themselves, else those that gave no sign between the two looks.
fn missing(before: &[Option<Sign>], after: &[Option<Sign>], rank: usize) -> Option<String> {
    let mut failed = Vec::new();
    let mut silent = Vec::new();
    for (other, (before, after)) in before
        .iter()
        .zip(after)
        .enumerate()
        .filter(|(other, _)| *other != rank)
    {
        match after {
            None => silent.push(format!("rank {other} never came")),
            Some(Sign {
                failure: Some(reason),
                ..
            }) if !reason.starts_with("rank ") => {
                failed.push(format!("rank {other} failed ({reason})"));
            }
            // It reacts to the same loss as this rank.
            Some(Sign {
                failure: Some(_), ..
            }) => {}
            Some(sign) if before.as_ref() == Some(sign) => {
                silent.push(format!(
                    "rank {other} gives no sign of life, last seen {}",
                    sign.place()
                ));
            }
            Some(_) => {}
        }
    }
    let all = if failed.is_empty() { silent } else { failed };
    (!all.is_empty()).then(|| all.join("; "))
}

/// Alive, but not where the others wait.
fn behind(signs: &[Option<Sign>], rank: usize) -> Option<String> {
    let all = signs.iter().enumerate().filter(|(other, _)| *other != rank);
    let busy: Vec<String> = all
        .filter_map(|(other, sign)| Some((other, sign.as_ref()?)))
        .filter(|(_, sign)| !sign.waiting && sign.failure.is_none())
        .map(|(other, sign)| format!("rank {other} is alive but hangs {}", sign.place()))
        .collect();
    (!busy.is_empty()).then(|| busy.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(count: u64, waiting: bool) -> Option<Sign> {
        Some(Sign {
            count,
            epoch: 2,
            step: 7,
            waiting,
            failure: None,
        })
    }

    #[test]
    fn signs_survive_the_store() {
        for failure in [None, Some("out of memory: try less".to_owned())] {
            let sign = Sign {
                count: 3,
                epoch: 1,
                step: 9,
                waiting: true,
                failure,
            };
            assert_eq!(Sign::decode(&sign.encode()), Some(sign));
        }
        assert_eq!(Sign::decode(b"nonsense"), None);
    }

    #[test]
    fn the_silent_rank_is_named_with_its_step() {
        let before = [at(1, true), at(5, false), at(1, true)];
        let after = [at(4, true), at(5, false), at(4, true)];
        let text = missing(&before, &after, 0).unwrap();
        assert_eq!(
            text,
            "rank 1 gives no sign of life, last seen at epoch 2 step 7"
        );
        assert_eq!(
            missing(&before, &[at(4, true), at(8, false), at(4, true)], 0),
            None
        );
    }

    #[test]
    fn a_failure_of_its_own_comes_first_and_reactions_are_not_blamed() {
        let failed = |reason: &str| {
            let mut sign = at(9, false).unwrap();
            sign.failure = Some(reason.into());
            Some(sign)
        };
        let before = [at(1, true), at(5, true), at(5, true)];
        let after = [at(2, true), failed("out of memory"), at(5, true)];
        assert_eq!(
            missing(&before, &after, 0).unwrap(),
            "rank 1 failed (out of memory)"
        );
        let after = [
            at(2, true),
            failed("rank 1 stopped at epoch 2 step 7"),
            at(5, true),
        ];
        assert!(
            missing(&before, &after, 0)
                .unwrap()
                .starts_with("rank 2 gives no sign")
        );
    }

    #[test]
    fn a_rank_that_hangs_outside_the_exchange_is_named() {
        let signs = [at(4, true), at(8, false)];
        assert_eq!(
            behind(&signs, 0).unwrap(),
            "rank 1 is alive but hangs at epoch 2 step 7"
        );
        assert_eq!(behind(&[at(4, true), at(8, true)], 0), None);
    }
}
