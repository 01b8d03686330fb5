//! Locks that go on after a thread has panicked while holding one: what they guard is whole between any two statements.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits for the lock, whoever panicked with it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_with_the_lock_does_not_end_the_others() {
        let number = Mutex::new(1);
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                *lock(&number) = 2;
                let _held = lock(&number);
                panic!("on purpose");
            });
            assert!(thread.join().is_err());
        });
        assert!(number.is_poisoned());
        assert_eq!(*lock(&number), 2);
    }
}
