//! Which device a run computes on, and its memory.

use anyhow::{Result, bail};
use tch::Device;

/// Turns `auto`, `cpu`, `cuda`, `cuda:N` or `mps` into a device that is there.
///
/// # Errors
/// The device asked for by name is missing, with the reason.
pub fn choose(name: &str) -> Result<Device> {
    let cuda = |index: usize| -> Result<Device> {
        if let Err(error) = torch_ext::cuda::open() {
            bail!("device {name}: CUDA is not available: {error}; `train doctor` tells more");
        }
        let count = torch_ext::device::count().unwrap_or(0);
        if index >= count {
            bail!(
                "device {name}: expected a GPU with index below {count}; `train doctor` tells more"
            );
        }
        Ok(Device::Cuda(index))
    };
    match name {
        "cpu" => Ok(Device::Cpu),
        "auto" => Ok(cuda(0).unwrap_or_else(|_| {
            if tch::utils::has_mps() {
                Device::Mps
            } else {
                Device::Cpu
            }
        })),
        "mps" if tch::utils::has_mps() => Ok(Device::Mps),
        "mps" => bail!("device mps: this libtorch has no Metal support"),
        "cuda" => cuda(0),
        other => match other.strip_prefix("cuda:").map(str::parse) {
            Some(Ok(index)) => cuda(index),
            _ => bail!("device: expected auto, cpu, cuda, cuda:N or mps, got '{other}'"),
        },
    }
}

/// A device in words.
pub fn describe(device: Device) -> String {
    match device {
        Device::Cpu => {
            let threads = torch_ext::backend::num_threads().unwrap_or(1);
            let set = torch_ext::cpu::capability().unwrap_or_default();
            format!("CPU ({threads} threads, {set})")
        }
        Device::Cuda(index) => match torch_ext::cuda::driver() {
            Ok(driver) => driver.devices.get(index).map_or_else(
                || format!("cuda:{index}"),
                |gpu| format!("cuda:{index} {} ({} MiB)", gpu.name, gpu.memory_bytes >> 20),
            ),
            Err(_) => format!("cuda:{index}"),
        },
        other => format!("{other:?}"),
    }
}

/// Largest memory in use on an accelerator so far; none on a CPU.
pub fn peak_memory_bytes(device: Device) -> Option<u64> {
    match device {
        Device::Cuda(index) => {
            let stats = torch_ext::device::memory_stats(index).ok()?;
            Some(stats.peak_allocated_bytes)
        }
        _ => None,
    }
}
