//! Batches from image files: `image-data`'s data sets, augmentation and worker threads behind the loop's [`DataSource`].

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use image_data::augment::{EvalTransform, TrainTransform};
use image_data::dataset::{self, ClassMap, Dataset};
use image_data::decode::DecodeConfig;
use image_data::folder::{Folder, FolderIndex, same_classes};
use image_data::loader::{BadImagePolicy as OnBad, Loader, LoaderConfig};
use image_data::sampler::Sampler;
use image_data::source::FolderSource;
use model_core::labels::Label;

use super::fingerprint::{DataFingerprint, ImageListDigest};
use super::hints::hints;
use super::loading::{Loading, workers};
use super::{BatchIter, DataSource, TensorBatch};
use crate::recipe::{BadImages, DecodeKind, Recipe};

/// Training and validation images in files.
pub struct Images {
    name: String,
    classes: Vec<String>,
    class_counts: Vec<usize>,
    description: String,
    hints: Vec<String>,
    /// What is wrong with whole files of images, a line each.
    damaged: Vec<String>,
    /// None where only validation was opened.
    loading: Option<Loading>,
    recipe: Recipe,
    /// None where only validation was opened.
    train: Option<Loader>,
    train_images: u64,
    /// None where the run does not validate.
    val: Option<Loader>,
    val_images: u64,
    fingerprint: DataFingerprint,
    /// The next epoch, begun in advance while this one ends: its first batch waits for nothing.
    ahead: RefCell<Option<Ahead>>,
}

/// An epoch whose first batches are being made.
struct Ahead {
    epoch: u32,
    side: u32,
    batches: image_data::loader::Batches,
}

impl Images {
    /// Opens the data set at `dir` for process `rank` of `world_size`.
    ///
    /// # Errors
    /// A class is missing or empty, training and validation name different classes, or there is nothing to validate on and
    /// the recipe neither splits it off nor goes without.
    pub fn open(recipe: &Recipe, dir: &Path, rank: usize, world_size: usize) -> Result<Self> {
        Self::open_indexed(recipe, dir, rank, world_size, None)
    }

    /// [`Images::open`]; `index` keeps the names in class folders from run to run.
    ///
    /// # Errors
    /// As [`Images::open`].
    pub fn open_indexed(
        recipe: &Recipe,
        dir: &Path,
        rank: usize,
        world_size: usize,
        index: Option<&FolderIndex>,
    ) -> Result<Self> {
        let (train, val) = sets(recipe, dir, index)?;
        let mut description = match &val {
            Some(val) => format!(
                "train: {}; validation: {}",
                train.description, val.description
            ),
            None => format!("train: {}; no validation", train.description),
        };
        if recipe.balanced_sampling {
            description.push_str("; every class equally often");
        }
        let mut hints = hints(recipe, &train, val.as_ref());
        hints.extend(index.map(FolderIndex::remarks).unwrap_or_default());
        let damaged = damage(&[Some(&train), val.as_ref()]);
        let loading = Some(Loading::of(recipe, &train));
        let classes = train.classes.clone();
        let fingerprint = DataFingerprint {
            classes: classes.clone(),
            train: list(&train),
            val: val.as_ref().map(list).unwrap_or_default(),
        };
        let class_counts = train.images_per_class();
        let limit = |images: usize, batch: usize| match recipe.max_steps {
            Some(steps) => (images as u64).min(steps.saturating_mul(batch as u64)),
            None => images as u64,
        };
        let batch = recipe.batch_size;
        let global = batch * recipe.accumulate_steps * world_size;
        let train_images = limit(train.len(), global);
        let sampler = Sampler {
            repeats: recipe.augment.repeats as u8,
            // A data set smaller than one batch is one batch.
            drop_last: train.len() >= batch * world_size,
            ..Sampler::shuffled(train.len(), batch, recipe.seed).sharded(rank, world_size)
        };
        let transform = train_transform(recipe, recipe.augment.size_at(0))?;
        let labels: Vec<u32> = train
            .samples
            .iter()
            .map(|sample| sample.class as u32)
            .collect();
        let source = FolderSource::new(train, decode_config(recipe))
            .decode_smaller(recipe.decode == DecodeKind::Fast);
        let mut loader = Loader::new(
            Arc::new(source),
            Arc::new(transform),
            sampler,
            config(recipe, true),
        );
        if recipe.balanced_sampling {
            loader = loader.balanced(labels);
        }
        let val_batch = recipe.evaluation.batch_size.unwrap_or(batch) * world_size;
        let val_images = val.as_ref().map_or(0, |val| limit(val.len(), val_batch));
        Ok(Self {
            name: name_of(dir),
            classes,
            class_counts,
            description,
            hints,
            damaged,
            loading,
            recipe: recipe.clone(),
            fingerprint,
            train_images,
            val: val.map(|val| val_loader(recipe, val, rank, world_size).on_threads_of(&loader)),
            train: Some(loader),
            val_images,
            ahead: RefCell::new(None),
        })
    }

    /// Opens validation images alone: the validation split at `dir`, or all it holds. Where `labels` are given, every class
    /// must be one of them, by id or name; there may be fewer.
    ///
    /// # Errors
    /// There are no images, or a class is none of the labels.
    pub fn open_val(recipe: &Recipe, dir: &Path, labels: Option<&[Label]>) -> Result<Self> {
        let mut val = dataset::open_val(dir)?;
        if let Some(labels) = labels {
            val = val.with_labels(labels)?;
        }
        let fingerprint = DataFingerprint {
            classes: val.classes.clone(),
            train: ImageListDigest::default(),
            val: list(&val),
        };
        Ok(Self {
            name: name_of(dir),
            classes: val.classes.clone(),
            class_counts: val.images_per_class(),
            description: val.description.clone(),
            hints: Vec::new(),
            damaged: damage(&[Some(&val)]),
            loading: None,
            recipe: recipe.clone(),
            train: None,
            train_images: 0,
            fingerprint,
            val_images: val.len() as u64,
            val: Some(val_loader(recipe, val, 0, 1)),
            ahead: RefCell::new(None),
        })
    }
}

/// The images to train on and those to validate on, as the recipe wants them.
fn sets(
    recipe: &Recipe,
    dir: &Path,
    index: Option<&FolderIndex>,
) -> Result<(Folder, Option<Folder>)> {
    let Dataset { train, val } = dataset::open_indexed(dir, index)?;
    let mut train = train.with_context(|| {
        format!(
            "{}: expected training images (train/CLASS/IMAGE, class tars, shards or a table), got none",
            dir.display()
        )
    })?;
    let mut val = val.filter(|_| !recipe.evaluation.skip && recipe.val_split.is_none());
    if let Some(path) = &recipe.class_map {
        let map = ClassMap::read(path)?;
        train = train.with_class_map(&map)?;
        val = val.map(|val| val.with_class_map(&map)).transpose()?;
    }
    if recipe.evaluation.skip {
        return Ok((train, None));
    }
    if let Some(share) = recipe.val_split {
        let (train, val) = train.split(share, recipe.seed);
        return Ok((train, Some(val)));
    }
    let val = val.with_context(|| {
        format!(
            "{}: expected validation images beside the training images ({}), got none; hold some out with --val-split 0.1, or \
             train without with --no-validation",
            dir.display(),
            dataset::VAL_NAMES.join(", ")
        )
    })?;
    same_classes(&train, &val)?;
    Ok((train, Some(val)))
}

fn damage(sets: &[Option<&Folder>]) -> Vec<String> {
    sets.iter()
        .flatten()
        .flat_map(|set| set.notes.clone())
        .collect()
}

impl DataSource for Images {
    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn class_counts(&self) -> Option<&[usize]> {
        Some(&self.class_counts)
    }

    fn describe(&self) -> String {
        self.description.clone()
    }

    fn hints(&self) -> Vec<String> {
        self.hints.clone()
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

    fn fingerprint(&self) -> DataFingerprint {
        self.fingerprint.clone()
    }

    fn train(&self, epoch: u32, first: u64, side: u32) -> Result<BatchIter<'_>> {
        let begun = self
            .ahead
            .take()
            .filter(|ahead| first == 0 && (ahead.epoch, ahead.side) == (epoch, side));
        let loaded = match begun {
            Some(ahead) => ahead.batches,
            None => {
                let loader = self.training(side)?;
                loader.epoch(epoch, first as usize)?
            }
        };
        let next = epoch + 1;
        if next < self.recipe.epochs {
            let side = self.recipe.augment.size_at(next);
            let batches = self.training(side)?.epoch_after(&loaded, next)?;
            self.ahead.replace(Some(Ahead {
                epoch: next,
                side,
                batches,
            }));
        }
        Ok(batches(loaded))
    }

    fn look(&self, side: u32) -> Result<BatchIter<'_>> {
        Ok(batches(self.training(side)?.epoch(0, 0)?))
    }

    fn val(&self) -> Result<BatchIter<'_>> {
        let Some(loader) = &self.val else {
            return Ok(Box::new(std::iter::empty()));
        };
        let all = batches(loader.epoch(0, 0)?);
        Ok(match self.recipe.max_steps {
            Some(steps) if self.train.is_some() => Box::new(all.take(steps as usize)),
            _ => all,
        })
    }

    fn unreadable(&self) -> Vec<String> {
        let loaders = self.train.iter().chain(&self.val);
        let images = loaders.flat_map(|loader| loader.report().images());
        let images = images.map(|bad| format!("{}: {}", bad.name, bad.reason));
        self.damaged.iter().cloned().chain(images).collect()
    }

    fn loading(&self) -> Option<Loading> {
        self.loading
    }
}

impl Images {
    /// The training images as squares of `side` pixels.
    fn training(&self, side: u32) -> Result<Loader> {
        let loader = self
            .train
            .as_ref()
            .context("only validation images were opened")?;
        let transform = train_transform(&self.recipe, side)?;
        Ok(loader.with_transform(Arc::new(transform)))
    }
}

/// The fingerprint of a folder's images, by their paths within it.
fn list(folder: &Folder) -> ImageListDigest {
    ImageListDigest::of(folder.samples.iter().map(|sample| {
        let path = sample.path.strip_prefix(&folder.root);
        let path = path.unwrap_or(&sample.path);
        (path.as_os_str().as_encoded_bytes(), sample.class)
    }))
}

fn batches<'a>(mut loaded: image_data::loader::Batches) -> BatchIter<'a> {
    Box::new(std::iter::from_fn(move || next_batch(&mut loaded)))
}

/// The next batch as tensors.
fn next_batch(loaded: &mut image_data::loader::Batches) -> Option<Result<TensorBatch>> {
    let batch = match loaded.next()? {
        Ok(batch) => batch,
        Err(error) => return Some(Err(error.into())),
    };
    let converted =
        TensorBatch::from_interleaved(&batch.pixels, batch.height, batch.width, &batch.labels);
    loaded.recycle(batch.pixels);
    Some(converted)
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
        Arc::new(FolderSource::new(folder, decode_config(recipe))),
        Arc::new(EvalTransform(recipe.preprocessing.clone())),
        sampler,
        config(recipe, false),
    )
}

fn config(recipe: &Recipe, training: bool) -> LoaderConfig {
    let workers = workers(recipe);
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

fn decode_config(recipe: &Recipe) -> DecodeConfig {
    DecodeConfig::reading(&recipe.preprocessing.reading)
}

/// The recipe's augmentation for squares of `side` pixels.
///
/// # Errors
/// A value that makes no augmentation.
pub fn train_transform(recipe: &Recipe, side: u32) -> Result<TrainTransform> {
    Ok(TrainTransform::new(
        &recipe.augment,
        &recipe.preprocessing,
        side,
    )?)
}
