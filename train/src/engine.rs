//! What one optimizer step computes: network, loss, backward, update. The trainer runs it in epochs, `bench` in front of
//! a clock; it knows no files and no epochs. Forward and backward of a batch, at once or in parts, are in `batch`;
//! `graph` captures whole steps.

mod batch;
pub mod graph;
mod statistics;

use anyhow::Result;
use tch::{Device, Kind, Tensor};
use torch_ext::optim::clip_grad_norm;

use crate::collective::Collective;
use crate::ema::Ema;
use crate::input::Normalizer;
use crate::mix;
use crate::model::{Dropout, TorchNetwork};
use crate::optim::Optimizer;
use crate::precision::{Arithmetic, Scaler};
use crate::recipe::Recipe;
use crate::recompute::Cuts;

/// A network, what moves it, and the constants of both.
pub struct TrainEngine {
    /// Placed on its device.
    pub network: TorchNetwork,
    /// Over the network's trainable parameters.
    pub optimizer: Optimizer,
    /// Averages of the weights, where the recipe keeps them.
    pub ema: Option<Ema>,
    /// Loses nothing to fp16's range, and notices what is not finite.
    pub scaler: Scaler,
    /// Dtype and memory layout.
    pub arithmetic: Arithmetic,
    /// From bytes to the network's input.
    pub normalizer: Normalizer,
    recipe: Recipe,
    classes: i64,
    /// Where the network is cut, where backward computes activations anew.
    cuts: Option<Cuts>,
    /// How much each class counts, `[C]` f32 on the device; none: all alike.
    class_weights: Option<Tensor>,
    /// Where the host looks late: steps left out since the last look, and in a row, f32 `[2]` on the device.
    skips: Option<Tensor>,
    /// Where it looks at once: whether the last update was taken.
    was_finite: bool,
    /// BatchNorm cannot learn from fewer images at a time.
    least_images: usize,
    /// What a batch that fails half-way has changed, as it was before; none until somebody asks for it.
    before: Option<batch::Before>,
    /// Steps that are alike are captured and replayed; none: each is asked for anew.
    graph: Option<graph::StepGraph>,
}

/// How an update went.
#[derive(Debug)]
pub struct Update {
    /// The step was taken; false: a gradient was not finite and nothing moved. None: the device decided by itself, and
    /// [`TrainEngine::take_skips`] tells later.
    pub finite: Option<bool>,
    /// The gradients, divided by the loss scale, in the optimizer's order.
    pub gradients: Vec<Tensor>,
}

/// Steps that the device left out because a gradient was not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skips {
    /// Since the last look.
    pub in_all: u64,
    /// In a row, up to now.
    pub in_row: u32,
}

impl TrainEngine {
    /// Places `network` (its weights loaded) on `device`, freezes what the recipe says, and starts with fresh state.
    ///
    /// # Errors
    /// Nothing left to train, a prefix to freeze that no tensor has.
    pub fn new(
        recipe: &Recipe,
        mut network: TorchNetwork,
        device: Device,
        collective: &mut dyn Collective,
    ) -> Result<Self> {
        let arithmetic = Arithmetic::choose(recipe, device)?;
        let recorder = graph::recorder(recipe, device, collective)?;
        network.set_dropout(Dropout {
            features: recipe.dropout,
            residual: recipe.stochastic_depth,
        });
        network.place(device, arithmetic.channels_last)?;
        network.freeze(&recipe.freeze)?;
        collective.attach(&network.trainable(), &buffers(&network))?;
        if recipe.sync_batch_norm {
            network.synchronize_norms(collective.norm_group());
        }
        let side = recipe.augment.image_size as usize;
        let smallest = recipe.smallest_side() as usize;
        let is_lonely = network.lonely_norm(smallest).is_some();
        let cuts = recipe.gradient_checkpointing.then(|| {
            let graph = network.graph();
            Cuts::of(graph, side, |node| network.keeps_value(node))
        });
        let ema = recipe.ema.as_ref();
        let mut engine = Self {
            optimizer: Optimizer::new(&recipe.optimizer, &network)?,
            ema: ema.map(|ema| Ema::new(ema, &network)).transpose()?,
            scaler: Scaler::new(
                arithmetic.autocast == Some(Kind::Half),
                recipe.non_finite.min_loss_scale,
                device,
            )?,
            normalizer: Normalizer::new(&recipe.preprocessing, device)?,
            arithmetic,
            classes: network.architecture().num_classes() as i64,
            class_weights: None,
            cuts,
            network,
            recipe: recipe.clone(),
            skips: None,
            was_finite: true,
            least_images: if is_lonely { 2 } else { 1 },
            before: None,
            graph: None,
        };
        if matches!(device, Device::Cuda(_)) {
            engine.look_late()?;
        }
        if let Some(recorder) = recorder {
            engine.capture_with(recorder)?;
        }
        Ok(engine)
    }

    /// From now on each class counts as much as `weights` `[C]` says.
    ///
    /// # Errors
    /// libtorch refuses.
    pub fn weigh_classes(&mut self, weights: &[f32]) -> Result<()> {
        let weights = Tensor::f_from_slice(weights)?;
        self.class_weights = Some(weights.f_to_device(self.network.device())?);
        Ok(())
    }

    /// From now on no step waits for the device to tell whether its gradients are finite: the fused optimizers leave a bad
    /// step out by themselves. Nothing changes for LAMB, which cannot.
    ///
    /// # Errors
    /// Only what libtorch itself reports.
    pub fn look_late(&mut self) -> Result<()> {
        if self.optimizer.can_skip() {
            let options = (Kind::Float, self.network.device());
            self.skips = Some(Tensor::f_zeros([2], options)?);
        }
        Ok(())
    }

    /// What the device left out since the last look, none where every update tells; waits for the device.
    ///
    /// # Errors
    /// Only what libtorch itself reports.
    pub fn take_skips(&mut self) -> Result<Option<Skips>> {
        let Some(skips) = &self.skips else {
            return Ok(None);
        };
        let counts: Vec<f32> = (&skips.f_to_device(Device::Cpu)?).try_into()?;
        let _ = tch::no_grad(|| skips.f_narrow(0, 0, 1)?.f_zero_())?;
        let [in_all, in_row] = [0, 1].map(|i| counts.get(i).copied().unwrap_or_default());
        self.optimizer.uncount(in_all as i64);
        Ok(Some(Skips {
            in_all: in_all as u64,
            in_row: in_row as u32,
        }))
    }

    /// After other weights were put in: what was left out before counts no longer.
    ///
    /// # Errors
    /// Only what libtorch itself reports.
    pub fn forget_skips(&mut self) -> Result<()> {
        if let Some(skips) = &mut self.skips {
            let _ = tch::no_grad(|| skips.f_zero_())?;
        }
        Ok(())
    }

    /// `sums` where the last update was taken, zeros where it was not.
    ///
    /// # Errors
    /// Only what libtorch itself reports.
    pub fn where_finite(&self, sums: &Tensor) -> Result<Tensor> {
        let zeros = sums.f_zeros_like()?;
        if self.skips.is_none() {
            return Ok(if self.was_finite {
                sums.shallow_clone()
            } else {
                zeros
            });
        }
        let is_finite = self.scaler.found_inf().f_eq(0.0)?;
        // A product would keep a NaN.
        Ok(sums.f_where_self(&is_finite, &zeros)?)
    }

    /// Begins a step: no gradients, and dropout that depends on nothing but seed, epoch, place in it and process.
    pub fn begin(&mut self, key: mix::MixKey) -> Result<()> {
        self.seed_dropout(key);
        self.optimizer.zero_grad()
    }

    fn seed_dropout(&self, key: mix::MixKey) {
        if self.network.is_random() {
            let epoch = u64::from(key.epoch + 1).wrapping_mul(0xd1b5_4a32_d192_ed03);
            let step = key.step.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let rank = (key.rank as u64) << 48;
            tch::manual_seed((key.seed ^ epoch ^ step ^ rank) as i64);
        }
    }

    /// Moves the weights at learning rate `rate` where all gradients are finite, and the loss scale in any case.
    pub fn update(&mut self, rate: f64) -> Result<Update> {
        self.optimizer.set_rate(rate)?;
        let update = self.move_weights()?;
        self.was_finite = update.finite.unwrap_or(true);
        self.count_update()?;
        Ok(update)
    }

    /// The device's part of [`TrainEngine::update`], at the rate that the optimizer has.
    fn move_weights(&mut self) -> Result<Update> {
        let gradients = torch_ext::grad::grads(&self.optimizer.parameters())?;
        self.scaler.unscale(&gradients)?;
        let finite = match self.skips {
            None => Some(self.scaler.is_finite()?),
            Some(_) => None,
        };
        if finite.unwrap_or(true) {
            if let Some(norm) = self.recipe.optimizer.clip_norm {
                let _ = clip_grad_norm(&gradients, norm)?;
            }
            let found_inf = self.skips.is_some().then(|| self.scaler.found_inf());
            self.optimizer.apply(found_inf)?;
        }
        if let Some(skips) = &self.skips {
            // [all, row] becomes [all + found, (row + found) * found].
            let found = self.scaler.found_inf();
            tch::no_grad(|| {
                let _ = skips.shallow_clone().f_add_(found)?;
                let _ = skips.f_narrow(0, 1, 1)?.f_mul_(found)?;
                anyhow::Ok(())
            })?;
        }
        self.scaler.update()?;
        Ok(Update { finite, gradients })
    }

    /// The host's part: what follows from one step more.
    fn count_update(&mut self) -> Result<()> {
        if self.was_finite {
            self.optimizer.count_step();
            if let Some(ema) = &mut self.ema {
                ema.update(&self.network, self.optimizer.steps())?;
            }
        }
        Ok(())
    }
}

/// BatchNorm's running statistics.
pub fn buffers(network: &TorchNetwork) -> Vec<Tensor> {
    let buffers = network
        .tensors()
        .iter()
        .filter(|named| !named.kind.is_parameter());
    buffers.map(|named| named.tensor.shallow_clone()).collect()
}
