//! How a run goes on: with its tensors, at its place, and with a word about everything that is not as it was.

use std::path::PathBuf;
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use tch::{Tensor, no_grad};

use super::Trainer;
use super::build::in_parts;
use crate::checkpoint::file::TensorFile;
use crate::checkpoint::state::{self, Parts, Progress};
use crate::data::DataSource;
use crate::data::fingerprint::{ClassChange, DataFingerprint, compare_classes};
use crate::data::relabeled::Relabeled;
use crate::recipe::{Recipe, load};
use crate::schedule::Schedule;

/// A saved run to go on with.
pub struct Resume {
    /// Where it was.
    pub progress: Progress,
    /// Its tensors.
    pub file: TensorFile,
    /// The file they come from.
    pub from: PathBuf,
    /// Where the recipe is a saved one dealt to another number of processes: as it was, and for how many. The run keeps
    /// it, so that going back and forth does not make batches smaller and smaller.
    pub dealt_from: Option<(String, usize)>,
    /// Classes that go by another name now: the saved one, the present one.
    pub renamed: Vec<(String, String)>,
    /// It goes on in another directory than the one it was saved in.
    pub is_copy: bool,
}

/// The source under the labels of the saved run, and what is to be said of it.
///
/// # Errors
/// The classes are others.
pub(super) fn follow_classes(
    source: Rc<dyn DataSource>,
    resume: &Resume,
) -> Result<(Rc<dyn DataSource>, Option<String>)> {
    let Some(saved) = &resume.progress.data else {
        let count = resume.renamed.len();
        if count > 0 {
            bail!("--map-class: the saved state is of a version that did not store the classes");
        }
        return Ok((source, None));
    };
    match compare_classes(&saved.classes, source.classes(), &resume.renamed) {
        ClassChange::None => Ok((source, None)),
        ClassChange::Mapped { classes, labels } => {
            let line = format!(
                "classes are matched by name to those of the saved run: {} of {} have another index in this folder",
                labels
                    .iter()
                    .enumerate()
                    .filter(|(i, l)| *i as i64 != **l)
                    .count(),
                labels.len()
            );
            Ok((
                Rc::new(Relabeled::new(source, classes, &labels)?),
                Some(line),
            ))
        }
        ClassChange::Other { missing, unknown } => {
            let list = |names: &[String]| match names.len() {
                0 => "none".to_owned(),
                n if n <= 8 => names.join(", "),
                n => format!("{} and {} more", names[..8].join(", "), n - 8),
            };
            let advice = if missing.len() == unknown.len() {
                format!(
                    "if a class only has another name, say so: --map-class {}={}",
                    missing.first().map_or("OLD", String::as_str),
                    unknown.first().map_or("NEW", String::as_str)
                )
            } else {
                "another number of classes is another network: begin a new run with --init"
                    .to_owned()
            };
            bail!(
                "the classes are not those the run was trained on ({} then, {} now): missing: {}; new: {}; {advice}",
                saved.classes.len(),
                source.classes().len(),
                list(&missing),
                list(&unknown)
            )
        }
    }
}

impl Trainer {
    /// Takes up a saved run.
    pub(super) fn take_up(
        &mut self,
        resume: Resume,
        recipe_text: &str,
        data: DataFingerprint,
    ) -> Result<()> {
        let Resume {
            mut progress,
            file,
            from,
            dealt_from,
            ..
        } = resume;
        self.restore(&progress, &file)
            .with_context(|| format!("cannot go on from {}", from.display()))?;
        let mut lines = Vec::new();
        let global_batch = self.recipe.global_batch(self.collective.size());
        let same_images = progress
            .data
            .as_ref()
            .is_none_or(|saved| saved.train == data.train);
        let (step, is_exact) =
            progress.step_to_resume(self.steps_per_epoch, global_batch, same_images);
        if let Some(line) = data_changed(progress.data.as_ref(), &data) {
            lines.push(line);
        }
        let was = (progress.saved_steps_per_epoch(), progress.step_in_epoch);
        if was.0.is_some_and(|steps| steps != self.steps_per_epoch) {
            lines.push(format!(
                "an epoch is {} steps now (it was {}): the learning rate follows the epochs, not the steps",
                self.steps_per_epoch,
                was.0.unwrap_or_default()
            ));
        }
        if !is_exact && was.1 > 0 {
            lines.push(format!(
                "the epoch goes on at step {step} of {}: some of its images come twice{}",
                self.steps_per_epoch,
                if same_images {
                    ""
                } else {
                    ", others not at all"
                }
            ));
        }
        let recipe_was = std::mem::take(&mut progress.recipe);
        self.progress = progress;
        self.progress.step_in_epoch = step;
        self.take_running_sums()?;
        if self.micro.take_up(self.progress.micro_batch_size) {
            let words = in_parts(&self.micro, &self.engine.network);
            lines.push(format!("{words}, as the saved run found"));
        } else {
            self.progress.micro_batch_size = 0;
        }
        if let Some(line) = self.rescale_averages() {
            lines.push(line);
        }
        lines.extend(self.schedule_changed(&recipe_was)?);
        let (recipe_text, processes) =
            dealt_from.unwrap_or_else(|| (recipe_text.to_owned(), self.collective.size()));
        if recipe_was.is_empty() {
            lines.push("from a PyTorch script's checkpoint: the order of its classes is taken to be that of the folders".into());
        } else if recipe_was != recipe_text && !is_same_recipe(&recipe_was, &recipe_text) {
            lines.push(
                "with a changed recipe: the result is not that of an uninterrupted run".into(),
            );
        }
        self.progress.recipe = recipe_text;
        self.progress.processes = processes;
        self.progress.data = Some(data);
        let place = match step {
            0 => format!("after epoch {}", self.progress.epoch),
            step => format!("after epoch {} and {step} steps", self.progress.epoch),
        };
        self.reporter
            .line(format!("resumed    {place}, from {}", from.display()));
        for line in lines {
            self.reporter.line(format!("resumed    {line}"));
        }
        Ok(())
    }

    /// Puts a state's tensors back; the position stays.
    pub(super) fn restore(&mut self, progress: &Progress, file: &TensorFile) -> Result<()> {
        let place = (self.collective.rank(), self.collective.size());
        let mut parts = Parts {
            network: &mut self.engine.network,
            optimizer: &mut self.engine.optimizer,
            ema: self.engine.ema.as_ref(),
        };
        state::restore(&mut parts, progress, file, place)?;
        self.engine.scaler.restore(progress.scaler)?;
        self.engine.forget_skips()
    }

    /// The saved sums are over all processes: each takes its share, and their sum is the same again.
    fn take_running_sums(&mut self) -> Result<()> {
        let share = 1.0 / self.collective.size() as f64;
        let running = &mut self.progress.running;
        for sum in [
            &mut running.loss,
            &mut running.top1,
            &mut running.top5,
            &mut running.images,
        ] {
            *sum *= share;
        }
        let sums = [running.loss, running.top1, running.top5, running.images];
        no_grad(|| self.sums.f_copy_(&Tensor::from_slice(&sums)))?;
        Ok(())
    }

    /// The average of the weights remembers as many epochs as before, whatever a step is now.
    fn rescale_averages(&mut self) -> Option<String> {
        let was = match self.progress.ema_steps_per_epoch {
            0 => self.progress.saved_steps_per_epoch()?,
            steps => steps,
        };
        self.progress.ema_steps_per_epoch = was;
        if was == self.steps_per_epoch {
            return None;
        }
        let ema = self.engine.ema.as_mut()?;
        let decay = ema.scale_steps(was as f64 / self.steps_per_epoch as f64);
        Some(format!(
            "the average of the weights takes {decay:.6} a step, so that it remembers as many epochs as before"
        ))
    }

    /// What changes in the rate from here on, where the schedule is another than that of the saved recipe.
    fn schedule_changed(&self, recipe_was: &str) -> Result<Option<String>> {
        if recipe_was.is_empty() {
            return Ok(None);
        }
        let Ok(was) = load::from_text(recipe_was, &[]) else {
            // A recipe of a version whose keys are others: nothing can be compared.
            return Ok(None);
        };
        let now = self.now_epochs();
        let old = schedule_of(&was, self.progress.global_batch);
        let (before, after) = (old.rate(now), self.schedule.rate(now));
        let is_same = (before - after).abs() <= 1e-9 * before.abs().max(after.abs());
        if is_same && was.epochs == self.recipe.epochs {
            return Ok(None);
        }
        let length = if was.epochs == self.recipe.epochs {
            String::new()
        } else {
            format!("{} epochs instead of {}: ", self.recipe.epochs, was.epochs)
        };
        Ok(Some(format!(
            "{length}the learning rate follows the schedule of now from here on: {after:.3e}, where the saved run would \
             have had {before:.3e}"
        )))
    }
}

/// Whether a saved recipe says the same although its text lacks keys that came later.
fn is_same_recipe(was: &str, now: &str) -> bool {
    let again = load::from_text(was, &[]).and_then(|recipe| load::to_yaml(&recipe));
    again.is_ok_and(|again| again == now)
}

/// The schedule of a recipe for steps of `global_batch` images; 0: of as many as one process takes.
fn schedule_of(recipe: &Recipe, global_batch: u64) -> Schedule {
    let batch = match global_batch {
        0 => recipe.global_batch(1),
        batch => batch,
    };
    Schedule::new(&recipe.schedule, recipe.peak_rate_of(batch), recipe.epochs)
}

/// What is to be said of images that are not those of the saved run.
fn data_changed(saved: Option<&DataFingerprint>, now: &DataFingerprint) -> Option<String> {
    let saved = saved?;
    let part = |name: &str, was: u64, is: u64, same: bool| match (same, was == is) {
        (true, _) => None,
        (false, true) => Some(format!("other {name} images ({is})")),
        (false, false) => Some(format!("{is} {name} images (there were {was})")),
    };
    let parts = [
        part(
            "training",
            saved.train.images,
            now.train.images,
            saved.train == now.train,
        ),
        part(
            "validation",
            saved.val.images,
            now.val.images,
            saved.val == now.val,
        ),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| {
        format!(
            "with {}: the result is not that of an uninterrupted run",
            parts.join(" and ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_that_was_saved_before_a_key_came_is_the_same() {
        let now = load::to_yaml(&Recipe::default()).unwrap();
        let before = now.replace("micro_batch_size: auto\n", "");
        assert_ne!(before, now);
        assert!(is_same_recipe(&before, &now));
        let other = before.replace("epochs: 90\n", "epochs: 91\n");
        assert_ne!(other, before);
        assert!(!is_same_recipe(&other, &now));
        assert!(!is_same_recipe("no recipe", &now));
    }
}
