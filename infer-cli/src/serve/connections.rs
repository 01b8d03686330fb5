//! The open connections, and which of them only wait: those make room when there are too many, so that idle sockets lock
//! nobody out. A connection counts until its last byte is sent and its socket is closed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// All open connections, the oldest first.
#[derive(Default)]
pub(super) struct Connections {
    list: Arc<List>,
}

#[derive(Default)]
struct List {
    open: Mutex<(u64, BTreeMap<u64, Arc<Entry>>)>,
    ended: Notify,
}

struct Entry {
    requests: AtomicUsize,
    /// When the last request ended, or the connection was made.
    idle_since: Mutex<Instant>,
    /// It was asked to close and is about to.
    leaving: AtomicBool,
    close: Notify,
}

/// One open connection; dropping it takes it off the list.
pub(super) struct Open {
    list: Arc<List>,
    id: u64,
    entry: Arc<Entry>,
}

/// A request that is being answered; while one is, its connection is not idle.
pub(super) struct Busy(Arc<Entry>);

impl List {
    fn lock(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Arc<Entry>>)> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    /// Enters a new connection.
    pub fn open(&self) -> Open {
        let mut list = self.list.lock();
        let id = list.0;
        list.0 += 1;
        let entry = Arc::new(Entry {
            requests: AtomicUsize::new(0),
            idle_since: Mutex::new(Instant::now()),
            leaving: AtomicBool::new(false),
            close: Notify::new(),
        });
        list.1.insert(id, Arc::clone(&entry));
        Open {
            list: Arc::clone(&self.list),
            id,
            entry,
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.list.lock().1.len()
    }

    /// How many are answering.
    pub fn busy(&self) -> usize {
        let list = self.list.lock();
        list.1.values().filter(|entry| entry.is_busy()).count()
    }

    /// Asks the oldest connection to close that has been idle for `least`; false when there is none, or when `leaving`
    /// of them are about to close as it is. A request needs a moment to arrive, so a connection that was just made is
    /// not idle yet.
    pub fn close_idle(&self, least: Duration, leaving: usize) -> bool {
        let list = self.list.lock();
        let mut about_to = 0;
        for entry in list.1.values() {
            if entry.leaving.load(Ordering::Relaxed) {
                about_to += 1;
                if about_to >= leaving {
                    return false;
                }
            } else if entry.idle() >= Some(least) {
                entry.leaving.store(true, Ordering::Relaxed);
                entry.close.notify_one();
                return true;
            }
        }
        false
    }

    /// Waits until one ends.
    pub async fn one_ended(&self) {
        self.list.ended.notified().await;
    }

    /// Waits until there is none.
    pub async fn ended(&self) {
        loop {
            let ended = self.list.ended.notified();
            if self.count() == 0 {
                return;
            }
            ended.await;
        }
    }
}

impl Entry {
    fn is_busy(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0
    }

    /// How long it has only waited; none while it is answering.
    fn idle(&self) -> Option<Duration> {
        let since = self
            .idle_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        (!self.is_busy()).then(|| since.elapsed())
    }
}

impl Open {
    /// A request begins.
    pub fn request(&self) -> Busy {
        self.entry.requests.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(&self.entry))
    }

    /// Waits until somebody asks this connection to close and it still only waits after `grace`. A request may have
    /// arrived that nobody has had time to read; then the connection stays.
    pub async fn closed(&self, grace: Duration) {
        loop {
            self.entry.close.notified().await;
            tokio::time::sleep(grace).await;
            if !self.entry.is_busy() {
                return;
            }
            self.entry.leaving.store(false, Ordering::Relaxed);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.list.lock().1.remove(&self.id);
        self.list.ended.notify_waiters();
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        *self
            .0
            .idle_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_that_waits_goes_first() {
        let all = Connections::default();
        let (first, second, third) = (all.open(), all.open(), all.open());
        let busy = first.request();
        assert_eq!((all.count(), all.busy()), (3, 1));
        let close = |least| all.close_idle(least, 1);
        assert!(!close(Duration::from_secs(60)), "all are new");
        assert!(close(Duration::ZERO), "the second only waits");
        assert_eq!(all.count(), 3, "it counts until it has ended");
        assert!(!close(Duration::ZERO), "one is leaving, and no more may");
        drop(second);
        assert_eq!(all.count(), 2);
        let other = third.request();
        assert!(!close(Duration::ZERO), "every one is answering");
        drop((busy, other));
        assert!(close(Duration::ZERO));
        drop((first, third));
        assert_eq!(all.count(), 0);
    }

    #[test]
    fn a_request_that_has_just_come_keeps_its_connection() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let all = Connections::default();
            let open = all.open();
            let closed =
                || tokio::time::timeout(Duration::from_secs(5), open.closed(Duration::ZERO));
            // It is taken for idle, and then a request comes.
            assert!(all.close_idle(Duration::ZERO, 1));
            let busy = open.request();
            let waiting = tokio::time::timeout(Duration::from_millis(200), closed()).await;
            assert!(waiting.is_err(), "it is answering");
            drop(busy);
            assert!(all.close_idle(Duration::ZERO, 1), "it can be asked again");
            closed().await.unwrap();
        });
    }
}
