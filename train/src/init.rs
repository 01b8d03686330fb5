//! Initial values, as torchvision and timm draw them (not as tch does: its BatchNorm starts uniform, its convolutions
//! Kaiming-uniform over fan-in).

use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use model_core::arch::{Conv, Family, Op, TensorKind};
use tch::{Tensor, no_grad};

use crate::model::Network;

/// Fills a network on the CPU from `seed`, in state-dict order.
///
/// ResNets: convolutions normal with std `sqrt(2 / fan_out)` (He et al. 2015), BatchNorm weight 1 and bias 0, linear
/// weight and bias uniform within `1 / sqrt(fan_in)` (`torch.nn.Linear`). EfficientNet-Lite: convolutions the same with
/// fan-out counted per group, linear weight uniform within `1 / sqrt(fan_out)`, bias 0 (timm's `_init_weight_goog`).
pub fn initialize(network: &mut Network, seed: u64, zero_init_residual: bool) -> Result<()> {
    // libtorch has one generator for the whole process.
    static GENERATOR: Mutex<()> = Mutex::new(());
    let _alone = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(seed as i64);
    let efficientnet = match network.architecture().family() {
        Family::EfficientNetLite(_) => true,
        Family::ResNet(_) => false,
    };
    let graph = network.graph().clone();
    for node in &graph.nodes {
        match &node.op {
            Op::Conv(conv) => {
                let std = (2.0 / fan_out(conv, efficientnet)).sqrt();
                each(network, &conv.name, |_, tensor| {
                    let _ = tensor.f_normal_(0.0, std)?;
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
            Op::Linear(linear) => {
                let fan = if efficientnet {
                    linear.out_features
                } else {
                    linear.in_features
                };
                let bound = 1.0 / (fan as f64).sqrt();
                each(network, &linear.name, |kind, tensor| {
                    if efficientnet && kind == TensorKind::Bias {
                        let _ = tensor.f_fill_(0.0)?;
                    } else {
                        let _ = tensor.f_uniform_(-bound, bound)?;
                    }
                    Ok(())
                })?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn fan_out(conv: &Conv, per_group: bool) -> f64 {
    let groups = if per_group { conv.groups } else { 1 };
    (conv.kernel * conv.kernel * conv.out_channels / groups) as f64
}

/// Runs `fill` on every tensor of the module `name`.
fn each(
    network: &Network,
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

    fn network(arch: &str, zero: bool) -> Network {
        let mut network = Network::new(model_core::arch::by_name(arch, 10).unwrap()).unwrap();
        initialize(&mut network, 3, zero).unwrap();
        network
    }

    fn tensor<'a>(network: &'a Network, name: &str) -> &'a Tensor {
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
