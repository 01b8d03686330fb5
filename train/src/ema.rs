//! An exponential moving average of the weights: evaluated and saved in their place.

use anyhow::Result;
use tch::{Tensor, no_grad};
use torch_ext::optim::foreach_lerp;

use crate::model::Network;
use crate::recipe::Ema as Settings;

/// Averages of every tensor of a network, BatchNorm statistics included (torchvision's `ExponentialMovingAverage` with
/// `use_buffers=True`).
pub struct Ema {
    settings: Settings,
    averages: Vec<(String, Tensor)>,
}

impl Ema {
    /// Starts as a copy of the network.
    pub fn new(settings: &Settings, network: &Network) -> Result<Self> {
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

    /// Called after each optimizer step, `steps` the number taken.
    pub fn update(&mut self, network: &Network, steps: i64) -> Result<()> {
        if steps % self.settings.every_steps as i64 != 0 {
            return Ok(());
        }
        let averages: Vec<&Tensor> = self.averages.iter().map(|(_, tensor)| tensor).collect();
        let current: Vec<&Tensor> = network
            .tensors()
            .iter()
            .map(|named| &named.tensor)
            .collect();
        no_grad(|| foreach_lerp(&averages, &current, 1.0 - self.settings.decay))?;
        Ok(())
    }

    /// The averages by name, for a checkpoint.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let all = self.averages.iter();
        all.map(|(name, tensor)| (name.clone(), tensor.shallow_clone()))
            .collect()
    }

    /// Exchanges the averages and the network's tensors; twice puts everything back.
    pub fn swap(&mut self, network: &Network) -> Result<()> {
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

/// The same numbers in memory of their own, in the same layout, outside of any gradient.
pub fn copy_of(tensor: &Tensor) -> Result<Tensor> {
    no_grad(|| {
        let mut copy = tensor.f_detach()?.f_zeros_like()?;
        copy.f_copy_(&tensor.f_detach()?)?;
        Ok(copy)
    })
}
