//! What a trainer keeps: weights for others, the state for itself.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use model_core::labels::from_folder_names;
use model_core::manifest::{Accuracy, Manifest, Provenance};
use tch::Tensor;

use super::Trainer;
use crate::checkpoint::file::TensorFile;
use crate::checkpoint::state::{self, Parts};
use crate::checkpoint::weights;
use crate::evaluate::{Evaluation, Evaluator};
use crate::recipe::{MicroBatchSize, Recipe, load};

/// Images whose logits are stored beside the best checkpoint.
const SAMPLE_IMAGES: i64 = 4;

impl Trainer {
    /// Saves everything a resume needs, with the epoch's sums over all processes. All processes call it, only the first
    /// writes, and the others wait for it. The network must hold its own weights, not the averages.
    pub(super) fn save_state(&mut self) -> Result<()> {
        self.last_save = Instant::now();
        self.collect_sums()?;
        let local = self.progress.running;
        let mut sums = [local.loss, local.top1, local.top5, local.images];
        self.collective.sum(&mut sums)?;
        let others = self.gather_statistics()?;
        if self.is_first() {
            [
                self.progress.running.loss,
                self.progress.running.top1,
                self.progress.running.top5,
                self.progress.running.images,
            ] = sums;
            let saved = self.write_state(&others);
            self.progress.running = local;
            saved?;
        }
        self.collective.barrier()
    }

    /// Each process's own BatchNorm statistics, from rank 1 on: a resumed run goes on as if it had not been stopped.
    fn gather_statistics(&mut self) -> Result<Vec<Vec<Tensor>>> {
        let parts = Parts {
            network: &mut self.engine.network,
            optimizer: &mut self.engine.optimizer,
            ema: self.engine.ema.as_ref(),
        };
        let own: Vec<Tensor> = state::statistics(&parts)
            .into_iter()
            .map(|(_, t)| t)
            .collect();
        self.collective.gather(&own)
    }

    fn write_state(&mut self, others: &[Vec<Tensor>]) -> Result<()> {
        self.check_finite()?;
        let progress = &mut self.progress;
        progress.batches_tracked = self.engine.network.batches_tracked();
        progress.optimizer_steps = self.engine.optimizer.steps();
        progress.scaler = self.engine.scaler.state()?;
        progress.steps_per_epoch = self.steps_per_epoch;
        progress.global_batch = self.recipe.global_batch(self.collective.size());
        progress.statistics_of = self.collective.size();
        let parts = Parts {
            network: &mut self.engine.network,
            optimizer: &mut self.engine.optimizer,
            ema: self.engine.ema.as_ref(),
        };
        state::write(&parts, others, progress, &self.run.state())
    }

    /// Saves the state at the end of an epoch, and keeps it beside the checkpoints that are kept.
    pub(super) fn save_epoch_state(&mut self, epoch: u32, is_best: bool) -> Result<()> {
        self.save_state()?;
        if !self.is_first() {
            return Ok(());
        }
        if self.recipe.checkpoints.keep_states {
            if is_best {
                share_file(&self.run.state(), &self.run.state_of("best"))?;
            }
            if let Some(name) = self.kept_name(epoch) {
                share_file(&self.run.state(), &self.run.state_of(&name))?;
            }
        }
        self.remove_old_checkpoints(epoch)
    }

    /// The name under which the checkpoint of an epoch is kept for good, if it is.
    fn kept_name(&self, epoch: u32) -> Option<String> {
        let every = self.recipe.checkpoints.keep_every_epochs;
        (every > 0 && epoch.is_multiple_of(every)).then(|| name_of(epoch))
    }

    /// Of the checkpoints kept every so many epochs, all but the last few, where the recipe says so.
    fn remove_old_checkpoints(&self, epoch: u32) -> Result<()> {
        let every = self.recipe.checkpoints.keep_every_epochs;
        let keep = self.recipe.checkpoints.keep_last;
        if every == 0 || keep == 0 {
            return Ok(());
        }
        let kept = (1..=epoch).filter(|epoch| epoch.is_multiple_of(every));
        let all: Vec<u32> = kept.collect();
        for old in all.iter().rev().skip(keep as usize) {
            let name = name_of(*old);
            for path in [self.run.weights(&name), self.run.state_of(&name)] {
                match std::fs::remove_file(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(error)
                            .with_context(|| format!("cannot remove {}", path.display()));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// A checkpoint with a NaN in it would spread: it is never written.
    fn check_finite(&self) -> Result<()> {
        if let Some(name) = self.first_non_finite_tensor()? {
            bail!("{name} is not finite; nothing was saved, and the previous state is untouched");
        }
        Ok(())
    }

    /// `last`, `best` and every so often `epoch-0010`, as others read them.
    pub(super) fn write_epoch_weights(
        &mut self,
        epoch: u32,
        evaluated: Option<Evaluation>,
        is_best: bool,
    ) -> Result<()> {
        if !self.is_first() {
            return Ok(());
        }
        self.check_finite()?;
        let manifest = self.manifest(epoch, evaluated)?;
        let mut names = vec!["last".to_owned()];
        if is_best {
            names.push("best".into());
            self.write_sample_logits()?;
        }
        names.extend(self.kept_name(epoch));
        for name in names {
            weights::write(&self.engine.network, &manifest, &self.run.weights(&name))?;
        }
        Ok(())
    }

    /// `last-raw` and `best-raw`: the network's own weights beside their average. The network must hold them.
    pub(super) fn write_raw_weights(
        &mut self,
        epoch: u32,
        evaluated: Option<Evaluation>,
        is_best: bool,
    ) -> Result<()> {
        if !self.is_first() {
            return Ok(());
        }
        self.check_finite()?;
        let manifest = self.manifest(epoch, evaluated)?;
        let names = ["last-raw", "best-raw"];
        for name in names.iter().take(1 + usize::from(is_best)) {
            weights::write(&self.engine.network, &manifest, &self.run.weights(name))?;
        }
        Ok(())
    }

    fn manifest(&self, epoch: u32, evaluated: Option<Evaluation>) -> Result<Manifest> {
        let classes = self.source.classes();
        let mut manifest = Manifest::new(
            self.recipe.name.clone(),
            self.engine.network.architecture().name(),
            from_folder_names(classes),
            self.recipe.preprocessing.clone(),
        );
        manifest.accuracy = evaluated.map(|evaluated| Accuracy {
            top1_percent: evaluated.top1_percent,
            top5_percent: (classes.len() > 5).then_some(evaluated.top5_percent),
            images: evaluated.images,
            dataset: format!("{}, validation", self.source.name()),
        });
        manifest.provenance = Some(Provenance {
            source: format!("trained on {}", self.source.name()),
            source_sha256: None,
            tool: concat!("resnet50-toolkit train ", env!("CARGO_PKG_VERSION")).to_owned(),
            recipe: Some(load::to_yaml(&self.portable_recipe())?),
            epoch: Some(epoch),
        });
        Ok(manifest)
    }

    /// The recipe without what belongs to this machine only; the size of micro-batches that its memory asked for shaped
    /// the weights, by BatchNorm's statistics, and stays.
    fn portable_recipe(&self) -> Recipe {
        let mut recipe = Recipe {
            data: None,
            init: None,
            workers: None,
            threads: None,
            device: "auto".into(),
            ..self.recipe.clone()
        };
        if self.micro.is_split() {
            recipe.micro_batch_size = MicroBatchSize::Images(self.micro.size());
        }
        recipe
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
        let arithmetic = crate::precision::Arithmetic {
            autocast: None,
            ..self.engine.arithmetic
        };
        let evaluator = Evaluator::new(&self.engine.normalizer, arithmetic, false);
        let mut file = TensorFile::default();
        file.insert("input", &self.engine.normalizer.apply(&pixels)?);
        file.insert("logits", &evaluator.logits(&self.engine.network, &pixels)?);
        file.write(&self.run.best_logits())
            .context("sample logits of the best checkpoint")
    }
}

fn name_of(epoch: u32) -> String {
    format!("epoch-{epoch:04}")
}

/// A second name for a file that is never changed in place; a copy where the file system has no second names.
fn share_file(from: &Path, to: &Path) -> Result<()> {
    let context = || format!("cannot write {}", to.display());
    // A name that the next start of the run removes.
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    let next = to.with_file_name(format!(".{name}.link.partial"));
    let link = || -> std::io::Result<()> {
        match std::fs::remove_file(&next) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if std::fs::hard_link(from, &next).is_err() {
            std::fs::copy(from, &next)?;
        }
        std::fs::rename(&next, to)?;
        // Two names of one file: then `rename` leaves both.
        let _ = std::fs::remove_file(&next);
        Ok(())
    };
    link().with_context(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_file_keeps_its_contents_when_the_first_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let [last, best] = ["last.state", "best.state"].map(|name| dir.path().join(name));
        for text in ["one", "two"] {
            model_core::atomic_file::write(&last, text.as_bytes()).unwrap();
            share_file(&last, &best).unwrap();
            share_file(&last, &best).unwrap();
        }
        model_core::atomic_file::write(&last, b"three").unwrap();
        assert_eq!(std::fs::read(&best).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
