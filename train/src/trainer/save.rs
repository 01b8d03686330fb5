//! What a trainer keeps and takes up again: weights for others, the state for itself.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use model_core::labels::from_folder_names;
use model_core::manifest::{Accuracy, Manifest, Provenance};
use tch::{Tensor, no_grad};

use super::Trainer;
use super::step::all_finite;
use crate::checkpoint::file::TensorFile;
use crate::checkpoint::state::{self, Parts, Progress};
use crate::checkpoint::weights;
use crate::evaluate::Evaluator;
use crate::metrics::EpochRecord;
use crate::recipe::{Recipe, load};

/// Images whose logits are stored beside the best checkpoint.
const SAMPLE_IMAGES: i64 = 4;

impl Trainer {
    /// Saves everything a resume needs; only the first process writes. The network must hold its own weights, not the
    /// averages.
    pub(super) fn save_state(&mut self) -> Result<()> {
        self.last_save = Instant::now();
        if !self.is_first() {
            return Ok(());
        }
        self.check_finite()?;
        self.progress.batches_tracked = self.engine.network.batches_tracked();
        self.progress.optimizer_steps = self.engine.optimizer.steps();
        self.progress.scaler = self.engine.scaler.state()?;
        let parts = Parts {
            network: &mut self.engine.network,
            optimizer: &mut self.engine.optimizer,
            ema: self.engine.ema.as_ref(),
        };
        state::write(&parts, &self.progress, &self.run.state())
    }

    /// Takes up a saved state, position included.
    pub(super) fn resume(&mut self, progress: Progress, file: &TensorFile) -> Result<()> {
        self.restore(&progress, file)?;
        self.progress = progress;
        // The saved sums are over all processes: each takes its share, and their sum is the same again.
        let share = 1.0 / self.world.size() as f64;
        let running = &mut self.progress.running;
        for sum in [
            &mut running.loss,
            &mut running.top1,
            &mut running.top5,
            &mut running.images,
        ] {
            *sum *= share;
        }
        let sums = Tensor::from_slice(&[running.loss, running.top1, running.top5]);
        no_grad(|| self.sums.f_copy_(&sums))?;
        Ok(())
    }

    /// Takes up the tensors of the last saved state; the position stays.
    pub(super) fn roll_back(&mut self) -> Result<()> {
        let (progress, file) = state::read_progress(&self.run.state())?;
        self.restore(&progress, &file)?;
        self.progress.rollbacks += 1;
        self.progress.skipped_in_row = 0;
        Ok(())
    }

    fn restore(&mut self, progress: &Progress, file: &TensorFile) -> Result<()> {
        let mut parts = Parts {
            network: &mut self.engine.network,
            optimizer: &mut self.engine.optimizer,
            ema: self.engine.ema.as_ref(),
        };
        state::restore(&mut parts, progress, file)?;
        self.engine.scaler.restore(progress.scaler)
    }

    /// A checkpoint with a NaN in it would spread: it is never written.
    fn check_finite(&self) -> Result<()> {
        for named in self.engine.network.tensors() {
            if !all_finite(&named.tensor)? {
                bail!(
                    "{} is not finite; nothing was saved, and the previous state is untouched",
                    named.name
                );
            }
        }
        Ok(())
    }

    /// `last`, `best` and every so often `epoch-0010`, as others read them.
    pub(super) fn write_epoch_weights(
        &mut self,
        epoch: u32,
        record: &EpochRecord,
        is_best: bool,
    ) -> Result<()> {
        if !self.is_first() {
            return Ok(());
        }
        self.check_finite()?;
        let manifest = self.manifest(epoch, record)?;
        let keep = self.recipe.checkpoints.keep_every_epochs;
        let mut names = vec!["last".to_owned()];
        if is_best {
            names.push("best".into());
            self.write_sample_logits()?;
        }
        if keep > 0 && epoch.is_multiple_of(keep) {
            names.push(format!("epoch-{epoch:04}"));
        }
        for name in names {
            weights::write(&self.engine.network, &manifest, &self.run.weights(&name))?;
        }
        Ok(())
    }

    fn manifest(&self, epoch: u32, record: &EpochRecord) -> Result<Manifest> {
        let classes = self.source.classes();
        let mut manifest = Manifest::new(
            self.recipe.name.clone(),
            self.engine.network.architecture().name(),
            from_folder_names(classes),
            self.recipe.preprocessing.clone(),
        );
        manifest.accuracy = record.val_top1_percent.map(|top1_percent| Accuracy {
            top1_percent,
            top5_percent: record.val_top5_percent.filter(|_| classes.len() > 5),
            images: record.val_images,
            dataset: format!("{}, validation", self.source.name()),
        });
        manifest.provenance = Some(Provenance {
            source: format!("trained on {}", self.source.name()),
            source_sha256: None,
            tool: concat!("resnet50-toolkit train ", env!("CARGO_PKG_VERSION")).to_owned(),
            recipe: Some(load::to_yaml(&portable(&self.recipe))?),
            epoch: Some(epoch),
        });
        Ok(manifest)
    }

    /// A few validation inputs and the checkpoint's own logits in fp32, for whoever converts it.
    fn write_sample_logits(&self) -> Result<()> {
        let Some(batch) = self.source.val()?.next() else {
            return Ok(());
        };
        let batch = batch?;
        let count = batch.labels.size1()?.min(SAMPLE_IMAGES);
        if count == 0 {
            return Ok(());
        }
        let pixels = batch.pixels.f_narrow(0, 0, count)?;
        let evaluator = Evaluator {
            normalizer: &self.engine.normalizer,
            arithmetic: crate::precision::Arithmetic {
                autocast: None,
                ..self.engine.arithmetic
            },
            flip: false,
        };
        let mut file = TensorFile::default();
        file.insert("input", &self.engine.normalizer.apply(&pixels)?);
        file.insert("logits", &evaluator.logits(&self.engine.network, &pixels)?);
        file.write(&self.run.best_logits())
            .context("sample logits of the best checkpoint")
    }
}

/// The recipe without what belongs to this machine only.
fn portable(recipe: &Recipe) -> Recipe {
    Recipe {
        data: None,
        init: None,
        workers: None,
        threads: None,
        device: "auto".into(),
        ..recipe.clone()
    }
}
