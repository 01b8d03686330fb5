//! Runs third-party code that may panic on hostile input, and turns the panic into an error value.
//!
//! The panic hook stays quiet while a guarded call runs on the same thread, so that a damaged file costs one error
//! line and not a backtrace; every other panic reaches the hook that was there before.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Calls `work`; a panic becomes `Err` with its message.
pub(crate) fn catch<R>(work: impl FnOnce() -> R) -> Result<R, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                before(info);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    result.map_err(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("panicked without a message");
        one_line(text)
    })
}

/// Error text on one line: names in damaged files and other people's messages may hold line breaks.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(catch(|| 3), Ok(3));
        assert_eq!(catch(|| -> u8 { panic!("plain") }), Err("plain".into()));
        let n = 7;
        assert_eq!(
            catch(|| -> u8 { panic!("number {n}") }),
            Err("number 7".into())
        );
        assert!(!GUARDED.get());
    }
}
