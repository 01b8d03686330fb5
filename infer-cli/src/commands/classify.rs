//! The command without a name: classify images and print the answers.

use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use image_data::decode::decode;
use indicatif::{ProgressBar, ProgressStyle};
use inference::explain::{self, ExplainOptions};
use inference::stream::{Answer, Outcome, StreamOptions};
use inference::{Cancel, Classifier};

use super::decode_options;
use crate::args::ClassifyArgs;
use crate::output::{Shown, Writer, writer};
use crate::sources::Sources;
use crate::{Exit, UsageError, model, picture, report};

/// Classifies everything the command line names.
///
/// # Errors
/// What concerns more than one image: usage, the model, a closed output, Ctrl-C.
pub fn run(args: &ClassifyArgs, cancel: &Cancel) -> Result<Exit> {
    let sources = Sources::new(&args.images, &args.input)?;
    if let Some(png) = &args.answer.explain {
        return explain(args, png, cancel);
    }
    let classifier = model::open(&args.model, &args.talk)?;
    args.answer.words.check(&classifier)?;
    if let Some(dir) = &args.answer.save_preprocessed {
        std::fs::create_dir_all(dir)
            .with_context(|| format!("cannot make the folder {}", dir.display()))?;
    }
    let options = StreamOptions {
        top_k: args.answer.top_k,
        batch: args.model.batch.unwrap_or(0),
        decode: decode_options(&args.input.decode),
        keep_input: args.answer.save_preprocessed.is_some(),
        cancel: cancel.clone(),
        ..StreamOptions::default()
    };
    let progress = progress(args, &sources);
    let out = anstream::stdout();
    let mut session = Session {
        args,
        classifier: &classifier,
        writer: writer(&args.answer, sources.several, out.lock()),
        progress: &progress,
        done: 0,
        failed: 0,
        problem: None,
    };
    let start = Instant::now();
    let result = classifier.stream(sources, &options, |answer| session.take(answer));
    progress.finish_and_clear();
    let (done, failed, problem) = (session.done, session.failed, session.problem.take());
    drop(session);
    result?;
    if let Some(problem) = problem {
        return match problem.downcast_ref::<io::Error>() {
            // The reader has enough (`| head`).
            Some(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Success),
            _ => Err(problem),
        };
    }
    if args.talk.verbose {
        let seconds = start.elapsed().as_secs_f64();
        report::warning(&format!(
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
    problem: Option<anyhow::Error>,
}

impl Session<'_> {
    fn take(&mut self, answer: Answer) -> ControlFlow<()> {
        self.done += 1;
        let written = match &answer.result {
            Ok(outcome) => self.answer(&answer, outcome),
            Err(failure) => self.failure(&answer.name, &failure.to_string()),
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
        let shown = Shown::new(
            &answer.name,
            self.classifier,
            outcome,
            &self.args.answer,
        );
        let writer = &mut self.writer;
        Ok(self.progress.suspend(|| writer.answer(&shown))?)
    }

    fn failure(&mut self, name: &str, error: &str) -> Result<()> {
        self.failed += 1;
        let writer = &mut self.writer;
        self.progress.suspend(|| {
            report::failed_image(name, error);
            writer.failure(name, error)
        })?;
        Ok(())
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
    if args.talk.quiet || !watched || !sources.several {
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
    let mut sources = Sources::new(&args.images, &args.input)?;
    let classifier = model::open(&args.model, &args.talk)?;
    args.answer.words.check(&classifier)?;
    let decoded = match sources.next() {
        Some(inference::stream::Source::File(path)) => {
            image_data::decode::decode_file(&path, &decode_options(&args.input.decode))
        }
        Some(inference::stream::Source::Bytes { bytes, .. }) => {
            decode(&bytes, &decode_options(&args.input.decode))
        }
        _ => {
            return Err(UsageError(format!(
                "--explain takes one image file, got {}",
                path.display()
            ))
            .into());
        }
    };
    let name = path.display().to_string();
    let image = match decoded {
        Ok(image) => image,
        Err(error) => {
            report::failed_image(&name, &error.to_string());
            writer(&args.answer, false, anstream::stdout().lock())
                .failure(&name, &error.to_string())?;
            return Ok(Exit::SomeFailed);
        }
    };
    let output = classifier.logits(&image)?;
    let outcome = Outcome {
        predictions: classifier.answer(&output, args.answer.top_k)?,
        probabilities: classifier.probabilities(&output),
        output,
        size: [image.width, image.height],
        input: None,
        decode_time: std::time::Duration::ZERO,
        preprocess_time: std::time::Duration::ZERO,
    };
    let shown = Shown::new(&name, &classifier, &outcome, &args.answer);
    writer(&args.answer, false, anstream::stdout().lock()).answer(&shown)?;
    let options = ExplainOptions::default();
    let method = args.answer.explain_method;
    let explanation = explain::explain(&classifier, &image, method, &options, cancel)?;
    picture::save_png(png, &explanation.side_by_side())?;
    if !args.talk.quiet {
        if let Some(note) = &explanation.note {
            report::warning(note);
        }
        report::warning(&format!(
            "{} shows the crop the network saw and, bright, what '{}' rests on",
            png.display(),
            explanation.prediction.label
        ));
    }
    Ok(Exit::Success)
}
