//! `infer-cli sort PHOTOS --into DIR`: one folder a label, "not sure" and "none of these" apart, and the way back. With
//! `--xmp` the photos stay and get keywords.
//!
//! What goes where without a loss is `photos::sort`'s; here photos are found, asked for their label, and lines printed.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use inference::stream::{Outcome, Source, StreamConfig};
use inference::{Cancel, Classifier};
use model_core::text::system_words;
use photos::sort::keywords::{self, KeywordPlan, Tagged};
use photos::sort::{Item, Mode, Plan, Undone, carry_out, taken_on, undo};
use photos::teach::NONE_ID;
use photos::walk::{WalkEntry, walk_own};

use super::{decode_config, print};
use crate::advice::FailureText;
use crate::args::{SortArgs, VerbosityArgs};
use crate::report::printable;
use crate::sources::{self, PassedOver};
use crate::words::WordsArgs;
use crate::{Exit, UsageError, model, report};

/// The folder of photos whose label is not likely enough.
const NOT_SURE: &str = "not sure";

/// Sorts, or takes a sorting back.
///
/// # Errors
/// When the model or a folder cannot be used, or a file cannot be copied, moved or linked.
pub fn run(args: &SortArgs, cancel: &Cancel) -> Result<Exit> {
    let place = place(args)?;
    if args.undo {
        return take_back(&place, args.xmp);
    }
    let classifier = model::open(&args.model, &args.verbosity)?;
    args.words.check(&classifier)?;
    let aside = (!args.xmp).then_some(place.as_path());
    let (photos, mut failed) = find(&args.photos, aside, &args.verbosity);
    let answers = ask(&classifier, &photos, args, cancel, &mut failed)?;
    if args.xmp {
        failed += write_keywords(&answers, &place, args)?;
    } else {
        put_into_folders(&answers, &place, args, failed)?;
    }
    if photos.is_empty() {
        report::error("no photo was found");
    }
    Ok(match failed {
        0 if !photos.is_empty() => Exit::Success,
        _ => Exit::SomeFailed,
    })
}

/// The folder that keeps the journal: that of `--into`, or with `--xmp` the one that is searched.
fn place(args: &SortArgs) -> Result<PathBuf> {
    let place = match (&args.into, &args.photos[..]) {
        (None, [folder]) if folder.is_dir() => folder,
        (None, _) => {
            let text = "--xmp expects one folder of photos, whose journal --undo can find again";
            return Err(UsageError(text.to_owned()).into());
        }
        (Some(_), [_, ..]) if args.undo => {
            let text = "--undo knows from its journal which photos were sorted: name only --into";
            return Err(UsageError(text.to_owned()).into());
        }
        (Some(into), _) => into,
    };
    std::path::absolute(place).with_context(|| format!("cannot find {}", place.display()))
}

fn take_back(place: &Path, xmp: bool) -> Result<Exit> {
    let Undone { files, left } = match xmp {
        true => keywords::undo(place)?,
        false => undo(place)?,
    };
    for (path, why) in &left {
        report::note(&format!("{} stays: {why}", path.display()));
    }
    print(&format!("{files} files taken back\n"))?;
    Ok(match left.len() {
        0 => Exit::Success,
        _ => Exit::SomeFailed,
    })
}

/// Every photo, in the natural order of names, with its absolute path; what lies in the target folder is sorted already.
/// Links are not followed: their file has a place of its own.
fn find(
    photos: &[PathBuf],
    into: Option<&Path>,
    verbosity: &VerbosityArgs,
) -> (Vec<PathBuf>, usize) {
    let (mut photos_found, mut failed) = (Vec::new(), 0);
    let passed_over = PassedOver::default();
    for source in sources::named(photos, &passed_over) {
        let path = match source {
            Source::File(path) => std::path::absolute(&path).unwrap_or(path),
            Source::Failed { name, error } => {
                failed += 1;
                report::error(&format!("{name}: {error}"));
                continue;
            }
            Source::Bytes { .. } => continue,
        };
        for one in walk_own(&path, into) {
            match one {
                WalkEntry::Photo(path) => photos_found.push(path),
                WalkEntry::PassedOver(_) => passed_over.add(),
                WalkEntry::Unreadable { path, reason } => {
                    failed += 1;
                    let why = reason.map(|reason| format!(": {}", system_words(reason)));
                    let why = why.unwrap_or_default();
                    report::error(&format!("cannot read {}{why}", path.display()));
                }
            }
        }
    }
    if !verbosity.quiet {
        report::passed_over(passed_over.count());
    }
    (photos_found, failed)
}

/// What a photo shows.
struct Shows {
    photo: PathBuf,
    /// None where nothing is likely enough.
    label: Option<String>,
    /// Whether the answer is that it shows nothing of all that the model knows.
    none: bool,
    /// The words above the label, the widest first.
    above: Vec<String>,
}

fn ask(
    classifier: &Classifier,
    photos: &[PathBuf],
    args: &SortArgs,
    cancel: &Cancel,
    failed: &mut usize,
) -> Result<Vec<Shows>> {
    let config = StreamConfig {
        top_k: 1,
        batch: args.model.batch.unwrap_or(0),
        decode: Some(decode_config(&args.decode, classifier)),
        cancel: cancel.clone(),
        ..StreamConfig::default()
    };
    let progress = match args.verbosity.quiet {
        true => indicatif::ProgressBar::hidden(),
        false => indicatif::ProgressBar::new(photos.len() as u64),
    };
    let mut answers = Vec::with_capacity(photos.len());
    let sources = photos.iter().cloned().map(Source::File);
    classifier.stream(sources, &config, |answer| {
        progress.inc(1);
        match &answer.result {
            Ok(outcome) => {
                let photo = photos[answer.index].clone();
                answers.push(shows(classifier, photo, outcome, &args.words));
            }
            Err(failure) => {
                *failed += 1;
                progress
                    .suspend(|| report::failed_image(&answer.name, &FailureText::failure(failure)));
            }
        }
        ControlFlow::Continue(())
    })?;
    progress.finish_and_clear();
    Ok(answers)
}

/// The everyday word, or the best class, if it is likely enough.
fn shows(classifier: &Classifier, photo: PathBuf, outcome: &Outcome, words: &WordsArgs) -> Shows {
    let (label, id, classes) = match words.answer(classifier, &outcome.probabilities) {
        Some(word) => (word.sure.then_some(word.label), word.id, word.classes),
        None => match outcome.predictions.first() {
            Some(best) => (
                (best.probability >= words.at_least).then(|| best.label.clone()),
                best.id.clone(),
                vec![best.index],
            ),
            None => (None, None, Vec::new()),
        },
    };
    let mut classes = classes;
    classes.sort_unstable();
    let above = match classifier.hierarchy() {
        Some(hierarchy) if label.is_some() => hierarchy
            .path(&classes)
            .into_iter()
            .map(|group| group.name.clone())
            .collect(),
        _ => Vec::new(),
    };
    Shows {
        photo,
        none: label.is_some() && id.as_deref() == Some(NONE_ID),
        label,
        above,
    }
}

fn put_into_folders(answers: &[Shows], into: &Path, args: &SortArgs, failed: usize) -> Result<()> {
    let items: Vec<Item> = answers
        .iter()
        .map(|shows| {
            let label = shows.label.as_deref().unwrap_or(NOT_SURE);
            let day = args.template.needs_day().then(|| taken_on(&shows.photo));
            Item {
                from: shows.photo.clone(),
                folder: args.template.folder(label, day.flatten()),
            }
        })
        .collect();
    let mode = match (args.move_photos, args.link) {
        (true, _) => Mode::Move,
        (_, true) => Mode::Link,
        _ => Mode::Copy,
    };
    let plan = Plan::new(&items, into, mode);
    if args.dry_run {
        print(&lines(&plan)?)?;
    } else {
        carry_out(&plan, |_| ()).inspect_err(|_| can_be_undone(args))?;
    }
    if !args.verbosity.quiet {
        print(&summary(&plan, args.dry_run, failed)?)?;
    }
    Ok(())
}

fn can_be_undone(args: &SortArgs) {
    if !args.verbosity.quiet {
        report::note("what was done until then can be taken back with --undo");
    }
}

/// Writes the keywords, and gives the number of sidecars that were left alone because they are not understood.
fn write_keywords(answers: &[Shows], folder: &Path, args: &SortArgs) -> Result<usize> {
    let tagged: Vec<Tagged> = answers
        .iter()
        .filter(|shows| !shows.none)
        .filter_map(|shows| {
            let mut keyword = shows.above.clone();
            keyword.push(shows.label.clone()?);
            Some(Tagged {
                photo: shows.photo.clone(),
                keyword,
            })
        })
        .collect();
    let plan = KeywordPlan::new(&tagged, folder);
    for (sidecar, why) in &plan.refused {
        let sidecar = printable(&sidecar.display().to_string());
        report::error(&format!("{sidecar}: {why}; it stays as it is"));
    }
    if args.dry_run {
        let of: BTreeMap<&Path, &Tagged> = tagged
            .iter()
            .map(|tagged| (tagged.photo.as_path(), tagged))
            .collect();
        let mut out = String::new();
        for edit in &plan.edits {
            let words = of
                .get(edit.photo.as_path())
                .map(|tagged| tagged.keyword.join(" > "));
            let (photo, sidecar) = (edit.photo.display(), edit.sidecar.display());
            let line = format!("{photo}: {} -> {sidecar}", words.unwrap_or_default());
            writeln!(out, "{}", printable(&line))?;
        }
        print(&out)?;
    } else {
        keywords::write(&plan, |_| ()).inspect_err(|_| can_be_undone(args))?;
    }
    if !args.verbosity.quiet {
        let merged = plan.edits.iter().filter(|edit| edit.merges()).count();
        let would = if args.dry_run { " would be" } else { "" };
        print(&format!(
            "{:6}  sidecars{would} written, {merged} of them merged with what was there; {} photos have their keyword \
             already, {} are not sure or none of these\n",
            plan.edits.len(),
            plan.unchanged,
            answers.len() - tagged.len()
        ))?;
    }
    Ok(plan.refused.len())
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
