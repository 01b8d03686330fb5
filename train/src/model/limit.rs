//! A bound on memory for tests of what happens when there is none left. It is no setting of a run: devices and
//! allocators have bounds of their own, and their error is the one that comes here, too.

use anyhow::Result;
use tch::{Device, Kind, Tensor};

/// More bytes than any machine has.
const TOO_MANY_VALUES: i64 = 1 << 58;

/// Bytes that the values of one pass through a network may take together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimit(pub u64);

impl MemoryLimit {
    /// Counts `value` to the bytes `used` so far.
    ///
    /// # Errors
    /// libtorch's own for memory that is not there, where they become more than the limit.
    pub(super) fn take(self, used: &mut u64, value: &Tensor) -> Result<()> {
        *used += value.numel() as u64 * value.kind().elt_size_in_bytes() as u64;
        if *used > self.0 {
            let _ = Tensor::f_zeros([TOO_MANY_VALUES], (Kind::Float, Device::Cpu))?;
        }
        Ok(())
    }
}
