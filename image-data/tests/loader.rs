//! The loader's promises: the same batches for any number of workers and any start, nothing lost, nothing hangs.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use image_data::augment::{AugmentConfig, EvalTransform, TrainTransform, Transform};
use image_data::decode::DecodeError;
use image_data::loader::{BadImagePolicy, Batch, Loader, LoaderConfig, LoaderError};
use image_data::random::Random;
use image_data::sampler::Sampler;
use image_data::source::SampleSource;
use model_core::{Preprocessing, RgbImage};

/// Made-up pictures that take uneven time; those in `bad` cannot be read.
struct Pictures {
    count: usize,
    bad: Vec<usize>,
    loading: AtomicUsize,
}

impl Pictures {
    fn new(count: usize, bad: &[usize]) -> Arc<Self> {
        Arc::new(Self {
            count,
            bad: bad.to_vec(),
            loading: AtomicUsize::new(0),
        })
    }
}

impl SampleSource for Pictures {
    fn len(&self) -> usize {
        self.count
    }
    fn label(&self, index: usize) -> usize {
        index % 10
    }
    fn name(&self, index: usize) -> String {
        format!("picture-{index}.jpg")
    }
    fn image(&self, index: usize) -> Result<RgbImage, DecodeError> {
        self.loading.fetch_add(1, Ordering::SeqCst);
        if index.is_multiple_of(7) {
            std::thread::sleep(Duration::from_millis(2));
        }
        if self.bad.contains(&index) {
            return Err(DecodeError::Empty);
        }
        let width = 20 + (index % 13) as u32;
        let data = (0..width * 24 * 3)
            .map(|i| (i as usize * 31 + index * 17) as u8)
            .collect();
        Ok(RgbImage {
            width,
            height: 24,
            data,
        })
    }
}

fn train() -> Arc<dyn Transform> {
    let evaluation = Preprocessing::imagenet();
    Arc::new(TrainTransform::new(&AugmentConfig::default(), &evaluation, 16).unwrap())
}

fn eval() -> Arc<dyn Transform> {
    Arc::new(EvalTransform(Preprocessing {
        crop: [16, 16],
        ..Preprocessing::cifar10()
    }))
}

fn all(loader: &Loader, epoch: u32, start: usize) -> Vec<Batch> {
    loader
        .epoch(epoch, start)
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

fn content(batches: &[Batch]) -> Vec<(usize, &[u8], &[i64])> {
    batches
        .iter()
        .map(|b| (b.number, b.pixels.as_slice(), b.labels.as_slice()))
        .collect()
}

#[test]
fn workers_and_start_do_not_change_a_byte() {
    let source = Pictures::new(157, &[3, 40, 41, 90]);
    let sampler = Sampler::shuffled(157, 16, 11);
    let with = |workers, prefetch_batches| {
        let config = LoaderConfig {
            prefetch_batches,
            ..LoaderConfig::training(workers)
        };
        Loader::new(source.clone(), train(), sampler, config)
    };
    let reference = all(&with(1, 1), 4, 0);
    assert_eq!(reference.len(), 9);
    assert!(
        reference
            .iter()
            .all(|b| b.len() == 16 && b.pixels.len() == 16 * 16 * 16 * 3)
    );
    for (workers, prefetch) in [(2, 1), (3, 4), (16, 2)] {
        assert_eq!(
            content(&all(&with(workers, prefetch), 4, 0)),
            content(&reference),
            "{workers} workers"
        );
    }
    assert_eq!(content(&all(&with(4, 3), 4, 5)), content(&reference[5..]));
    assert_eq!(all(&with(2, 2), 4, 9).len(), 0);
    assert_ne!(content(&all(&with(2, 2), 5, 0)), content(&reference));
    for batch in &reference {
        for (item, label) in batch.items.iter().zip(&batch.labels) {
            assert_eq!(*label, (item.index % 10) as i64);
        }
    }
}

#[test]
fn validation_sees_every_readable_image_once() {
    let loader = Loader::new(
        Pictures::new(50, &[0, 17, 49]),
        eval(),
        Sampler::sequential(50, 8),
        LoaderConfig::evaluation(3),
    );
    let batches = all(&loader, 0, 0);
    assert_eq!(batches.len(), 7);
    let seen: Vec<usize> = batches
        .iter()
        .flat_map(|b| b.items.iter().map(|i| i.index))
        .collect();
    let expected: Vec<usize> = (0..50).filter(|i| ![0, 17, 49].contains(i)).collect();
    assert_eq!(seen, expected);
    assert!(
        batches
            .iter()
            .all(|b| b.pixels.len() == b.len() * 16 * 16 * 3)
    );
    // The gap of a skipped image is closed: pixels still belong to their labels.
    let alone = Loader::new(
        Pictures::new(48, &[]),
        eval(),
        Sampler::sequential(50, 1),
        LoaderConfig::evaluation(1),
    );
    let singles = all(&alone, 0, 0);
    for batch in &batches {
        for (place, item) in batch.items.iter().enumerate() {
            assert_eq!(
                batch.pixels[place * 768..][..768],
                singles[item.index].pixels,
                "image {}",
                item.index
            );
        }
    }
    all(&loader, 1, 0);
    let bad = loader.report().images();
    assert_eq!(bad.len(), 3);
    assert!(
        bad.iter()
            .all(|b| b.times == 2 && b.reason.contains("empty file"))
    );
    assert!(
        loader
            .report()
            .to_string()
            .starts_with("3 unreadable images were left out\n  picture-0.jpg: expected an image")
    );
}

#[test]
fn the_fail_policy_names_the_first_bad_image() {
    for workers in [1, 4] {
        let config = LoaderConfig {
            bad_images: BadImagePolicy::Fail,
            ..LoaderConfig::training(workers)
        };
        let loader = Loader::new(
            Pictures::new(60, &[21, 20, 50]),
            eval(),
            Sampler::sequential(60, 8),
            config,
        );
        let mut batches = loader.epoch(0, 0).unwrap();
        assert!(batches.next().unwrap().is_ok() && batches.next().unwrap().is_ok());
        let error = batches.next().unwrap().unwrap_err();
        assert!(
            matches!(&error, LoaderError::BadImage { name, .. } if name == "picture-20.jpg"),
            "{error}"
        );
    }
}

#[test]
fn a_vanished_data_set_is_an_error_and_not_a_hang() {
    let every: Vec<usize> = (0..40).collect();
    let loader = Loader::new(
        Pictures::new(40, &every),
        train(),
        Sampler::shuffled(40, 8, 0),
        LoaderConfig::training(3),
    );
    let error = loader.epoch(0, 0).unwrap().next().unwrap().unwrap_err();
    assert!(
        matches!(error, LoaderError::TooManyBad { tried: 16, .. }),
        "{error}"
    );
    let loader = Loader::new(
        Pictures::new(40, &every),
        eval(),
        Sampler::sequential(40, 8),
        LoaderConfig::evaluation(3),
    );
    assert!(all(&loader, 0, 0).iter().all(Batch::is_empty));
}

struct Panics;

impl Transform for Panics {
    fn size(&self) -> [u32; 2] {
        [16, 16]
    }
    fn apply(&self, _: RgbImage, _: &mut Random) -> RgbImage {
        panic!("out of range")
    }
}

#[test]
fn a_panicking_transform_is_reported() {
    let config = LoaderConfig {
        bad_images: BadImagePolicy::Fail,
        ..LoaderConfig::training(2)
    };
    let loader = Loader::new(
        Pictures::new(20, &[]),
        Arc::new(Panics),
        Sampler::sequential(20, 4),
        config,
    );
    let error = loader
        .epoch(0, 0)
        .unwrap()
        .next()
        .unwrap()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("augmentation failed: out of range"),
        "{error}"
    );
}

/// A source that breaks where nobody catches it: when asked for the name of an image it could not read.
struct Nameless;

impl SampleSource for Nameless {
    fn len(&self) -> usize {
        8
    }
    fn label(&self, _: usize) -> usize {
        0
    }
    fn name(&self, index: usize) -> String {
        panic!("no name for {index}")
    }
    fn image(&self, _: usize) -> Result<RgbImage, DecodeError> {
        Err(DecodeError::Empty)
    }
}

#[test]
fn a_thread_that_breaks_is_an_error_and_not_a_hang() {
    for workers in [1, 3] {
        let config = LoaderConfig::training(workers);
        let loader = Loader::new(
            Arc::new(Nameless),
            train(),
            Sampler::shuffled(8, 4, 0),
            config,
        );
        let results: Vec<_> = loader.epoch(0, 0).unwrap().collect();
        assert_eq!(results.len(), 2);
        for result in results {
            let error = result.unwrap_err();
            assert!(
                matches!(&error, LoaderError::Broken { reason, .. } if reason.contains("no name for")),
                "{error}"
            );
        }
    }
}

#[test]
fn the_window_bounds_what_is_loaded_ahead() {
    let source = Pictures::new(400, &[]);
    let config = LoaderConfig {
        prefetch_batches: 2,
        ..LoaderConfig::training(4)
    };
    let loader = Loader::new(
        source.clone(),
        train(),
        Sampler::sequential(400, 10),
        config,
    );
    let mut batches = loader.epoch(0, 0).unwrap();
    batches.next().unwrap().unwrap();
    let began = Instant::now();
    // Two batches beyond the one taken, and not one image more, however long the consumer sleeps.
    while source.loading.load(Ordering::SeqCst) < 30 {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "the window was never filled"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(source.loading.load(Ordering::SeqCst), 30);
    assert_eq!(batches.remaining(), 39);
    drop(batches); // joins; a hang would fail the test run
    assert_eq!(source.loading.load(Ordering::SeqCst), 30);
}

#[test]
fn buffers_come_back_and_ranks_share_an_epoch() {
    let source = Pictures::new(97, &[]);
    let mut seen = Vec::new();
    for rank in 0..3 {
        let sampler = Sampler {
            drop_last: false,
            ..Sampler::shuffled(97, 8, 2)
        }
        .sharded(rank, 3);
        let loader = Loader::new(source.clone(), eval(), sampler, LoaderConfig::evaluation(2));
        let mut batches = loader.epoch(0, 0).unwrap();
        while let Some(batch) = batches.next() {
            let batch = batch.unwrap();
            seen.extend(batch.items.iter().map(|i| i.index));
            batches.recycle(batch.pixels);
        }
        assert!(batches.waited() > Duration::ZERO);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..97).collect::<Vec<_>>());
}
