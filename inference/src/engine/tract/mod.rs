//! tract as an engine: the networks and processors that our own kernels do not suit. One plan for one image (or for the
//! batch that the graph insists on); a larger batch is shared out between threads, each running its own images.
//!
//! What tract computes wrongly is rewritten first ([`rewrite`]), and what it has never been seen to compute rightly is
//! said or refused ([`trust`]).

#[cfg(test)]
mod corpus;
mod culprit;
mod plan;
mod rewrite;
mod trust;

use std::sync::{Mutex, PoisonError};
use std::thread;

use image_data::sandbox::catch;
use tract_onnx::prelude::*;

use self::plan::{Plan, Refusal, build, chain};
use super::{Engine, EngineError, EngineKind, FailingNode, NetworkSource};
use crate::graph::Element;

/// What is said where a plan that loaded fails on an image.
const CANNOT_COMPUTE: &str = "a step of it cannot be computed for an image of this size";

/// A network that tract runs.
pub(crate) struct TractEngine {
    plan: Plan,
    image: [usize; 3],
    element: Element,
    /// Images one run of the plan takes.
    step: usize,
    /// Shape of one image's output.
    output: Vec<usize>,
    classes: usize,
    threads: usize,
}

impl TractEngine {
    /// Parses, types and optimizes the network for one input shape. Says what in it nobody has held against another
    /// engine yet.
    ///
    /// # Errors
    /// What tract lacks, refuses, or computes wrongly.
    pub fn load(source: &NetworkSource<'_>) -> Result<(Self, Option<String>), EngineError> {
        let rewritten = plan::rewritten(source.prepared);
        let trust = trust::judge(&rewritten);
        let model = || source.model.to_owned();
        let engine = EngineKind::Tract;
        if !trust.wrong.is_empty() {
            return Err(EngineError::Distrusted {
                engine,
                model: model(),
                features: trust.wrong,
            });
        }
        let loaded = Self::load_part(source, None)?;
        if loaded.output.iter().filter(|dim| **dim > 1).count() > 1 {
            return Err(EngineError::Load {
                engine,
                model: model(),
                reason: format!(
                    "expected an output of [{}, classes], got {:?} an image",
                    loaded.step, loaded.output
                ),
            });
        }
        let note = (!trust.unseen.is_empty()).then(|| {
            format!(
                "tract has not been compared with another engine on {}: check its answers",
                trust.unseen.join(", ")
            )
        });
        Ok((loaded, note))
    }

    /// The part of a network that computes the tensor called `output` (the whole of it without): one that need not be a
    /// list of classes.
    pub fn load_part(
        source: &NetworkSource<'_>,
        output: Option<&str>,
    ) -> Result<Self, EngineError> {
        let input = source.input;
        let problem = |reason: String| EngineError::Load {
            engine: EngineKind::Tract,
            model: source.model.to_owned(),
            reason,
        };
        if input.any_size {
            return Err(problem(
                "it resizes and crops by itself (a uint8 input of any size), which tract cannot"
                    .to_owned(),
            ));
        }
        let rewritten = plan::rewritten(source.prepared);
        let lacking = trust::lacking(&rewritten);
        if !lacking.is_empty() {
            return Err(EngineError::Operators {
                engine: EngineKind::Tract,
                model: source.model.to_owned(),
                operators: lacking,
            });
        }
        let step = input.fixed_batch.unwrap_or(1);
        let unable = |said: String| EngineError::Network {
            engine: EngineKind::Tract,
            model: source.model.to_owned(),
            node: None,
            said,
        };
        let (plan, dims) = match catch(|| build(source, rewritten, output)) {
            Ok(Ok(built)) => built,
            Ok(Err(Refusal::Ours(reason))) => return Err(problem(reason)),
            Ok(Err(Refusal::Tract(error))) => return Err(unable(chain(&error))),
            Err(panic) => return Err(unable(panic)),
        };
        let values: usize = dims.iter().product();
        // A network for one image may leave the batch out: [classes].
        let whole = dims.first() == Some(&step);
        let own = match (whole, step) {
            (true, _) => &dims[1..],
            (false, 1) => &dims[..],
            (false, _) => &[],
        };
        if own.is_empty() || values == 0 {
            return Err(problem(format!(
                "expected an output of [{step}, classes], got {dims:?}"
            )));
        }
        Ok(Self {
            plan,
            image: input.image,
            // The plan of a float16 network computes in float32.
            element: match input.element {
                Element::U8 => Element::U8,
                Element::F16 | Element::F32 | Element::F64 => Element::F32,
            },
            step,
            output: own.to_vec(),
            classes: values / step,
            threads: source.threads.max(1),
        })
    }

    /// The node at which tract gave up on a network; none where it cannot be found.
    pub fn failing_node(source: &NetworkSource<'_>) -> Option<FailingNode> {
        culprit::find(source, &plan::rewritten(source.prepared))
    }

    /// Shape of one image's output.
    pub fn output_shape(&self) -> &[usize] {
        &self.output
    }

    /// Runs whole steps of images, one after the other.
    fn run_part(&self, input: &[f32], output: &mut [f32]) -> Result<(), String> {
        let [a, b, c] = self.image;
        let image_len = a * b * c;
        let steps = input
            .chunks(self.step * image_len)
            .zip(output.chunks_mut(self.step * self.classes));
        for (images, numbers) in steps {
            let shape = [self.step, a, b, c];
            let padded;
            let images = if images.len() == self.step * image_len {
                images
            } else {
                padded = [images, &vec![0.0; self.step * image_len - images.len()]].concat();
                &padded
            };
            let tensor = match self.element {
                Element::U8 => Tensor::from_shape(&shape, &super::to_bytes(images)),
                Element::F16 | Element::F32 | Element::F64 => Tensor::from_shape(&shape, images),
            }
            .map_err(|_| CANNOT_COMPUTE.to_owned())?;
            // tract's words, and a panic's, are about its own steps.
            let result = catch(|| self.plan.run(tvec!(tensor.into())))
                .map_err(|_| CANNOT_COMPUTE.to_owned())?
                .map_err(|_| CANNOT_COMPUTE.to_owned())?;
            let view = result[0]
                .to_plain_array_view::<f32>()
                .map_err(|_| CANNOT_COMPUTE.to_owned())?;
            if view.len() != self.step * self.classes {
                return Err(format!(
                    "expected {} numbers, got {}",
                    self.step * self.classes,
                    view.len()
                ));
            }
            for (to, from) in numbers.iter_mut().zip(view.iter()) {
                *to = *from;
            }
        }
        Ok(())
    }
}

impl Engine for TractEngine {
    fn run(&self, input: &[f32], batch: usize) -> Result<Vec<f32>, EngineError> {
        let image_len: usize = self.image.iter().product();
        if input.len() != batch * image_len {
            return Err(EngineError::InputLength {
                batch,
                expected: batch * image_len,
                got: input.len(),
            });
        }
        let mut output = vec![0.0; batch * self.classes];
        if batch == 0 {
            return Ok(output);
        }
        // Whole steps to a thread, so that only the last step of the batch is padded.
        let steps_each = batch.div_ceil(self.step).div_ceil(self.threads);
        let images_each = steps_each * self.step;
        let parts = Mutex::new(
            input
                .chunks(images_each * image_len)
                .zip(output.chunks_mut(images_each * self.classes)),
        );
        let work = || loop {
            let part = parts.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((input, output)) = part else {
                return Ok(());
            };
            self.run_part(input, output)?;
        };
        // This thread works too, so that every part is done even where no other can be had.
        let result = thread::scope(|scope| {
            let helpers: Vec<_> = (images_each..batch)
                .step_by(images_each)
                .map_while(|_| thread::Builder::new().spawn_scoped(scope, work).ok())
                .collect();
            let mut result = work();
            for helper in helpers {
                let panicked = |_| Err("a thread panicked".to_owned());
                result = result.and(helper.join().unwrap_or_else(panicked));
            }
            result
        });
        match result {
            Ok(()) => Ok(output),
            Err(reason) => Err(EngineError::Run {
                engine: EngineKind::Tract,
                reason,
            }),
        }
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn preferred_batch(&self) -> usize {
        self.step.max(4) * self.threads
    }
}
