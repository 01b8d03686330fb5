//! Third-party code on untrusted bytes may panic: the panic becomes an error value, silently.
//!
//! The panic hook stays quiet while a guarded call runs on the same thread, so that a damaged file costs one error
//! line and not a backtrace; every other panic reaches the hook that was there before.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use model_core::text::one_line;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Calls `work`; a panic becomes `Err` with its message on one line.
///
/// # Errors
/// The message, when `work` panicked.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                before(info);
            }
        }));
    });
    let outer = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    QUIET.set(outer);
    result.map_err(|payload| message(payload.as_ref()))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("panicked without a message");
    one_line(text)
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
            catch(|| -> u8 { panic!("number\n{n}") }),
            Err("number 7".into())
        );
        assert!(!QUIET.get());
    }
}
