//! RegNetX and RegNetY as data (Radosavovic et al. 2020), with torchvision's module names.

use super::build::{Builder, ConvBn, Style};
use super::{ArchGraph, Op};

/// A RegNet by its four stages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegNet {
    /// Blocks of each stage.
    pub depths: [usize; 4],
    /// Channels of each stage.
    pub widths: [usize; 4],
    /// Channels of a group.
    pub group_width: usize,
    /// Squeeze-and-excitation in every block: a RegNetY.
    pub squeeze: bool,
}

impl RegNet {
    /// The stages that the paper's parameters give (section 3.3): a line of widths, quantized to powers of `w_m` and to
    /// multiples of 8, then of the group width.
    pub(super) fn new(
        depth: usize,
        [w_0, w_a, w_m]: [f64; 3],
        group_width: usize,
        squeeze: bool,
    ) -> Self {
        let width = |block: usize| {
            let line = block as f64 * w_a + w_0;
            let power = ((line / w_0).ln() / w_m.ln()).round_ties_even();
            ((w_0 * w_m.powf(power) / 8.0).round_ties_even() * 8.0) as usize
        };
        let mut stages: Vec<(usize, usize)> = Vec::new();
        for block in 0..depth {
            match stages.last_mut() {
                Some((of, count)) if *of == width(block) => *count += 1,
                _ => stages.push((width(block), 1)),
            }
        }
        let (mut widths, mut depths) = ([0; 4], [0; 4]);
        for (place, (width, count)) in stages.into_iter().take(4).enumerate() {
            widths[place] = to_groups(width, group_width.min(width));
            depths[place] = count;
        }
        Self {
            depths,
            widths,
            group_width,
            squeeze,
        }
    }

    /// The graph with `num_classes` logits.
    pub fn graph(&self, num_classes: usize) -> ArchGraph {
        let (mut b, input) = Builder::new(3, Style::torch());
        let mut x = b.conv_bn(input, ConvBn::new("stem.0", "stem.1", [3, 32], 3).stride(2));
        x = b.push(Op::Relu, &[x]);
        let mut channels = 32;
        for (stage, (depth, out)) in self.depths.into_iter().zip(self.widths).enumerate() {
            for block in 0..depth {
                let path = format!("trunk_output.block{0}.block{0}-{block}", stage + 1);
                let stride = if block == 0 { 2 } else { 1 };
                x = self.block(&mut b, x, &path, [channels, out], stride);
                channels = out;
            }
        }
        x = b.pooled(x);
        b.linear(x, "fc", [channels, num_classes]);
        b.finish()
    }

    fn block(
        &self,
        b: &mut Builder,
        input: usize,
        path: &str,
        [channels, out]: [usize; 2],
        stride: usize,
    ) -> usize {
        let layer = |name: &str, channels, kernel| {
            ConvBn::new(
                format!("{path}.{name}.0"),
                format!("{path}.{name}.1"),
                channels,
                kernel,
            )
        };
        let shortcut = if channels != out || stride != 1 {
            b.conv_bn(input, layer("proj", [channels, out], 1).stride(stride))
        } else {
            input
        };
        let mut x = b.conv_bn(input, layer("f.a", [channels, out], 1));
        x = b.push(Op::Relu, &[x]);
        let groups = out / self.group_width.min(out);
        x = b.conv_bn(x, layer("f.b", [out, out], 3).stride(stride).groups(groups));
        x = b.push(Op::Relu, &[x]);
        if self.squeeze {
            let fc = ["fc1", "fc2"].map(|fc| format!("{path}.f.se.{fc}"));
            // A quarter of the channels that enter the block.
            let narrow = (channels as f64 * 0.25).round_ties_even() as usize;
            x = b.squeeze(x, fc, [out, narrow], [Op::Relu, Op::Sigmoid]);
        }
        x = b.conv_bn(x, layer("f.c", [out, out], 1).last_in_residual(true));
        x = b.push(Op::Add, &[shortcut, x]);
        b.push(Op::Relu, &[x])
    }
}

/// The nearest multiple of the group width, but no less than nine tenths of `width`.
fn to_groups(width: usize, group: usize) -> usize {
    let nearest = ((width + group / 2) / group * group).max(group);
    if (nearest as f64) < 0.9 * width as f64 {
        nearest + group
    } else {
        nearest
    }
}
