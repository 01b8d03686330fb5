//! A look at every file of a data set before money is spent on training: what cannot be read, what is not what its name
//! says, what is too small, what is there twice. Runs on all cores; changes nothing on disk.

mod duplicates;
mod file;
mod kind;
mod report;

use std::sync::atomic::{AtomicUsize, Ordering};

use model_core::text::system_words;
use rayon::prelude::*;

use crate::decode::DecodeLimits;
use crate::folder::Folder;
use crate::pack::changed_shards;

pub use kind::Kind;
pub use report::{CheckReport, Duplicate, Finding};

/// How thoroughly to look.
#[derive(Clone, Copy, Debug)]
pub struct CheckConfig {
    /// Decode every picture, and compare the shards of a pack with their checksums. Otherwise only headers and ends of
    /// files are read: minutes instead of hours on ImageNet, and damage in the middle of a file goes unseen.
    pub decode: bool,
    /// Look for files of equal content, within and across the folders.
    pub duplicates: bool,
    /// Shortest side below which a picture is called too small, in pixels.
    pub min_side: u32,
    /// Limits on size and memory.
    pub limits: DecodeLimits,
    /// Threads; 0 for one per core.
    pub threads: usize,
}

impl Default for CheckConfig {
    fn default() -> Self {
        Self {
            decode: false,
            duplicates: true,
            min_side: 32,
            limits: DecodeLimits::default(),
            threads: 0,
        }
    }
}

/// Checks the images of one or several folders (training and validation, to find leaks between them). `progress` is
/// called now and then with the number of files done, from any thread.
///
/// # Errors
/// A sentence when no threads can be started.
pub fn check(
    folders: &[&Folder],
    config: &CheckConfig,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<CheckReport, String> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(config.threads)
        .build()
        .map_err(|error| {
            format!(
                "cannot start threads to check with: {}",
                system_words(error)
            )
        })?;
    let began = std::time::Instant::now();
    let samples: Vec<(usize, &crate::dataset::Sample)> = folders
        .iter()
        .enumerate()
        .flat_map(|(f, folder)| folder.samples.iter().map(move |s| (f, s)))
        .collect();
    let done = AtomicUsize::new(0);
    let files: Vec<file::Looked> = pool.install(|| {
        samples
            .par_iter()
            .map(|(_, sample)| {
                let looked = file::look(sample, config);
                let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                if done.is_multiple_of(256) || done == samples.len() {
                    progress(done);
                }
                looked
            })
            .collect()
    });
    let duplicates = if config.duplicates {
        pool.install(|| duplicates::find(&samples, &files, folders, &config.limits))
    } else {
        Vec::new()
    };
    let changed = match config.decode {
        true => pool.install(|| changed_shards(folders)),
        false => Vec::new(),
    };
    Ok(report::build(
        &samples,
        files,
        changed,
        duplicates,
        folders,
        config.decode,
        began.elapsed(),
    ))
}
