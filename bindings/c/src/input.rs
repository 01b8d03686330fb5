//! Pointers and lengths from C as references, each checked before it is used.

use std::ffi::{CStr, c_char};
use std::path::PathBuf;

use model_core::platform::path_from_bytes;

use crate::error::Failed;

/// The text at `text`.
///
/// # Safety
/// `text` is NULL, or ends in a zero and stays as it is while the result lives.
pub(crate) unsafe fn text<'a>(text: *const c_char, name: &str) -> Result<&'a str, Failed> {
    // SAFETY: not NULL; the rest is the caller's promise.
    let text = unsafe { c_str(text, name) }?;
    let got = text.to_str();
    got.map_err(|_| Failed::argument(format!("{name}: expected UTF-8")))
}

/// The path at `path`: any bytes on Unix, UTF-8 elsewhere.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn path(path: *const c_char, name: &str) -> Result<PathBuf, Failed> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { c_str(path, name) }?.to_bytes();
    path_from_bytes(bytes).ok_or_else(|| Failed::argument(format!("{name}: expected UTF-8")))
}

/// `len` bytes at `data`.
///
/// # Safety
/// `data` is NULL, or leads to `len` bytes that stay as they are while the result lives.
pub(crate) unsafe fn bytes<'a>(
    data: *const u8,
    len: usize,
    name: &str,
) -> Result<&'a [u8], Failed> {
    if len == 0 {
        // An empty buffer may well be NULL.
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(Failed::argument(format!(
            "{name}: expected {len} bytes, got NULL"
        )));
    }
    if isize::try_from(len).is_err() {
        return Err(Failed::argument(format!(
            "{name}: {len} bytes are more than there can be"
        )));
    }
    // SAFETY: not NULL and no longer than memory can be; the rest is the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(data, len) })
}

/// What a pointer leads to.
///
/// # Safety
/// `pointer` is NULL, or leads to a live value.
pub(crate) unsafe fn reference<'a, T>(pointer: *const T, name: &str) -> Result<&'a T, Failed> {
    // SAFETY: the caller's promise.
    unsafe { pointer.as_ref() }.ok_or_else(|| null(name))
}

/// The place for a result.
///
/// # Safety
/// `pointer` is NULL, or a place for a `T` that nobody else uses.
pub(crate) unsafe fn place<'a, T>(pointer: *mut T, name: &str) -> Result<&'a mut T, Failed> {
    // SAFETY: the caller's promise.
    unsafe { pointer.as_mut() }.ok_or_else(|| null(name))
}

/// The text itself, not NULL.
///
/// # Safety
/// As [`text`].
unsafe fn c_str<'a>(text: *const c_char, name: &str) -> Result<&'a CStr, Failed> {
    if text.is_null() {
        return Err(null(name));
    }
    // SAFETY: not NULL; the caller promises a zero at its end.
    Ok(unsafe { CStr::from_ptr(text) })
}

fn null(name: &str) -> Failed {
    Failed::argument(format!("{name}: expected a pointer, got NULL"))
}
