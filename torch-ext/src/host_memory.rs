//! Memory of the host, kept from one training step for the next.

use crate::error::{Error, check};
use crate::ffi;

/// From now on freed memory stays with the process, and `reserve_bytes` of address space are set aside in huge pages
/// where the system has them (they take no memory before they are used). `Ok(false)` where the C library is not glibc.
///
/// Without it every large tensor of every step is fresh memory from the system, which zeroes it page by page: a tenth
/// to a fifth of a convolutional network's step on a CPU. For the whole process, from the first call on.
///
/// # Errors
/// Only what libtorch itself reports.
pub fn keep(reserve_bytes: usize) -> Result<bool, Error> {
    let mut done = 0;
    // SAFETY: a plain integer and a local.
    check("host memory", unsafe {
        ffi::tx_keep_host_memory(reserve_bytes, &mut done)
    })?;
    Ok(done != 0)
}
