//! Across the boundary of two epochs: the threads stay, the next epoch is begun before this one ends, and neither its
//! bytes nor the memory change by that.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use image_data::augment::{AugmentConfig, TrainTransform, Transform};
use image_data::decode::DecodeError;
use image_data::loader::{Batch, Batches, Loader, LoaderConfig};
use image_data::sampler::Sampler;
use image_data::source::SampleSource;
use model_core::{Preprocessing, RgbImage};

/// Made-up pictures, and who read how many of them.
#[derive(Default)]
struct Witness {
    count: usize,
    reads: Mutex<(usize, HashSet<ThreadId>)>,
    read: Condvar,
}

impl Witness {
    fn of(count: usize) -> Arc<Self> {
        Arc::new(Self {
            count,
            ..Self::default()
        })
    }

    /// Waits until `wanted` pictures were read, however slow the machine is.
    fn wait_for(&self, wanted: usize) {
        let reads = self.reads.lock().unwrap();
        let limit = Duration::from_secs(120);
        let (reads, timeout) = self
            .read
            .wait_timeout_while(reads, limit, |reads| reads.0 < wanted)
            .unwrap();
        assert!(!timeout.timed_out(), "{} of {wanted} were read", reads.0);
    }

    fn read(&self) -> usize {
        self.reads.lock().unwrap().0
    }

    fn threads(&self) -> usize {
        self.reads.lock().unwrap().1.len()
    }
}

impl SampleSource for Witness {
    fn len(&self) -> usize {
        self.count
    }
    fn label(&self, index: usize) -> usize {
        index % 10
    }
    fn name(&self, index: usize) -> String {
        format!("picture-{index}")
    }
    fn image(&self, index: usize) -> Result<RgbImage, DecodeError> {
        let mut reads = self.reads.lock().unwrap();
        reads.0 += 1;
        reads.1.insert(std::thread::current().id());
        drop(reads);
        self.read.notify_all();
        let data = (0..20 * 24 * 3).map(|i| (i * 31 + index * 17) as u8);
        Ok(RgbImage {
            width: 20,
            height: 24,
            data: data.collect(),
        })
    }
}

fn transform() -> Arc<dyn Transform> {
    let evaluation = Preprocessing::imagenet();
    Arc::new(TrainTransform::new(&AugmentConfig::default(), &evaluation, 16).unwrap())
}

fn loader(source: &Arc<Witness>, workers: usize, prefetch_batches: usize) -> Loader {
    let config = LoaderConfig {
        prefetch_batches,
        ..LoaderConfig::training(workers)
    };
    let sampler = Sampler::shuffled(source.count, 10, 5);
    Loader::new(source.clone(), transform(), sampler, config)
}

/// What a batch holds, for comparison: its number, pixels and labels.
type Content = (usize, Vec<u8>, Vec<i64>);

fn content(batch: Batch) -> Content {
    (batch.number, batch.pixels, batch.labels)
}

fn rest(batches: Batches) -> Vec<Content> {
    batches.map(|batch| content(batch.unwrap())).collect()
}

/// The epochs one after the other, each begun when the one before has ended.
fn reference(epochs: std::ops::Range<u32>) -> Vec<Vec<Content>> {
    let alone = loader(&Witness::of(40), 1, 1);
    epochs
        .map(|epoch| rest(alone.epoch(epoch, 0).unwrap()))
        .collect()
}

#[test]
fn the_next_epoch_is_begun_before_the_last_batch_is_taken() {
    let source = Witness::of(40);
    let loader = loader(&source, 3, 3);
    let reference = reference(0..3);
    let mut batches = loader.epoch(0, 0).unwrap();
    let mut read = 0;
    for (epoch, expected) in reference.iter().enumerate() {
        let next = loader.epoch_after(&batches, epoch as u32 + 1).unwrap();
        for expected in &expected[..3] {
            assert!(content(batches.next().unwrap().unwrap()) == *expected);
        }
        // The last batch and two of the next epoch, which is all that the window holds.
        source.wait_for(read + 60);
        assert_eq!(batches.remaining(), 1);
        assert_eq!(source.read(), read + 60, "more than the window was read");
        assert!(content(batches.next().unwrap().unwrap()) == expected[3]);
        assert!(batches.next().is_none());
        batches = next;
        read += 40;
    }
    assert!(source.threads() <= 3, "an epoch got threads of its own");
}

#[test]
fn what_follows_is_not_begun_while_the_epoch_has_work() {
    let source = Witness::of(400);
    let loader = loader(&source, 4, 2);
    let mut batches = loader.epoch(0, 0).unwrap();
    let next = loader.epoch_after(&batches, 1).unwrap();
    // The window is full and nobody takes: the threads wait, they do not turn to the next epoch.
    source.wait_for(20);
    assert!(batches.next().unwrap().is_ok());
    source.wait_for(30);
    drop(next);
    assert_eq!(source.read(), 30);
}

#[test]
fn an_epoch_left_in_the_middle_makes_room_for_the_next() {
    let source = Witness::of(40);
    let loader = loader(&source, 2, 2);
    let expected = reference(1..2).remove(0);
    let mut batches = loader.epoch(0, 1).unwrap();
    let next = loader.epoch_after(&batches, 1).unwrap();
    assert_eq!(batches.next().unwrap().unwrap().number, 1);
    drop(batches);
    assert!(rest(next) == expected);
    // Taken without waiting for the one before to end: late, and never stuck.
    let first = loader.epoch(0, 0).unwrap();
    let second = loader.epoch_after(&first, 1).unwrap();
    assert!(rest(second) == expected);
}

#[test]
fn two_loaders_take_turns_on_the_same_threads() {
    let (train, val) = (Witness::of(40), Witness::of(25));
    let training = loader(&train, 3, 1);
    let evaluation = Loader::new(
        val.clone(),
        transform(),
        Sampler::sequential(25, 4),
        LoaderConfig::evaluation(3),
    )
    .on_threads_of(&training);
    let expected = reference(0..3);
    let mut batches = training.epoch(0, 0).unwrap();
    for (epoch, expected) in expected.iter().enumerate() {
        let next = training.epoch_after(&batches, epoch as u32 + 1).unwrap();
        assert!(rest(batches) == *expected);
        let seen: usize = evaluation
            .epoch(0, 0)
            .unwrap()
            .map(|batch| batch.unwrap().len())
            .sum();
        assert_eq!(seen, 25);
        batches = next;
    }
    let both = train.reads.lock().unwrap().1.clone();
    let both = both.union(&val.reads.lock().unwrap().1).count();
    assert!(both <= 3, "{both} threads");
}
