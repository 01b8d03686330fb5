//! Any ONNX classifier as a table: inputs, operators, parameters, multiply-accumulates, metadata, and what our
//! engine makes of it.
//!
//! Shapes are followed through the operators of image classifiers; where they cannot be, the table says so instead
//! of guessing.

mod shapes;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use inference::{Classifier, ClassifierConfig};
use model_core::onnx::{self, DataType, DimensionProto, GraphProto, TensorProto, ValueInfoProto};
use serde::Serialize;

use crate::source;
use shapes::follow_shapes;

/// Everything the table shows.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// The path, as it was given.
    pub file: String,
    /// The file's length in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// The tool that wrote the file and its version; empty where the file does not say.
    pub producer: String,
    /// The version of the file format; 0 where the file states none.
    pub ir_version: i64,
    /// The version of ONNX's own operators; 0 where the file states none.
    pub opset: i64,
    /// Other sets of operators, each with its version, such as `com.microsoft 1`.
    pub other_domains: Vec<String>,
    /// What the network takes; constants are left out.
    pub inputs: Vec<ValueInfo>,
    /// What it gives.
    pub outputs: Vec<ValueInfo>,
    /// Operator and how often it occurs.
    pub operators: BTreeMap<String, usize>,
    /// Element type of stored tensors, with numbers stored.
    pub stored: BTreeMap<String, usize>,
    /// Numbers in weights and biases, without the scales of quantization.
    pub parameters: usize,
    /// Multiply-accumulates for one image, as far as shapes are known.
    pub macs: u64,
    /// Layers whose shapes could not be followed, so that `macs` lacks them.
    pub uncounted: Vec<String>,
    /// The metadata by key.
    pub metadata: BTreeMap<String, String>,
    /// The nodes, in the order of the file.
    pub nodes: Vec<NodeLine>,
    /// What `infer-cli` makes of the file.
    pub engine: EngineVerdict,
}

/// An input or output of the network.
#[derive(Debug, Serialize)]
pub struct ValueInfo {
    /// Its name.
    pub name: String,
    /// The type of an element, such as `float32`, or `unknown`.
    pub element: String,
    /// Its dimensions, the outermost first: numbers, symbols, and `?` where the file has neither.
    pub shape: Vec<String>,
}

/// A node of the graph.
#[derive(Debug, Serialize)]
pub struct NodeLine {
    /// The operator's name, such as `Conv`.
    pub op: String,
    /// The node's name; it may be empty.
    pub name: String,
    /// The shape of its first output, with a batch of 1; nothing where it could not be followed.
    pub shape: Option<Vec<usize>>,
    /// Its multiply-accumulates for one image; 0 where it has none or shapes could not be followed.
    pub macs: u64,
}

/// What `infer-cli` would do with the file.
#[derive(Debug, Serialize)]
pub struct EngineVerdict {
    /// Whether the file can be loaded.
    pub loads: bool,
    /// The engine that `infer-cli` would take, with what it says of itself.
    pub engine: Option<String>,
    /// What loading took, or failing to, in milliseconds.
    pub load_millis: f64,
    /// What the first image took, in milliseconds; nothing where the network did not run.
    pub run_millis: Option<f64>,
    /// How many labels there are.
    pub labels: usize,
    /// The names of the first three labels.
    pub first_labels: Vec<String>,
    /// What was noticed while the model was loaded.
    pub notes: Vec<String>,
    /// Why the model cannot be loaded or run, if it cannot.
    pub error: Option<String>,
}

/// Reads a model and gathers the table.
///
/// # Errors
/// A file that is no ONNX model.
pub fn summarize(path: &Path) -> Result<Summary> {
    let model = onnx::read(path)?;
    let graph = model.graph.clone().unwrap_or_default();
    let initializers: HashMap<&str, &TensorProto> = graph
        .initializer
        .iter()
        .map(|tensor| (tensor.name.as_str(), tensor))
        .collect();
    let mut operators = BTreeMap::new();
    for node in &graph.node {
        *operators.entry(node.op_type.clone()).or_insert(0) += 1;
    }
    let mut stored = BTreeMap::new();
    for tensor in &graph.initializer {
        let element = tensor.element().map_or("unknown", DataType::name);
        *stored.entry(element.to_string()).or_insert(0) += tensor.element_count()?;
    }
    let nodes = follow_shapes(&graph, &initializers);
    let countable =
        |node: &&NodeLine| ["Conv", "Gemm", "MatMul", "QLinearConv"].contains(&node.op.as_str());
    let uncounted = nodes
        .iter()
        .filter(countable)
        .filter(|node| node.macs == 0)
        .map(|node| node.name.clone())
        .collect();
    let real_input = |value: &&ValueInfoProto| !initializers.contains_key(value.name.as_str());
    Ok(Summary {
        file: path.display().to_string(),
        bytes: std::fs::metadata(path)?.len(),
        sha256: source::sha256_file(path)?,
        producer: format!("{} {}", model.producer_name, model.producer_version)
            .trim()
            .to_string(),
        ir_version: model.ir_version.unwrap_or(0),
        opset: model.opset(),
        other_domains: model
            .opset_import
            .iter()
            .filter(|opset| !opset.domain.is_empty() && opset.domain != "ai.onnx")
            .map(|opset| format!("{} {}", opset.domain, opset.version.unwrap_or(0)))
            .collect(),
        inputs: graph.input.iter().filter(real_input).map(value).collect(),
        outputs: graph.output.iter().map(value).collect(),
        operators,
        stored,
        parameters: parameters(&graph)?,
        macs: nodes.iter().map(|node| node.macs).sum(),
        uncounted,
        metadata: model
            .metadata_props
            .iter()
            .map(|entry| (entry.key.clone(), entry.value.clone()))
            .collect(),
        nodes,
        engine: ask_engine(path),
    })
}

/// Numbers in tensors that are weights or biases: floats and integers of more than one element, scales left out.
fn parameters(graph: &GraphProto) -> Result<usize> {
    let scales: Vec<&str> = graph
        .node
        .iter()
        .filter(|node| ["QuantizeLinear", "DequantizeLinear"].contains(&node.op_type.as_str()))
        .flat_map(|node| node.input.iter().skip(1).map(String::as_str))
        .collect();
    let mut total = 0;
    for tensor in &graph.initializer {
        let number = tensor
            .element()
            .is_some_and(|element| !matches!(element, DataType::Int64 | DataType::String));
        if number && !tensor.dims.is_empty() && !scales.contains(&tensor.name.as_str()) {
            total += tensor.element_count()?;
        }
    }
    Ok(total)
}

fn value(info: &ValueInfoProto) -> ValueInfo {
    let tensor = info
        .r#type
        .as_ref()
        .and_then(|kind| kind.tensor_type.as_ref());
    let element = tensor
        .and_then(|tensor| tensor.elem_type)
        .and_then(DataType::from_i32);
    let dim = |dim: &DimensionProto| match (dim.dim_value, &dim.dim_param) {
        (Some(value), _) => value.to_string(),
        (None, Some(symbol)) => symbol.clone(),
        (None, None) => "?".into(),
    };
    let shape = tensor
        .and_then(|tensor| tensor.shape.as_ref())
        .map(|shape| shape.dim.iter().map(dim).collect());
    ValueInfo {
        name: info.name.clone(),
        element: element.map_or("unknown", DataType::name).into(),
        shape: shape.unwrap_or_default(),
    }
}

/// Loads the file the way `infer-cli` does, and runs it once.
fn ask_engine(path: &Path) -> EngineVerdict {
    let started = Instant::now();
    let loaded = Classifier::open(path, &ClassifierConfig::default());
    let load_millis = started.elapsed().as_secs_f64() * 1e3;
    let mut verdict = EngineVerdict {
        loads: false,
        engine: None,
        load_millis,
        run_millis: None,
        labels: 0,
        first_labels: Vec::new(),
        notes: Vec::new(),
        error: None,
    };
    match loaded {
        Err(error) => verdict.error = Some(error.to_string()),
        Ok(classifier) => {
            verdict.loads = true;
            let model = classifier.model();
            verdict.engine = Some(match &model.engine_note {
                Some(note) => format!("{} ({note})", model.engine),
                None => model.engine.to_string(),
            });
            verdict.labels = classifier.labels().len();
            verdict.first_labels = classifier
                .labels()
                .iter()
                .take(3)
                .map(|label| label.name.clone())
                .collect();
            verdict.notes.clone_from(&classifier.model().notes);
            let input = vec![0.0; classifier.input_len()];
            let started = Instant::now();
            match classifier.logits_of(&input) {
                Ok(_) => verdict.run_millis = Some(started.elapsed().as_secs_f64() * 1e3),
                Err(error) => verdict.error = Some(error.to_string()),
            }
        }
    }
    verdict
}

/// The table.
pub fn lines(summary: &Summary, nodes: bool) -> Vec<String> {
    let row = |title: &str, text: String| format!("{title:<12}{text}");
    let shape = |value: &ValueInfo| {
        format!(
            "{}: {} [{}]",
            value.name,
            value.element,
            value.shape.join(", ")
        )
    };
    let counts = |map: &BTreeMap<String, usize>| {
        let mut sorted: Vec<_> = map.iter().collect();
        sorted.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), (*name).clone()));
        sorted
            .iter()
            .map(|(name, count)| format!("{name} x{count}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut lines = vec![
        row(
            "file",
            format!("{} ({:.2} MB)", summary.file, summary.bytes as f64 / 1e6),
        ),
        row("sha256", summary.sha256.clone()),
        row(
            "producer",
            if summary.producer.is_empty() {
                "not given".into()
            } else {
                summary.producer.clone()
            },
        ),
        row(
            "version",
            format!("opset {}, IR {}", summary.opset, summary.ir_version),
        ),
    ];
    if !summary.other_domains.is_empty() {
        lines.push(row("domains", summary.other_domains.join(", ")));
    }
    lines.extend(
        summary
            .inputs
            .iter()
            .map(|value| row("input", shape(value))),
    );
    lines.extend(
        summary
            .outputs
            .iter()
            .map(|value| row("output", shape(value))),
    );
    lines.push(row("operators", counts(&summary.operators)));
    lines.push(row("stored", counts(&summary.stored).replace(" x", ": ")));
    lines.push(row(
        "parameters",
        format!("{:.3} M", summary.parameters as f64 / 1e6),
    ));
    let missing = match summary.uncounted.len() {
        0 => String::new(),
        count => format!(", without {count} layers whose shape is not known"),
    };
    lines.push(row(
        "MACs",
        format!("{:.3} G for one image{missing}", summary.macs as f64 / 1e9),
    ));
    if summary.metadata.is_empty() {
        lines.push(row(
            "metadata",
            "none: labels and preprocessing must come from a manifest.yaml or flags".into(),
        ));
    }
    for (key, value) in &summary.metadata {
        let short: String = value.chars().take(70).collect();
        let more = if value.chars().count() > 70 {
            format!("... ({} characters)", value.chars().count())
        } else {
            String::new()
        };
        lines.push(row(
            "metadata",
            format!("{key} = {}{more}", short.replace('\n', " ")),
        ));
    }
    let engine = &summary.engine;
    match (&engine.error, engine.run_millis) {
        (Some(error), _) => lines.push(row("infer-cli", format!("cannot use it: {error}"))),
        (None, run) => {
            let run = run.map_or(String::new(), |millis| {
                format!(", first image in {millis:.0} ms")
            });
            let name = engine.engine.as_deref().unwrap_or("none");
            lines.push(row(
                "engine",
                format!("{name}, loads in {:.0} ms{run}", engine.load_millis),
            ));
            let first = engine.first_labels.join(", ");
            lines.push(row("labels", format!("{} ({first}, ...)", engine.labels)));
        }
    }
    lines.extend(engine.notes.iter().map(|note| row("note", note.clone())));
    if nodes {
        lines.push(format!(
            "{:<22}{:<34}{:<22}{:>10}",
            "operator", "node", "shape", "MMACs"
        ));
        for node in &summary.nodes {
            let shape = node
                .shape
                .as_ref()
                .map_or("?".into(), |shape| format!("{shape:?}"));
            lines.push(format!(
                "{:<22}{:<34}{:<22}{:>10.2}",
                node.op,
                node.name,
                shape,
                node.macs as f64 / 1e6
            ));
        }
    }
    lines
}
