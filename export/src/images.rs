//! Folders of photos as network inputs, for proof, calibration and accuracy.
//!
//! Decoding and preprocessing are those of training and inference. Not here: which engine sees the inputs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use image_data::decode::{self, DecodeOptions};
use image_data::folder::{self, Folder};
use model_core::RgbImage;
use model_core::labels::ClassMatcher;
use model_core::manifest::Manifest;
use model_core::preprocessing::Preprocessing;
use rayon::prelude::*;

/// Images loaded at a time.
pub const CHUNK: usize = 16;

/// Image files, with the label each should get where the folders say so.
pub struct ImageList {
    pub paths: Vec<PathBuf>,
    pub truth: Option<Vec<usize>>,
    preprocessing: Preprocessing,
}

impl ImageList {
    /// Lists `dir`: class subfolders (by label id or name), or images without classes. At most `limit` images are
    /// taken, spread evenly over the sorted list.
    ///
    /// # Errors
    /// No such folder, no images, or a class folder that is none of the model's labels.
    pub fn open(dir: &Path, manifest: &Manifest, limit: usize) -> Result<Self> {
        let entries = std::fs::read_dir(dir)
            .with_context(|| format!("cannot read the image folder {}", dir.display()))?;
        let entries: Vec<PathBuf> = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<std::io::Result<_>>()?;
        let mut found: Vec<(PathBuf, Option<usize>)> = if entries.iter().any(|path| path.is_dir()) {
            let folder = Folder::open(dir)?;
            let matcher = ClassMatcher::new(&manifest.labels);
            let labels: Vec<usize> = folder
                .classes
                .iter()
                .map(|class| matcher.find(class))
                .collect::<Result<_, _>>()
                .with_context(|| format!("the class folders of {}", dir.display()))?;
            folder
                .samples
                .into_iter()
                .map(|sample| (sample.path, Some(labels[sample.class])))
                .collect()
        } else {
            let is_image = |path: &PathBuf| {
                path.file_name()
                    .is_some_and(|name| folder::is_image_name(&name.to_string_lossy()))
            };
            entries
                .into_iter()
                .filter(is_image)
                .map(|path| (path, None))
                .collect()
        };
        if found.is_empty() || limit == 0 {
            bail!(
                "no images to use in {}; expected JPEG, PNG or similar files",
                dir.display()
            );
        }
        found.sort();
        let total = found.len();
        let count = total.min(limit);
        let found: Vec<_> = (0..count)
            .map(|index| found[index * total / count].clone())
            .collect();
        let truth = found.iter().map(|(_, class)| *class).collect();
        let paths = found.into_iter().map(|(path, _)| path).collect();
        Ok(Self {
            paths,
            truth,
            preprocessing: manifest.preprocessing.clone(),
        })
    }

    /// The network inputs of the images `start..end`, decoded and preprocessed in parallel.
    ///
    /// # Errors
    /// Every image that cannot be decoded, by name.
    pub fn load(&self, start: usize, end: usize) -> Result<Vec<Vec<f32>>> {
        let options = DecodeOptions::torchvision();
        let loaded: Vec<Result<Vec<f32>, String>> = self.paths[start..end]
            .par_iter()
            .map(|path| {
                let image = decode::decode_file(path, &options)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
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
        let options = DecodeOptions::torchvision();
        let decode = |path: &PathBuf| {
            decode::decode_file(path, &options)
                .with_context(|| format!("cannot use the image {}", path.display()))
        };
        self.paths.par_iter().map(decode).collect()
    }

    /// Calls `each(first index, inputs)` for all images, [`CHUNK`] at a time.
    ///
    /// # Errors
    /// As [`Self::load`], and what `each` returns.
    pub fn for_each_chunk(
        &self,
        mut each: impl FnMut(usize, &[Vec<f32>]) -> Result<()>,
    ) -> Result<()> {
        for start in (0..self.paths.len()).step_by(CHUNK) {
            let inputs = self.load(start, (start + CHUNK).min(self.paths.len()))?;
            each(start, &inputs)?;
        }
        Ok(())
    }
}
