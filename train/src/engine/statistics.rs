//! BatchNorm's statistics for averaged weights, measured rather than averaged: the average of statistics is not the
//! statistics of the average.

use anyhow::Result;
use torch_ext::autocast::autocast;

use super::TrainEngine;
use crate::collective::Collective;
use crate::data::BatchIter;
use crate::mix::MixKey;

impl TrainEngine {
    /// Sets BatchNorm's running statistics to their mean over the batches of `source`, until this process has computed
    /// `images` (all of the last batch count), as `torch.optim.swa_utils.update_bn` does. Each batch counts alike, and is
    /// computed in `parts` as in training. Processes keep what is theirs: [`Collective::average`] makes it one.
    ///
    /// Random numbers for dropout come from `key` and the batch's place. False: `stop` said so, here or in another
    /// process, and the statistics are of no use.
    ///
    /// # Errors
    /// Images that cannot be read, memory that does not hold a part.
    pub fn measure_statistics(
        &mut self,
        source: BatchIter<'_>,
        images: u64,
        parts: usize,
        key: MixKey,
        collective: &mut dyn Collective,
        stop: &dyn Fn() -> bool,
    ) -> Result<bool> {
        if !self.network.learns_statistics() {
            return Ok(true);
        }
        // Each process by itself: an exchange within the forward pass would need as many parts everywhere.
        let group = self.network.norm_group();
        self.network.synchronize_norms(None);
        let measured = self.measure(source, images, parts, key, collective, stop);
        self.network.set_momentum(None);
        self.network.synchronize_norms(group);
        measured
    }

    fn measure(
        &mut self,
        source: BatchIter<'_>,
        images: u64,
        parts: usize,
        key: MixKey,
        collective: &mut dyn Collective,
        stop: &dyn Fn() -> bool,
    ) -> Result<bool> {
        self.arithmetic.set_kernels(true)?;
        let (device, dtype) = (self.network.device(), self.arithmetic.autocast);
        let (mut seen, mut measured) = (0, 0);
        for (step, batch) in source.enumerate() {
            if collective.any(stop())? {
                return Ok(false);
            }
            let batch = batch?;
            self.seed_dropout(MixKey {
                step: step as u64,
                ..key
            });
            let count = batch.pixels.size4()?.0;
            let parts = self.parts_of(count, parts)?;
            for part in 0..parts {
                let rows = count * part / parts..count * (part + 1) / parts;
                measured += 1;
                // What was there counts nothing at first, and half at the second part: the mean of all.
                self.network.set_momentum(Some(1.0 / f64::from(measured)));
                let pixels = batch
                    .pixels
                    .f_narrow(0, rows.start, rows.end - rows.start)?;
                let network = &self.network;
                tch::no_grad(|| -> Result<()> {
                    let images = self.normalizer.apply(&pixels)?;
                    autocast(device, dtype, || network.forward_statistics(&images))??;
                    Ok(())
                })?;
            }
            seen += count as u64;
            if seen >= images {
                break;
            }
        }
        Ok(true)
    }
}
