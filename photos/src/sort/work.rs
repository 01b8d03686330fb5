//! Carries a plan out, and takes it back.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use model_core::platform::link;

use super::files::{copy, is_there, partial, relocate, same_content};
use super::journal;
use super::{Mode, Plan, SortError, Step, problem};

/// Carries out a plan; `each` hears of each step that is done. The journal is on the disk before the first of them.
///
/// # Errors
/// The first step that fails. What is done until then can be undone, or the rest be done by planning anew.
pub fn carry_out(plan: &Plan, mut each: impl FnMut(&Step)) -> Result<(), SortError> {
    carry_out_until(plan, |step| {
        each(step);
        ControlFlow::Continue(())
    })
    .map(drop)
}

/// [`carry_out`] until `each` asks to stop; gives the number of steps that were done.
///
/// # Errors
/// As [`carry_out`].
pub fn carry_out_until(
    plan: &Plan,
    mut each: impl FnMut(&Step) -> ControlFlow<()>,
) -> Result<usize, SortError> {
    if plan.steps.is_empty() {
        return Ok(0);
    }
    journal::write(plan)?;
    for folder in &plan.folders {
        fs::create_dir_all(folder).map_err(problem("make the folder", folder))?;
    }
    for (index, step) in plan.steps.iter().enumerate() {
        let done = match plan.mode {
            Mode::Copy => copy(&step.from, &step.to, false),
            Mode::Move => relocate(&step.from, &step.to),
            Mode::Link => link(&step.from, &step.to),
        };
        let action = match plan.mode {
            Mode::Copy => "copy to",
            Mode::Move => "move to",
            Mode::Link => "link at",
        };
        done.map_err(problem(action, &step.to))?;
        if each(step).is_break() {
            return Ok(index + 1);
        }
    }
    Ok(plan.steps.len())
}

/// What an undo came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// Files taken back.
    pub files: usize,
    /// Files left as they are, with the reason: somebody changed them since.
    pub left: Vec<(PathBuf, &'static str)>,
}

/// Takes back the newest sorting into `into`, however far it came. A file that was changed since stays, and so does the
/// last copy of anything. An undo that is broken off can be repeated.
///
/// # Errors
/// [`SortError::NothingToUndo`], a damaged journal, or the first file that cannot be moved or removed.
pub fn undo(into: &Path) -> Result<Undone, SortError> {
    let journal = journal::newest(into)?;
    let mut undone = Undone::default();
    for step in journal.steps.iter().rev() {
        let partial = partial(&step.to);
        if is_there(&partial) {
            fs::remove_file(&partial).map_err(problem("remove", &partial))?;
        }
        let taken_back = match journal.mode {
            Mode::Move => unmove(step)?,
            Mode::Copy => uncopy(step, same_content(&step.from, &step.to))?,
            Mode::Link => uncopy(step, is_link_to(step))?,
        };
        match taken_back {
            Ok(true) => undone.files += 1,
            Ok(false) => {}
            Err(why) => undone.left.push((step.to.clone(), why)),
        }
    }
    for folder in journal.folders.iter().rev() {
        // Somebody may have put something into it.
        let _ = fs::remove_dir(folder);
    }
    journal::remove(&journal.path)?;
    for folder in journal.folders.iter().rev() {
        let _ = fs::remove_dir(folder);
    }
    Ok(undone)
}

/// Whether something was taken back, or why not.
type TakenBack = Result<bool, &'static str>;

fn uncopy(step: &Step, ours: bool) -> Result<TakenBack, SortError> {
    if !is_there(&step.to) {
        return Ok(Ok(false));
    }
    if !is_there(&step.from) {
        return Ok(Err("the original is gone, so the copy stays"));
    }
    if !ours {
        return Ok(Err("it is no longer what was put there"));
    }
    fs::remove_file(&step.to).map_err(problem("remove", &step.to))?;
    Ok(Ok(true))
}

fn unmove(step: &Step) -> Result<TakenBack, SortError> {
    match (is_there(&step.from), is_there(&step.to)) {
        (true, false) => Ok(Ok(false)),
        (false, false) => Ok(Err("it is neither here nor where it came from")),
        // Broken off between the two halves of a move, or a copy over file systems.
        (true, true) if same_content(&step.from, &step.to) => {
            fs::remove_file(&step.to).map_err(problem("remove", &step.to))?;
            Ok(Ok(true))
        }
        (true, true) => Ok(Err("another file has the place that it came from")),
        (false, true) => {
            if let Some(folder) = step.from.parent() {
                fs::create_dir_all(folder).map_err(problem("make the folder", folder))?;
            }
            relocate(&step.to, &step.from).map_err(problem("move back to", &step.from))?;
            Ok(Ok(true))
        }
    }
}

/// Hard links, where symbolic ones are not to be had, are the same bytes.
fn is_link_to(step: &Step) -> bool {
    match fs::read_link(&step.to) {
        Ok(target) => target == step.from,
        Err(_) => same_content(&step.from, &step.to),
    }
}
