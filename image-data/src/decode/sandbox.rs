//! Decoders are third-party code on untrusted bytes: a panic inside becomes an error, silently.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use super::error::one_line;
use super::{DecodeError, Format};

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `decode`; a panic becomes [`DecodeError::Panicked`] and prints nothing.
pub(super) fn guard<T>(
    format: Format,
    decode: impl FnOnce() -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    quiet(decode).unwrap_or_else(|reason| Err(DecodeError::Panicked { format, reason }))
}

/// Runs `work`, catching a panic and returning its message, without the default hook's lines on stderr.
pub(crate) fn quiet<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        // The hook of the program stays in charge of every panic that is not ours.
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.with(Cell::get) {
                previous(info);
            }
        }));
    });
    let before = QUIET.with(|q| q.replace(true));
    let result = catch_unwind(AssertUnwindSafe(work));
    QUIET.with(|q| q.set(before));
    result.map_err(|payload| message(payload.as_ref()))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    one_line(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        let result: Result<(), _> = guard(Format::Png, || panic!("index 7 out of bounds"));
        assert_eq!(
            result.unwrap_err().to_string(),
            "the PNG decoder gave up on damaged data (index 7 out of bounds); convert the file with another program"
        );
    }
}
