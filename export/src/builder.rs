//! Nodes and initializers of an ONNX graph in order, and the operators that ONNX has no single node for.
//!
//! Not here: which layers a network has (`emit`, `quant::write`).

use model_core::onnx::{AttributeProto, DataType, NodeProto, TensorProto};

use crate::emit::EmitConfig;

/// Collects nodes and initializers in order.
pub struct GraphBuilder {
    /// The nodes so far, in the order in which they run.
    pub nodes: Vec<NodeProto>,
    /// The constants so far; no two have one name.
    pub initializers: Vec<TensorProto>,
    half_weights: bool,
    opset: i64,
}

impl GraphBuilder {
    /// Without any node; of `config` it takes the opset and how weights are stored.
    pub fn new(config: &EmitConfig) -> Self {
        Self {
            nodes: Vec::new(),
            initializers: Vec::new(),
            half_weights: config.half_weights,
            opset: config.opset,
        }
    }

    /// Adds a node with one output, which is returned.
    pub fn node(
        &mut self,
        op: &str,
        name: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> String {
        let output = format!("{name}.output");
        self.nodes
            .push(NodeProto::new(op, name, inputs, &[&output], attributes));
        output
    }

    /// Adds an initializer, whose name is returned.
    pub fn constant(&mut self, tensor: TensorProto) -> String {
        let name = tensor.name.clone();
        if !self.initializers.iter().any(|other| other.name == name) {
            self.initializers.push(tensor);
        }
        name
    }

    /// Adds a float weight, through float16 where that was asked for.
    pub(crate) fn weight(&mut self, name: &str, dims: &[usize], values: &[f64]) -> String {
        let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
        if !self.half_weights {
            return self.constant(TensorProto::floats(name, dims, &values));
        }
        let half = self.constant(TensorProto::halves(&format!("{name}.f16"), dims, &values));
        self.nodes.push(NodeProto::new(
            "Cast",
            &format!("{name}.cast"),
            &[&half],
            &[name],
            vec![AttributeProto::int("to", DataType::Float as i64)],
        ));
        name.to_string()
    }

    /// `x` limited to 0..6.
    pub fn relu6(&mut self, name: &str, x: &str) -> String {
        let low = self.constant(TensorProto::floats("relu6.min", &[], &[0.0]));
        let high = self.constant(TensorProto::floats("relu6.max", &[], &[6.0]));
        self.node("Clip", name, &[x, &low, &high], Vec::new())
    }

    /// `relu6(x + 3) / 6`
    pub(crate) fn hard_sigmoid(&mut self, name: &str, x: &str) -> String {
        let attributes = vec![
            AttributeProto::float("alpha", 1.0 / 6.0),
            AttributeProto::float("beta", 0.5),
        ];
        self.node("HardSigmoid", name, &[x], attributes)
    }

    /// `x * (1 + erf(x / sqrt(2))) / 2`
    pub(crate) fn gelu(&mut self, name: &str, x: &str) -> String {
        let constant = |builder: &mut Self, what: &str, value: f32| {
            builder.constant(TensorProto::floats(&format!("gelu.{what}"), &[], &[value]))
        };
        let root = constant(self, "root_of_two", std::f32::consts::SQRT_2);
        let one = constant(self, "one", 1.0);
        let half = constant(self, "half", 0.5);
        let part = |part: &str| format!("{name}.{part}");
        let scaled = self.node("Div", &part("scaled"), &[x, &root], Vec::new());
        let erf = self.node("Erf", &part("erf"), &[&scaled], Vec::new());
        let gate = self.node("Add", &part("gate"), &[&erf, &one], Vec::new());
        let product = self.node("Mul", &part("product"), &[x, &gate], Vec::new());
        self.node("Mul", name, &[&product, &half], Vec::new())
    }

    /// Mean over the channels of each pixel.
    fn channel_mean(&mut self, name: &str, x: &str) -> String {
        let keep = AttributeProto::int("keepdims", 1);
        // From opset 18 on the axes are an input.
        if self.opset < 18 {
            let axes = AttributeProto::ints("axes", &[1]);
            return self.node("ReduceMean", name, &[x], vec![axes, keep]);
        }
        let axes = self.constant(TensorProto::int64("channel_axis", &[1], &[1]));
        self.node("ReduceMean", name, &[x, &axes], vec![keep])
    }

    /// `(x - mean) / sqrt(variance + eps) * weight + bias`, mean and variance over the channels of each pixel. Written
    /// out: LayerNormalization exists from opset 17 on, and for the last axes only.
    pub(crate) fn layer_norm(
        &mut self,
        name: &str,
        x: &str,
        weight: &[f64],
        bias: &[f64],
        eps: f64,
    ) -> String {
        let part = |part: &str| format!("{name}.{part}");
        let mean = self.channel_mean(&part("mean"), x);
        let centered = self.node("Sub", &part("centered"), &[x, &mean], Vec::new());
        let square = self.node("Mul", &part("square"), &[&centered, &centered], Vec::new());
        let variance = self.channel_mean(&part("variance"), &square);
        let eps = self.constant(TensorProto::floats(
            &format!("eps_{eps:e}"),
            &[],
            &[eps as f32],
        ));
        let shifted = self.node("Add", &part("shifted"), &[&variance, &eps], Vec::new());
        let deviation = self.node("Sqrt", &part("deviation"), &[&shifted], Vec::new());
        let normal = self.node("Div", &part("normal"), &[&centered, &deviation], Vec::new());
        self.scale_and_shift(name, &normal, weight, bias)
    }

    /// `x * scale[c] + shift[c]`
    pub(crate) fn scale_and_shift(
        &mut self,
        name: &str,
        x: &str,
        scale: &[f64],
        shift: &[f64],
    ) -> String {
        let mut channels = |what: &str, values: &[f64]| {
            let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
            let dims = [values.len(), 1, 1];
            self.constant(TensorProto::floats(
                &format!("{name}.{what}"),
                &dims,
                &values,
            ))
        };
        let (scale, shift) = (channels("weight", scale), channels("bias", shift));
        let scaled = self.node("Mul", &format!("{name}.weighted"), &[x, &scale], Vec::new());
        self.node("Add", name, &[&scaled, &shift], Vec::new())
    }

    /// Appends `softmax(logits / temperature)`.
    pub fn softmax(&mut self, logits: &str, temperature: f32) -> String {
        let mut scaled = logits.to_string();
        if temperature != 1.0 {
            let divisor = self.constant(TensorProto::floats("temperature", &[], &[temperature]));
            scaled = self.node(
                "Div",
                "temperature_scaling",
                &[logits, &divisor],
                Vec::new(),
            );
        }
        self.node(
            "Softmax",
            "softmax",
            &[&scaled],
            vec![AttributeProto::int("axis", 1)],
        )
    }
}
