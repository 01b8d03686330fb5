//! One error type: what was asked, and what libtorch answered.

use std::ffi::{CStr, c_char, c_int};

use crate::ffi;

/// A call into libtorch that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation}: {message}")]
pub struct TorchError {
    /// What was attempted, e.g. `fused sgd step`.
    pub operation: &'static str,
    /// libtorch's message, without the C++ backtrace.
    pub message: String,
}

impl TorchError {
    pub(crate) fn new(operation: &'static str, message: impl Into<String>) -> Self {
        TorchError {
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

/// Whether an error text (of this crate or of tch) is libtorch running out of device or host memory. cuDNN and cuBLAS
/// say it by their status, C++ by the name of its exception.
pub fn is_out_of_memory(message: &str) -> bool {
    let marks = [
        "out of memory",
        "can't allocate memory",
        "STATUS_ALLOC_FAILED",
        "std::bad_alloc",
    ];
    marks.iter().any(|mark| message.contains(mark))
}

/// How much was asked for when memory ran out, as far as libtorch's text tells: `2.00 GiB`.
pub fn wanted_memory(message: &str) -> Option<String> {
    // "you tried to allocate 4096 bytes" on a CPU, "Tried to allocate 2.00 GiB" on a GPU.
    let (_, rest) = message.split_once("ried to allocate ")?;
    let mut words = rest.split_whitespace();
    let (number, unit) = (words.next()?, words.next()?.trim_end_matches(['.', ',']));
    let number: f64 = number.parse().ok()?;
    Some(match unit {
        "bytes" if number >= f64::from(1 << 30) => {
            format!("{:.2} GiB", number / f64::from(1 << 30))
        }
        "bytes" => format!("{:.2} MiB", number / f64::from(1 << 20)),
        unit => format!("{number:.2} {unit}"),
    })
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
pub(crate) fn check(operation: &'static str, code: c_int) -> Result<(), TorchError> {
    if code == 0 {
        return Ok(());
    }
    // SAFETY: the shim returns a NUL-terminated string that lives until this thread's next failing call.
    let text = unsafe { CStr::from_ptr(ffi::tx_last_error()) }
        .to_string_lossy()
        .into_owned();
    Err(TorchError::new(operation, text.trim_end()))
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

#[cfg(test)]
mod tests {
    use super::*;

    // The texts of libtorch 2.13's allocators, shortened behind what is read.
    const CPU: &str = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried \
                       to allocate 411041792 bytes. Error code 12 (Cannot allocate memory)";
    const CUDA: &str =
        "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 14.56 GiB";

    #[test]
    fn what_was_asked_for_is_read_from_either_allocators_text() {
        assert_eq!(wanted_memory(CPU).as_deref(), Some("392.00 MiB"));
        assert_eq!(wanted_memory(CUDA).as_deref(), Some("20.00 GiB"));
        for text in [CPU, CUDA, "cuDNN error: CUDNN_STATUS_ALLOC_FAILED"] {
            assert!(is_out_of_memory(text), "{text}");
        }
        assert_eq!(wanted_memory("shape mismatch"), None);
        assert!(!is_out_of_memory("shape mismatch"));
    }
}
