//! Validation: every image once, exact counts.

use anyhow::{Result, bail};
use tch::{Kind, Reduction, Tensor, no_grad};
use torch_ext::autocast::autocast;

use crate::data::Source;
use crate::input::Normalizer;
use crate::loss::correct;
use crate::model::Network;
use crate::precision::Arithmetic;
use crate::progress::Reporter;
use crate::world::World;

/// What validation measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Mean cross-entropy, without smoothing.
    pub loss: f64,
    /// Percent.
    pub top1_percent: f64,
    /// Percent.
    pub top5_percent: f64,
    /// Images counted.
    pub images: u64,
    /// Wall time.
    pub secs: f64,
}

/// How to evaluate.
#[derive(Debug)]
pub struct Evaluator<'a> {
    /// Bytes to input.
    pub normalizer: &'a Normalizer,
    /// dtype and layout.
    pub arithmetic: Arithmetic,
    /// Average each image's logits with its mirror image's.
    pub flip: bool,
}

impl Evaluator<'_> {
    /// Logits `[N, C]` in f32 for bytes `[N, 3, H, W]`.
    pub fn logits(&self, network: &Network, pixels: &Tensor) -> Result<Tensor> {
        let forward = |images: &Tensor| -> Result<Tensor> {
            let logits = autocast(network.device(), self.arithmetic.autocast, || {
                network.forward_eval(images)
            })??;
            Ok(logits.f_to_kind(Kind::Float)?)
        };
        no_grad(|| {
            let images = self.normalizer.apply(pixels)?;
            let logits = forward(&images)?;
            if !self.flip {
                return Ok(logits);
            }
            let mirrored = forward(&images.f_flip([3])?)?;
            Ok(logits.f_add(&mirrored)?.f_mul_scalar(0.5)?)
        })
    }

    /// Counts over the whole validation set.
    ///
    /// # Errors
    /// Reading fails, or there is no image at all.
    pub fn run(
        &self,
        network: &Network,
        source: &dyn Source,
        world: &mut dyn World,
        reporter: &mut Reporter,
    ) -> Result<Evaluation> {
        self.run_each(network, source, world, reporter, &mut |_, _| Ok(()))
    }

    /// [`Evaluator::run`], showing `each` the logits `[N, C]` and labels `[N]` of every batch of this process.
    ///
    /// # Errors
    /// As [`Evaluator::run`], and what `each` returns.
    pub fn run_each(
        &self,
        network: &Network,
        source: &dyn Source,
        world: &mut dyn World,
        reporter: &mut Reporter,
        each: &mut dyn FnMut(&Tensor, &Tensor) -> Result<()>,
    ) -> Result<Evaluation> {
        let start = std::time::Instant::now();
        // loss, top-1, top-5, images: sums over this process, then over all
        let mut sums = [0.0; 4];
        let mut on_device: Option<Tensor> = None;
        for batch in source.val()? {
            let batch = batch?;
            let count = batch.labels.size1()?;
            sums[3] += count as f64;
            reporter.advance();
            if count == 0 {
                continue;
            }
            let logits = self.logits(network, &batch.pixels)?;
            let labels = batch.labels.f_to_device(network.device())?;
            each(&logits, &labels)?;
            let loss =
                logits.f_cross_entropy_loss(&labels, None::<&Tensor>, Reduction::Sum, -100, 0.0)?;
            let (top1, top5) = correct(&logits, &labels)?;
            let parts = [loss, top1, top5].map(|part| part.f_to_kind(sum_kind(network)));
            let parts = parts.into_iter().collect::<Result<Vec<_>, _>>()?;
            let parts = Tensor::f_stack(&parts, 0)?;
            on_device = Some(match on_device {
                None => parts,
                Some(sum) => sum.f_add(&parts)?,
            });
        }
        if let Some(sum) = on_device {
            for (index, total) in sums.iter_mut().take(3).enumerate() {
                *total = sum.f_double_value(&[index as i64])?;
            }
        }
        world.sum(&mut sums)?;
        let [loss, top1, top5, images] = sums;
        if images == 0.0 {
            bail!("validation: no readable image");
        }
        Ok(Evaluation {
            loss: loss / images,
            top1_percent: 100.0 * top1 / images,
            top5_percent: 100.0 * top5 / images,
            images: images as u64,
            secs: start.elapsed().as_secs_f64(),
        })
    }
}

/// f64 where the device has it; Metal has not.
pub fn sum_kind(network: &Network) -> Kind {
    match network.device() {
        tch::Device::Mps => Kind::Float,
        _ => Kind::Double,
    }
}
