//! Forward and backward of a batch: at once, or in parts whose gradients add up to the whole batch's where memory does
//! not hold it; and the way back when it fails half-way.

use std::ops::Range;

use anyhow::{Context, Result, bail};
use tch::{Kind, Tensor};
use torch_ext::autocast::autocast;
use torch_ext::optim::foreach_copy;

use super::{TrainEngine, buffers};
use crate::collective::{Collective, SingleProcess};
use crate::data::TensorBatch;
use crate::ema::copy_of;
use crate::evaluate::sum_kind;
use crate::loss::{Targets, correct, loss};
use crate::mix::{Blend, MixKey};
use crate::recipe::LossKind;
use crate::recompute;

/// What a batch changes beside gradients.
pub(super) struct Before {
    statistics: Vec<Tensor>,
    batches_tracked: i64,
}

/// A batch of which parts are computed.
struct Whole<'a> {
    /// u8 `[N, 3, H, W]` on the host.
    pixels: &'a Tensor,
    /// i64 `[N]` on the device.
    labels: Tensor,
    /// N.
    count: i64,
    /// Drawn for all of it; none: the images stay as they are.
    blend: Option<Blend>,
}

impl Whole<'_> {
    /// Rows and, where they are blended, the row before the first: after the last comes the first.
    fn rows(&self, of: &Tensor, rows: &Range<i64>) -> Result<Tensor> {
        let length = rows.end - rows.start;
        if self.blend.is_none() {
            return Ok(of.f_narrow(0, rows.start, length)?);
        }
        if rows.start > 0 {
            return Ok(of.f_narrow(0, rows.start - 1, length + 1)?);
        }
        let last = of.f_narrow(0, self.count - 1, 1)?;
        Ok(Tensor::f_cat(&[last, of.f_narrow(0, 0, length)?], 0)?)
    }

    fn is_all(&self, rows: &Range<i64>) -> bool {
        rows.end - rows.start == self.count
    }
}

/// What a forward pass takes, on the device.
pub(super) struct Inputs {
    /// `[n, 3, H, W]`, normalized and mixed.
    pub images: Tensor,
    /// i64 `[n]`.
    pub labels: Tensor,
    /// What the network should say; labels are the memory of `labels`.
    pub targets: Targets,
}

impl Inputs {
    /// Takes the numbers of `others`, which are alike, into the memory of these.
    pub fn overwrite(&self, others: &Self) -> Result<()> {
        let copy = |to: &Tensor, from: &Tensor| to.shallow_clone().f_copy_(from);
        tch::no_grad(|| {
            copy(&self.images, &others.images)?;
            copy(&self.labels, &others.labels)?;
            if let (Targets::Mixed(to), Targets::Mixed(from)) = (&self.targets, &others.targets) {
                copy(to, from)?;
            }
            Ok(())
        })
    }
}

/// What the mean loss of some images adds to the mean of their whole batch.
pub(super) enum Share {
    /// They are all of it.
    Whole,
    /// By the number of images.
    OfImages(f64),
    /// By the weights of their classes, a number on the device.
    OfWeights(Tensor),
}

impl Share {
    fn of(&self, loss: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Whole => loss.shallow_clone(),
            Self::OfImages(share) => loss.f_mul_scalar(*share)?,
            Self::OfWeights(share) => loss.f_mul(share)?,
        })
    }
}

impl TrainEngine {
    /// Forward and backward of one of the step's batches (`is_last`: gradients are exchanged after it). Loss sum, top-1
    /// and top-5 hits, and images, `[4]` on the device.
    ///
    /// # Errors
    /// Memory runs out ([`TrainEngine::go_back`] leads back to where it began); no image of the batch could be read.
    pub fn accumulate(
        &mut self,
        collective: &mut dyn Collective,
        batch: &TensorBatch,
        key: MixKey,
        is_last: bool,
    ) -> Result<Tensor> {
        self.accumulate_in(1, collective, batch, key, is_last)
    }

    /// [`TrainEngine::accumulate`] in `parts` of equal size, one after the other. Each part's loss is weighted by its
    /// share of the batch, so that the gradients add up to those of the whole batch's loss; partners of mixup and
    /// cutmix are those of the whole batch. BatchNorm takes its statistics over each part, and dropout draws for each
    /// part.
    ///
    /// # Errors
    /// As [`TrainEngine::accumulate`].
    pub fn accumulate_in(
        &mut self,
        parts: usize,
        collective: &mut dyn Collective,
        batch: &TensorBatch,
        key: MixKey,
        is_last: bool,
    ) -> Result<Tensor> {
        self.arithmetic.set_kernels(true)?;
        let whole = self.whole(batch, key)?;
        let count = whole.count;
        let parts = self.parts_of(count, parts)?;
        let mut sums: Option<Tensor> = None;
        for part in 0..parts {
            let rows = count * part / parts..count * (part + 1) / parts;
            let is_last = is_last && part + 1 == parts;
            let of_part = self.accumulate_part(collective, &whole, &rows, is_last)?;
            sums = Some(match sums {
                None => of_part,
                Some(sum) => sum.f_add(&of_part)?,
            });
        }
        sums.context("a batch has at least one part")
    }

    /// In how many parts a batch of `count` images is computed where `wanted` are.
    pub(super) fn parts_of(&self, count: i64, wanted: usize) -> Result<i64> {
        let most = (count / self.least_images as i64).max(1);
        let parts = most.min(wanted as i64);
        // Its exchange of statistics is part of every forward pass: all processes must make as many.
        if parts != wanted as i64 && self.network.norm_group().is_some() {
            bail!(
                "{count} images of a batch could be read, too few for the {wanted} micro-batches in which BatchNorm takes its \
                 statistics over all processes; train.log names the others"
            );
        }
        Ok(parts)
    }

    fn accumulate_part(
        &mut self,
        collective: &mut dyn Collective,
        whole: &Whole<'_>,
        rows: &Range<i64>,
        is_last: bool,
    ) -> Result<Tensor> {
        let inputs = self.inputs(whole, rows)?;
        let share = self.share(whole, rows, &inputs.labels)?;
        self.learn(collective, &inputs, &share, whole.count, is_last)
    }

    /// Forward and backward from `inputs`, which are a `share` of a batch of `count` images.
    pub(super) fn learn(
        &mut self,
        collective: &mut dyn Collective,
        inputs: &Inputs,
        share: &Share,
        count: i64,
        is_last: bool,
    ) -> Result<Tensor> {
        let Inputs {
            images,
            labels,
            targets,
        } = inputs;
        let device = self.network.device();
        let network = &mut self.network;
        let dtype = self.arithmetic.autocast;
        let (logits, tape) = match &self.cuts {
            Some(cuts) => {
                let (logits, tape) = recompute::forward(network, cuts, images, dtype)?;
                (logits, Some(tape))
            }
            None => {
                let logits = autocast(device, dtype, || network.forward_train(images))??;
                (logits, None)
            }
        };
        let weights = self.class_weights.as_ref();
        let loss = loss(&logits, targets, &self.recipe.loss, weights)?;
        // From here on it is what the part adds to the mean of the whole batch.
        let loss = share.of(&loss)?;
        let share = loss.f_div_scalar(self.recipe.accumulate_steps as f64)?;
        let scaled = self.scaler.scale(&share)?;
        let network = &self.network;
        let mut tape = tape;
        collective.backward(&scaled, is_last, &mut || match tape.take() {
            Some(tape) => tape.backward(network),
            None => Ok(()),
        })?;

        tch::no_grad(|| {
            let (top1, top5) = correct(&logits.f_detach()?, labels)?;
            let kind = sum_kind(&self.network);
            let loss = loss.f_detach()?.f_to_kind(kind)?;
            let loss = loss.f_mul_scalar(count as f64)?;
            let images = labels.size1()? as f64;
            let images = Tensor::f_full([] as [i64; 0], images, (kind, device))?;
            let parts = [loss, top1.f_to_kind(kind)?, top5.f_to_kind(kind)?, images];
            Ok(Tensor::f_stack(&parts, 0)?)
        })
    }

    /// All of a batch, as the network takes it.
    pub(super) fn whole_inputs(&self, batch: &TensorBatch, key: MixKey) -> Result<Inputs> {
        self.arithmetic.set_kernels(true)?;
        let whole = self.whole(batch, key)?;
        self.inputs(&whole, &(0..whole.count))
    }

    fn whole<'a>(&self, batch: &'a TensorBatch, key: MixKey) -> Result<Whole<'a>> {
        // Asynchronous from page-locked memory, as the pixels' copy in `Normalizer`: nothing in a step waits for the
        // device, so the host is a batch ahead of it and the copies run while it computes.
        let device = self.network.device();
        let labels = batch
            .labels
            .f_to_device_(device, Kind::Int64, true, false)?;
        let count = labels.size1()?;
        if count == 0 {
            bail!("none of the images of a batch could be read; train.log names them");
        }
        Ok(Whole {
            pixels: &batch.pixels,
            labels,
            count,
            blend: self.blend(batch, key)?,
        })
    }

    /// How a batch is blended with itself, drawn for all of it.
    pub(super) fn blend(&self, batch: &TensorBatch, key: MixKey) -> Result<Option<Blend>> {
        let (_, _, height, width) = batch.pixels.size4()?;
        let augment = &self.recipe.augment;
        Ok(Blend::draw(augment, key, width as u32, height as u32))
    }

    /// Images `[n, 3, H, W]` of `rows` as the network takes them, their labels `[n]`, and what it should say.
    fn inputs(&self, whole: &Whole<'_>, rows: &Range<i64>) -> Result<Inputs> {
        let length = rows.end - rows.start;
        let labels = whole.labels.f_narrow(0, rows.start, length)?;
        let (images, targets) = self.images_and_targets(whole, rows, &labels)?;
        Ok(Inputs {
            images,
            labels,
            targets,
        })
    }

    fn images_and_targets(
        &self,
        whole: &Whole<'_>,
        rows: &Range<i64>,
        labels: &Tensor,
    ) -> Result<(Tensor, Targets)> {
        let images = |pixels: &Tensor| -> Result<Tensor> {
            let images = self.normalizer.apply(pixels)?;
            Ok(images.f_to_kind(self.network.kind())?)
        };
        let Some(blend) = whole.blend else {
            let images = images(&whole.rows(whole.pixels, rows)?)?;
            return Ok((images, Targets::Classes(labels.shallow_clone())));
        };
        if whole.is_all(rows) {
            let images = images(whole.pixels)?;
            let mixed = blend.images(&images, &images.f_roll([1], [0])?)?;
            let targets = blend.targets(labels, &labels.f_roll([1], [0])?, self.classes)?;
            return Ok((mixed, targets));
        }
        let length = rows.end - rows.start;
        let all = images(&whole.rows(whole.pixels, rows)?)?;
        let mixed = blend.images(&all.f_narrow(0, 1, length)?, &all.f_narrow(0, 0, length)?)?;
        let neighbors = whole.rows(&whole.labels, rows)?.f_narrow(0, 0, length)?;
        let targets = blend.targets(labels, &neighbors, self.classes)?;
        Ok((mixed, targets))
    }

    /// What `rows` with `labels` are of the whole batch. Its mean loss is over images, but where classes are weighed:
    /// PyTorch's softmax loss of labels then divides by the sum of the labels' weights.
    fn share(&self, whole: &Whole<'_>, rows: &Range<i64>, labels: &Tensor) -> Result<Share> {
        if whole.is_all(rows) {
            return Ok(Share::Whole);
        }
        let is_softmax = self.recipe.loss.kind == LossKind::CrossEntropy;
        Ok(match &self.class_weights {
            Some(weights) if is_softmax && whole.blend.is_none() => {
                let sum =
                    |labels: &Tensor| weights.f_index_select(0, labels)?.f_sum(weights.kind());
                Share::OfWeights(sum(labels)?.f_div(&sum(&whole.labels)?)?)
            }
            _ => Share::OfImages((rows.end - rows.start) as f64 / whole.count as f64),
        })
    }

    /// Tries a batch in this process alone, without the others: only [`TrainEngine::go_back`] may follow. Whether
    /// memory suffices is known then, before an exchange in which a process without memory would leave the others
    /// waiting.
    ///
    /// # Errors
    /// As [`TrainEngine::accumulate`].
    pub fn rehearse(&mut self, parts: usize, batch: &TensorBatch, key: MixKey) -> Result<()> {
        let group = self.network.norm_group();
        self.network.synchronize_norms(None);
        let tried = self.accumulate_in(parts, &mut SingleProcess, batch, key, false);
        self.network.synchronize_norms(group);
        tried.map(drop)
    }

    /// BatchNorm learns from no fewer images at a time.
    pub fn least_images(&self) -> usize {
        self.least_images
    }

    /// Keeps what the batches that follow change beside gradients, for [`TrainEngine::go_back`].
    ///
    /// # Errors
    /// Only what libtorch itself reports.
    pub fn remember(&mut self) -> Result<()> {
        let statistics = buffers(&self.network);
        let batches_tracked = self.network.batches_tracked();
        match &mut self.before {
            Some(before) => {
                foreach_copy(&before.statistics, &statistics)?;
                before.batches_tracked = batches_tracked;
            }
            before => {
                let copies = statistics.iter().map(copy_of).collect::<Result<_>>()?;
                *before = Some(Before {
                    statistics: copies,
                    batches_tracked,
                });
            }
        }
        Ok(())
    }

    /// Back to the last [`TrainEngine::remember`], after a batch that failed half-way: its gradients are forgotten,
    /// BatchNorm's statistics are those of then, and the memory it took is given back.
    ///
    /// # Errors
    /// Only what libtorch itself reports.
    pub fn go_back(&mut self) -> Result<()> {
        self.optimizer.zero_grad()?;
        let before = self.before.as_ref().context("nothing was remembered")?;
        foreach_copy(&buffers(&self.network), &before.statistics)?;
        self.network.set_batches_tracked(before.batches_tracked);
        Ok(torch_ext::device::empty_cache()?)
    }
}
