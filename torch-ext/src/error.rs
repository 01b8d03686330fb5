//! One error type: what was asked, and what libtorch answered.

use std::ffi::{CStr, c_char, c_int};

use crate::ffi;

/// A call into libtorch that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation}: {message}")]
pub struct Error {
    /// What was attempted, e.g. `fused sgd step`.
    pub operation: &'static str,
    /// libtorch's message, without the C++ backtrace.
    pub message: String,
}

impl Error {
    pub(crate) fn new(operation: &'static str, message: impl Into<String>) -> Self {
        Error {
            operation,
            message: message.into(),
        }
    }

    /// Whether it comes from a collective: another process may be the cause.
    pub fn is_exchange(&self) -> bool {
        let collectives = [
            "all-reduce",
            "broadcast",
            "all-gather",
            "barrier",
            "synchronized batch norm",
        ];
        collectives.contains(&self.operation)
    }

    /// Whether the message speaks of an exhausted device or host allocator.
    pub fn is_out_of_memory(&self) -> bool {
        is_out_of_memory(&self.message)
    }
}

/// Whether an error text (of this crate or of tch) is libtorch running out of device or host memory.
pub fn is_out_of_memory(message: &str) -> bool {
    message.contains("out of memory") || message.contains("can't allocate memory")
}

/// An error text of libtorch without the C++ frames and the lines about where it was raised, in one line.
pub fn without_backtrace(message: &str) -> String {
    let end = [
        "\nException raised from",
        "\nframe #",
        "\n\nException raised",
    ];
    let cut = end.iter().filter_map(|mark| message.find(mark)).min();
    let text = &message[..cut.unwrap_or(message.len())];
    text.split('\n')
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Turns the shim's return code into a `Result`, reading the thread's error string.
pub(crate) fn check(operation: &'static str, code: c_int) -> Result<(), Error> {
    if code == 0 {
        return Ok(());
    }
    // SAFETY: the shim returns a NUL-terminated string that lives until this thread's next failing call.
    let text = unsafe { CStr::from_ptr(ffi::tx_last_error()) }
        .to_string_lossy()
        .into_owned();
    Err(Error::new(operation, text.trim_end()))
}

/// Takes over a string the shim allocated.
///
/// # Safety
/// `text` is null or came from the shim's `copy_string`, and is not used afterward.
pub(crate) unsafe fn take_string(text: *mut c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: by the contract above it is a NUL-terminated string owned by us.
    unsafe {
        let out = CStr::from_ptr(text).to_string_lossy().into_owned();
        ffi::tx_free_string(text);
        out
    }
}
