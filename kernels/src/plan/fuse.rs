//! Which nodes become one step, and how each value is stored.
//!
//! A convolution takes over the sum, the clamp and the quantization that follow it and that nobody else reads; a small
//! step takes over the clamp and the quantization. A dequantization is no step: whoever reads it reads the bytes.

use crate::elem::{Elem, Scale};
use crate::graph::{Graph, Node, ValueId, WeightData};
use crate::isa::Proof;

use super::ComputeType;
use super::draft::{Draft, Fused, Residual, Work, stored};

pub(super) fn fuse(
    graph: &Graph,
    shapes: &[[usize; 3]],
    proof: Proof,
    precision: ComputeType,
) -> Fused {
    let has_bf16 = proof.set().bf16.is_some();
    let real = match precision {
        ComputeType::Bf16 if has_bf16 => Elem::Bf16,
        _ => Elem::F32,
    };
    let (elems, roots) = stored(graph, real);
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); graph.nodes.len() + 1];
    for (index, node) in graph.nodes.iter().enumerate() {
        for value in node.inputs() {
            readers[value].push(index);
        }
    }
    let mut fuser = Fuser {
        graph,
        real,
        readers,
        taken: vec![false; graph.nodes.len()],
        fused: Fused {
            drafts: Vec::new(),
            shapes: shapes.to_vec(),
            elems,
            roots,
        },
        converted: vec![None; graph.nodes.len() + 1],
    };
    fuser.read();
    for index in 0..graph.nodes.len() {
        if !fuser.taken[index] {
            fuser.node(index);
        }
    }
    fuser.fused
}

struct Fuser<'a, 'g> {
    graph: &'a Graph<'g>,
    real: Elem,
    readers: Vec<Vec<usize>>,
    taken: Vec<bool>,
    fused: Fused,
    /// A value as `real`, where a step needed it so.
    converted: Vec<Option<ValueId>>,
}

impl<'a, 'g> Fuser<'a, 'g> {
    /// The node that alone reads a value that nobody else wants.
    fn only_reader(&self, value: ValueId) -> Option<(usize, &'a Node<'g>)> {
        match self.readers[value][..] {
            [reader] if value != self.graph.output => Some((reader, &self.graph.nodes[reader])),
            _ => None,
        }
    }

    fn is_bytes(&self, value: ValueId) -> bool {
        matches!(self.fused.elems[value], Elem::U8(_))
    }

    fn draft(&mut self, work: Work, reads: Vec<ValueId>, gives: ValueId, [low, high]: [f32; 2]) {
        let reads = reads
            .into_iter()
            .map(|value| self.fused.roots[value])
            .collect();
        self.fused.drafts.push(Draft {
            work,
            reads,
            gives,
            low,
            high,
        });
    }

    /// The image, quantized at once where nobody wants it otherwise.
    fn read(&mut self) {
        let mut gives = 0;
        if let Some((reader, Node::Quantize { .. })) = self.only_reader(0) {
            self.taken[reader] = true;
            gives = reader + 1;
        }
        self.draft(Work::Read, Vec::new(), gives, UNBOUNDED);
    }

    fn node(&mut self, index: usize) {
        let node = &self.graph.nodes[index];
        match node {
            Node::Dequantize { .. } => {}
            Node::Conv { .. } | Node::Linear { .. } => self.conv(index),
            Node::Affine { .. } | Node::Map { .. } | Node::Clamp { .. } | Node::Quantize { .. } => {
                self.map(index);
            }
            _ => {
                let inputs = node.inputs();
                let mut end = End {
                    gives: index + 1,
                    low: UNBOUNDED[0],
                    high: UNBOUNDED[1],
                };
                if matches!(node, Node::Add { .. } | Node::Mul { .. }) {
                    self.take_clamp(&mut end);
                }
                self.take_quantize(&mut end);
                self.draft(Work::Node(index), inputs, end.gives, [end.low, end.high]);
            }
        }
    }

    fn take_clamp(&mut self, end: &mut End) {
        if let Some((reader, Node::Clamp { low, high, .. })) = self.only_reader(end.gives) {
            (end.low, end.high) = (*low, *high);
            end.gives = reader + 1;
            self.taken[reader] = true;
        }
    }

    fn take_quantize(&mut self, end: &mut End) -> bool {
        if self.is_bytes(end.gives) {
            return false;
        }
        let Some((reader, Node::Quantize { .. })) = self.only_reader(end.gives) else {
            return false;
        };
        end.gives = reader + 1;
        self.taken[reader] = true;
        true
    }

    /// A chain of batch norm, function, clamp and quantization, from whichever it begins with.
    fn map(&mut self, index: usize) {
        let node = &self.graph.nodes[index];
        let mut end = End {
            gives: index + 1,
            low: UNBOUNDED[0],
            high: UNBOUNDED[1],
        };
        let (mut affine, mut function) = (None, None);
        match node {
            Node::Affine { .. } => {
                affine = Some(index);
                if let Some((reader, Node::Map { function: next, .. })) =
                    self.only_reader(end.gives)
                {
                    function = Some(*next);
                    end.gives = reader + 1;
                    self.taken[reader] = true;
                }
                self.take_clamp(&mut end);
                self.take_quantize(&mut end);
            }
            Node::Map { function: own, .. } => {
                function = Some(*own);
                self.take_clamp(&mut end);
                self.take_quantize(&mut end);
            }
            Node::Clamp { low, high, .. } => {
                (end.low, end.high) = (*low, *high);
                self.take_quantize(&mut end);
            }
            _ => {}
        }
        let inputs = node.inputs();
        self.draft(
            Work::Map { affine, function },
            inputs,
            end.gives,
            [end.low, end.high],
        );
    }

    fn conv(&mut self, index: usize) {
        let (input, weights, groups) = match &self.graph.nodes[index] {
            Node::Conv {
                input,
                weights,
                groups,
                ..
            } => (*input, weights, *groups),
            Node::Linear { input, weights, .. } => (*input, weights, 1),
            _ => return,
        };
        let is_integer = matches!(weights, WeightData::Bytes(_)) && self.is_bytes(input);
        let input = if is_integer {
            input
        } else {
            self.as_real(input)
        };
        let mut end = End {
            gives: index + 1,
            low: UNBOUNDED[0],
            high: UNBOUNDED[1],
        };
        let mut residual = None;
        // A depthwise convolution has no residual input, and quantized sums are worth one only on whole vectors.
        if groups == 1 {
            residual = if is_integer {
                self.take_quantized_sum(index, &mut end)
            } else {
                None
            };
            if residual.is_none() {
                residual = self.take_sum(index, is_integer, &mut end);
            }
        }
        let is_done = residual.is_some_and(|r| self.is_bytes(r.value)) && self.is_bytes(end.gives);
        if !is_done {
            self.take_clamp(&mut end);
            if is_integer && residual.is_none() {
                self.take_quantize(&mut end);
            }
        }
        let mut reads = vec![input];
        reads.extend(residual.map(|residual| residual.value));
        let work = Work::Conv {
            node: index,
            is_integer,
            residual,
        };
        self.draft(work, reads, end.gives, [end.low, end.high]);
    }

    /// The sum of the convolution and another value of the same element type.
    fn take_sum(&mut self, index: usize, is_integer: bool, end: &mut End) -> Option<Residual> {
        let (reader, Node::Add { a, b }) = self.only_reader(end.gives)? else {
            return None;
        };
        let other = if *a == end.gives { *b } else { *a };
        let shapes = &self.fused.shapes;
        let gives = match self.only_reader(reader + 1) {
            Some((clamp, Node::Clamp { .. })) => clamp + 1,
            _ => reader + 1,
        };
        // The other side must be computed by then: of two convolutions the later one takes the sum.
        let fits = a != b
            && other <= index
            && shapes[other] == shapes[end.gives]
            && [other, gives]
                .iter()
                .all(|value| self.fused.elems[*value] == self.real);
        if !fits || is_integer && self.real == Elem::Bf16 {
            return None;
        }
        self.taken[reader] = true;
        end.gives = reader + 1;
        Some(Residual {
            value: self.fused.roots[other],
            inner: None,
            conv_is_second: *b != other,
        })
    }

    /// `[clamp, quantize, dequantize], add, [clamp], quantize` after an integer convolution.
    fn take_quantized_sum(&mut self, index: usize, end: &mut End) -> Option<Residual> {
        let mut nodes = Vec::new();
        let mut value = end.gives;
        let mut inner = None;
        let mut bounds = UNBOUNDED;
        let mut next = self.only_reader(value)?;
        if let (reader, Node::Clamp { low, high, .. }) = next {
            bounds = [*low, *high];
            nodes.push(reader);
            next = self.only_reader(reader + 1)?;
            if !matches!(next.1, Node::Quantize { .. }) {
                return None;
            }
        }
        if let (reader, Node::Quantize { quantization, .. }) = next {
            inner = Some((Scale::from(*quantization), bounds[0], bounds[1]));
            let (after, Node::Dequantize { .. }) = self.only_reader(reader + 1)? else {
                return None;
            };
            nodes.extend([reader, after]);
            value = after + 1;
            next = self.only_reader(value)?;
        }
        let (sum, Node::Add { a, b }) = next else {
            return None;
        };
        let other = if *a == value { *b } else { *a };
        let shapes = &self.fused.shapes;
        if a == b || other > index || shapes[other] != shapes[value] || !self.is_bytes(other) {
            return None;
        }
        nodes.push(sum);
        let mut outer = UNBOUNDED;
        let mut last = self.only_reader(sum + 1)?;
        if let (reader, Node::Clamp { low, high, .. }) = last {
            outer = [*low, *high];
            nodes.push(reader);
            last = self.only_reader(reader + 1)?;
        }
        let (reader, Node::Quantize { .. }) = last else {
            return None;
        };
        let conv_is_second = *b == value;
        nodes.push(reader);
        nodes.iter().for_each(|node| self.taken[*node] = true);
        *end = End {
            gives: reader + 1,
            low: outer[0],
            high: outer[1],
        };
        Some(Residual {
            value: self.fused.roots[other],
            inner,
            conv_is_second,
        })
    }

    /// The value as real numbers for a kernel that reads no others.
    fn as_real(&mut self, value: ValueId) -> ValueId {
        if self.fused.elems[value] == self.real {
            return value;
        }
        if let Some(known) = self.converted[value] {
            return known;
        }
        let new = self.fused.shapes.len();
        self.fused.shapes.push(self.fused.shapes[value]);
        self.fused.elems.push(self.real);
        self.fused.roots.push(new);
        self.draft(
            Work::Map {
                affine: None,
                function: None,
            },
            vec![value],
            new,
            UNBOUNDED,
        );
        self.converted[value] = Some(new);
        new
    }
}

/// Where a step ends.
struct End {
    gives: ValueId,
    low: f32,
    high: f32,
}

pub(super) const UNBOUNDED: [f32; 2] = [f32::NEG_INFINITY, f32::INFINITY];
