//! `train bench data`: how many images a second this machine reads, decodes and augments, by stage and by threads, and
//! whether that feeds a GPU. It runs the loader of training on the recipe's augmentation.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use image_data::augment::Transform;
use image_data::dataset;
use image_data::decode::{DecodeConfig, decode};
use image_data::folder::Folder;
use image_data::loader::{Loader, LoaderConfig};
use image_data::random::{Key, Purpose};
use image_data::sampler::Sampler;
use image_data::source::FolderSource;

use super::gpus::Gpu;
use crate::data::images::train_transform;
use crate::recipe::{DecodeKind, Override, Recipe, catalog, load};

/// Flags of `train bench data`.
#[derive(Debug, Args)]
pub struct BenchDataArgs {
    /// The data set, in any layout that training reads
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// A recipe's name (see `train recipes`) or a YAML file
    #[arg(long, short, default_value = catalog::DEFAULT, value_name = "NAME|FILE")]
    recipe: String,
    /// A key of the recipe, as augment.image_size=160; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Images measured a stage
    #[arg(long, default_value_t = 500, value_name = "N")]
    images: usize,
    /// Seconds measured for each number of threads
    #[arg(long, default_value_t = 3.0, value_name = "SECONDS")]
    secs: f64,
    /// Most threads [default: one per core]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Say whether this GPU would be fed with ResNet-50 [default: this machine's own; without one, which of them would be]
    #[arg(long, value_name = "GPU", conflicts_with = "images_per_sec")]
    gpu: Option<Gpu>,
    /// Say whether a step of so many images a second would be fed, as `train bench` prints them
    #[arg(long, value_name = "N")]
    images_per_sec: Option<f64>,
    /// One line of JSON instead of text
    #[arg(long)]
    json: bool,
}

/// Images a second of one stage on one thread.
struct Stage {
    name: &'static str,
    images_per_sec: f64,
}

/// Runs `train bench data`.
pub fn bench_data(args: &BenchDataArgs) -> Result<ExitCode> {
    let overrides: Vec<Override> = args
        .set
        .iter()
        .map(|text| Override::parse(text))
        .collect::<Result<_>>()?;
    let recipe = load::resolve(&args.recipe, &overrides)?;
    let set = dataset::open(&args.data)?;
    let folder = set
        .train
        .or(set.val)
        .with_context(|| format!("{}: expected images, got none", args.data.display()))?;
    if !args.json {
        crate::say!("{}", folder.description);
    }
    let stages = stages(args, &recipe, &folder)?;
    let most = args
        .workers
        .unwrap_or_else(crate::distributed::cores_per_process)
        .max(1);
    let mut counts: Vec<usize> = std::iter::successors(Some(1), |n| Some(n * 2))
        .take_while(|&n| n < most)
        .collect();
    counts.push(most);
    let mut by_threads = Vec::new();
    for threads in counts {
        by_threads.push((threads, loaded(args, &recipe, &folder, threads)?));
    }
    let best = by_threads.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    let here = gpus_here();
    let known = here.first().and_then(|name| Gpu::of_name(name));
    let gpu = args.gpu.or(known);
    let wanted = args.images_per_sec.or(gpu.map(Gpu::images_per_sec));
    if args.json {
        let stages: serde_json::Map<String, serde_json::Value> = stages
            .iter()
            .map(|stage| (stage.name.to_owned(), stage.images_per_sec.into()))
            .collect();
        let threads: Vec<serde_json::Value> = by_threads
            .iter()
            .map(|(threads, rate)| serde_json::json!({"threads": threads, "images_per_sec": rate}))
            .collect();
        let value = serde_json::json!({
            "data": args.data,
            "image_size": recipe.augment.image_size,
            "stages_images_per_sec": stages,
            "loader": threads,
            "gpus_here": here,
            "wanted_images_per_sec": wanted,
            "is_enough": wanted.map(|wanted| best >= wanted),
            "gpus": Gpu::all().into_iter().map(|gpu| serde_json::json!({
                "name": gpu.name(),
                "images_per_sec": gpu.images_per_sec(),
                "source": gpu.source(),
                "is_enough": best >= gpu.images_per_sec(),
            })).collect::<Vec<_>>(),
        });
        crate::answer!("{value}");
        return Ok(ExitCode::SUCCESS);
    }
    crate::answer!("one thread, images a second:");
    for stage in &stages {
        crate::answer!("  {:<24} {:>9.0}", stage.name, stage.images_per_sec);
    }
    crate::answer!("loader, images a second:");
    for (threads, rate) in &by_threads {
        crate::answer!("  {threads:>3} threads {rate:>20.0}");
    }
    if let Some(line) = own_gpu(&here) {
        crate::answer!("{line}");
    }
    if let Some(wanted) = wanted {
        if best >= wanted {
            crate::answer!("enough: {wanted:.0} images a second are wanted");
        } else {
            crate::answer!(
                "not enough: {wanted:.0} images a second are wanted, {best:.0} are to be had; more cores, or `train pack` once \
                 and train from its shards"
            );
        }
    } else {
        crate::answer!("ResNet-50 on one GPU, images a second:");
        for gpu in Gpu::all() {
            let is_enough = match best >= gpu.images_per_sec() {
                true => "fed",
                false => "not fed",
            };
            crate::answer!(
                "  {:<10} {:>6.0}  {is_enough:<8} {}",
                gpu.name(),
                gpu.images_per_sec(),
                gpu.source()
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The names of this machine's GPUs, as its driver gives them.
fn gpus_here() -> Vec<String> {
    let devices = torch_ext::cuda::driver().map(|driver| driver.devices);
    let devices = devices.unwrap_or_default().into_iter();
    devices.map(|device| device.name).collect()
}

/// What is known of the GPUs of these names, the first of which trains; none where there is none.
fn own_gpu(names: &[String]) -> Option<String> {
    let first = names.first()?;
    let figure = match Gpu::of_name(first) {
        Some(gpu) => format!(
            "{:.0} images a second of ResNet-50 ({})",
            gpu.images_per_sec(),
            gpu.source()
        ),
        None => "no figure is known; --images-per-sec takes that of `train bench`".to_owned(),
    };
    let more = match names.len() {
        1 => String::new(),
        count => format!("; {count} GPUs take {count} times as much"),
    };
    Some(format!("this machine's GPU: {first}, {figure}{more}"))
}

/// Reading, decoding and augmenting, each for itself on one thread.
fn stages(args: &BenchDataArgs, recipe: &Recipe, folder: &Folder) -> Result<Vec<Stage>> {
    let config = DecodeConfig::reading(&recipe.preprocessing.reading);
    let transform = train_transform(recipe, recipe.augment.image_size)?;
    let count = args.images.clamp(1, folder.len());
    let chosen = (0..count).map(|i| &folder.samples[i * folder.len() / count]);
    let mut took = [Duration::ZERO; 3];
    let mut done = 0;
    for (index, sample) in chosen.enumerate() {
        let start = Instant::now();
        let Ok(bytes) = sample.read(&config.limits) else {
            continue;
        };
        let read = Instant::now();
        let Ok(image) = decode(&bytes, &config) else {
            continue;
        };
        let decoded = Instant::now();
        let key = Key::new(0, 0, index as u64, Purpose::Augment);
        std::hint::black_box(transform.apply(image, &mut key.stream()));
        took[0] += read - start;
        took[1] += decoded - read;
        took[2] += decoded.elapsed();
        done += 1;
    }
    if done == 0 {
        bail!("none of {count} images could be read");
    }
    let rate = |took: Duration| f64::from(done) / took.as_secs_f64().max(1e-9);
    let names = ["read", "decode", "crop, resize, augment"];
    let mut stages: Vec<Stage> = names
        .into_iter()
        .zip(took)
        .map(|(name, took)| Stage {
            name,
            images_per_sec: rate(took),
        })
        .collect();
    stages.push(Stage {
        name: "all",
        images_per_sec: rate(took.iter().sum()),
    });
    Ok(stages)
}

/// Images a second out of the loader.
fn loaded(args: &BenchDataArgs, recipe: &Recipe, folder: &Folder, threads: usize) -> Result<f64> {
    let batch = recipe.batch_size.min(folder.len()).min(64);
    let config = DecodeConfig::reading(&recipe.preprocessing.reading);
    let source =
        FolderSource::new(folder.clone(), config).decode_smaller(recipe.decode == DecodeKind::Fast);
    let loader = Loader::new(
        Arc::new(source),
        Arc::new(train_transform(recipe, recipe.augment.image_size)?),
        Sampler::shuffled(folder.len(), batch, 0),
        LoaderConfig::training(threads),
    );
    let wanted = Duration::from_secs_f64(args.secs.clamp(0.1, 600.0));
    let mut images = 0;
    let mut start: Option<Instant> = None;
    let mut batches = loader.epoch(0, 0)?;
    for epoch in 1.. {
        let next = loader.epoch_after(&batches, epoch)?;
        while let Some(batch) = batches.next() {
            let batch = batch?;
            // The first batch fills the pipeline and is not counted.
            match start {
                None => start = Some(Instant::now()),
                Some(_) => images += batch.len(),
            }
            batches.recycle(batch.pixels);
            let elapsed = start.map_or(Duration::ZERO, |start| start.elapsed());
            if elapsed >= wanted && images > 0 {
                return Ok(images as f64 / elapsed.as_secs_f64());
            }
        }
        batches = next;
    }
    Ok(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_gpu_is_named() {
        let said = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            own_gpu(&names)
        };
        assert_eq!(said(&[]), None);
        assert_eq!(
            said(&["Tesla T4"]).unwrap(),
            "this machine's GPU: Tesla T4, 430 images a second of ResNet-50 (an estimate: V100 by bandwidth of the memory)"
        );
        let two = said(&["NVIDIA A10G", "NVIDIA A10G"]).unwrap();
        assert!(two.ends_with("; 2 GPUs take 2 times as much"), "{two}");
        let unknown = said(&["NVIDIA L4"]).unwrap();
        assert!(unknown.contains("no figure is known"), "{unknown}");
    }
}
