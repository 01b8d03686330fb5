//! The open connections, and which of them only wait: those are closed first when there are too many, so that idle
//! sockets lock nobody out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
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

    /// Asks the oldest connection to close that has been idle for `least`; false when there is none. A request needs a
    /// moment to arrive, so a connection that was just made is not idle yet.
    pub fn close_idle(&self, least: Duration) -> bool {
        let mut list = self.list.lock();
        let Some(id) = list
            .1
            .iter()
            .find(|(_, entry)| entry.idle() >= Some(least))
            .map(|(id, _)| *id)
        else {
            return false;
        };
        // Off the list at once: it no longer counts, whenever its task gets to end.
        if let Some(entry) = list.1.remove(&id) {
            entry.close.notify_one();
        }
        true
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
    /// arrived that nobody has had time to read; then the connection stays, and is on the list again.
    pub async fn closed(&self, grace: Duration) {
        loop {
            self.entry.close.notified().await;
            tokio::time::sleep(grace).await;
            if !self.entry.is_busy() {
                return;
            }
            let mut list = self.list.lock();
            list.1.insert(self.id, Arc::clone(&self.entry));
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
        assert!(!all.close_idle(Duration::from_secs(60)), "all are new");
        assert!(all.close_idle(Duration::ZERO), "the second only waits");
        assert_eq!(all.count(), 2);
        drop(second);
        assert_eq!(all.count(), 2, "it was off the list before");
        let other = third.request();
        assert!(!all.close_idle(Duration::ZERO), "every one is answering");
        drop((busy, other));
        assert!(all.close_idle(Duration::ZERO));
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
            let busy = open.request();
            // Somebody took it for idle just before.
            let entry = all.list.lock().1.remove(&0).unwrap();
            entry.close.notify_one();
            let waiting = tokio::time::timeout(Duration::from_millis(200), closed()).await;
            assert!(waiting.is_err(), "it is answering");
            assert_eq!(all.count(), 1, "it is on the list again");
            drop(busy);
            assert!(all.close_idle(Duration::ZERO));
            closed().await.unwrap();
        });
    }
}
