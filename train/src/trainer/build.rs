//! From a recipe to a trainer: device, data, network, optimizer, and a saved state where the run goes on.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use tch::Tensor;

use super::Trainer;
use crate::checkpoint::file::TensorFile;
use crate::checkpoint::state::Progress;
use crate::checkpoint::weights;
use crate::data::{self, Source};
use crate::engine::Engine;
use crate::evaluate::sum_kind;
use crate::loss::class_weights;
use crate::model::Network;
use crate::progress::Reporter;
use crate::recipe::{Recipe, load};
use crate::run_dir::RunDir;
use crate::schedule::Schedule;
use crate::signals::StopRequest;
use crate::world::World;

/// What a trainer is made from.
pub struct Start {
    /// Resolved.
    pub recipe: Recipe,
    /// Where it writes; already created.
    pub run: RunDir,
    /// The saved state to go on from.
    pub resume: Option<(Progress, TensorFile)>,
    /// Where `recipe` is a saved one dealt to another number of processes: as it was, and for how many. The run keeps it,
    /// so that going back and forth does not make batches smaller and smaller.
    pub dealt_from: Option<(String, usize)>,
    /// Who trains along.
    pub world: Box<dyn World>,
}

impl Start {
    /// Builds everything and says what it came to.
    ///
    /// # Errors
    /// A device, data set, checkpoint or value that does not fit, in one line.
    pub fn build(self) -> Result<Trainer> {
        let Start {
            recipe,
            run,
            resume,
            dealt_from,
            mut world,
        } = self;
        let is_first = world.rank() == 0;
        let mut reporter = Reporter::new(is_first.then(|| run.log()).as_deref(), !is_first)?;
        let device = crate::device::prepare(&recipe, &world.device(&recipe.device))?;
        let source = data::open(&recipe, world.rank(), world.size())?;
        let network = network(&recipe, source.as_ref(), resume.is_none(), &mut reporter)?;
        let mut engine = Engine::new(&recipe, network, device, world.as_mut())?;
        let counts = source.class_counts();
        if let Some(weights) = class_weights(&recipe.loss, source.classes(), counts)? {
            engine.weigh_classes(&weights)?;
        }
        let steps_per_epoch = steps_per_epoch(&recipe, source.train_images(), world.size())?;
        let (peak, rule) = recipe.peak_learning_rate(world.size());
        let schedule = Schedule::new(&recipe.schedule, peak, recipe.epochs, steps_per_epoch);
        let sums = Tensor::f_zeros([3], (sum_kind(&engine.network), device))?;
        let recipe_text = load::to_yaml(&recipe)?;
        let world_size = world.size();
        let parameters = engine.network.graph().parameter_count();

        reporter.line(format!(
            "recipe     {}: {}",
            recipe.name, recipe.description
        ));
        reporter.line(format!("data       {}", source.describe()));
        for hint in source.hints() {
            reporter.line(format!("note       {hint}"));
        }
        reporter.line(format!(
            "network    {} ({parameters} parameters, {} tensors frozen)",
            engine.network.architecture().name(),
            engine.network.frozen()
        ));
        let device_text = crate::device::describe(device);
        reporter.line(format!(
            "device     {device_text}; {}",
            engine.arithmetic.describe()
        ));
        if world.size() > 1 {
            reporter.line(format!(
                "processes  {} x {} images x {} batches = {} images a step; BatchNorm {}",
                world.size(),
                recipe.batch_size,
                recipe.accumulate_steps,
                recipe.global_batch(world.size()),
                if recipe.sync_batch_norm {
                    "over all"
                } else {
                    "within each"
                }
            ));
        }
        reporter.line(format!("optimizer  {}", engine.optimizer.describe()));
        reporter.line(format!("rate       {rule}"));
        if let Some(epochs) = schedule.shortened_warmup() {
            reporter.line(format!(
                "rate       warm-up shortened to {epochs} epochs, half of the run"
            ));
        }
        reporter.line(format!(
            "steps      {steps_per_epoch} per epoch of {} images, {} epochs",
            recipe.global_batch(world.size()),
            recipe.epochs
        ));
        let mut trainer = Trainer {
            run,
            source,
            world,
            engine,
            schedule,
            progress: Progress {
                recipe: recipe_text.clone(),
                processes: world_size,
                ..Progress::default()
            },
            recipe,
            sums,
            steps_per_epoch,
            reporter,
            stop: StopRequest::listen()?,
            last_save: Instant::now(),
            unreadable: 0,
        };
        if is_first {
            let config = trainer.run.config();
            std::fs::write(&config, &recipe_text)
                .with_context(|| format!("cannot write {}", config.display()))?;
        }
        trainer.reporter.note(&recipe_text);
        if let Some((progress, file)) = resume {
            let processes = trainer.world.size();
            let (recipe_text, processes) = dealt_from.unwrap_or((recipe_text, processes));
            trainer.take_up(progress, &file, recipe_text, processes)?;
        }
        Ok(trainer)
    }
}

impl Trainer {
    fn take_up(
        &mut self,
        progress: Progress,
        file: &TensorFile,
        recipe_text: String,
        processes: usize,
    ) -> Result<()> {
        if progress.step_in_epoch >= self.steps_per_epoch && progress.step_in_epoch > 0 {
            bail!(
                "the saved state is at step {} of an epoch of {}: the data or the batch size changed; resume with the old ones",
                progress.step_in_epoch,
                self.steps_per_epoch
            );
        }
        let changed = progress.recipe != recipe_text;
        self.resume(progress, file)?;
        self.progress.recipe = recipe_text;
        self.progress.processes = processes;
        self.reporter.line(format!(
            "resumed    after epoch {} and {} steps, from {}",
            self.progress.epoch,
            self.progress.step_in_epoch,
            self.run.state().display()
        ));
        if changed {
            self.reporter.line(
                "resumed    with a changed recipe: the result is not that of an uninterrupted run",
            );
        }
        Ok(())
    }
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

fn network(
    recipe: &Recipe,
    source: &dyn Source,
    is_new: bool,
    reporter: &mut Reporter,
) -> Result<Network> {
    let architecture = model_core::arch::by_name(&recipe.arch, source.classes().len())?;
    let mut network = Network::new(architecture)?;
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
