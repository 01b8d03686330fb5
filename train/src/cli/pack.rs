//! `train pack`: a data set as tar shards of resized images. The work is `image-data`'s.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use clap::Args;
use image_data::dataset;
use image_data::folder::Folder;
use image_data::pack::{PackConfig, PackProgress, PackReport, pack as pack_dataset};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use model_core::ReadingConfig;

/// Flags of `train pack`.
#[derive(Debug, Args)]
pub struct PackArgs {
    /// The data set, in any layout that training reads
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// Where the shards go; the same call goes on with a pack that was interrupted
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// Scale images down to this short side, in pixels
    #[arg(long, default_value_t = 256, value_name = "PIXELS")]
    short_side: u32,
    /// Leave every file as it is
    #[arg(long, conflicts_with_all = ["short_side", "quality"])]
    originals: bool,
    /// Quality of the JPEGs, 1 to 100
    #[arg(long, default_value_t = 92, value_name = "N")]
    quality: u8,
    /// Images in a shard
    #[arg(long, default_value_t = 1024, value_name = "N")]
    shard_images: usize,
    /// Read images as torchvision does (orientation and color profile ignored, alpha dropped), not as a person sees them
    #[arg(long)]
    torchvision: bool,
    /// Threads [default: one per core]
    #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "N")]
    workers: usize,
    /// The result as one line of JSON
    #[arg(long)]
    json: bool,
}

/// Runs `train pack`: 0 all packed, 3 some images could not be read.
pub fn pack(args: &PackArgs) -> Result<ExitCode> {
    let set = dataset::open(&args.data)?;
    crate::say!("{}", set.describe());
    let config = PackConfig {
        short_side: (!args.originals).then_some(args.short_side),
        quality: args.quality,
        shard_images: args.shard_images,
        reading: if args.torchvision {
            ReadingConfig::TORCHVISION
        } else {
            ReadingConfig::default()
        },
        threads: args.workers,
        ..PackConfig::default()
    };
    let images: usize = [&set.train, &set.val]
        .into_iter()
        .flatten()
        .map(Folder::len)
        .sum();
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {eta} {msg}")?;
    let bar = ProgressBar::new(images as u64).with_style(style);
    let is_said = AtomicBool::new(false);
    let report = pack_dataset(&set, &args.output, &config, &|done| {
        bar.set_position(done.images as u64);
        let Some(line) = estimated(done, images) else {
            return;
        };
        bar.set_message(line.clone());
        // A pipe shows no bar: once, while there is time to choose another quality.
        if !is_said.swap(true, Ordering::Relaxed) {
            bar.suspend(|| crate::say!("{line}"));
        }
    })?;
    bar.finish_and_clear();
    for (path, reason) in &report.left_out {
        crate::say!("unreadable {}: {reason}", path.display());
    }
    if args.json {
        crate::answer!("{}", serde_json::to_string(&report)?);
    } else {
        crate::answer!("{}", said(&report, &args.output.display().to_string()));
    }
    Ok(if report.left_out.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(3)
    })
}

/// What all shards will come to; nothing where all are done.
fn estimated(done: PackProgress, images: usize) -> Option<String> {
    let bytes = done.estimate(images).filter(|_| done.images < images)?;
    Some(format!(
        "about {} by estimate, from {} of {images} images",
        HumanBytes(bytes),
        done.images
    ))
}

fn said(report: &PackReport, output: &str) -> String {
    let PackReport {
        images,
        bytes,
        shards,
        kept,
        left_out,
    } = report;
    let each = bytes / (*images as u64).max(1);
    format!(
        "{output}: {images} images in {shards} shards, {} ({} an image), {kept} shards kept from before, {} left out",
        HumanBytes(*bytes),
        HumanBytes(each),
        left_out.len()
    )
}
