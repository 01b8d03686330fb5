//! Gradient checkpointing (Chen et al. 2016, "Training deep nets with sublinear memory cost"): of the activations of a
//! forward pass only those between segments are kept; backward computes the others anew, a segment at a time.
//!
//! The numbers are those of the ordinary step, to the bit: random numbers are drawn again from the state they were drawn
//! from, and BatchNorm records its statistics in the first pass alone. What it costs is about one more forward pass.

use std::ops::Range;

use anyhow::{Context, Result};
use model_core::arch::{ArchGraph, Shape};
use tch::{Kind, Tensor};
use torch_ext::autocast::autocast;
use torch_ext::{grad, random};

use crate::model::{Pass, TorchNetwork};

/// Nodes after which a network is cut, each the only value that the rest of the network reads; rising.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cuts(Vec<usize>);

impl Cuts {
    /// The cuts that keep least for images of `side` pixels, among those `allowed`: what is kept is the values at the cuts
    /// and everything within the largest segment.
    pub fn of(graph: &ArchGraph, side: usize, allowed: impl Fn(usize) -> bool) -> Self {
        let sizes: Vec<usize> = graph
            .shapes([side, side])
            .into_iter()
            .map(Shape::numel)
            .collect();
        let last_use = graph.last_uses();
        let last = sizes.len().saturating_sub(1);
        // A value alive behind a node other than the node's own forbids a cut.
        let is_alone = |node: usize| (0..node).all(|earlier| last_use[earlier] <= node);
        let places: Vec<usize> = (1..last)
            .filter(|&node| is_alone(node) && allowed(node))
            .collect();
        let total: usize = sizes.iter().sum();
        let candidates = (2..=places.len() + 1).map(|parts| cut(&sizes, &places, total / parts));
        let best = candidates.min_by_key(|cuts| kept(&sizes, cuts));
        Self(
            best.filter(|cuts| kept(&sizes, cuts) < total)
                .unwrap_or_default(),
        )
    }

    /// The stretches between the cuts of a network of `nodes` nodes: first input, last node.
    fn segments(&self, nodes: usize) -> Vec<Range<usize>> {
        let begins = std::iter::once(0).chain(self.0.iter().copied());
        let ends = self.0.iter().copied().chain([nodes.saturating_sub(1)]);
        begins.zip(ends).map(|(begin, end)| begin..end).collect()
    }
}

/// Cuts at the last place before a segment grows beyond `most` values.
fn cut(sizes: &[usize], places: &[usize], most: usize) -> Vec<usize> {
    let mut cuts = Vec::new();
    let (mut begin, mut candidate) = (0, None);
    for &place in places {
        if sizes[begin + 1..=place].iter().sum::<usize>() > most
            && let Some(end) = candidate.take()
        {
            cuts.push(end);
            begin = end;
        }
        candidate = Some(place);
    }
    let rest: usize = sizes[begin + 1..].iter().sum();
    cuts.extend(candidate.filter(|_| rest > most));
    cuts
}

/// Values kept at the worst moment.
fn kept(sizes: &[usize], cuts: &[usize]) -> usize {
    let at_cuts: usize = cuts.iter().map(|&node| sizes[node]).sum();
    let begins = std::iter::once(0).chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain([sizes.len() - 1]);
    let segments = begins.zip(ends);
    let largest = segments.map(|(begin, end)| sizes[begin + 1..=end].iter().sum::<usize>());
    at_cuts + largest.max().unwrap_or_default()
}

/// A forward pass whose first segments are still to be gone through again.
pub struct Tape {
    /// From the input on; the last segment of the network is not among them: its activations were kept.
    parts: Vec<Part>,
    /// The input of the last segment, where a gradient arrives.
    boundary: Option<Tensor>,
    dtype: Option<Kind>,
}

/// A segment to be computed anew.
struct Part {
    nodes: Range<usize>,
    input: Tensor,
    /// Of the device's random numbers when the segment began; none where it draws none.
    random: Option<Tensor>,
}

/// Logits `[N, C]` for images `[N, 3, H, W]` with gradients through the last segment only, and the tape that takes them
/// further down. `dtype`: what autocast casts to, none without.
///
/// # Errors
/// Only what libtorch itself reports.
pub fn forward(
    network: &mut TorchNetwork,
    cuts: &Cuts,
    images: &Tensor,
    dtype: Option<Kind>,
) -> Result<(Tensor, Tape)> {
    network.count_batch();
    let device = network.device();
    let is_random = network.is_random();
    let mut segments = cuts.segments(network.graph().nodes.len());
    let last = segments.pop().context("a network without nodes")?;
    let (logits, parts, boundary) = autocast(device, dtype, || -> Result<_> {
        let mut parts = Vec::with_capacity(segments.len());
        let mut value = network.laid_out(images)?;
        for nodes in segments {
            let random = is_random.then(|| random::state(device)).transpose()?;
            let output = tch::no_grad(|| network.run(nodes.clone(), &value, Pass::Train))?;
            let input = std::mem::replace(&mut value, output);
            parts.push(Part {
                nodes,
                input,
                random,
            });
        }
        let boundary = learns_before(network, last.start)
            .then(|| value.f_detach()?.f_set_requires_grad(true))
            .transpose()?;
        let input = boundary.as_ref().unwrap_or(&value);
        let logits = network.run(last, input, Pass::Train)?;
        anyhow::Ok((logits, parts, boundary))
    })??;
    let tape = Tape {
        parts,
        boundary,
        dtype,
    };
    Ok((logits, tape))
}

impl Tape {
    /// Takes the gradient that backward from the loss left at the last cut down to the input. The device's random numbers go
    /// on afterward as if nothing had been drawn.
    ///
    /// # Errors
    /// Only what libtorch itself reports.
    pub fn backward(self, network: &TorchNetwork) -> Result<()> {
        let Some(boundary) = self.boundary else {
            return Ok(());
        };
        let device = network.device();
        let after = network
            .is_random()
            .then(|| random::state(device))
            .transpose()?;
        let mut gradient = boundary.grad();
        for part in self.parts.into_iter().rev() {
            if let Some(state) = &part.random {
                random::set_state(device, state)?;
            }
            let goes_on = learns_before(network, part.nodes.start);
            let input = part.input.f_detach()?.f_set_requires_grad(goes_on)?;
            let output = autocast(device, self.dtype, || {
                network.run(part.nodes, &input, Pass::Again)
            })??;
            grad::backward(&[output], &[gradient])?;
            if !goes_on {
                break;
            }
            gradient = input.grad();
        }
        if let Some(state) = &after {
            random::set_state(device, state)?;
        }
        Ok(())
    }
}

/// Whether anything up to `node` learns.
fn learns_before(network: &TorchNetwork, node: usize) -> bool {
    network.first_learner().is_some_and(|first| first <= node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model_core::arch;

    #[test]
    fn cuts_keep_less_than_everything_and_only_between_blocks() {
        for name in ["resnet50", "resnet18", "efficientnet_lite0"] {
            let graph = arch::by_name(name, 10).unwrap().graph();
            let cuts = Cuts::of(&graph, 224, |_| true);
            let sizes: Vec<usize> = graph
                .shapes([224, 224])
                .into_iter()
                .map(Shape::numel)
                .collect();
            let share = kept(&sizes, &cuts.0) as f64 / sizes.iter().sum::<usize>() as f64;
            assert!(share < 0.5, "{name} keeps {share}");
            let last_use = graph.last_uses();
            for &node in &cuts.0 {
                assert!((0..node).all(|earlier| last_use[earlier] <= node), "{name}");
            }
            assert!(cuts.0.is_sorted(), "{name}");
        }
        let segments = Cuts(vec![3, 7]).segments(11);
        assert_eq!(segments, [0..3, 3..7, 7..10]);
    }

    #[test]
    fn a_network_that_cannot_be_cut_stays_whole() {
        let graph = arch::by_name("resnet18", 10).unwrap().graph();
        assert_eq!(Cuts::of(&graph, 224, |_| false), Cuts::default());
        let whole: Vec<_> = std::iter::once(0..4).collect();
        assert_eq!(Cuts::default().segments(5), whole);
    }
}
