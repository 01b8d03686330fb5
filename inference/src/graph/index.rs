//! A graph's names, looked up in constant time: who makes a value, who reads it, what the file holds under it.
//!
//! Built once for a graph, so that walks over it stay linear however many nodes a hostile file has.

use std::collections::HashMap;

use model_core::onnx::{DataType, GraphProto, NodeProto, TensorProto};

pub(crate) struct GraphIndex<'a> {
    graph: &'a GraphProto,
    makers: HashMap<&'a str, usize>,
    readers: HashMap<&'a str, Vec<usize>>,
    initializers: HashMap<&'a str, usize>,
}

impl<'a> GraphIndex<'a> {
    pub fn new(graph: &'a GraphProto) -> Self {
        let mut makers = HashMap::new();
        let mut readers: HashMap<&str, Vec<usize>> = HashMap::new();
        for (place, node) in graph.node.iter().enumerate() {
            for output in node.output.iter().filter(|name| !name.is_empty()) {
                makers.entry(output.as_str()).or_insert(place);
            }
            for input in node.input.iter().filter(|name| !name.is_empty()) {
                readers.entry(input).or_default().push(place);
            }
        }
        let initializers = graph.initializer.iter().enumerate();
        Self {
            graph,
            makers,
            readers,
            initializers: initializers
                .map(|(place, tensor)| (tensor.name.as_str(), place))
                .collect(),
        }
    }

    /// The node that makes a value.
    pub fn producer(&self, name: &str) -> Option<&'a NodeProto> {
        self.makers.get(name).map(|place| &self.graph.node[*place])
    }

    /// Place of the node that makes a value.
    pub fn producer_place(&self, name: &str) -> Option<usize> {
        self.makers.get(name).copied()
    }

    /// Places of the nodes that read a value, in order.
    pub fn readers(&self, name: &str) -> &[usize] {
        self.readers.get(name).map_or(&[], Vec::as_slice)
    }

    /// Place of the initializer called `name`.
    pub fn initializer_place(&self, name: &str) -> Option<usize> {
        self.initializers.get(name).copied()
    }

    /// The tensor that the file holds under this name, as an initializer or in a `Constant` node.
    pub fn tensor(&self, name: &str) -> Option<&'a TensorProto> {
        if let Some(place) = self.initializers.get(name) {
            return Some(&self.graph.initializer[*place]);
        }
        let node = self.producer(name)?;
        (node.op_type == "Constant").then(|| node.attribute("value")?.t.as_ref())?
    }

    /// Whether a value is a constant of the file, `Constant` nodes and what only passes constants on included.
    pub fn is_constant(&self, name: &str) -> bool {
        let mut name = name;
        // A damaged graph may be a circle; no walk is longer than the graph.
        for _ in 0..=self.graph.node.len() {
            if self.initializers.contains_key(name) {
                return true;
            }
            let Some(node) = self.producer(name) else {
                return false;
            };
            match (node.op_type.as_str(), &node.input[..]) {
                ("Constant", _) => return true,
                (
                    "Identity" | "Cast" | "Reshape" | "Unsqueeze" | "Squeeze" | "Transpose"
                    | "DequantizeLinear",
                    [first, ..],
                ) => name = first,
                _ => return false,
            }
        }
        false
    }

    /// The value of an int64 tensor that the file holds under this name.
    pub fn integers(&self, name: &str) -> Option<Vec<i64>> {
        let tensor = self.tensor(name)?;
        if tensor.element() != Some(DataType::Int64) {
            return None;
        }
        Some(match &tensor.raw_data {
            Some(raw) => raw
                .as_chunks::<8>()
                .0
                .iter()
                .map(|bytes| i64::from_le_bytes(*bytes))
                .collect(),
            None => tensor.int64_data.clone(),
        })
    }

    /// The only number of a tensor that the file holds under this name.
    pub fn number(&self, name: &str) -> Option<f32> {
        let tensor = self.tensor(name)?;
        if tensor.element_count().ok()? != 1 {
            return None;
        }
        tensor.to_f32().ok()?.first().copied()
    }
}
