//! `train`: which recipe, which directory, new or resumed; then the trainer.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use super::TrainArgs;
use crate::checkpoint::state;
use crate::collective::{Collective, SingleProcess};
use crate::distributed::{self, Placement, Session};
use crate::recipe::{Override, Recipe, catalog, load};
use crate::run_dir::{RunDir, RunLock};
use crate::say;
use crate::trainer::{Resume, RunOutcome, Start};

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
    let start = match &args.resume {
        Some(from) => resumed(args, &overrides, session, Path::new(from))?,
        None => fresh(args, &overrides, session)?,
    };
    let mut trainer = start.build()?;
    let outcome = trainer.run()?;
    trainer.finish()?;
    match outcome {
        RunOutcome::Finished if trainer.bad_images() > 0 => {
            say!(
                "{} images could not be read (counted once per epoch); train.log names them",
                trainer.bad_images()
            );
            Ok(ExitCode::from(SOME_IMAGES_BAD))
        }
        RunOutcome::Finished => Ok(ExitCode::SUCCESS),
        RunOutcome::Interrupted(signal) => Ok(ExitCode::from(128 + signal as u8)),
    }
}

/// The directory that rank 0 decides on, or this process where it is alone; whoever decides also holds the lock.
fn agree(
    session: Option<&Session>,
    key: &str,
    make: impl FnOnce() -> Result<RunDir>,
) -> Result<(RunDir, Option<RunLock>)> {
    let mut lock = None;
    let make = || -> Result<RunDir> {
        let run = make()?;
        lock = Some(run.lock()?);
        Ok(run)
    };
    let run = match session {
        None => make()?,
        Some(session) => {
            let text = session.agree(key, || Ok(make()?.root().to_string_lossy().into_owned()))?;
            RunDir::at(text)
        }
    };
    Ok((run, lock))
}

fn collective(session: Option<&Session>) -> Result<Box<dyn Collective>> {
    Ok(match session {
        Some(session) => Box::new(session.collective()?),
        None => Box::new(SingleProcess),
    })
}

fn recipe_name(args: &TrainArgs) -> String {
    match (&args.recipe, &args.arch) {
        (Some(name), _) => name.clone(),
        (None, Some(arch)) => catalog::default_for(arch).to_owned(),
        (None, None) => catalog::DEFAULT.to_owned(),
    }
}

/// A recipe's name without folder and ending, where it is a file.
fn file_stem(name: &str) -> String {
    let stem = Path::new(name).file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

/// The recipe of a new run; where it names no data, the usual places are searched.
fn new_recipe(
    args: &TrainArgs,
    overrides: &[Override],
    session: Option<&Session>,
) -> Result<Recipe> {
    let mut recipe = load::resolve(&recipe_name(args), overrides)?;
    if recipe.data.is_none() && recipe.synthetic.is_none() {
        let (found, line) = crate::data::discover()?;
        if session.is_none_or(|session| session.rank() == 0) {
            say!("{line}");
        }
        recipe.data = Some(found);
    }
    Ok(recipe)
}

fn fresh(args: &TrainArgs, overrides: &[Override], session: Option<&Session>) -> Result<Start> {
    let recipe = new_recipe(args, overrides, session)?;
    let (run, lock) = agree(session, "run_dir", || new_dir(args, &recipe.name))?;
    if lock.is_some() && !args.overwrite {
        run.refuse_a_run()?;
    }
    Ok(Start {
        recipe,
        run,
        lock,
        overwrite: args.overwrite,
        resume: None,
        collective: collective(session)?,
    })
}

fn new_dir(args: &TrainArgs, name: &str) -> Result<RunDir> {
    match &args.output {
        Some(dir) => Ok(RunDir::at(dir)),
        None => RunDir::fresh(name),
    }
}

fn resumed(
    args: &TrainArgs,
    overrides: &[Override],
    session: Option<&Session>,
    from: &Path,
) -> Result<Start> {
    if is_foreign(from) {
        return from_pytorch(args, overrides, session, from);
    }
    let state_file = state_file(from)?;
    let mut is_copy = false;
    let (run, lock) = match &state_file {
        None => agree(session, "resumed_dir", || match &args.output {
            Some(dir) => Ok(RunDir::at(dir)),
            None => RunDir::newest(),
        })?,
        Some(state_file) => {
            let own = own_run(state_file);
            let given = args.output.clone().map(RunDir::at);
            let same = given.is_none() || same_dir(given.as_ref(), own.as_ref());
            is_copy = !(same && own.is_some());
            agree(session, "resumed_dir", || match (given, own) {
                (_, Some(own)) if !is_copy => Ok(own),
                (Some(given), _) => Ok(given),
                (None, _) => RunDir::fresh(&file_stem(&recipe_name(args))),
            })?
        }
    };
    if is_copy && lock.is_some() {
        run.refuse_a_run().context(
            "a run that goes on from an earlier checkpoint needs a directory of its own",
        )?;
    }
    let path = state_file.unwrap_or_else(|| run.state());
    if !path.exists() {
        say!(
            "--resume: nothing saved in {} yet, starting from the beginning",
            run.root().display()
        );
        let recipe = new_recipe(args, overrides, session)?;
        tell_run_dir(session, &run)?;
        return Ok(Start {
            recipe,
            run,
            lock,
            overwrite: false,
            resume: None,
            collective: collective(session)?,
        });
    }
    let (mut progress, file) = state::read_progress(&path)?;
    if overrides
        .iter()
        .any(|given| given.path == "micro_batch_size")
    {
        // What is given now counts, not what was found then.
        progress.micro_batch_size = 0;
    }
    let mut recipe = recipe_of(&progress.recipe, args, overrides)
        .with_context(|| format!("recipe saved in {}", path.display()))?;
    tell_run_dir(session, &run)?;
    let size = session.map_or(1, Session::size);
    let is_given = args.batch_size.is_some() || args.accumulate.is_some();
    let mut dealt_from = None;
    if size != progress.processes && !is_given {
        let was = progress.processes;
        dealt_from = Some((load::to_yaml(&recipe)?, was));
        let norm_batch = recipe.norm_batch(was);
        recipe.keep_global_batch(was, size)?;
        if session.is_none_or(|session| session.rank() == 0) {
            say!(
                "resumed on {size} processes (the recipe is for {was}): {} images x {} batches each, the same global batch",
                recipe.batch_size,
                recipe.accumulate_steps
            );
            if recipe.norm_batch(size) != norm_batch {
                say!(
                    "BatchNorm's statistics come from {} images now, from {norm_batch} before; --batch-size and --accumulate \
                     deal the images otherwise, where the memory allows",
                    recipe.norm_batch(size)
                );
            }
        }
    }
    Ok(Start {
        recipe,
        run,
        lock,
        overwrite: false,
        resume: Some(Resume {
            progress,
            file,
            from: path,
            dealt_from,
            renamed: renamed(args)?,
            is_copy,
        }),
        collective: collective(session)?,
    })
}

/// A checkpoint of a PyTorch script, the project's own predecessor among them: weights, optimizer, epoch, best accuracy.
fn from_pytorch(
    args: &TrainArgs,
    overrides: &[Override],
    session: Option<&Session>,
    from: &Path,
) -> Result<Start> {
    let recipe = new_recipe(args, overrides, session)?;
    let (run, lock) = agree(session, "run_dir", || new_dir(args, &recipe.name))?;
    if lock.is_some() {
        run.refuse_a_run()?;
    }
    let (progress, file) = crate::checkpoint::pytorch::read(from, &recipe)?;
    Ok(Start {
        recipe,
        run,
        lock,
        overwrite: false,
        resume: Some(Resume {
            progress,
            file,
            from: from.to_owned(),
            dealt_from: None,
            renamed: renamed(args)?,
            is_copy: true,
        }),
        collective: collective(session)?,
    })
}

/// Our launcher restarts in this directory.
fn tell_run_dir(session: Option<&Session>, run: &RunDir) -> Result<()> {
    if let Some(session) = session {
        session.agree("run_dir", || Ok(run.root().to_string_lossy().into_owned()))?;
    }
    Ok(())
}

fn is_foreign(from: &Path) -> bool {
    let ending = from.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ["pth", "pt", "tar", "ckpt", "bin"].contains(&ending))
}

/// The state that a named checkpoint goes on from; none where `--resume` names none.
fn state_file(from: &Path) -> Result<Option<PathBuf>> {
    if from.as_os_str().is_empty() {
        return Ok(None);
    }
    let name = from.file_name().unwrap_or_default().to_string_lossy();
    if name.ends_with(".state.safetensors") {
        return Ok(Some(from.to_owned()));
    }
    if let Some(stem) = name.strip_suffix(".safetensors") {
        let beside = from.with_file_name(format!("{stem}.state.safetensors"));
        if !beside.exists() {
            bail!(
                "{} holds weights only and {} is not there: begin a new run from the weights with --init",
                from.display(),
                beside.display()
            );
        }
        return Ok(Some(beside));
    }
    if from.is_dir() {
        return Ok(Some(RunDir::at(from).state()));
    }
    bail!(
        "--resume {}: expected a checkpoint (.safetensors or PyTorch's .pth) or a run's directory",
        from.display()
    )
}

/// The run whose last state this is: it goes on where it is.
fn own_run(state_file: &Path) -> Option<RunDir> {
    let run = RunDir::at(state_file.parent()?.parent()?);
    (run.state() == state_file).then_some(run)
}

fn same_dir(one: Option<&RunDir>, other: Option<&RunDir>) -> bool {
    let path = |run: Option<&RunDir>| std::fs::canonicalize(run?.root()).ok();
    matches!((path(one), path(other)), (Some(a), Some(b)) if a == b)
}

/// `--map-class OLD=NEW`: the saved class, the present one.
fn renamed(args: &TrainArgs) -> Result<Vec<(String, String)>> {
    let pair = |text: &String| match text.split_once('=') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => {
            Ok((old.to_owned(), new.to_owned()))
        }
        _ => bail!("--map-class: expected OLD=NEW, got '{text}'"),
    };
    args.map_class.iter().map(pair).collect()
}

/// The saved recipe with the flags given now; a recipe named again takes its place.
fn recipe_of(saved: &str, args: &TrainArgs, overrides: &[Override]) -> Result<Recipe> {
    match &args.recipe {
        Some(name) => load::resolve(name, overrides),
        None => load::from_text(saved, overrides),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_gone_on_from_by_its_state() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::at(dir.path());
        run.create().unwrap();
        assert_eq!(state_file(Path::new("")).unwrap(), None);
        let error = state_file(&run.weights("best")).unwrap_err().to_string();
        assert!(error.contains("--init"), "{error}");
        std::fs::write(run.state_of("best"), "").unwrap();
        let best = state_file(&run.weights("best")).unwrap().unwrap();
        assert_eq!(best, run.state_of("best"));
        assert_eq!(state_file(dir.path()).unwrap(), Some(run.state()));
        // Only the last state is the run's own place.
        assert!(own_run(&best).is_none());
        assert!(own_run(&run.state()).is_some());
        assert!(state_file(Path::new("notes.txt")).is_err());
    }
}
