//! The default engine: tract. One plan for one image (or for the batch that the graph insists on); a larger batch is
//! shared out between threads, each running its own images.

use std::sync::Arc;
use std::thread;

use prost::Message;
use prost::bytes::Bytes;
use tract_onnx::pb;
use tract_onnx::prelude::*;

use super::{Engine, EngineError, EngineKind};
use crate::graph::InputShape;
use crate::guard;

type Plan = Arc<TypedRunnableModel>;

/// A network that tract runs.
pub(crate) struct TractEngine {
    plan: Plan,
    image: [usize; 3],
    /// Images one run of the plan takes.
    step: usize,
    classes: usize,
    threads: usize,
}

impl TractEngine {
    /// Parses, types and optimises the network for one input shape.
    pub fn load(
        bytes: Bytes,
        input: &InputShape,
        threads: usize,
        model: &str,
    ) -> Result<Self, EngineError> {
        let problem = |reason: String| EngineError::Load {
            engine: EngineKind::Tract,
            model: model.to_owned(),
            reason,
        };
        let step = input.fixed_batch.unwrap_or(1);
        let [a, b, c] = input.image;
        let (plan, classes) = guard::catch(|| build(bytes, [step, a, b, c]))
            .map_err(|panic| problem(format!("the network is damaged or unsupported ({panic})")))?
            .map_err(|error| problem(chain(&error)))?;
        Ok(Self {
            plan,
            image: input.image,
            step,
            classes,
            threads: threads.max(1),
        })
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
            let tensor = if images.len() == self.step * image_len {
                Tensor::from_shape(&shape, images)
            } else {
                let mut padded = images.to_vec();
                padded.resize(self.step * image_len, 0.0);
                Tensor::from_shape(&shape, &padded)
            }
            .map_err(|error| chain(&error))?;
            let result = guard::catch(|| self.plan.run(tvec!(tensor.into())))?
                .map_err(|error| chain(&error))?;
            let view = result[0]
                .to_plain_array_view::<f32>()
                .map_err(|error| chain(&error))?;
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
        let mut parts = input
            .chunks(images_each * image_len)
            .zip(output.chunks_mut(images_each * self.classes));
        let result = if images_each >= batch {
            parts.try_for_each(|(input, output)| self.run_part(input, output))
        } else {
            thread::scope(|scope| {
                let running: Vec<_> = parts
                    .map(|(input, output)| scope.spawn(|| self.run_part(input, output)))
                    .collect();
                running.into_iter().try_for_each(|thread| {
                    thread
                        .join()
                        .unwrap_or_else(|_| Err("a thread panicked".to_owned()))
                })
            })
        };
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

/// Value infos and output shapes that files carry are often wrong (a batch of 1 beside a symbol), and nothing here
/// needs them: every shape follows from the input's.
fn build(bytes: Bytes, shape: [usize; 4]) -> TractResult<(Plan, usize)> {
    let proto = pb::ModelProto::decode(bytes)?;
    let mut model = tract_onnx::onnx()
        .with_ignore_value_info(true)
        .with_ignore_output_shapes(true)
        .with_ignore_output_types(true)
        .model_for_proto_model(&proto)?;
    drop(proto);
    model.set_input_fact(0, f32::fact(shape).into())?;
    let outputs = [model.output_outlets()?[0]];
    model.select_output_outlets(&outputs)?;
    let mut model = model.into_typed()?;
    check_sizes(&model)?;
    model.prop_consts()?;
    let model = model.into_optimized()?;
    let fact = model.output_fact(0)?;
    if fact.datum_type != f32::datum_type() {
        return Err(TractError::msg(format!(
            "expected float32 outputs, got {:?}",
            fact.datum_type
        )));
    }
    let dims = fact.shape.as_concrete().ok_or_else(|| {
        TractError::msg(format!(
            "the output's shape depends on the input: {:?}",
            fact.shape
        ))
    })?;
    let values: usize = dims.iter().product();
    if dims.first() != Some(&shape[0])
        || values == 0
        || dims[1..].iter().filter(|d| **d > 1).count() > 1
    {
        return Err(TractError::msg(format!(
            "expected an output of [{}, classes], got {dims:?}",
            shape[0]
        )));
    }
    let classes = values / shape[0];
    Ok((model.into_runnable()?, classes))
}

/// Numbers in the largest tensor that a network may compute: 1 GiB of float32. VGG at 224 pixels needs 3 million.
const MAX_TENSOR_ELEMENTS: usize = 1 << 28;

/// A few bytes of a hostile file can ask for terabytes; every shape is known before any is allocated.
fn check_sizes(model: &TypedModel) -> TractResult<()> {
    for node in &model.nodes {
        for fact in node.outputs.iter().map(|output| &output.fact) {
            let elements = fact.shape.as_concrete().and_then(|dims| {
                dims.iter()
                    .try_fold(1usize, |product, dim| product.checked_mul(*dim))
            });
            if fact.shape.is_concrete()
                && elements.is_none_or(|elements| elements > MAX_TENSOR_ELEMENTS)
            {
                return Err(TractError::msg(format!(
                    "expected tensors of at most {MAX_TENSOR_ELEMENTS} numbers, got {:?} at '{}'",
                    fact.shape, node.name
                )));
            }
        }
    }
    Ok(())
}

/// The error and its causes on one line.
fn chain(error: &TractError) -> String {
    let parts: Vec<String> = error
        .chain()
        .map(|cause| guard::one_line(&cause.to_string()))
        .collect();
    let mut text = parts.join(": ");
    if let Some((cut, _)) = text.char_indices().nth(600) {
        text.truncate(cut);
        text.push_str("...");
    }
    text
}
