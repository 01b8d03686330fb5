//! A network: an architecture's graph, interpreted with libtorch, and the tensors it owns under torchvision's names.
//!
//! Initial values are in `init`, reading and writing of weights in `checkpoint`.

use std::ops::Range;
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use model_core::arch::{ArchGraph, ArchNode, Architecture, BLUR, Op, Padding, TensorKind};
use tch::{Device, Kind, Tensor};
use torch_ext::c10d::ProcessGroup;

use crate::ema::copy_of;

/// A named tensor of the state dict.
#[derive(Debug)]
pub struct NamedTensor {
    /// torchvision's key.
    pub name: String,
    /// What it is.
    pub kind: TensorKind,
    /// Its value: a leaf of the autograd graph for parameters.
    pub tensor: Tensor,
    /// It keeps its value in training.
    pub frozen: bool,
}

/// A network on one device.
#[derive(Debug)]
pub struct TorchNetwork {
    architecture: Architecture,
    graph: ArchGraph,
    layers: Vec<Layer>,
    last_use: Vec<usize>,
    /// State-dict order; `num_batches_tracked` is kept on the host, in `batches_tracked`.
    tensors: Vec<NamedTensor>,
    batches_tracked: i64,
    device: Device,
    kind: Kind,
    channels_last: bool,
    /// The filter of every [`Op::Blur`], `[1, 1, 3, 3]`, on the device.
    blur: Tensor,
    dropout: Dropout,
    /// The processes over whose batches BatchNorm takes its statistics; none: this one's batch.
    norm_group: Option<Rc<ProcessGroup>>,
}

/// What is left out at random while training; nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Dropout {
    /// Probability that the classifier's input loses a feature; none: the architecture's own.
    pub features: Option<f64>,
    /// Probability that the last residual branch is left out for an image; it grows linearly from 0 at the first
    /// (stochastic depth, Huang et al. 2016, as torchvision's mode `row`).
    pub residual: f64,
}

/// Where a node's tensors are, as indices into `tensors`.
#[derive(Debug)]
enum Layer {
    None,
    Conv {
        weight: usize,
        bias: Option<usize>,
    },
    /// A [`Op::ChannelScale`]'s factors.
    Scale {
        factors: usize,
    },
    Norm {
        weight: usize,
        bias: usize,
        mean: usize,
        var: usize,
    },
    /// A linear layer, or a normalization over channels.
    Linear {
        weight: usize,
        bias: usize,
    },
    /// Elementwise on a tensor nobody else reads.
    InPlace,
}

/// What a run through the network is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Running statistics, nothing is left out at random.
    Evaluate,
    /// Batch statistics, which are recorded.
    Train,
    /// The same once more, for its gradients: nothing is recorded.
    Again,
}

impl TorchNetwork {
    /// The network with every tensor zero (running variances one), on the CPU; `init` or a checkpoint gives values.
    pub fn new(architecture: Architecture) -> Result<Self> {
        let graph = architecture.graph();
        let mut tensors = Vec::new();
        for spec in graph.tensors() {
            if spec.kind == TensorKind::NumBatchesTracked {
                continue;
            }
            let shape: Vec<i64> = spec.shape.iter().map(|&d| d as i64).collect();
            let options = (Kind::Float, Device::Cpu);
            let tensor = match spec.kind {
                TensorKind::RunningVar | TensorKind::NormWeight => Tensor::f_ones(&shape, options)?,
                _ => Tensor::f_zeros(&shape, options)?,
            };
            let tensor = tensor.f_set_requires_grad(spec.kind.is_parameter())?;
            tensors.push(NamedTensor {
                name: spec.name,
                kind: spec.kind,
                tensor,
                frozen: false,
            });
        }
        let layers = layers(&graph);
        Ok(Self {
            last_use: graph.last_uses(),
            layers,
            graph,
            architecture,
            tensors,
            batches_tracked: 0,
            device: Device::Cpu,
            kind: Kind::Float,
            channels_last: false,
            blur: Tensor::f_from_slice(&BLUR)?.f_view([1, 1, 3, 3])?,
            dropout: Dropout::default(),
            norm_group: None,
        })
    }

    /// From now on BatchNorm in training takes its statistics over the batches of all processes of `group`.
    pub fn synchronize_norms(&mut self, group: Option<Rc<ProcessGroup>>) {
        self.norm_group = group;
    }

    /// What is left out at random in training from now on.
    pub fn set_dropout(&mut self, dropout: Dropout) {
        self.dropout = dropout;
    }

    /// Whether training draws random numbers.
    pub fn is_random(&self) -> bool {
        let has_layer = |node: &ArchNode| matches!(node.op, Op::Dropout { p } if p > 0.0);
        self.dropout.residual > 0.0
            || self
                .dropout
                .features
                .map_or_else(|| self.graph.nodes.iter().any(has_layer), |p| p > 0.0)
    }

    /// The description it was built from.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Dtype of its tensors and of its input: f32, as it is made, unless [`TorchNetwork::set_kind`] chose another.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Makes every tensor one of `kind`. In f64 all libtorch's kernels agree to the last digits, so that the arithmetic of
    /// a training step can be told from its rounding. Before an optimizer takes handles of the parameters.
    ///
    /// # Errors
    /// Only what libtorch itself reports.
    pub fn set_kind(&mut self, kind: Kind) -> Result<()> {
        for named in &mut self.tensors {
            let learns = named.tensor.requires_grad();
            let converted = tch::no_grad(|| named.tensor.f_to_kind(kind))?;
            named.tensor = converted.f_detach()?.f_set_requires_grad(learns)?;
        }
        self.kind = kind;
        Ok(())
    }

    /// Its nodes.
    pub fn graph(&self) -> &ArchGraph {
        &self.graph
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Every tensor but the batch counters, in state-dict order.
    pub fn tensors(&self) -> &[NamedTensor] {
        &self.tensors
    }

    /// Handles to the parameters that learn, in state-dict order.
    pub fn trainable(&self) -> Vec<Tensor> {
        let learns = |named: &&NamedTensor| named.kind.is_parameter() && !named.frozen;
        self.tensors
            .iter()
            .filter(learns)
            .map(|named| named.tensor.shallow_clone())
            .collect()
    }

    /// Training batches seen (PyTorch's `num_batches_tracked`).
    pub fn batches_tracked(&self) -> i64 {
        self.batches_tracked
    }

    /// Sets the count of training batches, from a checkpoint.
    pub fn set_batches_tracked(&mut self, count: i64) {
        self.batches_tracked = count;
    }

    /// Moves to a device and memory layout. Before an optimizer takes handles of the parameters.
    pub fn place(&mut self, device: Device, channels_last: bool) -> Result<()> {
        for named in &mut self.tensors {
            let learns = named.tensor.requires_grad();
            let moved = tch::no_grad(|| named.tensor.f_to_device(device))?
                .f_detach()?
                .f_set_requires_grad(learns)?;
            if channels_last && moved.dim() == 4 {
                torch_ext::memory_format::set_channels_last(&moved)?;
            }
            named.tensor = moved;
        }
        self.blur = self.blur.f_to_device(device)?;
        self.device = device;
        self.channels_last = channels_last;
        Ok(())
    }

    /// Keeps every tensor whose name begins with one of `prefixes` as it is.
    ///
    /// # Errors
    /// A prefix that no tensor has.
    pub fn freeze(&mut self, prefixes: &[String]) -> Result<usize> {
        let mut count = 0;
        for prefix in prefixes {
            let mut found = false;
            for named in &mut self.tensors {
                if named.name.starts_with(prefix.as_str()) {
                    found = true;
                    count += usize::from(!named.frozen && named.kind.is_parameter());
                    named.frozen = true;
                    named.tensor = named.tensor.f_set_requires_grad(false)?;
                }
            }
            if !found {
                bail!("freeze: no tensor begins with '{prefix}'; `train summary` lists the names");
            }
        }
        Ok(count)
    }

    /// Parameters that keep their values.
    pub fn frozen(&self) -> usize {
        let keeps = |named: &&NamedTensor| named.kind.is_parameter() && named.frozen;
        self.tensors.iter().filter(keeps).count()
    }

    /// Name of the classifier's module.
    pub fn classifier(&self) -> &str {
        match self.graph.nodes.last().map(|node| &node.op) {
            Some(Op::Linear(linear)) => &linear.name,
            _ => "",
        }
    }

    /// Logits `[N, classes]` for images `[N, 3, H, W]`; batch statistics are used and recorded.
    pub fn forward_train(&mut self, images: &Tensor) -> Result<Tensor> {
        self.count_batch();
        let images = self.laid_out(images)?;
        self.run(0..self.graph.nodes.len() - 1, &images, Pass::Train)
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
        for index in start + 1..=end {
            let (node, layer) = (&self.graph.nodes[index], &self.layers[index]);
            let mut keep = 1.0;
            if pass != Pass::Evaluate && node.op == Op::Add {
                keep = 1.0 - self.dropout.residual * residual as f64 / last_residual as f64;
                residual += 1;
            }
            let value = self
                .apply(&node.op, layer, &node.inputs, &values, pass, keep)
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

    /// Whether node `index` keeps its value while the next node computes: no in-place operation overwrites it.
    pub fn keeps_value(&self, index: usize) -> bool {
        let nodes = self.graph.nodes.iter().zip(&self.layers);
        !nodes
            .filter(|(node, _)| node.inputs.first() == Some(&index))
            .any(|(_, layer)| matches!(layer, Layer::InPlace))
    }

    /// The first node with a parameter that learns.
    pub fn first_learner(&self) -> Option<usize> {
        let learns = |index: &usize| self.tensors[*index].tensor.requires_grad();
        self.layers.iter().position(|layer| match layer {
            Layer::None | Layer::InPlace => false,
            Layer::Conv { weight, bias } => learns(weight) || bias.as_ref().is_some_and(learns),
            Layer::Scale { factors } => learns(factors),
            Layer::Norm { weight, bias, .. } | Layer::Linear { weight, bias } => {
                learns(weight) || learns(bias)
            }
        })
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
                    norm.momentum,
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
                    norm.momentum,
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

fn layers(graph: &ArchGraph) -> Vec<Layer> {
    let mut readers = vec![0_usize; graph.nodes.len()];
    for node in &graph.nodes {
        for &input in &node.inputs {
            readers[input] += 1;
        }
    }
    let mut next = 0;
    let mut take = || {
        next += 1;
        next - 1
    };
    let mut layers = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        // BatchNorm keeps its input for the backward pass, not its output: the output may be overwritten.
        let overwrites = node.inputs.first().is_some_and(|&input| {
            readers[input] == 1 && matches!(graph.nodes[input].op, Op::BatchNorm(_) | Op::Add)
        });
        layers.push(match &node.op {
            Op::Conv(conv) => Layer::Conv {
                weight: take(),
                bias: conv.bias.then(&mut take),
            },
            Op::ChannelScale(_) => Layer::Scale { factors: take() },
            Op::BatchNorm(_) => Layer::Norm {
                weight: take(),
                bias: take(),
                mean: take(),
                var: take(),
            },
            Op::Linear(_) | Op::LayerNorm(_) => Layer::Linear {
                weight: take(),
                bias: take(),
            },
            Op::Relu | Op::Relu6 | Op::Add if overwrites => Layer::InPlace,
            Op::Input { .. }
            | Op::Relu
            | Op::Relu6
            | Op::Blur { .. }
            | Op::Add
            | Op::Silu
            | Op::HardSwish
            | Op::HardSigmoid
            | Op::Sigmoid
            | Op::Gelu
            | Op::MaxPool { .. }
            | Op::AvgPool { .. }
            | Op::GlobalAvgPool
            | Op::Flatten
            | Op::Dropout { .. }
            | Op::Mul
            | Op::Concat => Layer::None,
        });
    }
    layers
}

/// A node in a few words, with its name where it has one.
pub fn describe(op: &Op) -> String {
    match op {
        Op::Input { .. } => "input".into(),
        Op::Conv(conv) => format!("conv {}", conv.name),
        Op::BatchNorm(norm) => format!("batch norm {}", norm.name),
        Op::Relu => "relu".into(),
        Op::Relu6 => "relu6".into(),
        Op::Blur { .. } => "blur".into(),
        Op::Silu => "silu".into(),
        Op::HardSwish => "hard swish".into(),
        Op::HardSigmoid => "hard sigmoid".into(),
        Op::Sigmoid => "sigmoid".into(),
        Op::Gelu => "gelu".into(),
        Op::MaxPool { .. } => "max pool".into(),
        Op::AvgPool { .. } => "average pool".into(),
        Op::GlobalAvgPool => "global average pool".into(),
        Op::LayerNorm(norm) => format!("layer norm {}", norm.name),
        Op::ChannelScale(scale) => format!("channel scale {}", scale.name),
        Op::Mul => "multiply".into(),
        Op::Concat => "concat".into(),
        Op::Flatten => "flatten".into(),
        Op::Dropout { .. } => "dropout".into(),
        Op::Linear(linear) => format!("linear {}", linear.name),
        Op::Add => "add".into(),
    }
}
