//! Batch norms that are no plain scaling: in training form, or with statistics that the graph computes.

use std::collections::HashSet;

use model_core::onnx::{AttributeProto, GraphProto};

use super::Writer;

/// Operators that hand on what they are given, in another form.
const FORMS: [&str; 7] = [
    "Identity",
    "Cast",
    "DequantizeLinear",
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
];

/// The values that the file holds, also in another form; what is calculated from them is not among them.
pub(super) fn stored(graph: &GraphProto) -> HashSet<String> {
    let tensors = graph.initializer.iter().map(|tensor| tensor.name.clone());
    let mut stored: HashSet<String> = tensors.collect();
    for node in &graph.node {
        let same = FORMS.contains(&node.op_type.as_str())
            && node.input.iter().all(|name| stored.contains(name));
        if same || node.op_type == "Constant" {
            stored.extend(node.output.iter().cloned());
        }
    }
    stored
}

impl Writer<'_> {
    /// Batch norm in training form, over the values at hand, or with statistics that the graph computes: both are
    /// weight standardization (timm's `StdConv2d` and `ScaledStdConv2d`, in BiT's ResNetV2 and NFNets).
    pub(super) fn batch_norm(&mut self, read: &HashSet<String>, output: &str) -> Option<()> {
        let node = self.node;
        if node.input.len() < 5 || node.output[1..].iter().any(|name| read.contains(name)) {
            return None;
        }
        if node.int("training_mode", 0) != 0 {
            return self.batch_norm_written_out(None, output);
        }
        if node.input[1..].iter().all(|name| self.fixed.contains(name)) {
            if node.output.len() == 1 {
                return None;
            }
            let mut one = node.clone();
            one.output.truncate(1);
            self.nodes.push(one);
            return Some(());
        }
        let statistics = [self.input(3)?.to_owned(), self.input(4)?.to_owned()];
        self.batch_norm_written_out(Some(statistics), output)
    }

    /// The norm as sums and products; without given means and variances, by those of the values themselves.
    fn batch_norm_written_out(
        &mut self,
        statistics: Option<[String; 2]>,
        output: &str,
    ) -> Option<()> {
        let node = self.node;
        let (x, scale, shift) = (
            self.input(0)?.to_owned(),
            self.input(1)?.to_owned(),
            self.input(2)?.to_owned(),
        );
        let epsilon = node.attribute("epsilon").and_then(|a| a.f).unwrap_or(1e-5);
        let shape = self.push("Shape", &[&x], "shape", vec![]);
        // [N, C, all positions]: whatever the rank, the mean is over axes 0 and 2.
        let rows = self.integers("rows", &[0, 0, -1]);
        let column = self.integers("column", &[-1, 1]);
        let flat = self.push("Reshape", &[&x, &rows], "flat", vec![]);
        let (centered, variance) = match statistics {
            Some([mean, variance]) => {
                let mean = self.push("Reshape", &[&mean, &column], "mean", vec![]);
                let variance = self.push("Reshape", &[&variance, &column], "variance", vec![]);
                (
                    self.push("Sub", &[&flat, &mean], "centered", vec![]),
                    variance,
                )
            }
            None => {
                let mean = self.mean(&flat, "mean");
                let centered = self.push("Sub", &[&flat, &mean], "centered", vec![]);
                let squares = self.push("Mul", &[&centered, &centered], "squares", vec![]);
                (centered, self.mean(&squares, "variance"))
            }
        };
        let epsilon = self.float("epsilon", &[], &[epsilon]);
        let safe = self.push("Add", &[&variance, &epsilon], "safe", vec![]);
        let deviation = self.push("Sqrt", &[&safe], "deviation", vec![]);
        let normal = self.push("Div", &[&centered, &deviation], "normal", vec![]);
        let scale = self.push("Reshape", &[&scale, &column], "scale", vec![]);
        let shift = self.push("Reshape", &[&shift, &column], "shift", vec![]);
        let scaled = self.push("Mul", &[&normal, &scale], "scaled", vec![]);
        let shifted = self.push("Add", &[&scaled, &shift], "shifted", vec![]);
        self.last("Reshape", &[&shifted, &shape], output, vec![]);
        Some(())
    }

    fn mean(&mut self, value: &str, part: &str) -> String {
        if self.opset >= 18 {
            let axes = self.integers(&format!("{part}.axes"), &[0, 2]);
            self.push("ReduceMean", &[value, &axes], part, vec![])
        } else {
            self.push(
                "ReduceMean",
                &[value],
                part,
                vec![AttributeProto::ints("axes", &[0, 2])],
            )
        }
    }
}
