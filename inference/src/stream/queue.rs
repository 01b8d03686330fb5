//! The list of sources, and how far it has been taken.

use std::sync::{Condvar, Mutex, PoisonError};

use model_core::sync::lock;

use super::{Cancel, Source};

/// The list and how far it has been taken, shared by the workers.
///
/// Two locks, because reading the list may block (a list on stdin) and the runner must not wait for that.
pub(super) struct Shared<I> {
    /// The list and the next index.
    pub(super) sources: Mutex<(I, usize)>,
    /// How far the workers may read ahead of the answers.
    pub(super) window: Mutex<Window>,
    pub(super) moved: Condvar,
}

pub(super) struct Window {
    pub(super) limit: usize,
    pub(super) closed: bool,
}

impl<I: Iterator<Item = Source>> Shared<I> {
    /// The next source, once there is room in the window; none at the end.
    pub(super) fn take(&self, cancel: &Cancel) -> Option<(usize, Source)> {
        let mut sources = lock(&self.sources);
        let (list, next) = &mut *sources;
        let mut window = lock(&self.window);
        while *next >= window.limit && !window.closed {
            window = self
                .moved
                .wait(window)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if window.closed || cancel.is_cancelled() {
            return None;
        }
        drop(window);
        let Some(source) = list.next() else {
            self.close();
            return None;
        };
        *next += 1;
        Some((*next - 1, source))
    }

    pub(super) fn allow(&self, limit: usize) {
        lock(&self.window).limit = limit;
        self.moved.notify_all();
    }

    pub(super) fn close(&self) {
        lock(&self.window).closed = true;
        self.moved.notify_all();
    }
}
