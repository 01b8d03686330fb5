//! An epoch's validation, and the record of what the epoch came to.

use anyhow::{Result, bail};

use super::Trainer;
use crate::evaluate::{Evaluation, Evaluator};
use crate::failure::{MemoryRemedy, explain_memory};
use crate::metrics::{EpochRecord, unix_secs};

impl Trainer {
    /// None: a signal came before all images were counted.
    pub(super) fn evaluate(&mut self, label: &str) -> Result<Option<Evaluation>> {
        let batch = self
            .recipe
            .evaluation
            .batch_size
            .unwrap_or(self.recipe.batch_size)
            .max(1) as u64;
        let batches = self
            .source
            .val_images()
            .div_ceil(batch * self.collective.size() as u64);
        self.reporter.begin(label.to_owned(), batches, 0);
        let flip = self.recipe.evaluation.flip;
        let evaluator = Evaluator::new(&self.engine.normalizer, self.engine.arithmetic, flip)
            .at_once(self.evaluated_at_once.get(), self.micro.may_split());
        let stop = &self.stop;
        let result = evaluator.run(
            &self.engine.network,
            self.source.as_ref(),
            batches,
            self.collective.as_mut(),
            &mut self.reporter,
            &|| stop.received().is_some(),
        );
        self.reporter.end();
        self.evaluated_at_once.set(evaluator.images_at_once());
        result.map_err(|error| {
            let images = self.evaluated_at_once.get().min(batch as usize);
            let remedy = match self.micro.may_split() {
                true => MemoryRemedy::LessPerImage,
                false => MemoryRemedy::FindMicroBatch,
            };
            explain_memory(error, images, self.recipe.preprocessing.crop[0], remedy)
        })
    }

    pub(super) fn record(
        &mut self,
        epoch: u32,
        evaluated: Option<Evaluation>,
        raw: Option<Evaluation>,
    ) -> Result<EpochRecord> {
        let running = self.progress.running;
        let mut sums = [
            running.loss,
            running.top1,
            running.top5,
            running.images,
            self.report_unreadable() as f64,
        ];
        self.collective.sum(&mut sums)?;
        let [loss, top1, top5, images, bad] = sums;
        if images == 0.0 {
            bail!("epoch {epoch}: no readable training image");
        }
        Ok(EpochRecord {
            epoch,
            step: self.progress.step,
            learning_rate: self.progress.learning_rate,
            train_loss: loss / images,
            train_top1_percent: 100.0 * top1 / images,
            train_top5_percent: 100.0 * top5 / images,
            val_loss: evaluated.map(|e| e.loss),
            val_top1_percent: evaluated.map(|e| e.top1_percent),
            val_top5_percent: evaluated.map(|e| e.top5_percent),
            val_class_mean_percent: evaluated.map(|e| e.class_mean_percent),
            raw_val_loss: raw.map(|e| e.loss),
            raw_val_top1_percent: raw.map(|e| e.top1_percent),
            raw_val_top5_percent: raw.map(|e| e.top5_percent),
            raw_val_class_mean_percent: raw.map(|e| e.class_mean_percent),
            train_images: images.round() as u64,
            val_images: evaluated.map_or(0, |e| e.images),
            bad_images: bad as u64,
            train_secs: running.secs,
            val_secs: evaluated.iter().chain(&raw).map(|e| e.secs).sum(),
            images_per_sec: images / running.secs.max(1e-9),
            data_wait_percent: running.data_wait_percent(),
            skipped_steps: running.skipped as u64,
            peak_memory_bytes: crate::device::memory(self.engine.network.device())
                .map(|memory| memory.peak_bytes),
            global_batch: self.recipe.global_batch(self.collective.size()),
            micro_batch: self.micro.size() as u64,
            unix_secs: unix_secs(),
        })
    }

    /// Names images that could not be read, each once; how many were new.
    fn report_unreadable(&mut self) -> usize {
        let mut new = 0;
        for line in self.source.unreadable() {
            if self.named_unreadable.insert(line.clone()) {
                new += 1;
                self.reporter.line(format!("unreadable {line}"));
            }
        }
        new
    }
}
