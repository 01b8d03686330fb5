//! The command without a name: classify images and print the answers.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use image_data::decode::{DecodeError, decode_full, read_file};
use indicatif::{ProgressBar, ProgressStyle};
use inference::explain::{self, ExplainConfig};
use inference::stream::{Answer, Failure, Outcome, Source, StreamConfig};
use inference::{Cancel, Classifier, InferenceError};

use super::{decode_config, decode_limits};
use crate::advice::FailureText;
use crate::args::ClassifyArgs;
use crate::output::{Named, Shown, Writer, writer};
use crate::sources::Sources;
use crate::{Exit, UsageError, model, picture, report};

/// Classifies everything the command line names.
///
/// # Errors
/// What concerns more than one image: usage, the model, a closed output, Ctrl-C.
pub fn run(args: &ClassifyArgs, cancel: &Cancel) -> Result<Exit> {
    let limits = decode_limits(&args.input.decode.limits);
    let sources = Sources::new(&args.images, &args.input, limits)?;
    if let Some(png) = &args.answer.explain {
        return explain(args, png, cancel);
    }
    let classifier = model::open(&args.model, &args.verbosity)?;
    args.answer.words.check(&classifier)?;
    if let Some(dir) = &args.answer.save_preprocessed {
        std::fs::create_dir_all(dir)
            .with_context(|| format!("cannot make the folder {}", dir.display()))?;
    }
    let config = StreamConfig {
        top_k: args.answer.top_k,
        batch: args.model.batch.unwrap_or(0),
        decode: Some(decode_config(&args.input.decode, &classifier)),
        keep_input: args.answer.save_preprocessed.is_some(),
        cancel: cancel.clone(),
        ..StreamConfig::default()
    };
    let progress = progress(args, &sources);
    let passed_over = sources.passed_over.clone();
    let out = anstream::stdout();
    let mut session = Session {
        args,
        classifier: &classifier,
        writer: writer(&args.answer, sources.several, out.lock()),
        progress: &progress,
        done: 0,
        failed: 0,
        unread: BTreeMap::new(),
        problem: None,
    };
    let start = Instant::now();
    let result = classifier.stream(sources, &config, |answer| session.take(answer));
    progress.finish_and_clear();
    let (done, failed, problem) = (session.done, session.failed, session.problem.take());
    let unread = std::mem::take(&mut session.unread);
    drop(session);
    result?;
    if let Some(problem) = problem {
        return match problem.downcast_ref::<io::Error>() {
            // The reader has enough (`| head`).
            Some(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Success),
            _ => Err(problem),
        };
    }
    if !unread.is_empty() && done > 1 && !args.verbosity.quiet {
        let kinds: Vec<String> = unread
            .iter()
            .map(|(kind, n)| format!("{kind} ({n})"))
            .collect();
        report::note(&format!(
            "{} of {done} images are of kinds that are not read: {}",
            unread.values().sum::<usize>(),
            kinds.join(", ")
        ));
    }
    if !args.verbosity.quiet {
        report::passed_over(passed_over.count());
    }
    if args.verbosity.verbose {
        let seconds = start.elapsed().as_secs_f64();
        report::note(&format!(
            "{done} images, {failed} failed, in {seconds:.2} s"
        ));
    }
    if done == 0 {
        report::error("no image found");
        return Ok(Exit::SomeFailed);
    }
    Ok(if failed == 0 {
        Exit::Success
    } else {
        Exit::SomeFailed
    })
}

struct Session<'a> {
    args: &'a ClassifyArgs,
    classifier: &'a Classifier,
    writer: Box<dyn Writer + 'a>,
    progress: &'a ProgressBar,
    done: usize,
    failed: usize,
    /// Pictures of formats that are only known by name, counted.
    unread: BTreeMap<String, usize>,
    problem: Option<anyhow::Error>,
}

impl Session<'_> {
    fn take(&mut self, answer: Answer) -> ControlFlow<()> {
        self.done += 1;
        let written = match &answer.result {
            Ok(outcome) => self.answer(&answer, outcome),
            Err(failure) => self.failure(&answer, failure),
        };
        self.progress.inc(1);
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.problem = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn answer(&mut self, answer: &Answer, outcome: &Outcome) -> Result<()> {
        if let (Some(dir), Some((crop, tensor))) =
            (&self.args.answer.save_preprocessed, &outcome.input)
        {
            let stem = format!("{:06}-{}", answer.index, file_stem(&answer.name));
            let preprocessing = &self.classifier.model().manifest.preprocessing;
            picture::save_png(&dir.join(format!("{stem}.png")), crop)?;
            picture::save_npy(
                &dir.join(format!("{stem}.npy")),
                &preprocessing.input_shape(1),
                tensor,
            )?;
        }
        if !self.args.verbosity.quiet {
            self.progress
                .suspend(|| report::about_image(&answer.name, outcome));
        }
        let shown = Shown::new(named(answer), self.classifier, outcome, &self.args.answer);
        let writer = &mut self.writer;
        Ok(self.progress.suspend(|| writer.answer(&shown))?)
    }

    fn failure(&mut self, answer: &Answer, failure: &Failure) -> Result<()> {
        self.failed += 1;
        if let Failure::Error(InferenceError::Decode(DecodeError::Unsupported { name })) = failure {
            *self.unread.entry(name.clone()).or_default() += 1;
        }
        let text = FailureText::failure(failure);
        let writer = &mut self.writer;
        self.progress.suspend(|| {
            report::failed_image(&answer.name, &text);
            writer.failure(named(answer), text.problem())
        })?;
        Ok(())
    }
}

fn named(answer: &Answer) -> Named<'_> {
    Named {
        path: &answer.name,
        file: answer.path.as_deref(),
    }
}

/// The image's name without folders and extension, fit for a file name.
fn file_stem(name: &str) -> String {
    let stem = Path::new(name)
        .file_stem()
        .map_or("image".into(), |stem| stem.to_string_lossy());
    stem.chars()
        .map(|c| {
            if c.is_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '_'
            }
        })
        .take(80)
        .collect()
}

/// A bar on stderr for many images, when a person watches and the answers go elsewhere.
fn progress(args: &ClassifyArgs, sources: &Sources) -> ProgressBar {
    let watched = io::stderr().is_terminal() && !io::stdout().is_terminal();
    if args.verbosity.quiet || !watched || !sources.several {
        return ProgressBar::hidden();
    }
    let (bar, template) = match sources.count {
        Some(count) => (
            ProgressBar::new(count),
            "{bar:30} {pos}/{len} images, {per_sec}, {eta} left",
        ),
        None => (
            ProgressBar::new_spinner(),
            "{spinner} {pos} images, {per_sec}",
        ),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// `--explain`: one image, its answer, and a picture of what the answer rests on.
fn explain(args: &ClassifyArgs, png: &Path, cancel: &Cancel) -> Result<Exit> {
    let [path] = &args.images[..] else {
        return Err(UsageError("--explain takes exactly one image".to_owned()).into());
    };
    let real = |path: &Path| path.canonicalize().ok();
    if real(path).is_some_and(|photo| Some(photo) == real(png)) {
        return Err(UsageError(format!(
            "--explain writes a picture: expected another file than the photo itself, got {}",
            png.display()
        ))
        .into());
    }
    let limits = decode_limits(&args.input.decode.limits);
    let mut sources = Sources::new(&args.images, &args.input, limits)?;
    let classifier = model::open(&args.model, &args.verbosity)?;
    args.answer.words.check(&classifier)?;
    let decode = decode_config(&args.input.decode, &classifier);
    let decoded = match sources.next() {
        Some(Source::File(path)) => {
            read_file(&path, &limits).and_then(|bytes| decode_full(&bytes, &decode))
        }
        Some(Source::Bytes { bytes, .. }) => decode_full(&bytes, &decode),
        _ => {
            return Err(UsageError(format!(
                "--explain takes one image file, got {}",
                path.display()
            ))
            .into());
        }
    };
    let name = path.display().to_string();
    let named = Named {
        path: &name,
        file: Some(path),
    };
    let decoded = match decoded {
        Ok(decoded) => decoded,
        Err(error) => {
            let text = FailureText::decode(&error);
            report::failed_image(&name, &text);
            writer(&args.answer, false, anstream::stdout().lock())
                .failure(named, text.problem())?;
            return Ok(Exit::SomeFailed);
        }
    };
    let image = decoded.image.clone();
    let outcome = classifier.classify_decoded(decoded, args.answer.top_k)?;
    if !args.verbosity.quiet {
        report::about_image(&name, &outcome);
    }
    let shown = Shown::new(named, &classifier, &outcome, &args.answer);
    writer(&args.answer, false, anstream::stdout().lock()).answer(&shown)?;
    let config = ExplainConfig::default();
    let method = args.answer.explain_method;
    let explanation = explain::explain(&classifier, &image, method, &config, cancel)?;
    picture::save_png(png, &explanation.side_by_side())?;
    if !args.verbosity.quiet {
        if let Some(note) = &explanation.note {
            report::note(note);
        }
        report::note(&format!(
            "{} shows the crop the network saw and, bright, what '{}' rests on",
            png.display(),
            explanation.prediction.label
        ));
    }
    Ok(Exit::Success)
}
