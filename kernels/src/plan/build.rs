//! Steps with packed weights. Packing is shared out between all cores.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::bands;
use super::draft::{Draft, Fused, Residual, Work};
use super::integers::{Integers, fixed_part, integer_finish, store, stored_bounds, units};
use super::place::{Placed, window_of};
use crate::buffer::Buffer;
use crate::elem::Elem;
use crate::graph::{Graph, KernelError, Node, Room, ValueId, WeightData};
use crate::isa::Proof;
use crate::kernel::finish::{self, Finish};
use crate::step::small::{LRN_REACH, Op};
use crate::step::spec::{Numbers, Spec};
use crate::step::winograd::Tiling;
use crate::step::{Conv, Depthwise, Small, Step, WinogradConv};

/// The step of every draft.
///
/// # Errors
/// No kernel, or weights that cannot be read.
pub(super) fn steps(
    graph: &Graph,
    fused: &Fused,
    placed: &Placed,
    proof: Proof,
) -> Result<Vec<Step>, KernelError> {
    let drafts = &fused.drafts;
    let builder = Builder {
        graph,
        buffers: &placed.buffers,
        proof,
    };
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(drafts.len());
    let next = AtomicUsize::new(0);
    let largest = |is_of_kind: fn(&WeightData) -> bool| {
        let weights = graph.nodes.iter().filter_map(|node| match node {
            Node::Conv { weights, .. } | Node::Linear { weights, .. } => Some(weights),
            _ => None,
        });
        let weights = weights.filter(|weights| is_of_kind(weights));
        weights.map(WeightData::count).max().unwrap_or(0)
    };
    let largest_bytes = largest(|weights| matches!(weights, WeightData::Bytes(_)));
    let largest_floats = largest(|weights| matches!(weights, WeightData::Source(_)));
    let member = || {
        let mut made = Vec::new();
        let mut rooms = Rooms {
            bytes: Room::new(largest_bytes),
            floats: Room::new(largest_floats),
        };
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(draft) = drafts.get(index) else {
                return made;
            };
            made.push((
                index,
                builder.steps(draft, placed.tilings[index], &mut rooms),
            ));
        }
    };
    let mut all = thread::scope(|scope| {
        // A thread that cannot be had makes packing slower, not wrong.
        let others: Vec<_> = (1..threads)
            .map_while(|_| thread::Builder::new().spawn_scoped(scope, member).ok())
            .collect();
        let mut all = member();
        for other in others {
            match other.join() {
                Ok(made) => all.extend(made),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    all.sort_by_key(|(index, _)| *index);
    let all: Result<Vec<Vec<Step>>, KernelError> =
        all.into_iter().map(|(_, steps)| steps).collect();
    bands::in_turns(all?, &placed.chains).ok_or(KernelError::Output(graph.output))
}

/// Where a thread reads weights that it packs.
struct Rooms {
    bytes: Room<u8>,
    floats: Room<f32>,
}

struct Builder<'a, 'g> {
    graph: &'a Graph<'g>,
    buffers: &'a [Option<Buffer>],
    proof: Proof,
}

impl Builder<'_, '_> {
    fn buffer(&self, value: ValueId) -> Result<Buffer, KernelError> {
        self.buffers[value].ok_or(KernelError::Output(value))
    }

    fn steps(
        &self,
        draft: &Draft,
        tiling: Option<(Tiling, usize)>,
        rooms: &mut Rooms,
    ) -> Result<Vec<Step>, KernelError> {
        let dst = self.buffer(draft.gives)?;
        let op = match &draft.work {
            Work::Conv {
                node,
                is_integer,
                residual,
            } => {
                let is_integer = *is_integer;
                return self.conv(draft, *node, is_integer, *residual, tiling, rooms);
            }
            Work::Read => Op::Read,
            Work::Map { affine, function } => Op::Map {
                a: self.buffer(draft.reads[0])?,
                affine: affine.map(|node| self.affine(node)).transpose()?,
                function: *function,
                low: draft.low,
                high: draft.high,
            },
            Work::Node(node) => self.small(draft, &dst, *node)?,
        };
        Ok(vec![Step::Small(Box::new(Small {
            op,
            dst,
            proof: self.proof,
        }))])
    }

    fn affine(&self, node: usize) -> Result<(Vec<f32>, Vec<f32>), KernelError> {
        let Node::Affine { scale, shift, .. } = &self.graph.nodes[node] else {
            return Ok((Vec::new(), Vec::new()));
        };
        let read = |weights: &WeightData| {
            let values = weights.read(weights.count().max(1));
            values
                .map(|values| values.into_owned())
                .map_err(|source| KernelError::Weights { node, source })
        };
        Ok((read(scale)?, read(shift)?))
    }

    fn small(&self, draft: &Draft, dst: &Buffer, index: usize) -> Result<Op, KernelError> {
        let (low, high) = (draft.low, draft.high);
        let src = self.buffer(draft.reads[0])?;
        let unsupported = |reason: &str| KernelError::Unsupported {
            node: index,
            reason: reason.to_owned(),
        };
        Ok(match &self.graph.nodes[index] {
            Node::Add { .. } | Node::Mul { .. } => {
                let b = self.buffer(draft.reads[1])?;
                let is_product = matches!(self.graph.nodes[index], Node::Mul { .. });
                let same_size = (b.height, b.width) == (src.height, src.width);
                match (src.elem, b.elem, dst.elem) {
                    (Elem::U8(first), Elem::U8(second), Elem::U8(to))
                        if !is_product && same_size =>
                    {
                        let ratios = [first.scale / to.scale, second.scale / to.scale];
                        let [least, most] = stored_bounds(to, low, high);
                        Op::QuantizedSum {
                            a: src,
                            b,
                            ratios,
                            fixed: fixed_part(to, [first, second], ratios),
                            low: least + to.zero as f32,
                            high: most + to.zero as f32,
                        }
                    }
                    _ => Op::Pair {
                        a: src,
                        b,
                        is_product,
                        low,
                        high,
                    },
                }
            }
            Node::MaxPool { window, .. } => Op::MaxPool {
                src,
                window: *window,
            },
            Node::AvgPool {
                window,
                counts_border,
                ..
            } => Op::AvgPool {
                src,
                window: *window,
                counts_border: *counts_border,
            },
            Node::GlobalAvgPool { .. } => Op::Mean { src },
            Node::Concat { .. } => {
                let sources: Result<Vec<Buffer>, KernelError> = draft
                    .reads
                    .iter()
                    .map(|value| self.buffer(*value))
                    .collect();
                let sources = sources?;
                let each = sources.iter().enumerate();
                let map = each
                    .flat_map(|(source, from)| {
                        (0..from.channels).map(move |channel| (source, channel))
                    })
                    .collect();
                Op::Gather { sources, map }
            }
            Node::Slice { first, count, .. } => Op::Gather {
                sources: vec![src],
                map: (*first..first + count)
                    .map(|channel| (0, channel))
                    .collect(),
            },
            Node::Shuffle { groups, .. } => {
                let each = src.channels / groups;
                let map = (0..src.channels).map(|to| (0, to % groups * each + to / groups));
                Op::Gather {
                    sources: vec![src],
                    map: map.collect(),
                }
            }
            Node::Pad { before, .. } => Op::Pad {
                src,
                before: *before,
            },
            Node::Lrn {
                size,
                alpha,
                beta,
                bias,
                ..
            } => {
                if size / 2 > LRN_REACH {
                    return Err(unsupported("a normalization over more than 17 channels"));
                }
                Op::Lrn {
                    src,
                    size: *size,
                    alpha: *alpha,
                    beta: *beta,
                    bias: *bias,
                }
            }
            _ => return Err(unsupported("it is no step of its own")),
        })
    }

    fn conv(
        &self,
        draft: &Draft,
        index: usize,
        is_integer: bool,
        residual: Option<Residual>,
        tiling: Option<(Tiling, usize)>,
        rooms: &mut Rooms,
    ) -> Result<Vec<Step>, KernelError> {
        let src = self.buffer(draft.reads[0])?;
        let dst = self.buffer(draft.gives)?;
        let node = &self.graph.nodes[index];
        let (weights, bias, out) = match node {
            Node::Conv {
                weights, bias, out, ..
            }
            | Node::Linear {
                weights, bias, out, ..
            } => (weights, bias.as_ref(), *out),
            _ => return Err(KernelError::Output(draft.gives)),
        };
        let (window, groups) = window_of(node, [src.channels, src.height, src.width]);
        let unread = |source| KernelError::Weights {
            node: index,
            source,
        };
        let place = residual
            .map(|residual| self.buffer(residual.value))
            .transpose()?;
        let spec = |numbers, finish| Spec {
            src,
            dst,
            residual: place,
            numbers,
            groups,
            window,
            finish,
        };
        let steps = match (weights, src.elem) {
            (WeightData::Bytes(bytes), Elem::U8(from)) if is_integer => {
                // In the units of what the sums become first.
                let unit = match residual.and_then(|residual| residual.inner) {
                    Some((inner, ..)) => Some(inner),
                    None => units(&dst),
                };
                let numbers = Integers::new(bytes, &mut rooms.bytes, bias, out, from, unit)
                    .map_err(unread)?;
                let finish = integer_finish(draft, &dst, residual, place);
                packed(
                    self.proof,
                    &spec(
                        Numbers::Integers {
                            weights: &numbers.weights,
                            bias: &numbers.bias,
                            scale: &numbers.scale,
                        },
                        finish,
                    ),
                    None,
                )
            }
            _ => {
                let weights = weights.read_into(out, &mut rooms.floats).map_err(unread)?;
                let bias = bias
                    .map(|bias| bias.read(out))
                    .transpose()
                    .map_err(unread)?;
                let finish = Finish {
                    store: store(&dst),
                    residual: match residual {
                        Some(_) => finish::Residual::Real,
                        None => finish::Residual::None,
                    },
                    low: draft.low,
                    high: draft.high,
                    zero: 0.0,
                };
                let numbers = Numbers::Floats {
                    weights: &weights,
                    bias: bias.as_deref(),
                };
                packed(self.proof, &spec(numbers, finish), tiling)
            }
        };
        steps.ok_or_else(|| KernelError::Unsupported {
            node: index,
            reason: format!("a convolution in {groups} groups with {window:?}"),
        })
    }
}

/// A depthwise convolution where it is one, in Winograd's tiles where they were chosen, else a direct convolution.
fn packed(proof: Proof, spec: &Spec, tiling: Option<(Tiling, usize)>) -> Option<Vec<Step>> {
    if let Some((tiling, scratch)) = tiling {
        let conv = Arc::new(WinogradConv::new(proof, spec, tiling, scratch)?);
        let steps = (0..conv.bands()).flat_map(|band| {
            [
                Step::WinogradInput(Arc::clone(&conv), band),
                Step::WinogradOutput(Arc::clone(&conv), band),
            ]
        });
        return Some(steps.collect());
    }
    if let Some(depthwise) = Depthwise::new(proof, spec) {
        return Some(vec![Step::depthwise(depthwise)]);
    }
    Some(vec![Step::conv(Conv::new(proof, spec)?)])
}
