//! A source is told what will be read, in time: each sample once, and before a thread comes to it.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use image_data::augment::EvalTransform;
use image_data::decode::DecodeError;
use image_data::loader::{Loader, LoaderConfig};
use image_data::sampler::Sampler;
use image_data::source::SampleSource;
use model_core::{Preprocessing, RgbImage};

/// Pictures that are announced slowly, and must be before they are read.
struct Announced {
    asked: Vec<AtomicUsize>,
    read_unasked: AtomicUsize,
}

impl SampleSource for Announced {
    fn len(&self) -> usize {
        self.asked.len()
    }
    fn label(&self, _: usize) -> usize {
        0
    }
    fn name(&self, index: usize) -> String {
        index.to_string()
    }
    fn read_ahead(&self, indices: &[usize]) {
        std::thread::sleep(Duration::from_millis(5));
        for &index in indices {
            self.asked[index].fetch_add(1, Ordering::SeqCst);
        }
    }
    fn image(&self, index: usize) -> Result<RgbImage, DecodeError> {
        if self.asked[index].load(Ordering::SeqCst) == 0 {
            self.read_unasked.fetch_add(1, Ordering::SeqCst);
        }
        Ok(RgbImage {
            width: 20,
            height: 20,
            data: vec![0; 20 * 20 * 3],
        })
    }
}

#[test]
fn a_source_is_told_of_each_sample_once_and_before_it_is_read() {
    let source = Arc::new(Announced {
        asked: (0..48).map(|_| AtomicUsize::new(0)).collect(),
        read_unasked: AtomicUsize::new(0),
    });
    let loader = Loader::new(
        source.clone(),
        Arc::new(EvalTransform(Preprocessing {
            crop: [16, 16],
            ..Preprocessing::cifar10()
        })),
        Sampler::shuffled(48, 4, 3),
        LoaderConfig::training(3),
    );
    let batches = loader.epoch(0, 2).unwrap();
    assert_eq!(batches.map(Result::unwrap).count(), 10);
    let count = |times: usize| {
        let asked = source.asked.iter();
        asked
            .filter(|asked| asked.load(Ordering::SeqCst) == times)
            .count()
    };
    // The first two batches were passed over.
    assert_eq!((count(0), count(1)), (8, 40));
    assert_eq!(source.read_unasked.load(Ordering::SeqCst), 0);
}
