//! How long a run on ImageNet's number of files waits for its first batch, and what memory it takes:
//!
//! ```text
//! cargo run --release -p image-data --example first_batch -- DIR [CLASSES FILES [listed|kept|known]]
//! ```
//!
//! makes CLASSES folders of FILES empty files each in DIR (1,000 of 1,281; what is there stays), and opens them three
//! times: listed, listed and kept, and from what was kept; or only in one of these ways, whose memory is then its own. The pixels are made up, as the files hold none: the time
//! is that of names, orders and threads, and of cropping and resizing 256 pictures of 500 x 375.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use image_data::augment::{AugmentConfig, TrainTransform};
use image_data::decode::DecodeError;
use image_data::folder::{Folder, FolderIndex};
use image_data::loader::{Loader, LoaderConfig};
use image_data::sampler::Sampler;
use image_data::source::SampleSource;
use model_core::{Preprocessing, RgbImage};

const BATCH: usize = 256;

/// A folder's names and labels with made-up pixels.
struct MadeUp(Folder);

impl SampleSource for MadeUp {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn label(&self, index: usize) -> usize {
        self.0.samples[index].class
    }
    fn name(&self, index: usize) -> String {
        self.0.samples[index].path.display().to_string()
    }
    fn image(&self, index: usize) -> Result<RgbImage, DecodeError> {
        Ok(RgbImage {
            width: 500,
            height: 375,
            data: vec![index as u8; 500 * 375 * 3],
        })
    }
}

fn make(root: &Path, classes: usize, files: usize) -> std::io::Result<()> {
    for class in 0..classes {
        let dir = root.join(format!("n{class:08}"));
        if dir.exists() {
            continue;
        }
        std::fs::create_dir_all(&dir)?;
        for file in 0..files {
            std::fs::write(dir.join(format!("n{class:08}_{file}.JPEG")), b"")?;
        }
    }
    Ok(())
}

/// Seconds that all threads computed so far, by `/proc/self/stat`: on a busy machine less than what passed.
fn computed() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks
        .filter_map(|text| text.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}

/// A line of `/proc/self/status`, in MiB.
fn memory(line: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = status.lines().find_map(|text| text.strip_prefix(line));
    let kib = value.and_then(|text| {
        text.trim_matches([':', '\t', ' '])
            .split(' ')
            .next()?
            .parse()
            .ok()
    });
    kib.map_or_else(
        || "unknown".to_owned(),
        |kib: u64| format!("{} MiB", kib / 1024),
    )
}

fn first_batch(what: &str, root: &Path, index: Option<&FolderIndex>) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let folder = Folder::open_indexed(root, index)?;
    let (opened, listing) = (began.elapsed(), computed());
    let images = folder.len();
    let transform =
        TrainTransform::new(&AugmentConfig::default(), &Preprocessing::imagenet(), 224)?;
    let workers = std::thread::available_parallelism()?.get();
    let loader = Loader::new(
        Arc::new(MadeUp(folder)),
        Arc::new(transform),
        Sampler::shuffled(images, BATCH, 0),
        LoaderConfig::training(workers),
    );
    let mut batches = loader.epoch(0, 0)?;
    batches.next().ok_or("no batch")??;
    let (first, all) = (began.elapsed(), computed());
    println!(
        "{what}: {images} names in {:.2} s (computing {listing:.2} s), first batch after {:.2} s (computing {:.2} s); \
         memory {}, at most {}",
        opened.as_secs_f64(),
        first.as_secs_f64(),
        all,
        memory("VmRSS"),
        memory("VmHWM"),
    );
    if let Some(index) = index {
        for remark in index.remarks() {
            println!("  {remark}");
        }
    }
    // Memory stays where it is.
    for _ in 0..20 {
        let batch = batches.next().ok_or("no batch")??;
        batches.recycle(batch.pixels);
    }
    println!("  after 20 batches of {BATCH}: {}", memory("VmRSS"));
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (dir, counts) = arguments.split_first().ok_or("expected a folder")?;
    let root = PathBuf::from(dir).join("train");
    let count = |at: usize, default: usize| counts.get(at).map_or(Ok(default), |text| text.parse());
    make(&root, count(0, 1000)?, count(1, 1281)?)?;
    let kept = PathBuf::from(dir).join("kept");
    let index = || FolderIndex::in_dir(&kept).settling(Duration::from_secs(3));
    let which = counts.get(2).map(String::as_str);
    if matches!(which, None | Some("listed")) {
        first_batch("listed", &root, None)?;
    }
    if matches!(which, None | Some("kept")) {
        first_batch("listed and kept", &root, Some(&index()))?;
    }
    if matches!(which, None | Some("known")) {
        first_batch("from what was kept", &root, Some(&index()))?;
    }
    Ok(())
}
