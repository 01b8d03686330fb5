//! Initial values, as torchvision and timm draw them (not as tch does: its BatchNorm starts uniform, its convolutions
//! Kaiming-uniform over fan-in).

use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use model_core::arch::{Conv, Family, Linear, Op, TensorKind};
use tch::{Tensor, no_grad};

use crate::model::TorchNetwork;

/// Fills a network on the CPU from `seed`, in state-dict order, as its family's source does (`Rules`).
pub fn initialize(network: &mut TorchNetwork, seed: u64, zero_init_residual: bool) -> Result<()> {
    // libtorch has one generator for the whole process.
    static GENERATOR: Mutex<()> = Mutex::new(());
    let _alone = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(seed as i64);
    let rules = Rules::of(network.architecture().family());
    let graph = network.graph().clone();
    for node in &graph.nodes {
        match &node.op {
            Op::Conv(conv) => {
                each(network, &conv.name, |kind, tensor| {
                    let _ = match kind {
                        TensorKind::Bias => tensor.f_fill_(0.0)?,
                        _ => rules.fill_conv(conv, tensor)?,
                    };
                    Ok(())
                })?;
            }
            Op::BatchNorm(norm) => {
                let zero = zero_init_residual && norm.last_in_residual;
                each(network, &norm.name, |kind, tensor| {
                    let value = match kind {
                        TensorKind::NormWeight if !zero => 1.0,
                        TensorKind::RunningVar => 1.0,
                        _ => 0.0,
                    };
                    let _ = tensor.f_fill_(value)?;
                    Ok(())
                })?;
            }
            Op::LayerNorm(norm) => each(network, &norm.name, |kind, tensor| {
                let value = f64::from(u8::from(kind == TensorKind::NormWeight));
                let _ = tensor.f_fill_(value)?;
                Ok(())
            })?,
            Op::ChannelScale(scale) => no_grad(|| -> Result<()> {
                for named in network.tensors().iter().filter(|t| t.name == scale.name) {
                    let _ = named.tensor.shallow_clone().f_fill_(scale.initial)?;
                }
                Ok(())
            })?,
            Op::Linear(linear) => each(network, &linear.name, |kind, tensor| {
                rules.fill_linear(linear, kind, tensor)
            })?,
            Op::Input { .. }
            | Op::Relu
            | Op::Relu6
            | Op::Blur { .. }
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
            | Op::Add
            | Op::Mul
            | Op::Concat => {}
        }
    }
    Ok(())
}

/// How a family's source draws its first values. BatchNorm starts at weight 1 and bias 0 everywhere, biases of
/// convolutions at 0.
struct Rules {
    conv: Spread,
    linear: Spread,
    /// Linear biases start at 0, not uniform like the weights.
    zero_bias: bool,
}

/// How wide values are spread.
#[derive(Clone, Copy)]
enum Spread {
    /// Normal with std `sqrt(2 / fan_out)` (He et al. 2015); the fan counted per group, or as if there were none.
    FanOut { per_group: bool },
    /// Normal with std `sqrt(2 / fan_in)`.
    FanIn,
    /// Uniform within `1 / sqrt(in)` (`torch.nn.Linear`).
    UniformIn,
    /// Uniform within `1 / sqrt(in)`, but the first filters give each channel as it is, where the window has a middle.
    PassOn,
    /// Uniform within `1 / sqrt(out)`.
    UniformOut,
    /// Normal with this std.
    Normal(f64),
}

impl Rules {
    fn of(family: &Family) -> Self {
        let fan_out = Spread::FanOut { per_group: false };
        match family {
            // torchvision's resnet.py.
            Family::ResNet(_) => Self {
                conv: fan_out,
                linear: Spread::UniformIn,
                zero_bias: false,
            },
            // timm's `_init_weight_goog`.
            Family::EfficientNet(_) => Self {
                conv: Spread::FanOut { per_group: true },
                linear: Spread::UniformOut,
                zero_bias: true,
            },
            // torchvision's vgg.py, mobilenetv2.py, mobilenetv3.py, regnet.py; timm's resnetv2.py, whose blocks end
            // in a convolution: there is no norm that could start at 0.
            Family::Vgg(_)
            | Family::ResNetV2(_)
            | Family::MobileNetV2(_)
            | Family::MobileNetV3(_)
            | Family::RegNet(_) => Self {
                conv: fan_out,
                linear: Spread::Normal(0.01),
                zero_bias: true,
            },
            // Jordan's: convolutions pass their input on, beside random filters; a head without an opinion.
            Family::WhitenedVgg(_) => Self {
                conv: Spread::PassOn,
                linear: Spread::Normal(0.0),
                zero_bias: true,
            },
            // torchvision's densenet.py.
            Family::DenseNet(_) => Self {
                conv: Spread::FanIn,
                linear: Spread::UniformIn,
                zero_bias: true,
            },
            // torchvision's convnext.py, whose truncation at 100 standard deviations cuts nothing.
            Family::ConvNext(_) => Self {
                conv: Spread::Normal(0.02),
                linear: Spread::Normal(0.02),
                zero_bias: true,
            },
        }
    }

    fn fill_conv(&self, conv: &Conv, weight: &mut Tensor) -> Result<Tensor> {
        let window = conv.kernel * conv.kernel;
        let inputs = window * conv.in_channels / conv.groups;
        let outputs = window * conv.out_channels;
        let std = match self.conv {
            Spread::Normal(std) => std,
            Spread::FanOut { per_group: true } => (2.0 / (outputs / conv.groups) as f64).sqrt(),
            Spread::FanOut { per_group: false } | Spread::UniformOut => {
                (2.0 / outputs as f64).sqrt()
            }
            Spread::FanIn | Spread::UniformIn => (2.0 / inputs as f64).sqrt(),
            Spread::PassOn => {
                let bound = 1.0 / (inputs as f64).sqrt();
                let _ = weight.f_uniform_(-bound, bound)?;
                if conv.kernel % 2 == 1 {
                    pass_on(conv, weight)?;
                }
                return Ok(weight.shallow_clone());
            }
        };
        Ok(weight.f_normal_(0.0, std)?)
    }

    fn fill_linear(&self, linear: &Linear, kind: TensorKind, tensor: &mut Tensor) -> Result<()> {
        if kind == TensorKind::Bias && self.zero_bias {
            let _ = tensor.f_fill_(0.0)?;
            return Ok(());
        }
        let fan = match self.linear {
            Spread::Normal(std) => {
                let _ = tensor.f_normal_(0.0, std)?;
                return Ok(());
            }
            Spread::UniformOut | Spread::FanOut { .. } => linear.out_features,
            Spread::UniformIn | Spread::PassOn | Spread::FanIn => linear.in_features,
        };
        let bound = 1.0 / (fan as f64).sqrt();
        let _ = tensor.f_uniform_(-bound, bound)?;
        Ok(())
    }
}

/// Each input channel has a filter that gives it as it is (`torch.nn.init.dirac_` on the first filters).
fn pass_on(conv: &Conv, weight: &Tensor) -> Result<()> {
    let count = conv.in_channels.min(conv.out_channels) as i64;
    let mut filters = weight.f_narrow(0, 0, count)?;
    let _ = filters.f_zero_()?;
    let middle = (conv.kernel / 2) as i64;
    let centers = filters.f_select(3, middle)?.f_select(2, middle)?;
    let _ = centers.f_diagonal(0, 0, 1)?.f_fill_(1.0)?;
    Ok(())
}

/// Runs `fill` on every tensor of the module `name`.
fn each(
    network: &TorchNetwork,
    name: &str,
    mut fill: impl FnMut(TensorKind, &mut Tensor) -> Result<()>,
) -> Result<()> {
    no_grad(|| {
        for named in network.tensors() {
            let of_module = named
                .name
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('.') && !rest[1..].contains('.'));
            if of_module {
                fill(named.kind, &mut named.tensor.shallow_clone())?;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(arch: &str, zero: bool) -> TorchNetwork {
        let mut network = TorchNetwork::new(model_core::arch::by_name(arch, 10).unwrap()).unwrap();
        initialize(&mut network, 3, zero).unwrap();
        network
    }

    fn tensor<'a>(network: &'a TorchNetwork, name: &str) -> &'a Tensor {
        let named = network.tensors().iter().find(|t| t.name == name);
        &named.unwrap().tensor
    }

    #[test]
    fn resnet18_has_torchvisions_moments() {
        let network = network("resnet18", false);
        let conv = tensor(&network, "layer2.0.conv1.weight");
        let expected = (2.0_f64 / (128.0 * 9.0)).sqrt();
        let std = conv.std(false).double_value(&[]);
        assert!((std / expected - 1.0).abs() < 0.01, "{std} {expected}");
        assert!(conv.mean(tch::Kind::Float).double_value(&[]).abs() < expected / 50.0);
        let fc = tensor(&network, "fc.weight");
        let bound = 1.0 / 512_f64.sqrt();
        let most = fc.abs().max().double_value(&[]);
        assert!(most <= bound && most > 0.99 * bound, "{most} {bound}");
        assert_eq!(
            tensor(&network, "layer1.0.bn2.weight")
                .mean(tch::Kind::Float)
                .double_value(&[]),
            1.0
        );
    }

    #[test]
    fn zero_init_touches_the_last_norm_of_each_branch_only() {
        let network = network("resnet18", true);
        let sum = |name| {
            tensor(&network, name)
                .sum(tch::Kind::Float)
                .double_value(&[])
        };
        assert_eq!(sum("layer1.0.bn2.weight"), 0.0);
        assert_eq!(sum("layer1.0.bn1.weight"), 64.0);
        assert_eq!(sum("layer2.0.downsample.1.weight"), 128.0);
    }

    #[test]
    fn convolutions_of_the_whitened_vgg_pass_their_input_on() {
        let network = network("cifar_whitened_vgg", false);
        let x = Tensor::randn([1, 96, 6, 6], (tch::Kind::Float, tch::Device::Cpu));
        let weight = tensor(&network, "stages.1.conv1.weight");
        let y = x.conv2d(weight, None::<&Tensor>, 1, 1, 1, 1);
        assert_eq!(y.narrow(1, 0, 96), x);
        let random = weight.narrow(0, 96, 224);
        let bound = 1.0 / (96.0_f64 * 9.0).sqrt();
        let most = random.abs().max().double_value(&[]);
        assert!(most <= bound && most > 0.99 * bound, "{most} {bound}");
        let head = tensor(&network, "head.weight").abs();
        assert_eq!(head.max().double_value(&[]), 0.0);
    }

    #[test]
    fn efficientnet_depthwise_counts_fan_out_per_group() {
        let network = network("tf_efficientnet_lite0", false);
        // 3 x 3 depthwise over 32 channels: fan-out 9, std sqrt(2 / 9)
        let std = tensor(&network, "blocks.0.0.conv_dw.weight")
            .std(false)
            .double_value(&[]);
        assert!((std / (2.0_f64 / 9.0).sqrt() - 1.0).abs() < 0.15, "{std}");
        assert_eq!(
            tensor(&network, "classifier.bias")
                .abs()
                .sum(tch::Kind::Float)
                .double_value(&[]),
            0.0
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_network() {
        let [a, b] = [network("resnet_tiny", false), network("resnet_tiny", false)];
        for (x, y) in a.tensors().iter().zip(b.tensors()) {
            assert_eq!(x.tensor, y.tensor, "{}", x.name);
        }
    }
}
