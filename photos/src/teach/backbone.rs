//! The part of a model before its last linear layer, as a network of its own, and a model made of it and a new layer.
//!
//! Only the graph is cut: nodes and weights stay as they are, so the features are the very numbers that the model
//! computes on its way to an answer.

use std::collections::HashSet;

use inference::{Classifier, ClassifierConfig, InferenceError, Label, Manifest, ModelSource};
use model_core::manifest::{MANIFEST_KEY, Output};
use model_core::onnx::{
    self, AttributeProto, DataType, Dim, GraphProto, ModelProto, NodeProto, TensorProto,
    ValueInfoProto,
};

use super::TeachError;

/// Names of what is added to the graph.
const HEAD_WEIGHT: &str = "head.weight";
const HEAD_BIAS: &str = "head.bias";
const LOGITS: &str = "logits";

/// Nodes that neither mix features nor change their number.
const PLAIN: [&str; 3] = ["Identity", "Dropout", "Softmax"];

/// A network that ends in features, and what it was cut from.
pub struct Backbone {
    /// The graph up to the features.
    model: ModelProto,
    /// The tensor that holds them.
    features: String,
    /// Features of a photo.
    pub width: usize,
    /// The manifest of the model that it was cut from.
    pub manifest: Manifest,
    /// SHA-256 of the graph up to the features, hexadecimal: two files with one backbone have one digest.
    pub sha256: String,
    /// Whether the weights are stored in 8 bits, where engines round differently.
    pub quantized: bool,
}

impl Backbone {
    /// Cuts the model of a classifier before its last linear layer.
    ///
    /// # Errors
    /// [`TeachError::NoLinearEnd`] for a network that ends otherwise.
    pub fn of(classifier: &Classifier) -> Result<Self, TeachError> {
        let info = classifier.model();
        let no_end = |reason: String| TeachError::NoLinearEnd {
            model: info.name.clone(),
            reason,
        };
        let mut model = match &info.source {
            ModelSource::Embedded => onnx::parse(inference::embedded::MODEL),
            ModelSource::File(path) => onnx::read(path),
            ModelSource::Memory => return Err(no_end("its file is not known".to_owned())),
        }
        .map_err(InferenceError::from)?;
        if classifier.takes_pictures() {
            return Err(no_end("it resizes and crops by itself".to_owned()));
        }
        let graph = model.graph.take().unwrap_or_default();
        let (features, width) = linear_end(&graph).map_err(no_end)?;
        model.graph = Some(cut(graph, &features, width));
        model.metadata_props.clear();
        model.doc_string.clear();
        // Whoever wrote the file, the network is the same.
        model.producer_name = "resnet50-toolkit".to_owned();
        model.producer_version = env!("CARGO_PKG_VERSION").to_owned();
        let quantized = model
            .graph
            .iter()
            .flat_map(|graph| &graph.node)
            .any(|node| node.op_type.contains("Quantize") || node.op_type.contains("Integer"));
        Ok(Self {
            sha256: super::digest(&onnx::to_bytes(&model)),
            model,
            features,
            width,
            manifest: info.manifest.clone(),
            quantized,
        })
    }

    /// A "classifier" whose output is the features: whatever classifies photos computes them.
    ///
    /// # Errors
    /// As [`Classifier::from_bytes`].
    pub fn classifier(&self, config: &ClassifierConfig) -> Result<Classifier, TeachError> {
        let labels = (0..self.width)
            .map(|feature| Label::named(format!("feature {feature}")))
            .collect();
        let manifest = Manifest::new(
            "features",
            self.manifest.arch.clone(),
            labels,
            self.manifest.preprocessing.clone(),
        );
        let mut model = self.model.clone();
        set_manifest(&mut model, &manifest)?;
        let config = ClassifierConfig {
            manifest: None,
            overrides: inference::Overrides::default(),
            ..config.clone()
        };
        Ok(Classifier::from_bytes(
            onnx::to_bytes(&model),
            &self.manifest.name,
            &config,
        )?)
    }

    /// The ONNX file of the backbone with a linear layer after it: `weights` is `[classes, width]`, row by row.
    ///
    /// # Errors
    /// When the manifest cannot be written.
    pub fn with_head(
        &self,
        weights: &[f32],
        bias: &[f32],
        manifest: &Manifest,
        extra: &[(&str, String)],
    ) -> Result<Vec<u8>, TeachError> {
        let mut model = self.model.clone();
        model.doc_string = format!(
            "{} image classifier ({} classes)",
            manifest.arch,
            manifest.labels.len()
        );
        let classes = bias.len();
        if let Some(graph) = &mut model.graph {
            let by_class = AttributeProto::int("transB", 1);
            let inputs = [self.features.as_str(), HEAD_WEIGHT, HEAD_BIAS];
            let head = NodeProto::new("Gemm", "head", &inputs, &[LOGITS], vec![by_class]);
            graph.node.push(head);
            let shape = [classes, self.width];
            let weights = TensorProto::floats(HEAD_WEIGHT, &shape, weights);
            graph.initializer.push(weights);
            graph
                .initializer
                .push(TensorProto::floats(HEAD_BIAS, &[classes], bias));
            let dims = [Dim::Symbol("batch"), Dim::Size(classes)];
            graph.output = vec![ValueInfoProto::tensor(LOGITS, DataType::Float, &dims)];
        }
        set_manifest(&mut model, manifest)?;
        for (key, value) in extra {
            model.set_metadata(key, value.clone());
        }
        Ok(onnx::to_bytes(&model))
    }
}

fn set_manifest(model: &mut ModelProto, manifest: &Manifest) -> Result<(), TeachError> {
    debug_assert_eq!(manifest.output, Output::Logits);
    let invalid = |source| InferenceError::Manifest {
        origin: manifest.name.clone(),
        source,
    };
    manifest.validate().map_err(invalid)?;
    model.set_metadata(MANIFEST_KEY, manifest.to_json().map_err(invalid)?);
    Ok(())
}

fn producer<'a>(graph: &'a GraphProto, name: &str) -> Option<&'a NodeProto> {
    let makes = |node: &&NodeProto| node.output.iter().any(|output| output == name);
    graph.node.iter().find(makes)
}

/// The tensor that enters the last linear layer, and how many numbers it has for a photo.
fn linear_end(graph: &GraphProto) -> Result<(String, usize), String> {
    let [output] = &graph.output[..] else {
        return Err(format!("it has {} outputs", graph.output.len()));
    };
    let mut name = output.name.as_str();
    let mut added = false;
    // A damaged graph may be a circle; no walk is longer than the graph.
    for _ in 0..=graph.node.len() {
        let node = producer(graph, name).ok_or("nothing in its graph makes the output")?;
        let op = node.op_type.as_str();
        let first = node.input.first().ok_or("a node without input")?;
        let weights = |transposed: bool| {
            let mut name = node.input.get(1)?;
            // Weights that are stored as float16 are widened first.
            let made = producer(graph, name);
            if let Some(cast) = made.filter(|node| node.op_type == "Cast") {
                name = cast.input.first()?;
            }
            let tensor = graph.initializer.iter().find(|t| t.name == *name)?;
            let [rows, columns] = tensor.dims[..] else {
                return None;
            };
            usize::try_from(if transposed { columns } else { rows }).ok()
        };
        match op {
            "Gemm" if node.int("transA", 0) == 0 => {
                let width = weights(node.int("transB", 0) != 0);
                return Ok((first.clone(), width.ok_or("its weights are computed")?));
            }
            "MatMul" => {
                return Ok((
                    first.clone(),
                    weights(false).ok_or("its weights are computed")?,
                ));
            }
            // The bias after a MatMul.
            "Add" if !added => {
                added = true;
                let made = |name: &&String| producer(graph, name).is_some();
                name = node
                    .input
                    .iter()
                    .find(made)
                    .ok_or("an addition of constants")?;
            }
            op if PLAIN.contains(&op) => name = first,
            other => return Err(format!("its last layer is {other}")),
        }
    }
    Err("its graph is a circle".to_owned())
}

/// What is needed for `features`, and nothing else.
fn cut(graph: GraphProto, features: &str, width: usize) -> GraphProto {
    let mut needed: HashSet<String> = HashSet::from([features.to_owned()]);
    // Nodes are in order, so what a node needs stands before it.
    let mut keep: Vec<bool> = vec![false; graph.node.len()];
    for (node, keep) in graph.node.iter().zip(&mut keep).rev() {
        *keep = node.output.iter().any(|output| needed.contains(output));
        if *keep {
            needed.extend(node.input.iter().cloned());
        }
    }
    let dims = [Dim::Symbol("batch"), Dim::Size(width)];
    let mut kept = keep.iter();
    GraphProto {
        node: graph
            .node
            .into_iter()
            .filter(|_| kept.next().copied().unwrap_or(false))
            .collect(),
        initializer: graph
            .initializer
            .into_iter()
            .filter(|tensor| needed.contains(&tensor.name))
            .collect(),
        // Old files list their weights as inputs, too.
        input: graph
            .input
            .into_iter()
            .filter(|input| needed.contains(&input.name))
            .collect(),
        output: vec![ValueInfoProto::tensor(features, DataType::Float, &dims)],
        value_info: Vec::new(),
        ..graph
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_that_are_widened_are_a_linear_end() {
        let gemm = NodeProto::new(
            "Gemm",
            "head",
            &["features", "wide"],
            &["logits"],
            vec![AttributeProto::int("transB", 1)],
        );
        let output = ValueInfoProto::tensor("logits", DataType::Float, &[Dim::Size(3)]);
        let mut graph = GraphProto {
            node: vec![
                NodeProto::new("Cast", "widen", &["stored"], &["wide"], Vec::new()),
                gemm,
            ],
            initializer: vec![TensorProto::floats("stored", &[3, 8], &[0.5; 24])],
            output: vec![output],
            ..GraphProto::default()
        };
        let found = linear_end(&graph).unwrap();
        assert_eq!(found, ("features".to_owned(), 8));
        // What is computed from other numbers cannot be replaced.
        graph.node[0].op_type = "Relu".to_owned();
        assert!(linear_end(&graph).is_err());
    }
}
