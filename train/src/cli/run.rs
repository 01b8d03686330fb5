//! `train`: which recipe, which directory, new or resumed; then the trainer.

use std::process::ExitCode;

use anyhow::{Context, Result};

use super::TrainArgs;
use crate::checkpoint::state;
use crate::distributed::{self, Placement, Session};
use crate::recipe::{Override, Recipe, catalog, load};
use crate::run_dir::RunDir;
use crate::trainer::{Outcome, Start};
use crate::world::{Alone, World};

/// Exit code of a run that finished but could not read some images.
const SOME_IMAGES_BAD: u8 = 3;

/// Trains or resumes.
pub fn train(args: &TrainArgs) -> Result<ExitCode> {
    match (Placement::from_env()?, args.launch.processes()) {
        (Some(placement), _) => {
            distributed::end_with_launcher()?;
            let session = Session::join(placement, args.launch.rank_timeout())?;
            session.fail_on_error(|| train_here(args, Some(&session)))
        }
        (None, Some(count)) => distributed::launch(&args.launch, count),
        (None, None) => train_here(args, None),
    }
}

/// Trains in this process, alone or as one of the `session`.
fn train_here(args: &TrainArgs, session: Option<&Session>) -> Result<ExitCode> {
    let overrides = args.overrides()?;
    let start = if args.resume {
        resumed(args, &overrides, session)?
    } else {
        fresh(args, &overrides, session)?
    };
    let mut trainer = start.build()?;
    let outcome = trainer.run()?;
    trainer.finish()?;
    match outcome {
        Outcome::Finished if trainer.bad_images() > 0 => {
            eprintln!(
                "{} images could not be read (counted once per epoch); train.log names them",
                trainer.bad_images()
            );
            Ok(ExitCode::from(SOME_IMAGES_BAD))
        }
        Outcome::Finished => Ok(ExitCode::SUCCESS),
        Outcome::Interrupted(signal) => Ok(ExitCode::from(128 + signal as u8)),
    }
}

/// What rank 0 decides, or this process where it is alone.
fn agree(
    session: Option<&Session>,
    key: &str,
    make: impl FnOnce() -> Result<RunDir>,
) -> Result<RunDir> {
    let Some(session) = session else {
        return make();
    };
    let text = session.agree(key, || Ok(make()?.root().to_string_lossy().into_owned()))?;
    Ok(RunDir::at(text))
}

fn world(session: Option<&Session>) -> Result<Box<dyn World>> {
    Ok(match session {
        Some(session) => Box::new(session.world()?),
        None => Box::new(Alone),
    })
}

fn fresh(args: &TrainArgs, overrides: &[Override], session: Option<&Session>) -> Result<Start> {
    let name = match (&args.recipe, &args.arch) {
        (Some(name), _) => name.clone(),
        (None, Some(arch)) => catalog::default_for(arch).to_owned(),
        (None, None) => catalog::DEFAULT.to_owned(),
    };
    let mut recipe = load::resolve(&name, overrides)?;
    if recipe.data.is_none() && recipe.synthetic.is_none() {
        let (found, line) = crate::data::discover()?;
        if session.is_none_or(|session| session.rank() == 0) {
            eprintln!("{line}");
        }
        recipe.data = Some(found);
    }
    let run = agree(session, "run_dir", || {
        let run = match &args.output {
            Some(dir) => RunDir::at(dir),
            None => RunDir::fresh(&recipe.name),
        };
        run.claim(args.overwrite)?;
        Ok(run)
    })?;
    Ok(Start {
        recipe,
        run,
        resume: None,
        dealt_from: None,
        world: world(session)?,
    })
}

fn resumed(args: &TrainArgs, overrides: &[Override], session: Option<&Session>) -> Result<Start> {
    let run = agree(session, "resumed_dir", || match &args.output {
        Some(dir) => Ok(RunDir::at(dir)),
        None => RunDir::newest(),
    })?;
    if !run.state().exists() {
        eprintln!(
            "--resume: nothing saved in {} yet, starting from the beginning",
            run.root().display()
        );
        let mut start = fresh(args, overrides, session)?;
        start.run = run;
        return Ok(start);
    }
    let (progress, file) = state::read_progress(&run.state())?;
    let mut recipe = recipe_of(&progress.recipe, args, overrides)
        .with_context(|| format!("recipe saved in {}", run.state().display()))?;
    if let Some(session) = session {
        session.agree("run_dir", || Ok(run.root().to_string_lossy().into_owned()))?;
    }
    let size = session.map_or(1, Session::size);
    let is_given = args.batch_size.is_some() || args.accumulate.is_some();
    let mut dealt_from = None;
    if size != progress.processes && !is_given {
        let was = progress.processes;
        dealt_from = Some((load::to_yaml(&recipe)?, was));
        let norm_batch = recipe.norm_batch(was);
        recipe.keep_global_batch(was, size)?;
        if session.is_none_or(|session| session.rank() == 0) {
            eprintln!(
                "resumed on {size} processes (the recipe is for {was}): {} images x {} batches each, the same global batch",
                recipe.batch_size, recipe.accumulate_steps
            );
            if recipe.norm_batch(size) != norm_batch {
                eprintln!(
                    "BatchNorm's statistics come from {} images now, from {norm_batch} before; --batch-size and --accumulate \
                     deal the images otherwise, where the memory allows",
                    recipe.norm_batch(size)
                );
            }
        }
    }
    run.create()?;
    Ok(Start {
        recipe,
        run,
        resume: Some((progress, file)),
        dealt_from,
        world: world(session)?,
    })
}

/// The saved recipe with the flags given now; a recipe named again takes its place.
fn recipe_of(saved: &str, args: &TrainArgs, overrides: &[Override]) -> Result<Recipe> {
    match &args.recipe {
        Some(name) => load::resolve(name, overrides),
        None => load::from_text(saved, overrides),
    }
}
