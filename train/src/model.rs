//! A network: an architecture's graph, interpreted with libtorch, and the tensors it owns under torchvision's names.
//!
//! `layers` says where the tensors of each node are, `forward` computes. Initial values are in `init`, reading and
//! writing of weights in `checkpoint`.

mod forward;
mod layers;
mod limit;

use std::rc::Rc;

use anyhow::{Result, bail};
use model_core::arch::{ArchGraph, ArchNode, Architecture, BLUR, Op, Shape, TensorKind};
use tch::{Device, Kind, Tensor};
use torch_ext::c10d::ProcessGroup;

use layers::{Layer, layers};
pub use limit::MemoryLimit;

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
    /// How much a batch counts in BatchNorm's running statistics; none: as its layer says.
    momentum: Option<f64>,
    memory_limit: Option<MemoryLimit>,
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
            momentum: None,
            memory_limit: None,
        })
    }

    /// From now on the values of a pass may take so much memory; none: as much as there is.
    pub fn limit_memory(&mut self, limit: Option<MemoryLimit>) {
        self.memory_limit = limit;
    }

    /// From now on BatchNorm in training takes its statistics over the batches of all processes of `group`.
    pub fn synchronize_norms(&mut self, group: Option<Rc<ProcessGroup>>) {
        self.norm_group = group;
    }

    /// The processes over whose batches BatchNorm takes its statistics; none: this one's batch.
    pub fn norm_group(&self) -> Option<Rc<ProcessGroup>> {
        self.norm_group.clone()
    }

    /// From now on a batch counts so much in BatchNorm's running statistics, 0 to 1; none: as its layer says.
    pub fn set_momentum(&mut self, momentum: Option<f64>) {
        self.momentum = momentum;
    }

    /// Whether a BatchNorm takes statistics in training: then it matters how many images are computed at a time.
    pub fn learns_statistics(&self) -> bool {
        let mut tensors = self.tensors.iter();
        tensors.any(|named| named.kind == TensorKind::RunningVar && !named.frozen)
    }

    /// The first BatchNorm that takes statistics over one value an image, where images have `side` pixels a side: it
    /// cannot learn from one image, because its variance divides by the number of values less one.
    pub fn lonely_norm(&self, side: usize) -> Option<&str> {
        let shapes = self.graph.shapes([side, side]);
        let mut nodes = self.graph.nodes.iter().zip(&self.layers).zip(shapes);
        nodes.find_map(|((node, layer), shape)| match (&node.op, layer, shape) {
            (Op::BatchNorm(norm), Layer::Norm { mean, .. }, Shape::Map { height, width, .. })
                if height * width <= 1 && !self.tensors[*mean].frozen =>
            {
                Some(norm.name.as_str())
            }
            _ => None,
        })
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
