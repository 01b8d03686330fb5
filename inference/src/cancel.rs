//! A flag that stops long work from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::InferenceError;

/// Asks running work to stop; clones share the flag.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The flag itself, for a signal handler.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// # Errors
    /// [`InferenceError::Cancelled`] when somebody asked to stop.
    pub fn check(&self) -> Result<(), InferenceError> {
        if self.is_cancelled() {
            Err(InferenceError::Cancelled)
        } else {
            Ok(())
        }
    }
}
