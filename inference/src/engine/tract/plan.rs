//! From an ONNX file to a plan that tract runs. The graph is parsed without its large tensors; those are read straight
//! into tract's own memory, several at a time, so that a network's weights are never held more often than needed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use model_core::onnx::{self, DataType, ModelProto, TensorProto};
use model_core::text::{one_line, system_words};
use prost::Message;
use tract_onnx::model::ParseResult;
use tract_onnx::pb;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::TypedFact;
use tract_onnx::tract_core::ops::konst::Const;
use tract_onnx::tract_core::optim::Optimizer;

use super::rewrite;
use crate::engine::NetworkSource;
use crate::graph::Element;
use crate::onnx_file::{Blob, OnnxFile};

pub(super) type Plan = Arc<TypedRunnableModel>;

/// The graph as tract gets it: prepared for our engines, then without what tract computes wrongly.
pub(super) fn rewritten(prepared: &ModelProto) -> ModelProto {
    let mut proto = prepared.clone();
    if let Some(graph) = &mut proto.graph {
        rewrite::isolate_dequantized(graph);
        rewrite::say_zero(graph);
    }
    proto
}

/// Why there is no plan.
#[derive(Debug)]
pub(super) enum Refusal {
    /// What we found wrong, in words for a person.
    Ours(String),
    /// tract gave up; its words are for its developers.
    Tract(TractError),
}

impl Refusal {
    pub(super) fn ours(reason: impl Into<String>) -> Self {
        Self::Ours(reason.into())
    }
}

impl From<TractError> for Refusal {
    fn from(error: TractError) -> Self {
        Self::Tract(error)
    }
}

/// Builds the plan of a [`rewritten`] graph for one input shape, and says the shape of the output called `output`, or of
/// the graph's own one.
///
/// Value infos and output shapes that files carry are often wrong (a batch of 1 beside a symbol), and nothing here
/// needs them: every shape follows from the input's.
pub(super) fn build(
    source: &NetworkSource<'_>,
    rewritten: ModelProto,
    output: Option<&str>,
) -> Result<(Plan, Vec<usize>), Refusal> {
    let own = rewritten.graph.iter().flat_map(|graph| &graph.output);
    let own = own.map(|output| output.name.as_str()).next();
    let wanted = output
        .or(own)
        .ok_or_else(|| Refusal::ours("the graph has no output"))?
        .to_owned();
    let model = optimized(source, rewritten, &[&wanted])?;
    let fact = model.output_fact(0)?;
    if fact.datum_type != f32::datum_type() {
        return Err(Refusal::Ours(format!(
            "expected '{wanted}' to hold float32 numbers, got {}",
            element_name(fact.datum_type)
        )));
    }
    let dims = fact
        .shape
        .as_concrete()
        .ok_or_else(|| Refusal::Ours(format!("the shape of '{wanted}' depends on the input")))?
        .to_vec();
    Ok((model.into_runnable()?, dims))
}

/// The element type in ONNX's word for it, where there is one.
fn element_name(element: DatumType) -> &'static str {
    let known = [
        (f16::datum_type(), "float16"),
        (f64::datum_type(), "float64"),
        (bool::datum_type(), "bool"),
        (i8::datum_type(), "int8"),
        (u8::datum_type(), "uint8"),
        (i32::datum_type(), "int32"),
        (i64::datum_type(), "int64"),
        (String::datum_type(), "text"),
    ];
    known
        .into_iter()
        .find(|(of, _)| *of == element)
        .map_or("another type", |(_, name)| name)
}

/// The part of a graph that computes `outputs`, as far as tract's own plan; outputs that nothing makes are left out.
pub(super) fn optimized(
    source: &NetworkSource<'_>,
    mut rewritten: ModelProto,
    outputs: &[&str],
) -> Result<TypedModel, Refusal> {
    let (file, input) = (source.file, source.input);
    let weights = take_weights(&mut rewritten, &source.skeleton.blobs)?;
    let proto =
        pb::ModelProto::decode(&onnx::to_bytes(&rewritten)[..]).map_err(TractError::from)?;
    drop(rewritten);
    let ParseResult {
        mut model,
        unresolved_inputs,
        outlets_by_name,
    } = tract_onnx::onnx()
        .with_ignore_value_info(true)
        .with_ignore_output_shapes(true)
        .with_ignore_output_types(true)
        .parse(&proto, None)?;
    drop(proto);
    let known: HashSet<&str> = weights.iter().map(|weight| weight.name.as_str()).collect();
    if let Some(missing) = unresolved_inputs
        .iter()
        .find(|name| !known.contains(name.as_str()))
    {
        return Err(Refusal::Ours(format!(
            "nothing in the graph makes '{missing}'"
        )));
    }
    fill(&mut model, &outlets_by_name, weights, file, source.threads)?;

    let step = input.fixed_batch.unwrap_or(1);
    let [a, b, c] = input.image;
    let image = *outlets_by_name
        .get(&input.name)
        .ok_or_else(|| Refusal::Ours(format!("no input '{}'", input.name)))?;
    let element = match input.element {
        // The graph is in float32 by now.
        Element::F32 | Element::F16 | Element::F64 => f32::datum_type(),
        Element::U8 => u8::datum_type(),
    };
    model.set_input_outlets(&[image])?;
    model.set_input_fact(0, element.fact([step, a, b, c]).into())?;
    let results: Vec<OutletId> = outputs
        .iter()
        .filter_map(|name| outlets_by_name.get(*name).copied())
        .collect();
    if results.is_empty() {
        return Err(Refusal::Ours(format!(
            "no tensor '{}'",
            outputs.join("', '")
        )));
    }
    model.select_output_outlets(&results)?;
    let mut model = model.into_typed()?;
    check_sizes(&model)?;
    rewrite::resolve_same(&mut model)?;
    Ok(optimize(model)?)
}

/// tract's own optimization. Where it fails, the same without its last step, then with steps through an axis written as
/// choices: tract stumbles over sound networks there. Such a plan is slower, not another.
fn optimize(model: TypedModel) -> TractResult<TypedModel> {
    let plain = model.clone();
    model.into_optimized().or_else(|error| {
        let mut chosen = plain.clone();
        without_last_step(plain)
            .or_else(|again| {
                if !rewrite::choose_by_index(&mut chosen)? {
                    return Err(again);
                }
                let plain = chosen.clone();
                chosen
                    .into_optimized()
                    .or_else(|_| without_last_step(plain))
            })
            .map_err(|_| error)
    })
}

/// tract's optimization but for its last step, which moves axes through the graph.
fn without_last_step(mut model: TypedModel) -> TractResult<TypedModel> {
    // Each step changes something; on damaged networks tract goes round in circles once its last step is missing.
    let limit = 10 * model.nodes.len() + 100;
    let mut passes = Optimizer::declutter().stopping_at(limit);
    passes.passes.pop();
    let codegen = Optimizer::codegen().stopping_at(limit);
    passes.optimize(&mut model)?;
    model.optimize_with_session(&mut codegen.session())?;
    Ok(model)
}

/// A large tensor that is still in the file.
struct Weight<'a> {
    name: String,
    /// What the graph calls its numbers; the file may hold them in another type of floating point.
    element: DatumType,
    dims: Vec<i64>,
    shape: Vec<usize>,
    blob: &'a Blob,
}

/// Takes the tensors without data out of the graph; it then waits for them as for inputs.
fn take_weights<'a>(model: &mut ModelProto, blobs: &'a [Blob]) -> Result<Vec<Weight<'a>>, Refusal> {
    let Some(graph) = &mut model.graph else {
        return Ok(Vec::new());
    };
    let places: HashMap<usize, &Blob> = blobs.iter().map(|blob| (blob.initializer, blob)).collect();
    if places.keys().any(|place| *place >= graph.initializer.len()) {
        return Err(Refusal::ours("the file's tensors contradict it"));
    }
    let mut weights = Vec::with_capacity(blobs.len());
    let mut kept = Vec::with_capacity(graph.initializer.len() - places.len());
    for (place, tensor) in std::mem::take(&mut graph.initializer)
        .into_iter()
        .enumerate()
    {
        let Some(blob) = places.get(&place) else {
            kept.push(tensor);
            continue;
        };
        let element = match tensor.element() {
            Some(DataType::Float) => f32::datum_type(),
            Some(DataType::Uint8) => u8::datum_type(),
            Some(DataType::Int8) => i8::datum_type(),
            other => {
                return Err(Refusal::Ours(format!(
                    "tensor '{}' has type {}",
                    tensor.name,
                    other.map_or("unknown", DataType::name)
                )));
            }
        };
        let shape = tensor
            .dims
            .iter()
            .map(|dim| usize::try_from(*dim))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| Refusal::Ours(format!("tensor '{}' has a negative side", tensor.name)))?;
        weights.push(Weight {
            name: tensor.name,
            element,
            dims: tensor.dims,
            shape,
            blob,
        });
    }
    graph.initializer = kept;
    let names: HashSet<&str> = weights.iter().map(|weight| weight.name.as_str()).collect();
    graph
        .input
        .retain(|input| !names.contains(input.name.as_str()));
    Ok(weights)
}

/// Reads the weights and puts them where the graph waits for them.
fn fill(
    model: &mut InferenceModel,
    outlets: &HashMap<String, OutletId>,
    weights: Vec<Weight<'_>>,
    file: &OnnxFile,
    threads: usize,
) -> Result<(), Refusal> {
    let next = AtomicUsize::new(0);
    let read = || -> Result<Vec<(usize, Tensor)>, Refusal> {
        let mut done = Vec::new();
        while let Some(weight) = weights.get(next.fetch_add(1, Ordering::Relaxed)) {
            // Without an outlet nothing uses it.
            if let Some(outlet) = outlets.get(&weight.name) {
                done.push((outlet.node, read_tensor(weight, file)?));
            }
        }
        Ok(done)
    };
    let parts = thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads.min(weights.len()).min(4))
            .map_while(|_| thread::Builder::new().spawn_scoped(scope, read).ok())
            .collect();
        let mut parts = vec![read()];
        for helper in helpers {
            let panicked = |_| Err(Refusal::ours("a thread panicked"));
            parts.push(helper.join().unwrap_or_else(panicked));
        }
        parts
    });
    for part in parts {
        for (node, tensor) in part? {
            let tensor = Arc::new(tensor);
            let fact = TypedFact::try_from(&tensor)?;
            let node = &mut model.nodes[node];
            node.op = Const::new(tensor)?.into();
            node.outputs[0].fact = InferenceFact::from(&fact);
        }
    }
    Ok(())
}

fn read_tensor(weight: &Weight<'_>, file: &OnnxFile) -> Result<Tensor, Refusal> {
    let stored = weight.blob.element;
    let numbers = weight
        .shape
        .iter()
        .try_fold(1usize, |count, dim| count.checked_mul(*dim));
    let expected = numbers.and_then(|count| count.checked_mul(stored.bytes()?));
    if expected.map(|bytes| bytes as u64) != Some(weight.blob.len) {
        return Err(Refusal::Ours(format!(
            "tensor '{}' has {} bytes, which is not its shape",
            weight.name, weight.blob.len
        )));
    }
    let problem = |error: std::io::Error| {
        let reason = system_words(error);
        Refusal::Ours(format!("cannot read tensor '{}': {reason}", weight.name))
    };
    if matches!(
        stored,
        DataType::Float16 | DataType::Bfloat16 | DataType::Double
    ) {
        let mut raw = vec![0; weight.blob.len as usize];
        file.read_at(weight.blob.offset, &mut raw)
            .map_err(problem)?;
        let stored = TensorProto {
            name: weight.name.clone(),
            dims: weight.dims.clone(),
            data_type: Some(stored as i32),
            raw_data: Some(raw),
            ..TensorProto::default()
        };
        let values = stored
            .to_f32()
            .map_err(|error| Refusal::Ours(error.to_string()))?;
        return Ok(Tensor::from_shape(&weight.shape, &values)?);
    }
    // SAFETY: every element is a plain number, for which any bits are valid, and all of its bytes are written or the
    // tensor is dropped.
    let mut tensor = unsafe { Tensor::uninitialized_dt(weight.element, &weight.shape)? };
    file.read_at(weight.blob.offset, tensor.as_bytes_mut())
        .map_err(problem)?;
    Ok(tensor)
}

/// Numbers in the largest tensor that a network may compute: 1 GiB of float32. VGG at 224 pixels needs 3 million.
const MAX_TENSOR_ELEMENTS: usize = 1 << 28;

/// A few bytes of a hostile file can ask for terabytes; every shape is known before any is allocated.
fn check_sizes(model: &TypedModel) -> Result<(), Refusal> {
    for node in &model.nodes {
        for fact in node.outputs.iter().map(|output| &output.fact) {
            let elements = fact.shape.as_concrete().and_then(|dims| {
                dims.iter()
                    .try_fold(1usize, |product, dim| product.checked_mul(*dim))
            });
            if fact.shape.is_concrete()
                && elements.is_none_or(|elements| elements > MAX_TENSOR_ELEMENTS)
            {
                let sides: Vec<String> = fact.shape.iter().map(ToString::to_string).collect();
                return Err(Refusal::Ours(format!(
                    "expected tensors of at most {MAX_TENSOR_ELEMENTS} numbers, got {} at '{}'",
                    sides.join(" x "),
                    node.name
                )));
            }
        }
    }
    Ok(())
}

/// One line from tract's error and its causes.
pub(super) fn chain(error: &TractError) -> String {
    let parts: Vec<String> = error.chain().map(one_line).collect();
    model_core::text::short_line(parts.join(": "), 600)
}
