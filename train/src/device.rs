//! Which device a run computes on, and its memory.

use anyhow::{Result, bail};
use tch::Device;
use torch_ext::backend::Float32Precision;

use crate::distributed::{self, LocalPlace};
use crate::recipe::Recipe;

/// The device of a run, and why it is no faster one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Where to compute.
    pub device: Device,
    /// `auto` took the CPU: why no GPU.
    pub no_gpu: Option<String>,
}

impl Choice {
    /// The line of the log: the device, the arithmetic, and why no GPU.
    pub fn describe(&self, arithmetic: &str) -> String {
        let why = self.no_gpu.as_deref();
        let why = why.map_or(String::new(), |why| format!("; no GPU: {why}"));
        format!("{}; {arithmetic}{why}", describe(self.device))
    }
}

/// Turns `auto`, `cpu`, `cuda`, `cuda:N` or `mps` into a device that is there. Of several processes of one machine each
/// takes its own GPU where the name leaves it open.
///
/// # Errors
/// The device asked for by name is missing, with the reason.
pub fn choose(name: &str) -> Result<Choice> {
    let found = |device| {
        Ok(Choice {
            device,
            no_gpu: None,
        })
    };
    let wanted = match (name, distributed::wanted_device()) {
        ("auto", Some(wanted)) => wanted,
        (name, _) => name,
    };
    let place = distributed::local_place();
    if distributed::wanted_device() == Some("cuda") && !wanted.starts_with("cuda") {
        bail!("device {name}: --num-gpus asks for GPUs (--num-processes is for the CPU)");
    }
    if place.size > 1 && wanted.starts_with("cuda:") && place.sees_all_gpus {
        bail!(
            "device {name}: the {} processes of this machine would share it; `cuda` gives each its own",
            place.size
        );
    }
    match wanted {
        "cpu" => found(Device::Cpu),
        "auto" => match own_gpu(place, gpus()) {
            Ok(index) => found(Device::Cuda(index)),
            Err(_) if tch::utils::has_mps() => found(Device::Mps),
            Err(why) => Ok(Choice {
                device: Device::Cpu,
                no_gpu: Some(why),
            }),
        },
        "mps" if tch::utils::has_mps() => found(Device::Mps),
        "mps" => bail!("device mps: this libtorch has no Metal support"),
        "cuda" => match own_gpu(place, gpus()) {
            Ok(index) => found(Device::Cuda(index)),
            Err(why) => bail!("device {name}: {why}; `train doctor` tells more"),
        },
        other => match other.strip_prefix("cuda:").map(str::parse::<usize>) {
            Some(Ok(index)) => match gpus() {
                Ok(count) if index < count => found(Device::Cuda(index)),
                Ok(count) => bail!(
                    "device {name}: expected a GPU with index below {count}; `train doctor` tells more"
                ),
                Err(why) => bail!("device {name}: {why}; `train doctor` tells more"),
            },
            _ => bail!("device: expected auto, cpu, cuda, cuda:N or mps, got '{other}'"),
        },
    }
}

/// GPUs that libtorch can use, or why there is none.
pub fn gpus() -> Result<usize, String> {
    if let Err(error) = torch_ext::cuda::open() {
        return Err(format!("CUDA is not available ({})", error.message));
    }
    match torch_ext::device::count() {
        Ok(0) => Err("no GPU is usable here".into()),
        Ok(count) => Ok(count),
        Err(error) => Err(error.to_string()),
    }
}

/// The GPU of the process at `place` among the processes of this machine. Slurm and other launchers may show each process
/// a single GPU, which is number 0 to it; where one machine has a single GPU for several processes, NCCL refuses it.
fn own_gpu(place: LocalPlace, gpus: Result<usize, String>) -> Result<usize, String> {
    match gpus? {
        count if place.rank < count => Ok(place.rank),
        1 if !place.sees_all_gpus => Ok(0),
        count => Err(format!(
            "process {} of {} on this machine has no GPU of its own: {count} are usable here",
            place.rank, place.size
        )),
    }
}

/// Chooses a recipe's device and sets libtorch's switches for it: threads, determinism, precision, host memory.
///
/// # Errors
/// As [`choose`].
pub fn prepare(recipe: &Recipe) -> Result<Choice> {
    torch_ext::backend::libtorch_version()?;
    if let Some(threads) = recipe.threads.or_else(distributed::threads_of_share) {
        torch_ext::backend::set_num_threads(threads)?;
    }
    // Before the device is first used: cuBLAS reads its environment then.
    torch_ext::backend::set_deterministic(recipe.deterministic, false)?;
    let choice = choose(&recipe.device)?;
    if !recipe.deterministic && matches!(choice.device, Device::Cuda(_)) {
        torch_ext::backend::set_cudnn_benchmark(recipe.augment.progressive.is_none())?;
    }
    // fp32 means fp32: libtorch's own default is TF32 for CUDA's convolutions. Training may choose it.
    torch_ext::backend::set_float32_precision(Float32Precision::Ieee)?;
    // Numbers too small for a normal float cost a hundred times more on a CPU and carry nothing.
    torch_ext::backend::set_flush_denormal(true)?;
    if matches!(choice.device, Device::Cuda(_)) {
        torch_ext::host_memory::pin();
    }
    if choice.device == Device::Cpu {
        let reserve = host_memory().map_or(0, |(total, _)| total / 2);
        torch_ext::host_memory::keep(reserve as usize / distributed::local_place().size)?;
    }
    Ok(choice)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn place(rank: usize, size: usize, sees_all_gpus: bool) -> LocalPlace {
        LocalPlace {
            rank,
            size,
            sees_all_gpus,
        }
    }

    #[test]
    fn each_process_gets_a_gpu_of_its_own_or_none() {
        assert_eq!(own_gpu(place(0, 1, true), Ok(4)), Ok(0));
        assert_eq!(own_gpu(place(3, 4, true), Ok(4)), Ok(3));
        // Slurm with --gpus-per-task 1: each task sees one, as number 0.
        assert_eq!(own_gpu(place(3, 4, false), Ok(1)), Ok(0));
        // Our own launcher hides none: two processes never share one.
        let error = own_gpu(place(1, 2, true), Ok(1)).unwrap_err();
        assert!(error.contains("process 1 of 2"), "{error}");
        assert!(own_gpu(place(2, 3, false), Ok(2)).is_err());
        let none = own_gpu(place(0, 1, true), Err("no driver".into()));
        assert_eq!(none, Err("no driver".into()));
    }

    #[test]
    fn auto_says_why_it_took_the_cpu() {
        if gpus().is_ok() {
            return;
        }
        let choice = choose("auto").unwrap();
        assert_eq!(choice.device, Device::Cpu);
        assert!(choice.no_gpu.is_some());
        assert!(choice.describe("fp32").contains("; no GPU: "));
        assert_eq!(choose("cpu").unwrap().no_gpu, None);
        assert!(choose("cuda").is_err() && choose("gpu").is_err());
    }
}
