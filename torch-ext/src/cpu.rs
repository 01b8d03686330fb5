//! What the processor can do, as libtorch sees it.

use std::ffi::CString;

use crate::error::{TorchError, check, take_string};
use crate::ffi;

/// Whether bf16 arithmetic is in hardware (AVX512-BF16 or AMX-BF16): without it bf16 training on the CPU is slower
/// than f32.
pub fn has_bf16() -> bool {
    ["avx512_bf16", "amx_bf16"].into_iter().any(has)
}

/// Whether a capability of `torch.cpu.get_capabilities()` is present; unknown names are `false`.
pub fn has(capability: &str) -> bool {
    let Ok(name) = CString::new(capability) else {
        return false;
    };
    let mut out = 0;
    // SAFETY: a NUL-terminated string and a local.
    let code = unsafe { ffi::tx_cpu_has(name.as_ptr(), &mut out) };
    code == 0 && out == 1
}

/// The instruction set libtorch's kernels were chosen for, e.g. `AVX512`.
///
/// # Errors
/// Only what libtorch itself reports.
pub fn capability() -> Result<String, TorchError> {
    let mut out = std::ptr::null_mut();
    // SAFETY: `out` is a local; on success it is a string that we own.
    unsafe {
        check("cpu capability", ffi::tx_cpu_capability(&mut out))?;
        Ok(take_string(out))
    }
}
