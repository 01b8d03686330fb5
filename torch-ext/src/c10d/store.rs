//! c10d's key-value store over TCP.

use std::ffi::{CString, c_int};
use std::time::Duration;

use crate::error::{TorchError, check};
use crate::ffi;

/// A connection to the TCP store, or the store's server and a connection to it.
///
/// Calls block each other: a thread that watches beside one that waits needs a connection of its own.
pub struct Store {
    raw: *mut ffi::TxStore,
}

// SAFETY: c10d's stores lock inside; the handle is a pointer without thread affinity.
unsafe impl Send for Store {}
// SAFETY: as above.
unsafe impl Sync for Store {}

impl Store {
    /// Starts a server in this process, on all addresses. `port` 0 lets the system choose ([`Store::port`]).
    ///
    /// # Errors
    /// The port is taken.
    pub fn serve(port: u16, timeout: Duration) -> Result<Self, TorchError> {
        Self::open("localhost", port, true, 0, timeout)
    }

    /// Connects to the server at `host:port`, trying until `timeout`.
    ///
    /// # Errors
    /// Nobody answers within `timeout`.
    pub fn connect(host: &str, port: u16, timeout: Duration) -> Result<Self, TorchError> {
        Self::open(host, port, false, 0, timeout)
    }

    fn open(
        host: &str,
        port: u16,
        server: bool,
        workers: usize,
        timeout: Duration,
    ) -> Result<Self, TorchError> {
        const OPERATION: &str = "tcp store";
        let host = text(OPERATION, host)?;
        let workers = c_int::try_from(workers).unwrap_or(c_int::MAX);
        let mut raw = std::ptr::null_mut();
        // SAFETY: `host` is NUL-terminated, `raw` a local; on success it is a handle that we own.
        check(OPERATION, unsafe {
            ffi::tx_store_tcp(
                host.as_ptr(),
                c_int::from(port),
                c_int::from(server),
                workers,
                millis(timeout),
                &mut raw,
            )
        })?;
        Ok(Store { raw })
    }

    /// The same store with `prefix/` before every key.
    ///
    /// # Errors
    /// A prefix with a NUL byte.
    pub fn prefixed(&self, prefix: &str) -> Result<Self, TorchError> {
        const OPERATION: &str = "prefix store";
        let prefix = text(OPERATION, prefix)?;
        let mut raw = std::ptr::null_mut();
        // SAFETY: `self.raw` is live; on success `raw` is a handle that we own and that shares the connection.
        check(OPERATION, unsafe {
            ffi::tx_store_prefix(prefix.as_ptr(), self.raw, &mut raw)
        })?;
        Ok(Store { raw })
    }

    /// The server's port.
    pub fn port(&self) -> u16 {
        // SAFETY: a live handle.
        u16::try_from(unsafe { ffi::tx_store_port(self.raw) }).unwrap_or(0)
    }

    /// Sets a key.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn set(&self, key: &str, value: &[u8]) -> Result<(), TorchError> {
        const OPERATION: &str = "store set";
        let key = text(OPERATION, key)?;
        // SAFETY: a live handle, `value.len()` readable bytes.
        check(OPERATION, unsafe {
            ffi::tx_store_set(self.raw, key.as_ptr(), value.as_ptr(), value.len())
        })
    }

    /// Reads a key, waiting for it up to the store's timeout.
    ///
    /// # Errors
    /// The key does not appear in time, the connection is lost.
    pub fn get(&self, key: &str) -> Result<Vec<u8>, TorchError> {
        const OPERATION: &str = "store get";
        let key = text(OPERATION, key)?;
        let (mut bytes, mut length) = (std::ptr::null_mut(), 0);
        // SAFETY: a live handle; on success `bytes` is an allocation of `length` bytes that we copy and free.
        unsafe {
            check(
                OPERATION,
                ffi::tx_store_get(self.raw, key.as_ptr(), &mut bytes, &mut length),
            )?;
            let value = std::slice::from_raw_parts(bytes, length).to_vec();
            ffi::tx_free_string(bytes.cast());
            Ok(value)
        }
    }

    /// Reads a key if it is there.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn try_get(&self, key: &str) -> Result<Option<Vec<u8>>, TorchError> {
        const OPERATION: &str = "store check";
        let name = text(OPERATION, key)?;
        let mut found = 0;
        // SAFETY: a live handle and a local.
        check(OPERATION, unsafe {
            ffi::tx_store_has(self.raw, name.as_ptr(), &mut found)
        })?;
        if found == 0 {
            Ok(None)
        } else {
            self.get(key).map(Some)
        }
    }

    /// Adds to a counter (from 0) and returns its new value.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn add(&self, key: &str, amount: i64) -> Result<i64, TorchError> {
        const OPERATION: &str = "store add";
        let key = text(OPERATION, key)?;
        let mut out = 0;
        // SAFETY: a live handle and a local.
        check(OPERATION, unsafe {
            ffi::tx_store_add(self.raw, key.as_ptr(), amount, &mut out)
        })?;
        Ok(out)
    }

    /// Waits until a key is there.
    ///
    /// # Errors
    /// Not within `timeout`, or the connection is lost.
    pub fn wait(&self, key: &str, timeout: Duration) -> Result<(), TorchError> {
        const OPERATION: &str = "store wait";
        let key = text(OPERATION, key)?;
        // SAFETY: a live handle.
        check(OPERATION, unsafe {
            ffi::tx_store_wait(self.raw, key.as_ptr(), millis(timeout))
        })
    }

    pub(super) fn raw(&self) -> *mut ffi::TxStore {
        self.raw
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: ours, and not used afterward. Groups hold their own reference to what is inside.
        unsafe { ffi::tx_store_free(self.raw) }
    }
}

pub(super) fn text(operation: &'static str, value: &str) -> Result<CString, TorchError> {
    CString::new(value)
        .map_err(|_| TorchError::new(operation, format!("{value:?} holds a NUL byte")))
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
