//! Which device a run computes on, and its memory.

use anyhow::{Result, bail};
use tch::Device;

use crate::recipe::Recipe;

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
        if count == 0 {
            bail!("device {name}: no GPU is usable here; `train doctor` tells why");
        }
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

/// Chooses the device `name` for a recipe and sets libtorch's switches for it: threads, determinism, host memory.
///
/// # Errors
/// As [`choose`].
pub fn prepare(recipe: &Recipe, name: &str) -> Result<Device> {
    if let Some(threads) = recipe.threads {
        torch_ext::backend::set_num_threads(threads)?;
    }
    let device = choose(name)?;
    torch_ext::backend::set_deterministic(recipe.deterministic, false)?;
    if !recipe.deterministic && matches!(device, Device::Cuda(_)) {
        torch_ext::backend::set_cudnn_benchmark(recipe.augment.progressive.is_none())?;
    }
    // Numbers too small for a normal float cost a hundred times more on a CPU and carry nothing.
    torch_ext::backend::set_flush_denormal(true)?;
    if device == Device::Cpu {
        let reserve = host_memory().map_or(0, |(total, _)| total / 2);
        torch_ext::host_memory::keep(reserve as usize / crate::distributed::local_processes())?;
    }
    Ok(device)
}

/// Total and available bytes of this machine, where the system tells (Linux).
pub fn host_memory() -> Option<(u64, u64)> {
    let value = |key| proc_bytes("/proc/meminfo", key);
    Some((value("MemTotal:")?, value("MemAvailable:")?))
}

/// A line `key  N kB` of a file of `/proc`, in bytes.
fn proc_bytes(file: &str, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
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

/// Memory of a run on its device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// In use now, bytes.
    pub used_bytes: u64,
    /// Most so far, bytes.
    pub peak_bytes: u64,
}

/// Tensors on a GPU; this process's resident memory on a CPU (Linux); none elsewhere.
pub fn memory(device: Device) -> Option<Memory> {
    match device {
        Device::Cuda(index) => {
            let stats = torch_ext::device::memory_stats(index).ok()?;
            Some(Memory {
                used_bytes: stats.allocated_bytes,
                peak_bytes: stats.peak_allocated_bytes,
            })
        }
        Device::Cpu => Some(Memory {
            used_bytes: proc_bytes("/proc/self/status", "VmRSS:")?,
            peak_bytes: proc_bytes("/proc/self/status", "VmHWM:")?,
        }),
        _ => None,
    }
}
