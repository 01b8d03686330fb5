//! An engine without a network, so that programs above can be tested without a model.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{Engine, EngineError, EngineKind};

/// Answers from the mean of the input: brightness picks the class. Deterministic, optionally slow or failing.
#[derive(Debug, Default)]
pub struct FakeEngine {
    classes: usize,
    input_len: usize,
    delay: Duration,
    fail_with: Option<String>,
    images: AtomicUsize,
}

impl FakeEngine {
    /// An engine with `classes` outputs for inputs of `input_len` numbers (3 * height * width).
    pub fn new(classes: usize, input_len: usize) -> Self {
        Self {
            classes,
            input_len,
            ..Self::default()
        }
    }

    /// Sleeps this long for every image: makes progress and cancellation testable.
    #[must_use]
    pub fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Fails every run with this message.
    #[must_use]
    pub fn failing(mut self, message: impl Into<String>) -> Self {
        self.fail_with = Some(message.into());
        self
    }

    /// How many images it has been given.
    pub fn images_run(&self) -> usize {
        self.images.load(Ordering::Relaxed)
    }
}

impl Engine for FakeEngine {
    /// The logit of class `c` is `-|c - (mean of the input, as a fraction of 1) * (classes - 1)|`.
    fn run(&self, input: &[f32], batch: usize) -> Result<Vec<f32>, EngineError> {
        let expected = batch * self.input_len;
        if input.len() != expected {
            return Err(EngineError::InputLength {
                batch,
                expected,
                got: input.len(),
            });
        }
        if let Some(message) = &self.fail_with {
            return Err(EngineError::Run {
                engine: EngineKind::Custom,
                reason: message.clone(),
            });
        }
        let mut logits = Vec::with_capacity(batch * self.classes);
        for image in input.chunks_exact(self.input_len) {
            std::thread::sleep(self.delay);
            self.images.fetch_add(1, Ordering::Relaxed);
            let mean = image.iter().sum::<f32>() / self.input_len as f32;
            let place = mean.clamp(0.0, 1.0) * (self.classes as f32 - 1.0);
            logits.extend((0..self.classes).map(|class| -(class as f32 - place).abs()));
        }
        Ok(logits)
    }

    fn classes(&self) -> usize {
        self.classes
    }
}
