//! `train`: which recipe, which directory, new or resumed; then the trainer.

use std::process::ExitCode;

use anyhow::{Context, Result};

use super::TrainArgs;
use crate::checkpoint::state;
use crate::recipe::{Override, Recipe, catalog, load};
use crate::run_dir::RunDir;
use crate::trainer::{Outcome, Start};
use crate::world::Alone;

/// Exit code of a run that finished but could not read some images.
const SOME_IMAGES_BAD: u8 = 3;

/// Trains or resumes.
pub fn train(args: &TrainArgs) -> Result<ExitCode> {
    let overrides = args.overrides()?;
    let start = if args.resume {
        resumed(args, &overrides)?
    } else {
        fresh(args, &overrides)?
    };
    let mut trainer = start.build()?;
    match trainer.run()? {
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

fn fresh(args: &TrainArgs, overrides: &[Override]) -> Result<Start> {
    let name = match (&args.recipe, &args.arch) {
        (Some(name), _) => name.clone(),
        (None, Some(arch)) => catalog::default_for(arch).to_owned(),
        (None, None) => catalog::DEFAULT.to_owned(),
    };
    let recipe = load::resolve(&name, overrides)?;
    let run = match &args.output {
        Some(dir) => RunDir::at(dir),
        None => RunDir::fresh(&recipe.name),
    };
    run.claim(args.overwrite)?;
    Ok(Start {
        recipe,
        run,
        resume: None,
        world: Box::new(Alone),
    })
}

fn resumed(args: &TrainArgs, overrides: &[Override]) -> Result<Start> {
    let run = match &args.output {
        Some(dir) => RunDir::at(dir),
        None => RunDir::newest()?,
    };
    if !run.state().exists() {
        eprintln!(
            "--resume: nothing saved in {} yet, starting from the beginning",
            run.root().display()
        );
        let mut start = fresh(args, overrides)?;
        start.run = run;
        return Ok(start);
    }
    let (progress, file) = state::read_progress(&run.state())?;
    let recipe = recipe_of(&progress.recipe, args, overrides)
        .with_context(|| format!("recipe saved in {}", run.state().display()))?;
    run.create()?;
    Ok(Start {
        recipe,
        run,
        resume: Some((progress, file)),
        world: Box::new(Alone),
    })
}

/// The saved recipe with the flags given now; a recipe named again takes its place.
fn recipe_of(saved: &str, args: &TrainArgs, overrides: &[Override]) -> Result<Recipe> {
    match &args.recipe {
        Some(name) => load::resolve(name, overrides),
        None => load::from_text(saved, overrides),
    }
}
