//! The subcommands about data: `train check` looks for what is wrong with it, `train preview` shows what augmentation
//! makes of it. The work is `image-data`'s.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use image_data::check::{CheckConfig, check as check_folders};
use image_data::dataset::{self, Dataset};
use image_data::decode::DecodeConfig;
use image_data::folder::{Folder, same_classes};
use image_data::preview::{PreviewConfig, contact_sheet, write_png};
use image_data::source::FolderSource;
use indicatif::{ProgressBar, ProgressStyle};

use crate::data::images::train_transform;
use crate::recipe::{Override, catalog, load};

/// Flags of `train check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Directory with train/ and val/ (or validation/, test/), or one folder per class
    #[arg(value_name = "DIR")]
    data: PathBuf,
    /// Decode every image, and not only its header and its end; compare a pack's shards with their checksums
    #[arg(long)]
    decode: bool,
    /// Do not look for files of equal content
    #[arg(long)]
    no_duplicates: bool,
    /// Shortest side below which an image is called too small
    #[arg(long, default_value_t = 32, value_name = "PIXELS")]
    min_side: u32,
    /// Files named under each heading
    #[arg(long, default_value_t = 10, value_name = "N")]
    show: usize,
    /// Threads [default: one per core]
    #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "N")]
    workers: usize,
    /// Everything found, as JSON
    #[arg(long)]
    json: bool,
}

/// Runs `train check`: 0 clean, 1 something needs a person.
pub fn check(args: &CheckArgs) -> Result<ExitCode> {
    let Dataset { train, val } = dataset::open(&args.data)?;
    let folders: Vec<Folder> = train.into_iter().chain(val).collect();
    for folder in &folders {
        crate::say!("{}: {}", folder.root.display(), folder.description);
        for note in &folder.notes {
            crate::say!("damaged {note}");
        }
    }
    if let [train, val] = folders.as_slice() {
        same_classes(train, val)?;
    }
    let config = CheckConfig {
        decode: args.decode,
        duplicates: !args.no_duplicates,
        min_side: args.min_side,
        threads: args.workers,
        ..CheckConfig::default()
    };
    let images = folders.iter().map(Folder::len).sum::<usize>() as u64;
    // Drawn on a terminal only, and on stderr: the report on stdout stays clean.
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {eta}")?;
    let bar = ProgressBar::new(images).with_style(style);
    let each: Vec<&Folder> = folders.iter().collect();
    let report = check_folders(&each, &config, &|done| bar.set_position(done as u64))
        .map_err(anyhow::Error::msg)?;
    bar.finish_and_clear();
    if args.json {
        crate::answer!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        crate::answer!("{}", report.to_text(args.show));
    }
    let is_whole = folders.iter().all(|folder| folder.notes.is_empty());
    Ok(if report.is_clean() && is_whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Flags of `train preview`.
#[derive(Debug, Args)]
pub struct PreviewArgs {
    /// Directory with train/, or one folder per class
    #[arg(long, short, value_name = "DIR")]
    data: PathBuf,
    /// A recipe's name (see `train recipes`) or a YAML file
    #[arg(long, short, default_value = catalog::DEFAULT, value_name = "NAME|FILE")]
    recipe: String,
    /// A key of the recipe, as augment.policy=trivial_augment_wide; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The picture to write
    #[arg(long, short, default_value = "preview.png", value_name = "FILE")]
    output: PathBuf,
    /// Samples, one a row
    #[arg(long, default_value_t = 8, value_name = "N")]
    rows: usize,
    /// Epochs, one a column after the picture as validation sees it
    #[arg(long, default_value_t = 8, value_name = "N")]
    columns: usize,
}

/// Runs `train preview`.
pub fn preview(args: &PreviewArgs) -> Result<ExitCode> {
    let overrides: Vec<Override> = args
        .set
        .iter()
        .map(|text| Override::parse(text))
        .collect::<Result<_>>()?;
    let recipe = load::resolve(&args.recipe, &overrides)?;
    let Dataset { train, val } = dataset::open(&args.data)?;
    let folder = train
        .or(val)
        .with_context(|| format!("{}: expected images, got none", args.data.display()))?;
    let description = folder.description.clone();
    let source = FolderSource::new(folder, DecodeConfig::reading(&recipe.preprocessing.reading));
    let transform = train_transform(&recipe, recipe.augment.size_at(0))?;
    let config = PreviewConfig {
        rows: args.rows.clamp(1, 64),
        columns: args.columns.clamp(1, 64),
        seed: recipe.seed,
    };
    let sheet = contact_sheet(&source, &transform, &recipe.preprocessing, &config)
        .with_context(|| format!("no image of {} could be read", args.data.display()))?;
    write_png(&sheet, &args.output)
        .with_context(|| format!("cannot write {}", args.output.display()))?;
    crate::answer!(
        "{}: {} rows of {description}; first column as validation sees it, then epochs 0 to {} of {}",
        args.output.display(),
        config.rows,
        config.columns - 1,
        args.recipe
    );
    Ok(ExitCode::SUCCESS)
}
