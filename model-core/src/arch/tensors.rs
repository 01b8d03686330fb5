//! The tensors that each operation owns: PyTorch's `state_dict()` of one step of a network.

use super::Op;

/// What a tensor of the state dict is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorKind {
    /// Convolution or linear weight.
    Weight,
    /// Linear bias.
    Bias,
    /// Scale of a BatchNorm or LayerNorm.
    NormWeight,
    /// Shift of a BatchNorm or LayerNorm.
    NormBias,
    /// A learned factor a channel.
    ChannelScale,
    /// BatchNorm running mean, a buffer.
    RunningMean,
    /// BatchNorm running variance, a buffer.
    RunningVar,
    /// BatchNorm step counter, an int64 scalar buffer that PyTorch keeps; shape `[]`.
    NumBatchesTracked,
}

impl TensorKind {
    /// Whether gradients flow into it.
    pub fn is_parameter(self) -> bool {
        matches!(
            self,
            Self::Weight | Self::Bias | Self::NormWeight | Self::NormBias | Self::ChannelScale
        )
    }
}

/// A named tensor of the state dict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// torchvision's (or timm's) key.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// What it is.
    pub kind: TensorKind,
}

impl Op {
    /// Its tensors, in the order of PyTorch's `state_dict()`.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let mut tensors = Vec::new();
        let mut push = |name: &str, leaf: &str, shape: Vec<usize>, kind| {
            tensors.push(TensorSpec {
                name: format!("{name}.{leaf}"),
                shape,
                kind,
            });
        };
        match self {
            Self::Conv(conv) => {
                push(
                    &conv.name,
                    "weight",
                    conv.stored_shape(),
                    TensorKind::Weight,
                );
                if conv.bias {
                    push(
                        &conv.name,
                        "bias",
                        vec![conv.out_channels],
                        TensorKind::Bias,
                    );
                }
            }
            Self::LayerNorm(norm) => {
                push(
                    &norm.name,
                    "weight",
                    vec![norm.channels],
                    TensorKind::NormWeight,
                );
                push(
                    &norm.name,
                    "bias",
                    vec![norm.channels],
                    TensorKind::NormBias,
                );
            }
            Self::ChannelScale(scale) => {
                let (module, leaf) = scale.name.rsplit_once('.').unwrap_or(("", &scale.name));
                push(
                    module,
                    leaf,
                    vec![scale.channels, 1, 1],
                    TensorKind::ChannelScale,
                );
            }
            Self::BatchNorm(norm) => {
                let channels = || vec![norm.channels];
                push(&norm.name, "weight", channels(), TensorKind::NormWeight);
                push(&norm.name, "bias", channels(), TensorKind::NormBias);
                push(
                    &norm.name,
                    "running_mean",
                    channels(),
                    TensorKind::RunningMean,
                );
                push(
                    &norm.name,
                    "running_var",
                    channels(),
                    TensorKind::RunningVar,
                );
                push(
                    &norm.name,
                    "num_batches_tracked",
                    vec![],
                    TensorKind::NumBatchesTracked,
                );
            }
            Self::Linear(linear) => {
                let shape = vec![linear.out_features, linear.in_features];
                push(&linear.name, "weight", shape, TensorKind::Weight);
                push(
                    &linear.name,
                    "bias",
                    vec![linear.out_features],
                    TensorKind::Bias,
                );
            }
            Self::Input { .. }
            | Self::Relu
            | Self::Relu6
            | Self::Blur { .. }
            | Self::Silu
            | Self::HardSwish
            | Self::HardSigmoid
            | Self::Sigmoid
            | Self::Gelu
            | Self::MaxPool { .. }
            | Self::AvgPool { .. }
            | Self::GlobalAvgPool
            | Self::Flatten
            | Self::Dropout { .. }
            | Self::Add
            | Self::Mul
            | Self::Concat => {}
        }
        tensors
    }

    /// Numbers that learn.
    pub fn parameter_count(&self) -> usize {
        let tensors = self.tensors();
        let learning = tensors.iter().filter(|tensor| tensor.kind.is_parameter());
        learning
            .map(|tensor| tensor.shape.iter().product::<usize>())
            .sum()
    }
}
