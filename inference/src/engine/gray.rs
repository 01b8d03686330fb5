//! Networks that take one channel: what is prepared in color everywhere else becomes gray right before an engine sees it.
//!
//! The gray value is ITU-R 601's luma, as Pillow's `convert("L")`, but not rounded to a whole level. Mean and standard
//! deviation are the same for all channels, so the luma of prepared channels is the prepared luma.

use std::sync::Arc;

use super::{Engine, EngineError};
use crate::graph::InputShape;

/// Shares of red, green and blue (ITU-R BT.601).
pub(crate) const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// An engine whose network takes one channel, for inputs of three.
struct GrayEngine {
    inner: Arc<dyn Engine>,
    /// Shares of the three channels in their order.
    shares: [f32; 3],
    /// One channel after the other, `[3, H, W]`; otherwise pixel by pixel, `[H, W, 3]`.
    by_planes: bool,
    /// Pixels of one image.
    pixels: usize,
}

/// The engine, taking three channels where its network takes one.
pub(crate) fn in_color(engine: Arc<dyn Engine>, input: &InputShape) -> Arc<dyn Engine> {
    match input.gray {
        None => engine,
        Some(shares) => Arc::new(GrayEngine {
            inner: engine,
            shares,
            by_planes: input.image[0] == 1,
            pixels: input.image_len(),
        }),
    }
}

impl Engine for GrayEngine {
    fn run(&self, input: &[f32], batch: usize) -> Result<Vec<f32>, EngineError> {
        let expected = batch * 3 * self.pixels;
        if input.len() != expected {
            return Err(EngineError::InputLength {
                batch,
                expected,
                got: input.len(),
            });
        }
        let [a, b, c] = self.shares;
        let mut gray = Vec::with_capacity(batch * self.pixels);
        for image in input.chunks_exact(3 * self.pixels) {
            if self.by_planes {
                let (first, rest) = image.split_at(self.pixels);
                let (second, third) = rest.split_at(self.pixels);
                let planes = first.iter().zip(second).zip(third);
                gray.extend(planes.map(|((x, y), z)| a * x + b * y + c * z));
            } else {
                let (pixels, _) = image.as_chunks::<3>();
                gray.extend(pixels.iter().map(|[x, y, z]| a * x + b * y + c * z));
            }
        }
        self.inner.run(&gray, batch)
    }

    fn classes(&self) -> usize {
        self.inner.classes()
    }

    fn preferred_batch(&self) -> usize {
        self.inner.preferred_batch()
    }
}
