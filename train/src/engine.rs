//! What one optimizer step computes: network, loss, backward, update. The trainer runs it in epochs, `bench` in front of
//! a clock; it knows no files and no epochs.

use anyhow::{Result, bail};
use tch::{Device, Kind, Tensor};
use torch_ext::autocast::autocast;
use torch_ext::optim::clip_grad_norm;

use crate::data::Batch;
use crate::ema::Ema;
use crate::evaluate::sum_kind;
use crate::input::Normalizer;
use crate::loss::{correct, loss};
use crate::mix;
use crate::model::{Dropout, Network};
use crate::optim::Optimizer;
use crate::precision::{Arithmetic, Scaler};
use crate::recipe::Recipe;
use crate::world::World;

/// A network, what moves it, and the constants of both.
pub struct Engine {
    /// Placed on its device.
    pub network: Network,
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
    /// How much each class counts, `[C]` f32 on the device; none: all alike.
    class_weights: Option<Tensor>,
}

/// How an update went.
#[derive(Debug)]
pub struct Update {
    /// The step was taken; otherwise a gradient was not finite and nothing moved.
    pub finite: bool,
    /// The gradients, divided by the loss scale, in the optimizer's order.
    pub gradients: Vec<Tensor>,
}

impl Engine {
    /// Places `network` (its weights loaded) on `device`, freezes what the recipe says, and starts with fresh state.
    ///
    /// # Errors
    /// Nothing left to train, a prefix to freeze that no tensor has.
    pub fn new(
        recipe: &Recipe,
        mut network: Network,
        device: Device,
        world: &mut dyn World,
    ) -> Result<Self> {
        let arithmetic = Arithmetic::choose(recipe, device)?;
        network.set_dropout(Dropout {
            features: recipe.dropout,
            residual: recipe.stochastic_depth,
        });
        network.place(device, arithmetic.channels_last)?;
        network.freeze(&recipe.freeze)?;
        world.attach(&network.trainable(), &buffers(&network))?;
        if recipe.sync_batch_norm {
            network.synchronize_norms(world.norm_group());
        }
        let ema = recipe.ema.as_ref();
        Ok(Self {
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
            network,
            recipe: recipe.clone(),
        })
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

    /// Begins a step: no gradients, and dropout that depends on nothing but seed, step and process.
    pub fn begin(&mut self, key: mix::Key) -> Result<()> {
        if self.network.is_random() {
            let step = key.step.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let rank = (key.rank as u64) << 48;
            tch::manual_seed((key.seed ^ step ^ rank) as i64);
        }
        self.optimizer.zero_grad()
    }

    /// Forward and backward of one of the step's batches (`is_last`: gradients are exchanged after it). Loss sum and
    /// top-1 and top-5 hits, `[3]` on the device.
    pub fn accumulate(
        &mut self,
        world: &mut dyn World,
        batch: &Batch,
        key: mix::Key,
        is_last: bool,
    ) -> Result<Tensor> {
        let device = self.network.device();
        let labels = batch.labels.f_to_device(device)?;
        let count = labels.size1()?;
        if count == 0 {
            bail!("none of the images of a batch could be read; train.log names them");
        }
        let images = self.normalizer.apply(&batch.pixels)?;
        let augment = &self.recipe.augment;
        let (images, targets) = mix::mix(augment, key, &images, &labels, self.classes)?;
        let network = &mut self.network;
        let logits = autocast(device, self.arithmetic.autocast, || {
            network.forward_train(&images)
        })??;
        let weights = self.class_weights.as_ref();
        let loss = loss(&logits, &targets, &self.recipe.loss, weights)?;
        let share = loss.f_div_scalar(self.recipe.accumulate_steps as f64)?;
        let scaled = self.scaler.scale(&share)?;
        world.backward(&scaled, is_last)?;

        tch::no_grad(|| {
            let (top1, top5) = correct(&logits.f_detach()?, &labels)?;
            let kind = sum_kind(&self.network);
            let loss = loss.f_detach()?.f_to_kind(kind)?;
            let loss = loss.f_mul_scalar(count as f64)?;
            let parts = [loss, top1.f_to_kind(kind)?, top5.f_to_kind(kind)?];
            Ok(Tensor::f_stack(&parts, 0)?)
        })
    }

    /// Moves the weights at learning rate `rate` where all gradients are finite, and the loss scale in any case.
    pub fn update(&mut self, rate: f64) -> Result<Update> {
        let gradients = torch_ext::grad::grads(&self.optimizer.parameters())?;
        let finite = self.scaler.unscale(&gradients)?;
        if finite {
            if let Some(norm) = self.recipe.optimizer.clip_norm {
                let _ = clip_grad_norm(&gradients, norm)?;
            }
            self.optimizer.step(rate)?;
            if let Some(ema) = &mut self.ema {
                ema.update(&self.network, self.optimizer.steps())?;
            }
        }
        self.scaler.update()?;
        Ok(Update { finite, gradients })
    }
}

/// BatchNorm's running statistics.
pub fn buffers(network: &Network) -> Vec<Tensor> {
    let buffers = network
        .tensors()
        .iter()
        .filter(|named| !named.kind.is_parameter());
    buffers.map(|named| named.tensor.shallow_clone()).collect()
}
