//! A run through the network: each node of the graph as a call of libtorch.

use std::ops::Range;

use anyhow::{Context, Result, bail};
use model_core::arch::{ArchNode, Op, Padding};
use tch::Tensor;

use super::layers::Layer;
use super::{Pass, TorchNetwork, describe};
use crate::ema::copy_of;

impl TorchNetwork {
    /// Logits `[N, classes]` for images `[N, 3, H, W]`; batch statistics are used and recorded.
    pub fn forward_train(&mut self, images: &Tensor) -> Result<Tensor> {
        self.count_batch();
        let images = self.laid_out(images)?;
        self.run(0..self.graph.nodes.len() - 1, &images, Pass::Train)
    }

    /// Records batch statistics of images `[N, 3, H, W]`, which count as no training batch.
    pub fn forward_statistics(&self, images: &Tensor) -> Result<()> {
        let images = self.laid_out(images)?;
        let _ = self.run(0..self.graph.nodes.len() - 1, &images, Pass::Train)?;
        Ok(())
    }

    /// One more training batch was seen.
    pub fn count_batch(&mut self) {
        self.batches_tracked += 1;
    }

    /// Logits `[N, classes]` for images `[N, 3, H, W]` with running statistics, without gradients.
    pub fn forward_eval(&self, images: &Tensor) -> Result<Tensor> {
        tch::no_grad(|| {
            let images = self.laid_out(images)?;
            self.run(0..self.graph.nodes.len() - 1, &images, Pass::Evaluate)
        })
    }

    /// Images in the memory layout of the network.
    pub fn laid_out(&self, images: &Tensor) -> Result<Tensor> {
        if self.channels_last {
            return Ok(torch_ext::memory_format::channels_last(images)?);
        }
        Ok(images.shallow_clone())
    }

    /// The value of node `nodes.end` from that of node `nodes.start`, the only one before it that the nodes between read.
    pub fn run(&self, nodes: Range<usize>, input: &Tensor, pass: Pass) -> Result<Tensor> {
        let Range { start, end } = nodes;
        let mut values: Vec<Option<Tensor>> = (0..=end).map(|_| None).collect();
        values[start] = Some(input.shallow_clone());
        let is_residual = |node: &&ArchNode| node.op == Op::Add;
        let residuals = self.graph.nodes.iter().filter(is_residual);
        let last_residual = residuals.count().saturating_sub(1).max(1);
        let before = self.graph.nodes.iter().take(start + 1);
        let mut residual = before.filter(is_residual).count();
        let mut used = 0;
        for index in start + 1..=end {
            let (node, layer) = (&self.graph.nodes[index], &self.layers[index]);
            let mut keep = 1.0;
            if pass != Pass::Evaluate && node.op == Op::Add {
                keep = 1.0 - self.dropout.residual * residual as f64 / last_residual as f64;
                residual += 1;
            }
            let value = self
                .apply(&node.op, layer, &node.inputs, &values, pass, keep)
                .and_then(|value| {
                    if let Some(limit) = self.memory_limit {
                        limit.take(&mut used, &value)?;
                    }
                    Ok(value)
                })
                .with_context(|| format!("node {index} ({})", describe(&node.op)))?;
            values[index] = Some(value);
            for &input in &node.inputs {
                if self.last_use[input] == index {
                    values[input] = None;
                }
            }
        }
        values
            .pop()
            .flatten()
            .context("a network without nodes has no logits")
    }

    fn apply(
        &self,
        op: &Op,
        layer: &Layer,
        inputs: &[usize],
        values: &[Option<Tensor>],
        pass: Pass,
        keep: f64,
    ) -> Result<Tensor> {
        let input = |i: usize| {
            inputs
                .get(i)
                .and_then(|&index| values[index].as_ref())
                .context("an input that was let go or never made")
        };
        let x = input(0)?;
        let train = pass != Pass::Evaluate;
        let tensor = |index: usize| &self.tensors[index].tensor;
        let value = match (op, layer) {
            (Op::Conv(conv), Layer::Conv { weight, bias }) => {
                let (padded, padding) = pad(x, conv.padding, conv.kernel, conv.stride)?;
                let stride = conv.stride as i64;
                // A linear layer over the channels of each pixel is a 1 x 1 convolution.
                let shape = conv.weight_shape().map(|side| side as i64);
                padded.f_conv2d(
                    &match conv.matrix {
                        true => tensor(*weight).f_view(shape.as_slice())?,
                        false => tensor(*weight).shallow_clone(),
                    },
                    bias.map(tensor),
                    [stride, stride],
                    [padding, padding],
                    [1, 1],
                    conv.groups as i64,
                )?
            }
            (
                Op::BatchNorm(norm),
                Layer::Norm {
                    weight,
                    bias,
                    mean,
                    var,
                    ..
                },
            ) if train && !self.tensors[*mean].frozen && self.norm_group.is_some() => {
                let group = self.norm_group.as_ref().context("a group of processes")?;
                // What a second pass records is thrown away.
                let recorded = |index: usize| match pass {
                    Pass::Again => copy_of(tensor(index)),
                    Pass::Evaluate | Pass::Train => Ok(tensor(index).shallow_clone()),
                };
                group.sync_batch_norm(
                    x,
                    tensor(*weight),
                    tensor(*bias),
                    &recorded(*mean)?,
                    &recorded(*var)?,
                    self.momentum.unwrap_or(norm.momentum),
                    norm.eps,
                )?
            }
            (
                Op::BatchNorm(norm),
                Layer::Norm {
                    weight,
                    bias,
                    mean,
                    var,
                    ..
                },
            ) => {
                // A frozen BatchNorm is a fixed affine map: it neither uses nor records batch statistics.
                let learns = train && !self.tensors[*mean].frozen;
                let is_recorded = !(learns && pass == Pass::Again);
                let statistic = |index: usize| is_recorded.then(|| tensor(index));
                x.f_batch_norm(
                    Some(tensor(*weight)),
                    Some(tensor(*bias)),
                    statistic(*mean),
                    statistic(*var),
                    learns,
                    self.momentum.unwrap_or(norm.momentum),
                    norm.eps,
                    true,
                )?
            }
            (Op::Linear(_), Layer::Linear { weight, bias }) => {
                let has_layer = |node: &ArchNode| matches!(node.op, Op::Dropout { .. });
                let x = match self.dropout.features {
                    Some(p) if train && !self.graph.nodes.iter().any(has_layer) => {
                        x.f_dropout(p, train)?
                    }
                    _ => x.shallow_clone(),
                };
                x.f_linear(tensor(*weight), Some(tensor(*bias)))?
            }
            (Op::LayerNorm(norm), Layer::Linear { weight, bias }) => {
                // Channels last, as the source does: libtorch normalizes over the last axes.
                let pixels = x.f_permute([0, 2, 3, 1])?;
                let channels = [norm.channels as i64];
                let normal = pixels.f_layer_norm(
                    channels,
                    Some(tensor(*weight)),
                    Some(tensor(*bias)),
                    norm.eps,
                    true,
                )?;
                normal.f_permute([0, 3, 1, 2])?
            }
            (Op::ChannelScale(_), Layer::Scale { factors }) => x.f_mul(tensor(*factors))?,
            (Op::Silu, _) => x.f_silu()?,
            (Op::HardSwish, _) => x.f_hardswish()?,
            (Op::HardSigmoid, _) => x.f_hardsigmoid()?,
            (Op::Sigmoid, _) => x.f_sigmoid()?,
            (Op::Gelu, _) => x.f_gelu("none")?,
            (Op::Mul, _) => x.f_mul(input(1)?)?,
            (Op::Concat, _) => {
                let parts: Vec<&Tensor> = (0..inputs.len()).map(input).collect::<Result<_>>()?;
                Tensor::f_cat(&parts, 1)?
            }
            (Op::AvgPool { kernel, ceil }, _) => {
                let side = [*kernel as i64; 2];
                // Without a border every pixel of a window counts, but those beyond the image.
                x.f_avg_pool2d(side, side, [0, 0], *ceil, false, None)?
            }
            (Op::Relu, Layer::InPlace) => x.shallow_clone().f_relu_()?,
            (Op::Relu, _) => x.f_relu()?,
            (Op::Relu6, Layer::InPlace) => x.shallow_clone().f_clamp_(0.0, 6.0)?,
            (Op::Relu6, _) => x.f_clamp(0.0, 6.0)?,
            (
                Op::MaxPool {
                    kernel,
                    stride,
                    padding,
                },
                _,
            ) => {
                let [kernel, stride, padding] = [kernel, stride, padding].map(|&v| v as i64);
                x.f_max_pool2d(
                    [kernel, kernel],
                    [stride, stride],
                    [padding, padding],
                    [1, 1],
                    false,
                )?
            }
            (Op::GlobalAvgPool, _) => x.f_adaptive_avg_pool2d([1, 1])?,
            (Op::Flatten, _) => x.f_flatten(1, -1)?,
            (Op::Dropout { p }, _) => x.f_dropout(self.dropout.features.unwrap_or(*p), train)?,
            (Op::Blur { channels }, _) => {
                let channels = *channels as i64;
                let filter = self.blur.f_expand([channels, 1, 3, 3], false)?;
                let none = None::<&Tensor>;
                x.f_conv2d(&filter, none, [1, 1], [1, 1], [1, 1], channels)?
            }
            (Op::Add, _) if keep < 1.0 => leave_out(x, keep)?.f_add_(input(1)?)?,
            (Op::Add, Layer::InPlace) => x.shallow_clone().f_add_(input(1)?)?,
            (Op::Add, _) => x.f_add(input(1)?)?,
            // The layer of each of these is made from the same node, and the input is no step.
            (
                op @ (Op::Input { .. }
                | Op::Conv(_)
                | Op::BatchNorm(_)
                | Op::LayerNorm(_)
                | Op::ChannelScale(_)
                | Op::Linear(_)),
                _,
            ) => bail!("no interpretation of {}", describe(op)),
        };
        Ok(value)
    }
}

/// A residual branch `[N, C, H, W]`, all of it for the share `keep` of the images, scaled so that its mean stays.
fn leave_out(branch: &Tensor, keep: f64) -> Result<Tensor> {
    let images = branch.size4()?.0;
    let kept = Tensor::f_empty([images, 1, 1, 1], (branch.kind(), branch.device()))?
        .f_bernoulli_float_(keep)?
        .f_div_scalar_(keep)?;
    Ok(branch.f_mul(&kept)?)
}

/// TensorFlow's SAME border may be uneven; then zeros are added first, and the convolution pads nothing.
fn pad(x: &Tensor, padding: Padding, kernel: usize, stride: usize) -> Result<(Tensor, i64)> {
    let (_, _, height, width) = x.size4()?;
    let (top, bottom) = padding.resolve(height as usize, kernel, stride);
    let (left, right) = padding.resolve(width as usize, kernel, stride);
    if top == bottom && left == right && top == left {
        return Ok((x.shallow_clone(), top as i64));
    }
    let border = [left, right, top, bottom].map(|side| side as i64);
    Ok((x.f_constant_pad_nd(border)?, 0))
}
