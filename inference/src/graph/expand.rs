//! Operators of other domains in the words of the ONNX standard: what ONNX Runtime's optimizer and its QOperator
//! quantization write, what the first converters wrote, and batch norms in training form or with computed statistics.
//!
//! A node that is not known here stays as it is.

mod norm;

use std::collections::HashSet;

use model_core::onnx::{AttributeProto, DataType, GraphProto, NodeProto, TensorProto};

/// Writes fused and quantized operators of other domains, and norms that are no plain scaling, with standard operators.
pub(super) fn expand(graph: &mut GraphProto, opset: i64) {
    let read: HashSet<String> = graph
        .node
        .iter()
        .flat_map(|node| &node.input)
        .chain(graph.output.iter().map(|output| &output.name))
        .cloned()
        .collect();
    let fixed = norm::stored(graph);
    let mut constants = Vec::new();
    let mut nodes = Vec::with_capacity(graph.node.len());
    for node in std::mem::take(&mut graph.node) {
        let mut writer = Writer {
            node: &node,
            opset,
            fixed: &fixed,
            nodes: Vec::new(),
            constants: &mut constants,
        };
        if writer.expand(&read).is_some() {
            nodes.append(&mut writer.nodes);
        } else {
            nodes.push(node);
        }
    }
    graph.node = nodes;
    graph.initializer.append(&mut constants);
}

/// Writes the nodes that take one node's place.
struct Writer<'a> {
    node: &'a NodeProto,
    opset: i64,
    /// See [`norm::stored`].
    fixed: &'a HashSet<String>,
    nodes: Vec<NodeProto>,
    constants: &'a mut Vec<TensorProto>,
}

impl Writer<'_> {
    /// None where the node stays as it is.
    fn expand(&mut self, read: &HashSet<String>) -> Option<()> {
        let node = self.node;
        let output = node.output.first()?.clone();
        match node.op_type.as_str() {
            "FusedConv" => self.fused("Conv", &output),
            "FusedGemm" => self.fused("Gemm", &output),
            "FusedMatMul" => self.fused_mat_mul(&output),
            "ImageScaler" => self.image_scaler(&output),
            "BatchNormalization" => self.batch_norm(read, &output),
            "QLinearAdd" => self.quantized_pair("Add", &output),
            "QLinearMul" => self.quantized_pair("Mul", &output),
            "QLinearSigmoid" => self.quantized_one("Sigmoid", &[], &output),
            "QLinearLeakyRelu" => self.quantized_one("LeakyRelu", &["alpha"], &output),
            "QLinearSoftmax" => {
                // Its attribute `opset` says which Softmax is meant; before 13 it is over all later axes.
                if node.int("opset", 13) < 13 {
                    return None;
                }
                self.quantized_one("Softmax", &["axis"], &output)
            }
            "QLinearGlobalAveragePool" if node.int("channels_last", 0) == 0 => {
                self.quantized_one("GlobalAveragePool", &[], &output)
            }
            "QLinearAveragePool" if node.int("channels_last", 0) == 0 => {
                let keys = [
                    "auto_pad",
                    "ceil_mode",
                    "count_include_pad",
                    "kernel_shape",
                    "pads",
                    "strides",
                ];
                self.quantized_one("AveragePool", &keys, &output)
            }
            "QLinearConcat" => self.quantized_concat(&output),
            "QGemm" => self.quantized_gemm(&output),
            _ => None,
        }
    }

    fn name(&self, part: &str) -> String {
        let first = self.node.output.first().map_or("", String::as_str);
        format!("{first}/{part}")
    }

    /// A node whose output is called after `part`.
    fn push(
        &mut self,
        op: &str,
        inputs: &[&str],
        part: &str,
        attributes: Vec<AttributeProto>,
    ) -> String {
        let output = self.name(part);
        self.nodes
            .push(NodeProto::new(op, &output, inputs, &[&output], attributes));
        output
    }

    fn last(&mut self, op: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>) {
        let name = self.node.name.clone();
        self.nodes
            .push(NodeProto::new(op, &name, inputs, &[output], attributes));
    }

    fn float(&mut self, part: &str, dims: &[usize], values: &[f32]) -> String {
        let name = self.name(part);
        self.constants
            .push(TensorProto::floats(&name, dims, values));
        name
    }

    fn integers(&mut self, part: &str, values: &[i64]) -> String {
        let name = self.name(part);
        self.constants
            .push(TensorProto::int64(&name, &[values.len()], values));
        name
    }

    fn input(&self, place: usize) -> Option<&str> {
        let name = self.node.input.get(place)?;
        (!name.is_empty()).then_some(name)
    }

    fn attributes(&self, keys: &[&str]) -> Vec<AttributeProto> {
        let wanted = |a: &&AttributeProto| keys.contains(&a.name.as_str());
        self.node.attribute.iter().filter(wanted).cloned().collect()
    }

    /// A convolution or product with its activation (ONNX Runtime's optimizer).
    fn fused(&mut self, op: &str, output: &str) -> Option<()> {
        let node = self.node;
        // A fourth input is a sum before the activation.
        let inputs: Vec<&str> = node.input.iter().take(3).map(String::as_str).collect();
        let plain: Vec<AttributeProto> = node
            .attribute
            .iter()
            .filter(|a| {
                !matches!(a.name.as_str(), "activation" | "activation_params")
                    && !a.name.starts_with("activation_")
            })
            .cloned()
            .collect();
        let mut value = self.push(op, &inputs, "plain", plain);
        if let Some(sum) = node.input.get(3).filter(|name| !name.is_empty()) {
            value = self.push("Add", &[&value, sum], "sum", vec![]);
        }
        let activation = node.attribute("activation")?.s.as_deref()?;
        let parameters: Vec<f32> = match node.attribute("activation_params") {
            Some(attribute) => attribute.floats.clone(),
            None => ["activation_alpha", "activation_beta", "activation_gamma"]
                .iter()
                .filter_map(|key| node.attribute(key)?.f)
                .collect(),
        };
        let one = |key: &str, place: usize, default: f32| {
            AttributeProto::float(key, parameters.get(place).copied().unwrap_or(default))
        };
        match activation {
            b"Relu" => self.last("Relu", &[&value], output, vec![]),
            b"Sigmoid" => self.last("Sigmoid", &[&value], output, vec![]),
            b"Tanh" => self.last("Tanh", &[&value], output, vec![]),
            b"LeakyRelu" => self.last("LeakyRelu", &[&value], output, vec![one("alpha", 0, 0.01)]),
            b"HardSigmoid" => {
                let both = vec![one("alpha", 0, 0.2), one("beta", 1, 0.5)];
                self.last("HardSigmoid", &[&value], output, both);
            }
            b"Clip" => {
                let [low, high] = parameters[..] else {
                    return None;
                };
                let low = self.float("low", &[], &[low]);
                let high = self.float("high", &[], &[high]);
                self.last("Clip", &[&value, &low, &high], output, vec![]);
            }
            _ => return None,
        }
        Some(())
    }

    fn fused_mat_mul(&mut self, output: &str) -> Option<()> {
        let node = self.node;
        let trivial = ["transBatchA", "transBatchB", "transA"]
            .iter()
            .all(|key| node.int(key, 0) == 0);
        if !trivial || node.int("transB", 0) != 0 {
            return None;
        }
        let alpha = node.attribute("alpha").and_then(|a| a.f).unwrap_or(1.0);
        let product = self.push(
            "MatMul",
            &[self.node.input.first()?, self.node.input.get(1)?],
            "plain",
            vec![],
        );
        let alpha = self.float("alpha", &[], &[alpha]);
        self.last("Mul", &[&product, &alpha], output, vec![]);
        Some(())
    }

    /// `x * scale + bias`, one bias a channel (the first ONNX converters; Custom Vision writes it).
    fn image_scaler(&mut self, output: &str) -> Option<()> {
        let scale = self
            .node
            .attribute("scale")
            .and_then(|a| a.f)
            .unwrap_or(1.0);
        let bias = self
            .node
            .attribute("bias")
            .map(|a| a.floats.clone())
            .unwrap_or_default();
        if bias.is_empty() {
            return None;
        }
        let scale = self.float("scale", &[], &[scale]);
        let bias = self.float("bias", &[1, bias.len(), 1, 1], &bias);
        let scaled = self.push("Mul", &[self.node.input.first()?, &scale], "scaled", vec![]);
        self.last("Add", &[&scaled, &bias], output, vec![]);
        Some(())
    }

    /// Inputs `place`, `place + 1`, `place + 2` are a quantized value, its scale and its zero point.
    fn dequantized(&mut self, place: usize, part: &str) -> Option<String> {
        let (value, scale) = (
            self.input(place)?.to_owned(),
            self.input(place + 1)?.to_owned(),
        );
        let zero = self.input(place + 2).map(str::to_owned);
        let inputs: Vec<&str> = [Some(value.as_str()), Some(scale.as_str()), zero.as_deref()]
            .into_iter()
            .flatten()
            .collect();
        Some(self.push("DequantizeLinear", &inputs, part, vec![]))
    }

    /// Inputs `place` and `place + 1` are the output's scale and zero point.
    fn quantized(&mut self, value: &str, place: usize, output: &str) -> Option<()> {
        let scale = self.input(place)?.to_owned();
        let zero = self.input(place + 1).map(str::to_owned);
        let inputs: Vec<&str> = [Some(value), Some(scale.as_str()), zero.as_deref()]
            .into_iter()
            .flatten()
            .collect();
        self.last("QuantizeLinear", &inputs, output, vec![]);
        Some(())
    }

    fn quantized_pair(&mut self, op: &str, output: &str) -> Option<()> {
        let (a, b) = (self.dequantized(0, "a")?, self.dequantized(3, "b")?);
        let value = self.push(op, &[&a, &b], "float", vec![]);
        self.quantized(&value, 6, output)
    }

    fn quantized_one(&mut self, op: &str, keys: &[&str], output: &str) -> Option<()> {
        let x = self.dequantized(0, "x")?;
        let attributes = self.attributes(keys);
        let value = self.push(op, &[&x], "float", attributes);
        self.quantized(&value, 3, output)
    }

    fn quantized_concat(&mut self, output: &str) -> Option<()> {
        let count = self.node.input.len().checked_sub(2)? / 3;
        let parts: Vec<String> = (0..count)
            .map(|part| self.dequantized(2 + 3 * part, &format!("part{part}")))
            .collect::<Option<_>>()?;
        let names: Vec<&str> = parts.iter().map(String::as_str).collect();
        let attributes = self.attributes(&["axis"]);
        let value = self.push("Concat", &names, "float", attributes);
        self.quantized(&value, 0, output)
    }

    /// `A, A scale, A zero, B, B scale, B zero, C, y scale, y zero`; C is int32 at the scale of the product.
    fn quantized_gemm(&mut self, output: &str) -> Option<()> {
        let node = self.node;
        let transposed = node.int("transB", 0) != 0;
        if node.int("transA", 0) != 0 {
            return None;
        }
        let a = self.dequantized(0, "a")?;
        let scales = [self.input(1)?.to_owned(), self.input(4)?.to_owned()];
        let (b, zero) = (self.input(3)?.to_owned(), self.input(5)?.to_owned());
        // One scale a column of the product.
        let axis = AttributeProto::int("axis", i64::from(!transposed));
        let b = self.push(
            "DequantizeLinear",
            &[&b, &scales[1], &zero],
            "b",
            vec![axis],
        );
        let attributes = self.attributes(&["alpha", "transB"]);
        let mut value = self.push("Gemm", &[&a, &b], "product", attributes);
        if let Some(bias) = self.input(6).map(str::to_owned) {
            let bias = self.push(
                "Cast",
                &[&bias],
                "bias",
                vec![AttributeProto::int("to", DataType::Float as i64)],
            );
            let scale = self.push("Mul", &[&scales[0], &scales[1]], "bias.scale", vec![]);
            let bias = self.push("Mul", &[&bias, &scale], "bias.float", vec![]);
            value = self.push("Add", &[&value, &bias], "float", vec![]);
        }
        match self.input(7) {
            Some(_) => self.quantized(&value, 7, output),
            None => {
                self.last("Identity", &[&value], output, vec![]);
                Some(())
            }
        }
    }
}
