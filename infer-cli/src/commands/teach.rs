//! `infer-cli teach DIR`: folders of photos become a model. Reports before it writes.
//!
//! What is learned and found is `photos::teach`'s; here it is put into words.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use inference::{Cancel, Classifier};
use model_core::atomic_file;
use photos::teach::{
    ClassFolder, FEW_PHOTOS, Findings, Lesson, TeachConfig, TeachError, Teacher, TrainingPhoto,
    find_classes, kept_photos,
};
use serde::Serialize;

use super::{decode_config, print};
use crate::advice::FailureText;
use crate::args::TeachArgs;
use crate::output::SCHEMA;
use crate::report::printable;
use crate::{Exit, UsageError, model, report};

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    name: &'a str,
    backbone: &'a str,
    failed: usize,
    #[serde(flatten)]
    findings: &'a Findings,
    written: Option<&'a Path>,
    bytes: Option<usize>,
    kept_bytes: Option<usize>,
}

/// Teaches.
///
/// # Errors
/// When the folder, the model or the output cannot be used, or the photos are too few.
pub fn run(args: &TeachArgs, cancel: &Cancel) -> Result<Exit> {
    if let Some(output) = &args.output {
        atomic_file::check_writable(output)?;
    }
    let (dir, adding) = match (&args.dir, &args.add) {
        (Some(dir), _) => (dir, false),
        (None, Some(dir)) => (dir, true),
        (None, None) => return Err(UsageError("expected a folder of photos".to_owned()).into()),
    };
    let found = find_classes(dir)?;
    if !args.verbosity.quiet {
        if found.without_class > 0 {
            report::note(&format!(
                "photos left out because they lie in no class folder: {}",
                found.without_class
            ));
        }
        report::passed_over(found.passed_over);
    }
    let folders = found.classes;
    let classifier = model::open(&args.model, &args.verbosity)?;
    let teacher = Teacher::new(&classifier, &model::config(&args.model)?)?;
    let (mut photos, failed) = look(&teacher, &classifier, &folders, args, cancel)?;
    if adding {
        let bytes = model::bytes(&classifier.model().source)?;
        let kept = kept_photos(&bytes, &teacher)?;
        photos.extend(kept.ok_or_else(|| TeachError::NotTaught {
            model: classifier.model().name.clone(),
            reason: "it keeps no photos' features".to_owned(),
        })?);
    }
    let config = TeachConfig {
        name: name(args),
        false_refusals: args.refuse,
        keep_features: !args.forget,
    };
    let lesson = Lesson::learn(photos, &config)?;
    // Said before anything is written, so that a full disk or a second thought loses nothing.
    if !args.json {
        print(&text(&lesson.findings, failed, args)?)?;
    }
    let taught = match &args.output {
        Some(path) => Some((path, lesson.to_onnx(&teacher)?)),
        None => None,
    };
    let backbone = classifier.model().name.clone();
    // They have the model's file open, which not every system lets be replaced.
    drop((teacher, classifier));
    let written = match taught {
        Some((path, (bytes, kept))) => {
            atomic_file::write(path, &bytes)?;
            Some((path, bytes.len(), kept))
        }
        None => None,
    };
    if args.json {
        let document = Document {
            schema: SCHEMA,
            name: &config.name,
            backbone: &backbone,
            failed,
            findings: &lesson.findings,
            written: written.map(|(path, ..)| path.as_path()),
            bytes: written.map(|(_, bytes, _)| bytes),
            kept_bytes: written.map(|(.., kept)| kept),
        };
        print(&format!("{}\n", serde_json::to_string(&document)?))?;
    } else if let Some((path, bytes, kept)) = written {
        let mb = |bytes: usize| bytes as f64 / 1e6;
        let kept = match kept {
            0 => String::new(),
            kept => format!(
                ", of which {:.1} MB are the features of {} photos (--add needs them; --forget leaves them out)",
                mb(kept),
                lesson.photos()
            ),
        };
        print(&format!(
            "\nwritten to   {} ({:.1} MB{kept})\n",
            printable(&path.display().to_string()),
            mb(bytes)
        ))?;
    }
    Ok(match failed {
        0 => Exit::Success,
        _ => Exit::SomeFailed,
    })
}

fn name(args: &TeachArgs) -> String {
    let stem = args.output.as_ref().and_then(|path| path.file_stem());
    args.name.clone().unwrap_or_else(|| {
        stem.map_or_else(
            || "taught".to_owned(),
            |stem| stem.to_string_lossy().into_owned(),
        )
    })
}

fn look(
    teacher: &Teacher,
    classifier: &Classifier,
    folders: &[ClassFolder],
    args: &TeachArgs,
    cancel: &Cancel,
) -> Result<(Vec<TrainingPhoto>, usize)> {
    let count: usize = folders.iter().map(|folder| folder.photos.len()).sum();
    let progress = match args.verbosity.quiet {
        true => indicatif::ProgressBar::hidden(),
        false => indicatif::ProgressBar::new(count as u64),
    };
    let mut failed = 0;
    let photos = teacher.look(
        folders,
        &decode_config(&args.decode, classifier),
        cancel,
        |one| {
            progress.inc(1);
            if let Some(why) = &one.failure {
                failed += 1;
                progress.suspend(|| {
                    report::failed_image(
                        &one.path.display().to_string(),
                        &FailureText::failure(why),
                    )
                });
            }
        },
    )?;
    progress.finish_and_clear();
    Ok((photos, failed))
}

fn text(findings: &Findings, failed: usize, args: &TeachArgs) -> Result<String> {
    let mut out = String::new();
    let [low, high] = findings.accuracy_interval_percent;
    let classes = findings.classes.len();
    writeln!(
        out,
        "photos       {} of {classes} classes ({failed} could not be read, {} copies counted once)",
        findings.photos, findings.copies
    )?;
    writeln!(
        out,
        "accuracy     {:.1} % on photos it has not seen (95 % interval: {low:.0} to {high:.0} %)",
        findings.accuracy_percent
    )?;
    if args.refuse > 0.0 {
        writeln!(
            out,
            "refusals     {:.1} % of your photos are answered 'none of these'; without that answer {:.1} % are right",
            findings.false_refusals_percent, findings.class_accuracy_percent
        )?;
    }
    if let Some(others) = &findings.others {
        writeln!(
            out,
            "others       {:.1} % of {} photos in 'none' are answered 'none of these'",
            others.refused_percent, others.photos
        )?;
    }
    writeln!(out, "\n  photos   right  refused  class")?;
    for class in &findings.classes {
        writeln!(
            out,
            "{:8}  {:4.0} %   {:4.0} %  {}{}",
            class.photos,
            class.right_percent,
            class.refused_percent,
            printable(&class.class),
            if class.few { "  (few photos)" } else { "" }
        )?;
    }
    if findings.classes.iter().any(|class| class.few) {
        writeln!(
            out,
            "Fewer than {FEW_PHOTOS} photos of a class: its figures are a matter of luck."
        )?;
    }
    list(
        &mut out,
        "mixed up",
        args.show,
        &findings.confusions,
        |one| {
            let (class, taken) = (printable(&one.class), printable(&one.taken_for));
            format!("{:6}  {class} taken for {taken}", one.photos)
        },
    )?;
    list(
        &mut out,
        "perhaps in the wrong folder",
        args.show,
        &findings.suspects,
        |one| {
            let (class, looks) = (printable(&one.class), printable(&one.looks_like));
            let percent = one.probability * 100.0;
            format!(
                "  {} in {class} looks like {looks}, {percent:.0} %",
                printable(&one.photo)
            )
        },
    )?;
    let group = |group: &Vec<String>| format!("  {}", printable(&group.join(", ")));
    list(
        &mut out,
        "look alike, so each was judged without the others",
        args.show,
        &findings.alike,
        group,
    )?;
    list(
        &mut out,
        "the same file in several classes, left out",
        args.show,
        &findings.contradictions,
        group,
    )?;
    if let Some(help) = &findings.help {
        let class = printable(&help.class);
        let taken = help.taken_for.as_ref().map_or(String::new(), |other| {
            format!(", most often taken for '{}'", printable(other))
        });
        writeln!(
            out,
            "\nMore photos of '{class}' would help most: {} so far, {:.0} % right{taken}.",
            help.photos, help.right_percent
        )?;
    }
    Ok(out)
}

fn list<T>(
    out: &mut String,
    title: &str,
    show: usize,
    all: &[T],
    line: impl Fn(&T) -> String,
) -> Result<()> {
    if all.is_empty() || show == 0 {
        return Ok(());
    }
    writeln!(out, "\n{title}")?;
    for one in all.iter().take(show) {
        writeln!(out, "{}", line(one))?;
    }
    if all.len() > show {
        writeln!(out, "  and {} more (--show)", all.len() - show)?;
    }
    Ok(())
}
