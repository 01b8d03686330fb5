//! Made-up images: to measure the speed of everything but the data, and to try the program without any.

use anyhow::Result;
use model_core::splitmix::splitmix64;

use super::fingerprint::{DataFingerprint, ImageListDigest};
use super::{BatchIter, DataSource, TensorBatch};

/// Noise whose brightness by channel tells the class, so that even a short run learns something.
#[derive(Debug)]
pub struct Synthetic {
    classes: Vec<String>,
    images: u64,
    batch: usize,
    val_side: u32,
    seed: u64,
    rank: u64,
    world_size: u64,
}

impl Synthetic {
    /// `images` for training and a quarter as many (at least one) for validation.
    pub fn new(images: u64, classes: usize, batch: usize, val_side: u32, seed: u64) -> Self {
        Self {
            classes: (0..classes).map(|c| format!("class-{c:04}")).collect(),
            images,
            batch,
            val_side,
            seed,
            rank: 0,
            world_size: 1,
        }
    }

    /// The part of process `rank` of `world_size`: every `world_size`-th batch, so that the images of a step are the same for any
    /// `world_size` of the same global batch.
    pub fn sharded(self, rank: usize, world_size: usize) -> Self {
        Self {
            rank: rank as u64,
            world_size: world_size.max(1) as u64,
            ..self
        }
    }

    fn batch(&self, stream: u64, first: u64, count: usize, side: u32) -> Result<TensorBatch> {
        let classes = self.classes.len() as u64;
        let mut labels = Vec::with_capacity(count);
        let mut pixels = Vec::with_capacity(count * (side * side * 3) as usize);
        for index in first..first + count as u64 {
            let mut state = mix(self.seed ^ mix(stream) ^ mix(index + 1));
            let class = state % classes;
            labels.push(class as i64);
            let means = [0, 1, 2].map(|c| mix(class * 3 + c) % 128);
            for _ in 0..side * side {
                state = mix(state);
                let noise = state.to_le_bytes();
                pixels.extend([0, 1, 2].map(|c| (means[c] as u8) + noise[c] / 2));
            }
        }
        TensorBatch::from_interleaved(&pixels, side, side, &labels)
    }

    fn batches(&self, stream: u64, images: u64, first: u64, side: u32) -> BatchIter<'_> {
        let size = self.batch as u64;
        let begin = (first * self.world_size + self.rank) * size;
        let starts = (begin..images).step_by(self.batch * self.world_size as usize);
        Box::new(starts.map(move |start| {
            let count = size.min(images - start) as usize;
            self.batch(stream, start, count, side)
        }))
    }
}

/// A bijective mix of 64 bits.
fn mix(value: u64) -> u64 {
    splitmix64(value, 0)
}

impl DataSource for Synthetic {
    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn describe(&self) -> String {
        format!(
            "{} made-up images of {} classes",
            self.images,
            self.classes.len()
        )
    }

    fn name(&self) -> String {
        "synthetic".into()
    }

    fn train_images(&self) -> u64 {
        self.images
    }

    fn val_images(&self) -> u64 {
        (self.images / 4).max(1)
    }

    fn fingerprint(&self) -> DataFingerprint {
        let list = |images: u64| ImageListDigest {
            images,
            sha256: format!("made up from seed {}", self.seed),
        };
        DataFingerprint {
            classes: self.classes.clone(),
            train: list(self.images),
            val: list(self.val_images()),
        }
    }

    fn train(&self, epoch: u32, first: u64, side: u32) -> Result<BatchIter<'_>> {
        Ok(self.batches(1 + u64::from(epoch), self.images, first, side))
    }

    fn val(&self) -> Result<BatchIter<'_>> {
        Ok(self.batches(0, self.val_images(), 0, self.val_side))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_continued_is_the_epoch_uninterrupted() {
        let source = Synthetic::new(10, 3, 4, 8, 5);
        let whole: Vec<TensorBatch> = source.train(2, 0, 8).unwrap().map(Result::unwrap).collect();
        let rest: Vec<TensorBatch> = source.train(2, 1, 8).unwrap().map(Result::unwrap).collect();
        assert_eq!(whole.len(), 3);
        assert_eq!(whole[2].labels.size(), [2]);
        for (a, b) in whole[1..].iter().zip(&rest) {
            assert_eq!(a.pixels, b.pixels);
            assert_eq!(a.labels, b.labels);
        }
    }
}
