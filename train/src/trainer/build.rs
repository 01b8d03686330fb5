//! From a recipe to a trainer: device, data, network, optimizer, and a saved state where the run goes on. Nothing is
//! written before all of it stands.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use model_core::atomic_file;
use tch::Tensor;

use super::reports::Reports;
use super::resume::follow_classes;
use super::waiting::Waiting;
use super::{Resume, Trainer};
use crate::checkpoint::state::Progress;
use crate::checkpoint::weights;
use crate::collective::Collective;
use crate::data::{self, DataSource};
use crate::engine::TrainEngine;
use crate::evaluate::sum_kind;
use crate::loss::class_weights;
use crate::micro_batch::MicroBatches;
use crate::model::TorchNetwork;
use crate::progress::Reporter;
use crate::recipe::{Recipe, load};
use crate::run_dir::{RunDir, RunLock};
use crate::schedule::Schedule;
use crate::signals::StopRequest;
use crate::whitening::whiten;

/// What a trainer is made from.
pub struct Start {
    /// Resolved.
    pub recipe: Recipe,
    /// Where it writes.
    pub run: RunDir,
    /// The directory's lock, on the process that writes.
    pub lock: Option<RunLock>,
    /// A run that is in the directory goes.
    pub overwrite: bool,
    /// The saved run to go on with.
    pub resume: Option<Resume>,
    /// Who trains along.
    pub collective: Box<dyn Collective>,
}

impl Start {
    /// Builds everything and says what it came to.
    ///
    /// # Errors
    /// A device, data set, checkpoint or value that does not fit, in one line. No file of a run is changed then.
    pub fn build(self) -> Result<Trainer> {
        let Start {
            recipe,
            run,
            lock,
            overwrite,
            resume,
            mut collective,
        } = self;
        let is_first = collective.rank() == 0;
        let mut reporter = Reporter::new(!is_first);
        let choice = crate::device::prepare(&recipe)?;
        let device = choice.device;
        let mut source = data::open(
            &recipe,
            collective.rank(),
            collective.size(),
            &run.indexes(),
        )?;
        let mut relabeling = None;
        if let Some(resume) = &resume {
            (source, relabeling) = follow_classes(source, resume)?;
        }
        let network = network(&recipe, source.as_ref(), resume.is_none(), &mut reporter)?;
        if let (Some(images), None) = (recipe.whitening_images, &resume) {
            whiten(
                &network,
                &recipe,
                images,
                source.as_ref(),
                collective.as_mut(),
            )?;
        }
        let mut engine = TrainEngine::new(&recipe, network, device, collective.as_mut())?;
        check_norm_batch(&recipe, &engine.network, collective.size())?;
        let counts = source.class_counts();
        if let Some(weights) = class_weights(&recipe.loss, source.classes(), counts)? {
            engine.weigh_classes(&weights)?;
        }
        let steps_per_epoch = steps_per_epoch(&recipe, source.train_images(), collective.size())?;
        let (peak, rule) = recipe.peak_learning_rate(collective.size());
        let schedule = Schedule::new(&recipe.schedule, peak, recipe.epochs);
        let sums = Tensor::f_zeros([4], (sum_kind(&engine.network), device))?;
        let recipe_text = load::to_yaml(&recipe)?;
        let fingerprint = source.fingerprint();
        say_what_it_is(
            &mut reporter,
            &recipe,
            source.as_ref(),
            &engine,
            collective.as_ref(),
        );
        reporter.line(format!(
            "device     {}",
            choice.describe(&engine.arithmetic.describe())
        ));
        reporter.line(format!("optimizer  {}", engine.optimizer.describe()));
        reporter.line(format!("rate       {rule}"));
        if let Some(epochs) = schedule.shortened_warmup() {
            reporter.line(format!(
                "rate       warm-up shortened to {epochs} epochs, half of the run"
            ));
        }
        reporter.line(format!(
            "steps      {steps_per_epoch} per epoch of {} images, {} epochs",
            recipe.global_batch(collective.size()),
            recipe.epochs
        ));
        let micro = MicroBatches::new(&recipe, engine.least_images());
        if micro.is_split() {
            reporter.line(format!("memory     {}", in_parts(&micro, &engine.network)));
        }
        let mut trainer = Trainer {
            // What another directory holds is saved here first.
            is_new: resume.as_ref().is_none_or(|resume| resume.is_copy),
            progress: Progress {
                recipe: recipe_text.clone(),
                processes: collective.size(),
                data: Some(fingerprint.clone()),
                ema_steps_per_epoch: steps_per_epoch,
                ..Progress::default()
            },
            run,
            _lock: lock,
            source,
            collective,
            engine,
            schedule,
            recipe,
            sums,
            steps_per_epoch,
            micro,
            evaluated_at_once: Cell::new(usize::MAX),
            reporter,
            reports: Reports::default(),
            stop: StopRequest::listen()?,
            last_save: Instant::now(),
            named_unreadable: BTreeSet::new(),
            waiting: Waiting::default(),
        };
        let mut best_beside = None;
        if let Some(resume) = resume {
            if let Some(line) = relabeling {
                trainer.reporter.line(format!("resumed    {line}"));
            }
            best_beside = resume.is_copy.then(|| resume.from.clone());
            trainer.take_up(resume, &recipe_text, fingerprint)?;
        }
        if is_first {
            trainer.begin_to_write(overwrite, &recipe_text)?;
            if let Some(state_file) = best_beside {
                trainer.copy_best(&state_file)?;
            }
        }
        // Rank 0 may have written for longer than an exchange may take.
        trainer.collective.barrier()?;
        Ok(trainer)
    }
}

impl Trainer {
    /// All that could fail without a word to the disk has not failed.
    fn begin_to_write(&mut self, overwrite: bool, recipe_text: &str) -> Result<()> {
        if overwrite {
            self.run.clear()?;
        }
        self.run.create()?;
        atomic_file::write(&self.run.config(), recipe_text.as_bytes())?;
        self.reporter.open_log(&self.run.log())?;
        self.reporter.note(recipe_text);
        self.reports = Reports::open(&self.run, self.progress.step)?;
        Ok(())
    }
}

impl Trainer {
    /// The best checkpoint so far, where the run went on from the directory that has it.
    fn copy_best(&self, state_file: &Path) -> Result<()> {
        let Some((_, epoch)) = self.progress.best else {
            return Ok(());
        };
        let best = state_file.with_file_name("best.safetensors");
        let is_it = best.is_file()
            && weights::manifest_of(&best)?
                .and_then(|manifest| manifest.provenance)
                .is_some_and(|provenance| provenance.epoch == Some(epoch));
        if is_it {
            for to in [
                self.run.weights("best"),
                self.run.state_of("best"),
                self.run.best_logits(),
            ] {
                let from = best.with_file_name(to.file_name().unwrap_or_default());
                if from.is_file() {
                    std::fs::copy(&from, &to).with_context(|| {
                        format!("cannot copy {} to {}", from.display(), to.display())
                    })?;
                }
            }
        }
        Ok(())
    }
}

fn say_what_it_is(
    reporter: &mut Reporter,
    recipe: &Recipe,
    source: &dyn DataSource,
    engine: &TrainEngine,
    collective: &dyn Collective,
) {
    let network = &engine.network;
    reporter.line(format!(
        "recipe     {}: {}",
        recipe.name, recipe.description
    ));
    reporter.line(format!("data       {}", source.describe()));
    for hint in source.hints() {
        reporter.line(format!("note       {hint}"));
    }
    reporter.line(format!(
        "network    {} ({} parameters, {} tensors frozen)",
        network.architecture().name(),
        network.graph().parameter_count(),
        network.frozen()
    ));
    if collective.size() > 1 {
        reporter.line(format!(
            "processes  {} x {} images x {} batches = {} images a step; BatchNorm {}",
            collective.size(),
            recipe.batch_size,
            recipe.accumulate_steps,
            recipe.global_batch(collective.size()),
            if recipe.sync_batch_norm {
                "over all"
            } else {
                "within each"
            }
        ));
    }
}

/// What it means that batches are computed in parts.
pub(super) fn in_parts(micro: &MicroBatches, network: &TorchNetwork) -> String {
    let statistics = match network.learns_statistics() {
        true => "; BatchNorm takes its statistics over these",
        false => "",
    };
    format!(
        "batches are computed {} images at a time, with the gradients of the whole batch{statistics}",
        micro.size()
    )
}

/// Full global batches only, so that every step weighs the same; a data set smaller than one is one step.
fn steps_per_epoch(recipe: &Recipe, images: u64, world_size: usize) -> Result<u64> {
    let per_pass = recipe.batch_size as u64 * world_size as u64;
    let global = recipe.global_batch(world_size);
    if images >= global {
        return Ok(images / global);
    }
    if recipe.accumulate_steps > 1 || world_size > 1 {
        bail!(
            "{images} training images are fewer than one global batch of {global}: lower --batch-size or --accumulate"
        );
    }
    debug_assert!(images < per_pass);
    Ok(1)
}

/// BatchNorm cannot learn from one value a channel: its variance divides by the number of values less one.
fn check_norm_batch(recipe: &Recipe, network: &TorchNetwork, world_size: usize) -> Result<()> {
    let side = recipe.smallest_side();
    let images = recipe.norm_batch(world_size);
    if images <= 1
        && let Some(name) = network.lonely_norm(side as usize)
    {
        bail!(
            "batch_size {images}: {name} sees a map of one pixel of images of {side} pixels, one value a channel, and \
             BatchNorm needs at least two: use --batch-size 2 or larger images"
        );
    }
    Ok(())
}

fn network(
    recipe: &Recipe,
    source: &dyn DataSource,
    is_new: bool,
    reporter: &mut Reporter,
) -> Result<TorchNetwork> {
    let architecture = model_core::arch::by_name(&recipe.arch, source.classes().len())?;
    let mut network = TorchNetwork::new(architecture)?;
    if !is_new {
        return Ok(network);
    }
    crate::init::initialize(&mut network, recipe.seed, recipe.zero_init_residual)?;
    if let Some(path) = &recipe.init {
        let loaded = weights::load(&mut network, path)?;
        // A new classifier starts without an opinion: its random answers would first spoil the trained body.
        let head = format!("{}.", network.classifier());
        for named in network.tensors() {
            if named.name.starts_with(&head) && loaded.fresh.contains(&named.name) {
                let _ = tch::no_grad(|| named.tensor.shallow_clone().f_zero_())?;
            }
        }
        reporter.line(format!(
            "weights    {}: {}",
            path.display(),
            loaded.describe()
        ));
    }
    Ok(network)
}
