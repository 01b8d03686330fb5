//! Steps before their values have places, and how every value is stored.

use crate::elem::{Elem, Scale};
use crate::graph::{Function, Graph, Node, ValueId};

/// A step before its values have places.
pub(super) struct Draft {
    pub work: Work,
    /// The values read, as they are stored.
    pub reads: Vec<ValueId>,
    pub gives: ValueId,
    pub low: f32,
    pub high: f32,
}

/// What a step computes.
pub(super) enum Work {
    /// The image into its place.
    Read,
    /// A convolution or linear layer of the graph.
    Conv {
        node: usize,
        /// Integer sums of quantized values.
        is_integer: bool,
        /// The value added, which is also in `reads`.
        residual: Option<Residual>,
    },
    /// Another node of the graph.
    Node(usize),
    /// A change of the element type, or a function with what it takes over.
    Map {
        affine: Option<usize>,
        function: Option<Function>,
    },
}

/// A sum that a convolution takes over.
#[derive(Clone, Copy)]
pub(super) struct Residual {
    pub value: ValueId,
    /// The convolution's own result is stored before the sum: how, and clamped to what.
    pub inner: Option<(Scale, f32, f32)>,
    pub conv_is_second: bool,
}

/// The steps of a graph, and the shape and element type of every value; those beyond the graph's own are changes of
/// element type that a step needs.
pub(super) struct Fused {
    pub drafts: Vec<Draft>,
    pub shapes: Vec<[usize; 3]>,
    pub elems: Vec<Elem>,
    pub roots: Vec<ValueId>,
}

impl Fused {
    /// The value whose bytes a value is.
    pub fn root(&self, value: ValueId) -> ValueId {
        self.roots[value]
    }
}

/// How every value is stored, and whose bytes it is. The network's answer is float32 whatever the others are: rounded to
/// bfloat16, classes that are nearly as likely would come out the same.
pub(super) fn stored(graph: &Graph, real: Elem) -> (Vec<Elem>, Vec<ValueId>) {
    let mut elems = vec![real];
    let mut roots = vec![0];
    // Whether a value stands for stored bytes, not for real numbers.
    let mut is_stored = vec![false];
    for (index, node) in graph.nodes.iter().enumerate() {
        let first = node.inputs().first().copied().unwrap_or(0);
        let same = |elems: &[Elem]| {
            let all_same = node.inputs().iter().all(|v| elems[*v] == elems[first]);
            if all_same { elems[first] } else { real }
        };
        let (elem, root, stored) = match node {
            Node::Quantize { quantization, .. } => {
                (Elem::U8(Scale::from(*quantization)), index + 1, true)
            }
            Node::Dequantize { .. } => (elems[first], roots[first], false),
            Node::MaxPool { .. }
            | Node::Concat { .. }
            | Node::Slice { .. }
            | Node::Shuffle { .. }
            | Node::Pad { .. }
                if is_stored[first] =>
            {
                (same(&elems), index + 1, true)
            }
            _ if index + 1 == graph.output => (Elem::F32, index + 1, false),
            _ => (real, index + 1, false),
        };
        elems.push(elem);
        roots.push(root);
        is_stored.push(stored);
    }
    (elems, roots)
}
