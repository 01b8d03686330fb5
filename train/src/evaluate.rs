//! Validation: every image once, exact counts.

use std::cell::Cell;

use anyhow::{Result, bail};
use tch::{Device, Kind, Reduction, Tensor, no_grad};
use torch_ext::autocast::autocast;

use crate::collective::Collective;
use crate::data::{DataSource, TensorBatch};
use crate::failure::is_out_of_memory;
use crate::input::Normalizer;
use crate::loss::hits;
use crate::model::TorchNetwork;
use crate::precision::Arithmetic;
use crate::progress::Reporter;

/// What validation measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Mean cross-entropy, without smoothing.
    pub loss: f64,
    /// Percent.
    pub top1_percent: f64,
    /// Percent.
    pub top5_percent: f64,
    /// Mean of the classes' top-1 accuracies, each class counted alike, in percent.
    pub class_mean_percent: f64,
    /// Images counted.
    pub images: u64,
    /// Wall time.
    pub secs: f64,
}

/// Sums that are not of a class: loss, top-1 hits, top-5 hits, images.
const TOTALS: usize = 4;

/// How to evaluate.
#[derive(Debug)]
pub struct Evaluator<'a> {
    /// Bytes to input.
    normalizer: &'a Normalizer,
    /// dtype and layout.
    arithmetic: Arithmetic,
    /// Average each image's logits with its mirror image's.
    flip: bool,
    /// Images that memory holds at a time, as far as it was asked.
    at_once: Cell<usize>,
    /// A batch may be computed in parts.
    may_split: bool,
}

impl<'a> Evaluator<'a> {
    /// From bytes by `normalizer`, in `arithmetic`; `flip` averages each image's logits with its mirror image's.
    /// Batches that memory does not hold are computed in parts.
    pub fn new(normalizer: &'a Normalizer, arithmetic: Arithmetic, flip: bool) -> Self {
        Self {
            normalizer,
            arithmetic,
            flip,
            at_once: Cell::new(usize::MAX),
            may_split: true,
        }
    }

    /// Begins with so many `images` at a time; fewer when memory runs out only where it `may_split`.
    #[must_use]
    pub fn at_once(self, images: usize, may_split: bool) -> Self {
        Self {
            at_once: Cell::new(images.max(1)),
            may_split,
            ..self
        }
    }

    /// How many images memory holds at a time, as far as it was asked.
    pub fn images_at_once(&self) -> usize {
        self.at_once.get()
    }

    /// Logits `[N, C]` in f32 for bytes `[N, 3, H, W]`. When memory runs out, half as many images are computed at a
    /// time from then on: an image's logits do not depend on its neighbors, but libtorch may choose other kernels for
    /// other sizes, so they are equal up to rounding.
    ///
    /// # Errors
    /// Memory does not hold a single image; reading the device fails.
    pub fn logits(&self, network: &TorchNetwork, pixels: &Tensor) -> Result<Tensor> {
        let count = pixels.size4()?.0;
        loop {
            let most = i64::try_from(self.at_once.get())
                .unwrap_or(i64::MAX)
                .min(count);
            let tried = self.logits_in_parts(network, pixels, most);
            match tried {
                Err(error) if self.may_split && most > 1 && is_out_of_memory(&error) => {
                    self.at_once.set((most as usize).div_ceil(2));
                    torch_ext::device::empty_cache()?;
                }
                tried => return tried,
            }
        }
    }

    /// The logits, `most` images at a time.
    fn logits_in_parts(
        &self,
        network: &TorchNetwork,
        pixels: &Tensor,
        most: i64,
    ) -> Result<Tensor> {
        let count = pixels.size4()?.0;
        if most >= count {
            return self.logits_of_all(network, pixels);
        }
        let parts = (0..count).step_by(most as usize).map(|start| {
            let part = pixels.f_narrow(0, start, most.min(count - start))?;
            self.logits_of_all(network, &part)
        });
        let parts = parts.collect::<Result<Vec<_>>>()?;
        Ok(Tensor::f_cat(&parts, 0)?)
    }

    fn logits_of_all(&self, network: &TorchNetwork, pixels: &Tensor) -> Result<Tensor> {
        let forward = |images: &Tensor| -> Result<Tensor> {
            let logits = autocast(network.device(), self.arithmetic.autocast, || {
                network.forward_eval(images)
            })??;
            Ok(logits.f_to_kind(Kind::Float)?)
        };
        self.arithmetic.set_kernels(false)?;
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

    /// Counts over the whole validation set, `batches` on the process that has most. None: `is_stopped` said so on one of
    /// the processes, which is asked at every batch.
    ///
    /// # Errors
    /// Reading fails, or there is no image at all.
    pub fn run(
        &self,
        network: &TorchNetwork,
        source: &dyn DataSource,
        batches: u64,
        collective: &mut dyn Collective,
        reporter: &mut Reporter,
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<Option<Evaluation>> {
        let each = &mut |_: &Tensor, _: &Tensor| Ok(());
        self.run_each(
            network, source, batches, collective, reporter, is_stopped, each,
        )
    }

    /// [`Evaluator::run`], showing `each` the logits `[N, C]` and labels `[N]` of every batch of this process.
    ///
    /// # Errors
    /// As [`Evaluator::run`], and what `each` returns.
    #[allow(clippy::too_many_arguments)] // those of `run`, and one more
    pub fn run_each(
        &self,
        network: &TorchNetwork,
        source: &dyn DataSource,
        batches: u64,
        collective: &mut dyn Collective,
        reporter: &mut Reporter,
        is_stopped: &dyn Fn() -> bool,
        each: &mut dyn FnMut(&Tensor, &Tensor) -> Result<()>,
    ) -> Result<Option<Evaluation>> {
        let start = std::time::Instant::now();
        let classes = network.architecture().num_classes();
        // Loss, top-1, top-5, images, then images and hits of each class: sums over this process, then over all.
        let mut sums = vec![0.0; TOTALS + 2 * classes];
        let mut on_device: Option<Tensor> = None;
        let mut all = source.val()?;
        let mut at_once = self.at_once.get();
        for _ in 0..batches {
            let wants_stop = is_stopped();
            // Answered while the batch computes.
            collective.begin_any([wants_stop, false])?;
            let batch = all.next().transpose()?;
            if let Some(batch) = batch
                && let Some(parts) = self.count(network, &batch, each)?
            {
                on_device = Some(match on_device {
                    None => parts,
                    Some(sum) => sum.f_add(&parts)?,
                });
            }
            if self.at_once.get() < at_once {
                at_once = self.at_once.get();
                reporter.line(format!(
                    "validation: out of memory; from here on {at_once} images at a time, with the same results up to rounding"
                ));
            }
            reporter.advance();
            let stop = collective
                .finish_any()?
                .map_or(wants_stop, |[stop, _]| stop);
            if stop {
                return Ok(None);
            }
        }
        if let Some(sum) = on_device {
            let sum = sum.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?;
            sums = (&sum).try_into()?;
        }
        collective.sum(&mut sums)?;
        let (totals, each) = sums.split_at(TOTALS);
        let &[loss, top1, top5, images] = totals else {
            bail!("validation: expected {TOTALS} sums, got {}", totals.len());
        };
        if images == 0.0 {
            bail!("validation: no readable image");
        }
        let (of_class, hits) = each.split_at(classes);
        Ok(Some(Evaluation {
            loss: loss / images,
            top1_percent: 100.0 * top1 / images,
            top5_percent: 100.0 * top5 / images,
            class_mean_percent: class_mean(of_class, hits),
            images: images as u64,
            secs: start.elapsed().as_secs_f64(),
        }))
    }

    /// The sums of a batch, `[TOTALS + 2 C]` on the device; none of an empty batch.
    fn count(
        &self,
        network: &TorchNetwork,
        batch: &TensorBatch,
        each: &mut dyn FnMut(&Tensor, &Tensor) -> Result<()>,
    ) -> Result<Option<Tensor>> {
        if batch.labels.size1()? == 0 {
            return Ok(None);
        }
        let logits = self.logits(network, &batch.pixels)?;
        let labels = batch
            .labels
            .f_to_device_(network.device(), Kind::Int64, true, false)?;
        each(&logits, &labels)?;
        let loss =
            logits.f_cross_entropy_loss(&labels, None::<&Tensor>, Reduction::Sum, -100, 0.0)?;
        let (rows, classes) = logits.size2()?;
        let kind = sum_kind(network);
        let hits = hits(&logits, &labels)?.f_to_kind(kind)?;
        let [best, all] = [hits.f_narrow(1, 0, 1)?, hits.shallow_clone()];
        let ones = Tensor::f_ones([rows], (kind, network.device()))?;
        // Where a class is no output of the network, `cross_entropy_loss` has said so.
        let per_class = |values: &Tensor| -> Result<Tensor> {
            let zeros = Tensor::f_zeros([classes], (kind, network.device()))?;
            Ok(zeros.f_index_add(0, &labels, values)?)
        };
        let parts = [
            loss.f_to_kind(kind)?.f_view([1])?,
            best.f_sum(kind)?.f_view([1])?,
            all.f_sum(kind)?.f_view([1])?,
            ones.f_sum(kind)?.f_view([1])?,
            per_class(&ones)?,
            per_class(&best.f_squeeze_dim(1)?)?,
        ];
        Ok(Some(Tensor::f_cat(&parts, 0)?))
    }
}

/// Mean over the classes that have images of their share of hits, in percent.
fn class_mean(images: &[f64], hits: &[f64]) -> f64 {
    let each = images.iter().zip(hits).filter(|(images, _)| **images > 0.0);
    let (sum, count) = each.fold((0.0, 0.0), |(sum, count), (images, hits)| {
        (sum + hits / images, count + 1.0)
    });
    100.0 * sum / f64::max(count, 1.0)
}

/// f64 where the device has it; Metal has not.
pub fn sum_kind(network: &TorchNetwork) -> Kind {
    match network.device() {
        tch::Device::Mps => Kind::Float,
        _ => Kind::Double,
    }
}
