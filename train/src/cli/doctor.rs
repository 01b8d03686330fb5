//! `train doctor`: what this machine offers a run, and why not more.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::data::DataSource;
use crate::data::images::Images;
use crate::precision::Arithmetic;
use crate::recipe::Recipe;

/// Flags of `train doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Also look at this data directory
    #[arg(long, short, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Runs `train doctor`; fails when something that was asked about cannot be used.
pub fn doctor(args: &DoctorArgs) -> Result<ExitCode> {
    let say = |name: &str, text: String| crate::answer!("{name:<12} {text}");
    match torch_ext::cuda::libtorch_dir() {
        Ok(dir) => say("libtorch", dir.display().to_string()),
        Err(error) => say("libtorch", format!("loaded, folder unknown ({error})")),
    }
    say(
        "kernels",
        torch_ext::cpu::capability().unwrap_or_else(|error| error.to_string()),
    );
    let bf16 = if torch_ext::cpu::has_bf16() {
        "yes, in hardware"
    } else {
        "no: fp32 is faster on this CPU"
    };
    say("cpu bf16", bf16.into());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    say(
        "cores",
        format!(
            "{cores}, libtorch uses {}",
            torch_ext::backend::num_threads()?
        ),
    );
    if let Some((total, available)) = crate::device::host_memory() {
        say(
            "memory",
            format!("{} MiB, {} MiB available", total >> 20, available >> 20),
        );
    }
    match torch_ext::cuda::driver() {
        Ok(driver) => {
            let (major, minor) = driver.cuda_version;
            say("driver", format!("NVIDIA, up to CUDA {major}.{minor}"));
            for (index, gpu) in driver.devices.iter().enumerate() {
                let (a, b) = gpu.capability;
                let memory = gpu.memory_bytes >> 20;
                say(
                    "gpu",
                    format!(
                        "cuda:{index} {}, {memory} MiB, compute capability {a}.{b}",
                        gpu.name
                    ),
                );
            }
        }
        Err(error) => say("driver", format!("no NVIDIA driver: {error}")),
    }
    match torch_ext::cuda::open() {
        Ok(path) => say(
            "cuda",
            format!(
                "{}, {} devices",
                path.display(),
                torch_ext::device::count()?
            ),
        ),
        Err(error) => say(
            "cuda",
            format!("not usable: {error}; scripts/setup --cuda fetches the CUDA libraries"),
        ),
    }
    say(
        "metal",
        if tch::utils::has_mps() { "yes" } else { "no" }.into(),
    );
    let choice = crate::device::choose("auto")?;
    let arithmetic = Arithmetic::choose(&Recipe::default(), choice.device)?;
    say("auto picks", choice.describe(&arithmetic.describe()));
    if let Some(dir) = &args.data {
        let recipe = Recipe {
            data: Some(dir.clone()),
            ..Recipe::default()
        };
        let images = Images::open(&recipe, dir, 0, 1)?;
        say("data", images.describe());
    }
    Ok(ExitCode::SUCCESS)
}
