//! Folders of photos as network inputs, for proof, calibration and accuracy.
//!
//! Decoding and preprocessing are those of training and inference. Not here: which engine sees the inputs.

use std::path::Path;

use anyhow::{Context, Result, bail};
use image_data::dataset::{self, Sample, is_junk_file};
use image_data::decode::{self, DecodeConfig};
use image_data::folder::is_image_name;
use model_core::RgbImage;
use model_core::manifest::Manifest;
use model_core::preprocessing::Preprocessing;
use rayon::prelude::*;

/// Images loaded at a time.
pub const CHUNK: usize = 16;

/// Images, with the label each should get where their classes say so.
pub struct ImageList {
    /// The images, sorted by path.
    pub samples: Vec<Sample>,
    /// The right label's index for each image; nothing where the images are in no classes.
    pub truth: Option<Vec<usize>>,
    /// What was found, in a line.
    pub description: String,
    preprocessing: Preprocessing,
}

impl ImageList {
    /// Lists `dir`: images without classes, or a data set as `train` reads it (class folders, tars, shards, Parquet, a
    /// table; its validation images where it has splits), its classes found by label id or name. At most `limit` images
    /// are taken, spread evenly over the sorted list.
    ///
    /// # Errors
    /// No such folder, no images, or a class that is none of the model's labels.
    pub fn open(dir: &Path, manifest: &Manifest, limit: usize) -> Result<Self> {
        let loose = match image_data::remote::is_url(dir) {
            true => Vec::new(),
            false => loose_images(dir)?,
        };
        let has_classes = loose.is_empty();
        let (mut samples, description) = match has_classes {
            true => {
                let set = dataset::open_val(dir)?.with_labels(&manifest.labels)?;
                (set.samples, set.description)
            }
            false => (loose, format!("loose images in {}", dir.display())),
        };
        if samples.is_empty() || limit == 0 {
            bail!(
                "no images to use in {}; expected JPEG, PNG or similar files",
                dir.display()
            );
        }
        samples.sort_by(|a, b| a.path.cmp(&b.path));
        let total = samples.len();
        let count = total.min(limit);
        let samples: Vec<Sample> = (0..count)
            .map(|index| samples[index * total / count].clone())
            .collect();
        let truth = samples.iter().map(|sample| sample.class).collect();
        Ok(Self {
            truth: has_classes.then_some(truth),
            samples,
            description,
            preprocessing: manifest.preprocessing.clone(),
        })
    }

    /// The network inputs of the images `start..end`, decoded and preprocessed in parallel.
    ///
    /// # Errors
    /// Every image that cannot be decoded, by name.
    pub fn load(&self, start: usize, end: usize) -> Result<Vec<Vec<f32>>> {
        let config = DecodeConfig::reading(&self.preprocessing.reading);
        let loaded: Vec<Result<Vec<f32>, String>> = self.samples[start..end]
            .par_iter()
            .map(|sample| {
                let image = sample
                    .read(&config.limits)
                    .and_then(|bytes| decode::decode(&bytes, &config))
                    .map_err(|error| format!("{}: {error}", sample.path.display()))?;
                Ok(self.preprocessing.apply(&image))
            })
            .collect();
        let failures: Vec<&str> = loaded
            .iter()
            .filter_map(|result| result.as_ref().err().map(String::as_str))
            .collect();
        if !failures.is_empty() {
            bail!(
                "{} images cannot be used: {}",
                failures.len(),
                failures.join("; ")
            );
        }
        Ok(loaded.into_iter().filter_map(Result::ok).collect())
    }

    /// All images as pixels, before any preprocessing.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn decode(&self) -> Result<Vec<RgbImage>> {
        let config = DecodeConfig::reading(&self.preprocessing.reading);
        let decode = |sample: &Sample| {
            let bytes = sample.read(&config.limits);
            bytes
                .and_then(|bytes| decode::decode(&bytes, &config))
                .with_context(|| format!("cannot use the image {}", sample.path.display()))
        };
        self.samples.par_iter().map(decode).collect()
    }

    /// Calls `each(first index, inputs)` for all images, [`CHUNK`] at a time.
    ///
    /// # Errors
    /// As [`Self::load`], and what `each` returns.
    pub fn for_each_chunk(
        &self,
        mut each: impl FnMut(usize, &[Vec<f32>]) -> Result<()>,
    ) -> Result<()> {
        for start in (0..self.samples.len()).step_by(CHUNK) {
            let inputs = self.load(start, (start + CHUNK).min(self.samples.len()))?;
            each(start, &inputs)?;
        }
        Ok(())
    }
}

/// The images of a folder that holds no class folders; none where it does, or where `dir` is no folder.
fn loose_images(dir: &Path) -> Result<Vec<Sample>> {
    if dir.is_file() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(dir)
        .with_context(|| format!("cannot read the image folder {}", dir.display()))?;
    let mut images = Vec::new();
    for entry in entries {
        let path = entry
            .with_context(|| format!("cannot read the image folder {}", dir.display()))?
            .path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if is_junk_file(&name) {
            continue;
        }
        if path.is_dir() {
            return Ok(Vec::new());
        }
        if is_image_name(&name) {
            images.push(Sample::file(path, 0));
        }
    }
    // ImageNet's flat validation images have classes: in another file.
    let is_flat = images.iter().any(|sample| {
        let name = sample
            .path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        name.starts_with("ILSVRC2012_val_")
    });
    Ok(if is_flat && dataset::open_val(dir).is_ok() {
        Vec::new()
    } else {
        images
    })
}
