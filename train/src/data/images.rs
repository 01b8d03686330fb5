//! Batches from image files: `image-data`'s folders, augmentation and worker threads behind the loop's [`Source`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use image_data::augment::geometry::Sampling;
use image_data::augment::{
    self, Crop, Erasing, EvalTransform, Policy as PixelPolicy, TrainTransform,
};
use image_data::decode::{DecodeOptions, Exif};
use image_data::folder::{Folder, same_classes};
use image_data::loader::{BadImages as OnBad, Loader, LoaderConfig};
use image_data::sampler::Sampler;
use image_data::source::FolderSource;
use model_core::preprocessing::Resize;

use super::{Batch, Batches, Source};
use crate::recipe::{BadImages, Policy, Recipe, TrainCrop};

/// Names a validation directory may have, in order of preference.
const VAL_NAMES: [&str; 3] = ["val", "validation", "test"];

/// A directory of training and validation images.
pub struct Images {
    name: String,
    classes: Vec<String>,
    description: String,
    recipe: Recipe,
    /// None where only validation was opened.
    train: Option<Loader>,
    train_images: u64,
    val: Loader,
    val_images: u64,
}

impl Images {
    /// Opens `dir/train` and `dir/val` (or `validation`, `test`) for process `rank` of `world_size`.
    ///
    /// # Errors
    /// A directory or class is missing or empty, or the two name different classes.
    pub fn open(recipe: &Recipe, dir: &Path, rank: usize, world_size: usize) -> Result<Self> {
        let train_dir = dir.join("train");
        if !train_dir.is_dir() {
            bail!(
                "{}: expected train/CLASS/IMAGE and val/CLASS/IMAGE inside, got no train directory",
                dir.display()
            );
        }
        let val_dir = val_dir(dir).with_context(|| {
            format!(
                "{}: expected a directory val, validation or test beside train",
                dir.display()
            )
        })?;
        let (train, val) = (Folder::open(train_dir)?, Folder::open(val_dir)?);
        same_classes(&train, &val)?;
        let description = format!(
            "train: {}; validation: {}",
            train.description, val.description
        );
        let classes = train.classes.clone();
        let (train_images, val_images) = (train.len(), val.len());
        let batch = recipe.batch_size;
        let sampler = Sampler {
            repeats: recipe.augment.repeats.clamp(1, 16) as u8,
            // A data set smaller than one batch is one batch.
            drop_last: train_images >= batch * world_size,
            ..Sampler::shuffled(train_images, batch, recipe.seed).sharded(rank, world_size)
        };
        let loader = Loader::new(
            Arc::new(FolderSource::new(train, decode_options(recipe))),
            Arc::new(train_transform(recipe, recipe.augment.size_at(0))?),
            sampler,
            config(recipe, true),
        );
        Ok(Self {
            name: name_of(dir),
            classes,
            description,
            recipe: recipe.clone(),
            train: Some(loader),
            train_images: train_images as u64,
            val: val_loader(recipe, val, rank, world_size),
            val_images: val_images as u64,
        })
    }

    /// Opens validation images alone: `dir/val` (or `validation`, `test`), or `dir` itself with a folder per class.
    ///
    /// # Errors
    /// There are none.
    pub fn open_val(recipe: &Recipe, dir: &Path) -> Result<Self> {
        let val = Folder::open(val_dir(dir).unwrap_or_else(|| dir.to_owned()))?;
        let val_images = val.len() as u64;
        Ok(Self {
            name: name_of(dir),
            classes: val.classes.clone(),
            description: val.description.clone(),
            recipe: recipe.clone(),
            train: None,
            train_images: 0,
            val: val_loader(recipe, val, 0, 1),
            val_images,
        })
    }
}

impl Source for Images {
    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn describe(&self) -> String {
        self.description.clone()
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn train_images(&self) -> u64 {
        self.train_images
    }

    fn val_images(&self) -> u64 {
        self.val_images
    }

    fn train(&self, epoch: u32, first: u64, side: u32) -> Result<Batches<'_>> {
        let loader = self
            .train
            .as_ref()
            .context("only validation images were opened")?;
        let transform = train_transform(&self.recipe, side)?;
        let loader = loader.with_transform(Arc::new(transform));
        Ok(batches(loader.epoch(epoch, first as usize)?))
    }

    fn val(&self) -> Result<Batches<'_>> {
        Ok(batches(self.val.epoch(0, 0)?))
    }

    fn unreadable(&self) -> Vec<String> {
        let loaders = self.train.iter().chain([&self.val]);
        loaders
            .flat_map(|loader| loader.report().images())
            .map(|bad| format!("{}: {}", bad.name, bad.reason))
            .collect()
    }
}

fn batches<'a>(loaded: image_data::loader::Batches) -> Batches<'a> {
    let mut loaded = loaded;
    Box::new(std::iter::from_fn(move || {
        let batch = match loaded.next()? {
            Ok(batch) => batch,
            Err(error) => return Some(Err(error.into())),
        };
        let converted =
            Batch::from_interleaved(&batch.pixels, batch.height, batch.width, &batch.labels);
        loaded.recycle(batch.pixels);
        Some(converted)
    }))
}

fn val_dir(dir: &Path) -> Option<PathBuf> {
    VAL_NAMES
        .iter()
        .map(|name| dir.join(name))
        .find(|path| path.is_dir())
}

fn name_of(dir: &Path) -> String {
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    absolute
        .file_name()
        .map_or_else(|| "data".into(), |name| name.to_string_lossy().into_owned())
}

fn val_loader(recipe: &Recipe, folder: Folder, rank: usize, world_size: usize) -> Loader {
    let batch = recipe.evaluation.batch_size.unwrap_or(recipe.batch_size);
    let sampler = Sampler::sequential(folder.len(), batch).sharded(rank, world_size);
    Loader::new(
        Arc::new(FolderSource::new(folder, decode_options(recipe))),
        Arc::new(EvalTransform(recipe.preprocessing.clone())),
        sampler,
        config(recipe, false),
    )
}

fn config(recipe: &Recipe, training: bool) -> LoaderConfig {
    let workers = recipe
        .workers
        .unwrap_or_else(crate::distributed::cores_per_process);
    let base = if training {
        LoaderConfig::training(workers)
    } else {
        LoaderConfig::evaluation(workers)
    };
    LoaderConfig {
        bad_images: match recipe.bad_images {
            BadImages::Skip => OnBad::Skip,
            BadImages::Fail => OnBad::Fail,
        },
        ..base
    }
}

fn decode_options(recipe: &Recipe) -> DecodeOptions {
    let exif = if recipe.apply_exif {
        Exif::Apply
    } else {
        Exif::Ignore
    };
    DecodeOptions {
        exif,
        ..DecodeOptions::torchvision()
    }
}

/// The recipe's augmentation for squares of `side` pixels.
///
/// # Errors
/// A value that makes no augmentation.
pub fn train_transform(recipe: &Recipe, side: u32) -> Result<TrainTransform> {
    let settings = &recipe.augment;
    let crop = match settings.crop {
        TrainCrop::RandomResized => Crop::RandomResized {
            scale: settings.scale,
            ratio: settings.ratio,
        },
        TrainCrop::Pad => Crop::Pad {
            padding: settings.padding,
        },
        TrainCrop::Center => Crop::Center {
            resize: center_resize(recipe, side),
        },
    };
    let sampling = Sampling::Nearest;
    let augment = augment::Augment {
        crop,
        interpolation: settings.interpolation,
        flip_probability: settings.flip_probability,
        policy: match settings.policy {
            Policy::None => PixelPolicy::None,
            Policy::RandAugment => PixelPolicy::RandAugment {
                operations: settings.policy_ops,
                magnitude: settings.policy_magnitude,
                sampling,
            },
            Policy::TrivialAugmentWide => PixelPolicy::TrivialAugmentWide { sampling },
        },
        color_jitter: settings.color_jitter.map(|jitter| augment::ColorJitter {
            brightness: jitter.brightness,
            contrast: jitter.contrast,
            saturation: jitter.saturation,
            hue: jitter.hue,
        }),
        erasing: (settings.erasing_probability > 0.0)
            .then(|| Erasing::to_mean(settings.erasing_probability, recipe.preprocessing.mean)),
    };
    Ok(TrainTransform::new(augment, side)?)
}

/// Validation's ratio of resize to crop, for another side.
fn center_resize(recipe: &Recipe, side: u32) -> u32 {
    match recipe.preprocessing.resize {
        Resize::ShortSide(resize) => {
            let crop = recipe.preprocessing.crop[0].max(1);
            (u64::from(resize) * u64::from(side) / u64::from(crop)).max(u64::from(side)) as u32
        }
        _ => side,
    }
}
