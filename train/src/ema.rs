//! An exponential moving average of the weights: evaluated and saved in their place.

use anyhow::Result;
use tch::{Tensor, no_grad};
use torch_ext::optim::foreach_lerp;

use crate::model::TorchNetwork;
use crate::recipe::EmaConfig;

/// Averages of every tensor of a network, BatchNorm statistics included (torchvision's `ExponentialMovingAverage` with
/// `use_buffers=True`).
pub struct Ema {
    settings: EmaConfig,
    averages: Vec<(String, Tensor)>,
}

impl Ema {
    /// Starts as a copy of the network.
    pub fn new(settings: &EmaConfig, network: &TorchNetwork) -> Result<Self> {
        let averages = network
            .tensors()
            .iter()
            .map(|named| Ok((named.name.clone(), copy_of(&named.tensor)?)))
            .collect::<Result<_>>()?;
        Ok(Self {
            settings: settings.clone(),
            averages,
        })
    }

    /// From now on `factor` steps of the past are one: the average still remembers as many epochs. The new decay.
    pub fn scale_steps(&mut self, factor: f64) -> f64 {
        self.settings.decay = self.settings.decay.powf(factor);
        self.settings.decay
    }

    /// Called after each optimizer step, `steps` the number taken.
    pub fn update(&mut self, network: &TorchNetwork, steps: i64) -> Result<()> {
        let every = self.settings.every_steps as i64;
        if steps % every != 0 {
            return Ok(());
        }
        let decay = decay_at(&self.settings, steps / every);
        let averages: Vec<&Tensor> = self.averages.iter().map(|(_, tensor)| tensor).collect();
        let current: Vec<&Tensor> = network
            .tensors()
            .iter()
            .map(|named| &named.tensor)
            .collect();
        no_grad(|| foreach_lerp(&averages, &current, 1.0 - decay))?;
        Ok(())
    }

    /// The averages by name, for a checkpoint.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let all = self.averages.iter();
        all.map(|(name, tensor)| (name.clone(), tensor.shallow_clone()))
            .collect()
    }

    /// Exchanges the averages and the network's tensors; twice puts everything back.
    pub fn swap(&mut self, network: &TorchNetwork) -> Result<()> {
        no_grad(|| {
            for ((_, average), named) in self.averages.iter_mut().zip(network.tensors()) {
                let kept = copy_of(&named.tensor)?;
                named.tensor.shallow_clone().f_copy_(average)?;
                average.f_copy_(&kept)?;
            }
            Ok(())
        })
    }
}

/// Weight of the past at update `count` (from 1), smaller at first where the recipe warms up.
fn decay_at(settings: &EmaConfig, count: i64) -> f64 {
    let warm = (1 + count) as f64 / (10 + count) as f64;
    match settings.warmup {
        true => settings.decay.min(warm),
        false => settings.decay,
    }
}

/// The same numbers in memory of their own, in the same layout, outside of any gradient.
pub fn copy_of(tensor: &Tensor) -> Result<Tensor> {
    no_grad(|| {
        let mut copy = tensor.f_detach()?.f_zeros_like()?;
        copy.f_copy_(&tensor.f_detach()?)?;
        Ok(copy)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_weighs_less_while_there_is_little_of_it() {
        let warm = EmaConfig::default();
        assert!((decay_at(&warm, 1) - 2.0 / 11.0).abs() < 1e-12);
        assert!((decay_at(&warm, 90) - 0.91).abs() < 1e-12);
        assert_eq!(decay_at(&warm, 1_000_000), warm.decay);
        let cold = EmaConfig {
            warmup: false,
            ..warm
        };
        assert_eq!(decay_at(&cold, 1), cold.decay);
    }
}
