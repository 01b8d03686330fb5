//! `infer-cli sort PHOTOS --into DIR`: one folder a label, "not sure" and "none of these" apart, and the way back.
//!
//! What goes where without a loss is `photos::sort`'s; here photos are found, asked for their label, and lines printed.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use image_data::formats::looks_like_picture;
use inference::stream::{Outcome, Source, StreamOptions};
use inference::{Cancel, Classifier};
use photos::sort::{Item, Mode, Plan, carry_out, folder_name, undo};
use walkdir::WalkDir;

use super::{decode_options, print};
use crate::advice::Told;
use crate::args::SortArgs;
use crate::report::printable;
use crate::words::WordsArgs;
use crate::{Exit, model, report};

/// The folder of photos whose label is not likely enough.
const NOT_SURE: &str = "not sure";

/// Sorts, or takes a sorting back.
///
/// # Errors
/// When the model or a folder cannot be used, or a file cannot be copied, moved or linked.
pub fn run(args: &SortArgs, cancel: &Cancel) -> Result<Exit> {
    let into = std::path::absolute(&args.into)
        .with_context(|| format!("cannot find {}", args.into.display()))?;
    if args.undo {
        return take_back(&into);
    }
    let classifier = model::open(&args.model, &args.talk)?;
    args.words.check(&classifier)?;
    let (photos, mut failed) = find(&args.photos, &into);
    let items = ask(&classifier, &photos, args, cancel, &mut failed)?;
    let mode = match (args.move_photos, args.link) {
        (true, _) => Mode::Move,
        (_, true) => Mode::Link,
        _ => Mode::Copy,
    };
    let plan = Plan::new(&items, &into, mode);
    if args.dry_run {
        print(&lines(&plan)?)?;
    } else {
        let stopped = carry_out(&plan, |_| ());
        if stopped.is_err() && !args.talk.quiet {
            report::note("what was done until then can be taken back with --undo");
        }
        stopped?;
    }
    if !args.talk.quiet {
        print(&summary(&plan, args.dry_run, failed)?)?;
    }
    Ok(match failed {
        0 => Exit::Success,
        _ => Exit::SomeFailed,
    })
}

fn take_back(into: &Path) -> Result<Exit> {
    let undone = undo(into)?;
    for (path, why) in &undone.left {
        report::note(&format!("{} stays: {why}", path.display()));
    }
    print(&format!("{} files taken back\n", undone.files))?;
    Ok(match undone.left.len() {
        0 => Exit::Success,
        _ => Exit::SomeFailed,
    })
}

/// Every photo, sorted by name, with its absolute path; what lies in the target folder is sorted already. Links are not
/// followed: their file has a place of its own.
fn find(photos: &[PathBuf], into: &Path) -> (Vec<PathBuf>, usize) {
    let (mut found, mut failed) = (Vec::new(), 0);
    for path in photos {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let entries = WalkDir::new(&path)
            .sort_by_file_name()
            .into_iter()
            .filter_entry(|entry| {
                let hidden = entry.file_name().to_string_lossy().starts_with('.');
                entry.depth() == 0 || (!hidden && entry.path() != into)
            });
        for entry in entries {
            match entry {
                Ok(entry) if entry.file_type().is_file() && looks_like_picture(entry.path()) => {
                    found.push(entry.into_path());
                }
                Ok(_) => {}
                Err(error) => {
                    failed += 1;
                    report::error(&format!("cannot read {}", one(&error)));
                }
            }
        }
    }
    (found, failed)
}

fn one(error: &walkdir::Error) -> String {
    let path = error
        .path()
        .map_or_else(String::new, |path| path.display().to_string());
    match error.io_error() {
        Some(reason) => format!("{path}: {reason}"),
        None => format!("{path}: a circle of links"),
    }
}

fn ask(
    classifier: &Classifier,
    photos: &[PathBuf],
    args: &SortArgs,
    cancel: &Cancel,
    failed: &mut usize,
) -> Result<Vec<Item>> {
    let options = StreamOptions {
        top_k: 1,
        batch: args.model.batch.unwrap_or(0),
        decode: Some(decode_options(&args.decode, classifier)),
        cancel: cancel.clone(),
        ..StreamOptions::default()
    };
    let progress = match args.talk.quiet {
        true => indicatif::ProgressBar::hidden(),
        false => indicatif::ProgressBar::new(photos.len() as u64),
    };
    let mut items = Vec::with_capacity(photos.len());
    let sources = photos.iter().cloned().map(Source::File);
    classifier.stream(sources, &options, |answer| {
        progress.inc(1);
        match &answer.result {
            Ok(outcome) => items.push(Item {
                from: photos[answer.index].clone(),
                folder: folder_name(&label(classifier, outcome, &args.words)).into(),
            }),
            Err(failure) => {
                *failed += 1;
                progress.suspend(|| report::failed_image(&answer.name, &Told::failure(failure)));
            }
        }
        ControlFlow::Continue(())
    })?;
    progress.finish_and_clear();
    Ok(items)
}

/// The everyday word, or the best class, if it is likely enough.
fn label(classifier: &Classifier, outcome: &Outcome, words: &WordsArgs) -> String {
    let found = match words.answer(classifier, &outcome.probabilities) {
        Some(word) => word.sure.then_some(word.label),
        None => outcome
            .predictions
            .first()
            .filter(|best| best.probability >= words.at_least)
            .map(|best| best.label.clone()),
    };
    found.unwrap_or_else(|| NOT_SURE.to_owned())
}

fn lines(plan: &Plan) -> Result<String> {
    let mut out = String::new();
    let text = |path: &Path| printable(&path.display().to_string());
    for step in &plan.steps {
        writeln!(out, "{} -> {}", text(&step.from), text(&step.to))?;
    }
    for same in &plan.same {
        writeln!(
            out,
            "{} stays: the same file is {}",
            text(&same.from),
            text(&same.to)
        )?;
    }
    Ok(out)
}

fn summary(plan: &Plan, dry_run: bool, failed: usize) -> Result<String> {
    let mut folders: BTreeMap<String, usize> = BTreeMap::new();
    for step in &plan.steps {
        let folder = step.to.parent().unwrap_or(&step.to);
        let folder = folder.strip_prefix(&plan.into).unwrap_or(folder);
        *folders.entry(folder.display().to_string()).or_default() += 1;
    }
    let done = match (dry_run, plan.mode) {
        (true, _) => "would be sorted",
        (_, Mode::Copy) => "copied",
        (_, Mode::Move) => "moved",
        (_, Mode::Link) => "linked",
    };
    let mut out = String::new();
    for (folder, photos) in &folders {
        writeln!(out, "{photos:6}  {}", printable(folder))?;
    }
    writeln!(
        out,
        "{:6}  photos {done}; {} were there already, {} renamed, {failed} could not be read",
        plan.steps.len(),
        plan.same.len(),
        plan.renamed
    )?;
    Ok(out)
}
