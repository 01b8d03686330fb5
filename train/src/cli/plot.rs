//! `train plot`: the plots of finished or running runs, alone or against each other.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use crate::answer;
use crate::metrics::{self, EpochRecord};
use crate::recipe::load;
use crate::report::plots;
use crate::run_dir::RunDir;
use crate::schedule::Schedule;

/// Flags of `train plot`.
#[derive(Debug, Args)]
pub struct PlotArgs {
    /// Run directories (or metrics.jsonl files); several are compared
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Where the plots go [default: the run's plots/, or the working directory for several]
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// Runs `train plot`.
pub fn plot(args: &PlotArgs) -> Result<ExitCode> {
    let mut histories: Vec<(String, Vec<EpochRecord>)> = Vec::new();
    for path in &args.runs {
        let file = if path.is_dir() {
            RunDir::at(path).jsonl()
        } else {
            path.clone()
        };
        histories.push((name(path), metrics::read(&file)?));
    }
    let single = (args.runs.len() == 1).then(|| RunDir::at(&args.runs[0]));
    let dir = match (&args.output, &single) {
        (Some(dir), _) => dir.clone(),
        (None, Some(run)) if run.root().is_dir() => run.plots(),
        _ => PathBuf::from("."),
    };
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let runs: Vec<plots::Run<'_>> = histories
        .iter()
        .map(|(name, history)| (name.as_str(), history.as_slice()))
        .collect();
    plots::metrics(&runs, &dir)?;
    answer!("{}", dir.join("metrics.png").display());
    if let (Some(run), [(_, history)]) = (single, &histories[..]) {
        let steps = metrics::read_steps(&run.steps())?;
        let used = plots::rates_used(history, &steps);
        let now = used.last().map_or(0.0, |(epoch, _)| *epoch);
        let now = history
            .last()
            .map_or(now, |last| now.max(f64::from(last.epoch)));
        plots::learning_rate(&used, schedule(&run, history)?.as_ref(), now, &dir)?;
        answer!("{}", dir.join("learning_rate.png").display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The schedule of what is to come of a run, from its resolved recipe and the batch of its last epoch.
fn schedule(run: &RunDir, history: &[EpochRecord]) -> Result<Option<Schedule>> {
    let (Ok(text), Some(last)) = (std::fs::read_to_string(run.config()), history.last()) else {
        return Ok(None);
    };
    let recipe = load::from_text(&text, &[])
        .with_context(|| format!("recipe {}", run.config().display()))?;
    let batch = match last.global_batch {
        // A record of an older version.
        0 => recipe.global_batch(1),
        batch => batch,
    };
    let peak = recipe.peak_rate_of(batch);
    Ok(Some(Schedule::new(&recipe.schedule, peak, recipe.epochs)))
}

fn name(path: &Path) -> String {
    let named = if path.is_file() {
        path.parent().unwrap_or(path)
    } else {
        path
    };
    named.file_name().map_or_else(
        || named.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}
