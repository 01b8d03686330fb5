//! Small models made in the test, so that no binary fixture is kept. Shared with infer-cli's tests.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

use model_core::onnx::{
    self, AttributeProto, DataType, Dim, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    TensorProto, ValueInfoProto,
};
use model_core::preprocessing::{Preprocessing, Resize};
use model_core::{Label, Manifest};

/// Input side of [`colors`].
pub const SIDE: usize = 16;

/// What [`Shape`] of model to make.
pub struct Shape {
    /// The batch the graph insists on.
    pub batch: Option<usize>,
    /// `[N, H, W, 3]` instead of `[N, 3, H, W]`.
    pub nhwc: bool,
    /// Ends in Softmax.
    pub softmax: bool,
    /// Height and width as numbers, not symbols.
    pub fixed_size: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            batch: None,
            nhwc: false,
            softmax: false,
            fixed_size: true,
        }
    }
}

/// A network that names the strongest color: mean of each channel, times 10. Classes red, green, blue.
pub fn colors(shape: &Shape) -> ModelProto {
    let batch = shape.batch.map_or(Dim::Symbol("batch"), Dim::Size);
    let side = |name: &'static str| {
        if shape.fixed_size {
            Dim::Size(SIDE)
        } else {
            Dim::Symbol(name)
        }
    };
    let (dims, axes) = if shape.nhwc {
        ([batch, side("h"), side("w"), Dim::Size(3)], [1, 2])
    } else {
        ([batch, Dim::Size(3), side("h"), side("w")], [2, 3])
    };
    let mean = vec![
        AttributeProto::ints("axes", &axes),
        AttributeProto::int("keepdims", 0),
    ];
    let mut node = vec![
        NodeProto::new("ReduceMean", "mean", &["image"], &["means"], mean),
        NodeProto::new("MatMul", "scale", &["means", "weight"], &["logits"], vec![]),
    ];
    let mut output = "logits";
    if shape.softmax {
        let axis = vec![AttributeProto::int("axis", 1)];
        node.push(NodeProto::new(
            "Softmax",
            "softmax",
            &["logits"],
            &["probabilities"],
            axis,
        ));
        output = "probabilities";
    }
    let weight = [10.0, 0.0, 0.0, 0.0, 10.0, 0.0, 0.0, 0.0, 10.0];
    let batch = shape.batch.map_or(Dim::Symbol("batch"), Dim::Size);
    let graph = GraphProto {
        name: "colors".into(),
        node,
        initializer: vec![TensorProto::floats("weight", &[3, 3], &weight)],
        input: vec![ValueInfoProto::tensor("image", DataType::Float, &dims)],
        output: vec![ValueInfoProto::tensor(
            output,
            DataType::Float,
            &[batch, Dim::Size(3)],
        )],
        ..GraphProto::default()
    };
    ModelProto {
        ir_version: Some(8),
        producer_name: "test".into(),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto {
            domain: String::new(),
            version: Some(13),
        }],
        ..ModelProto::default()
    }
}

/// Values 0 to 1, no mean and std, resize and crop to [`SIDE`].
pub fn preprocessing() -> Preprocessing {
    let side = SIDE as u32;
    Preprocessing {
        resize: Resize::ShortSide(side),
        crop: [side, side],
        mean: [0.0; 3],
        std: [1.0; 3],
        ..Preprocessing::imagenet()
    }
}

/// The manifest that belongs to [`colors`].
pub fn manifest() -> Manifest {
    let labels = ["red", "green", "blue"].map(Label::named).to_vec();
    Manifest::new("colors", "means", labels, preprocessing())
}

/// The bytes of [`colors`] with its manifest inside.
pub fn described(shape: &Shape) -> Vec<u8> {
    let mut manifest = manifest();
    if shape.nhwc {
        manifest.preprocessing.layout = model_core::preprocessing::Layout::Nhwc;
    }
    if shape.softmax {
        manifest.output = model_core::manifest::Output::Probabilities;
    }
    inference::metadata::with_manifest(&onnx::to_bytes(&colors(shape)), &manifest).unwrap()
}

/// Writes [`described`] into `dir` as `colors.onnx`.
pub fn write_model(dir: &Path) -> PathBuf {
    let path = dir.join("colors.onnx");
    std::fs::write(&path, described(&Shape::default())).unwrap();
    path
}

/// The ONNX Runtime library that the machine offers for tests, if any: `ORT_DYLIB_PATH`.
pub fn onnxruntime() -> Option<PathBuf> {
    std::env::var_os("ORT_DYLIB_PATH")
        .map(PathBuf::from)
        .filter(|path| path.is_file())
}

/// A convolutional network with the operators of a ResNet; its answers mean nothing. Three classes, [`SIDE`] pixels.
pub fn convolutions() -> ModelProto {
    let conv = vec![
        AttributeProto::ints("kernel_shape", &[3, 3]),
        AttributeProto::ints("pads", &[1, 1, 1, 1]),
        AttributeProto::ints("strides", &[1, 1]),
    ];
    let pool = vec![
        AttributeProto::ints("kernel_shape", &[2, 2]),
        AttributeProto::ints("strides", &[2, 2]),
    ];
    let node = vec![
        NodeProto::new("Conv", "conv1", &["image", "w1"], &["a"], conv.clone()),
        NodeProto::new("Relu", "relu", &["a"], &["b"], vec![]),
        NodeProto::new("MaxPool", "pool", &["b"], &["c"], pool),
        NodeProto::new("Conv", "conv2", &["c", "w2"], &["d"], conv),
        NodeProto::new("Add", "add", &["c", "d"], &["e"], vec![]),
        NodeProto::new("GlobalAveragePool", "gap", &["e"], &["f"], vec![]),
        NodeProto::new("Reshape", "flatten", &["f", "shape"], &["g"], vec![]),
        NodeProto::new(
            "Gemm",
            "fc",
            &["g", "wf"],
            &["logits"],
            vec![AttributeProto::int("transB", 1)],
        ),
    ];
    let values = |count: usize| -> Vec<f32> {
        (0..count)
            .map(|i| ((i * 7 % 11) as f32 - 5.0) / 10.0)
            .collect()
    };
    let mut model = colors(&Shape::default());
    let graph = model.graph.as_mut().unwrap();
    graph.node = node;
    graph.initializer = vec![
        TensorProto::floats("w1", &[4, 3, 3, 3], &values(108)),
        TensorProto::floats("w2", &[4, 4, 3, 3], &values(144)),
        TensorProto::floats("wf", &[3, 4], &values(12)),
        TensorProto::int64("shape", &[2], &[0, -1]),
    ];
    model
}
