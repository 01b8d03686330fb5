//! Images with their true classes, and what a model says of them: what `evaluate` and `calibrate` rest on.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Result;
use image_data::dataset::{self, Sample};
use image_data::decode::DecodeLimits;
use inference::stream::{Outcome, Source, StreamConfig};
use inference::{Cancel, Classifier, Label};
use model_core::labels::{ClassMatcher, MatchError};
use model_core::text::system_words;
use photos::walk::{WalkEntry, walk};

use crate::advice::FailureText;
use crate::args::{DecodeArgs, VerbosityArgs};
use crate::commands::decode_config;
use crate::metrics::Judged;
use crate::{UsageError, report};

/// Images with their true classes, in the model's numbering.
pub struct LabeledSamples {
    /// The images.
    pub samples: Vec<Sample>,
    /// One class an image.
    pub truths: Vec<usize>,
    /// Pictures beside them whose class nothing says.
    pub without_class: usize,
    /// Other files there: hidden, or no pictures.
    pub passed_over: usize,
}

impl LabeledSamples {
    /// Opens a data set (its validation images where it has splits) and matches its classes with the model's.
    ///
    /// # Errors
    /// When there are no images, or a class is not one of the model's.
    pub fn open(dir: &Path, labels: &[Label]) -> Result<Self> {
        let folder = dataset::open_val(dir)?;
        let classes = match_classes(&folder.classes, labels)
            .map_err(|error| UsageError(format!("{}: {error}", dir.display())))?;
        let mut samples = folder.samples;
        let (without_class, passed_over) = with_other_kinds(dir, &mut samples);
        Ok(Self {
            truths: samples.iter().map(|sample| classes[sample.class]).collect(),
            samples,
            without_class,
            passed_over,
        })
    }

    /// The images for a stream; those inside a container are read when their turn comes.
    fn sources(&self, limits: DecodeLimits) -> impl Iterator<Item = Source> + Send + '_ {
        self.samples.iter().map(move |sample| {
            if sample.part.is_none() {
                return Source::File(sample.path.clone());
            }
            let name = sample.path.display().to_string();
            match sample.read(&limits) {
                Ok(bytes) => Source::Bytes { name, bytes },
                Err(error) => Source::Failed {
                    name,
                    error: system_words(error),
                },
            }
        })
    }
}

/// A data set for training takes files by their endings, as torchvision does. Here every picture in a class folder is a
/// sample, also a HEIC or a JPEG without an ending. What is left is counted, as nothing is left out in silence: pictures
/// without a class, and other files.
fn with_other_kinds(dir: &Path, samples: &mut Vec<Sample>) -> (usize, usize) {
    let files = samples.iter().filter(|sample| sample.part.is_none());
    let known: BTreeSet<PathBuf> = files.clone().map(|sample| sample.path.clone()).collect();
    // Where one folder holds several classes, something else than the folder says which: a file without it has none.
    let mut classes: BTreeMap<PathBuf, Option<usize>> = BTreeMap::new();
    for sample in files {
        if let Some(folder) = sample.path.parent() {
            let class = classes
                .entry(folder.to_owned())
                .or_insert(Some(sample.class));
            *class = class.filter(|class| *class == sample.class);
        }
    }
    // Class folders lie beside each other; one may hold nothing but other kinds.
    let folders: BTreeSet<&Path> = classes
        .keys()
        .map(|class| {
            let beside = class.parent().filter(|beside| beside.starts_with(dir));
            beside.unwrap_or(class)
        })
        .collect();
    // Several class folders in one: each file is met once.
    let found: BTreeSet<(PathBuf, bool)> = folders
        .into_iter()
        .flat_map(walk)
        .filter_map(|found| match found {
            WalkEntry::Photo(path) => Some((path, true)),
            WalkEntry::PassedOver(path) => Some((path, false)),
            // What cannot be listed was told when the data set was opened.
            WalkEntry::Unreadable { .. } => None,
        })
        .filter(|(path, _)| !known.contains(path))
        .collect();
    let (mut without_class, mut passed_over) = (0, 0);
    for (path, is_photo) in found {
        let class = path.parent().and_then(|folder| classes.get(folder));
        match (is_photo, class) {
            (true, Some(&Some(class))) => samples.push(Sample::file(path, class)),
            (true, _) => without_class += 1,
            (false, _) => passed_over += 1,
        }
    }
    (without_class, passed_over)
}

/// The model's class for every folder name.
fn match_classes(folders: &[String], labels: &[Label]) -> Result<Vec<usize>, String> {
    let matcher = ClassMatcher::new(labels);
    let mut unknown = Vec::new();
    let mut classes = Vec::with_capacity(folders.len());
    for folder in folders {
        match matcher.find(folder) {
            Ok(class) => classes.push(class),
            Err(MatchError::Unknown(_)) => unknown.push(folder.as_str()),
            Err(MatchError::Ambiguous(_)) => {
                return Err(format!(
                    "two classes are called '{folder}': call the folder by the class's id or number"
                ));
            }
        }
    }
    if unknown.is_empty() {
        return Ok(classes);
    }
    let shown = unknown
        .iter()
        .take(5)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    Err(format!(
        "{} of {} class folders are no class of the model: {shown}; expected its ids, names or numbers \
         (infer-cli info --labels-list shows them)",
        unknown.len(),
        folders.len()
    ))
}

/// What came of a run over samples.
pub struct Judgment {
    /// Place in the samples, and the answer.
    pub answers: Vec<(usize, Judged)>,
    /// Images that could not be read.
    pub failed: usize,
}

/// Classifies all samples; `each` sees the true class and the answer of every image that could be read.
///
/// # Errors
/// When the network fails, or on Ctrl-C.
pub fn judge(
    classifier: &Classifier,
    samples: &LabeledSamples,
    decode: &DecodeArgs,
    batch: Option<usize>,
    verbosity: &VerbosityArgs,
    cancel: &Cancel,
    mut each: impl FnMut(usize, &Outcome),
) -> Result<Judgment> {
    let decode_config = decode_config(decode, classifier);
    let limits = decode_config.limits;
    let config = StreamConfig {
        top_k: 1,
        batch: batch.unwrap_or(0),
        decode: Some(decode_config),
        cancel: cancel.clone(),
        ..StreamConfig::default()
    };
    let progress = match verbosity.quiet {
        true => indicatif::ProgressBar::hidden(),
        false => indicatif::ProgressBar::new(samples.samples.len() as u64),
    };
    let mut judgment = Judgment {
        answers: Vec::with_capacity(samples.samples.len()),
        failed: 0,
    };
    classifier.stream(samples.sources(limits), &config, |answer| {
        progress.inc(1);
        match &answer.result {
            Ok(outcome) => {
                let truth = samples.truths[answer.index];
                if !verbosity.quiet {
                    progress.suspend(|| report::about_image(&answer.name, outcome));
                }
                judgment
                    .answers
                    .push((answer.index, Judged::new(truth, &outcome.probabilities)));
                each(truth, outcome);
            }
            Err(failure) => {
                judgment.failed += 1;
                progress
                    .suspend(|| report::failed_image(&answer.name, &FailureText::failure(failure)));
            }
        }
        ControlFlow::Continue(())
    })?;
    progress.finish_and_clear();
    if !verbosity.quiet {
        if samples.without_class > 0 {
            report::note(&format!(
                "pictures left out because they have no class: {} (they lie in no class folder, or no list names them)",
                samples.without_class
            ));
        }
        report::passed_over(samples.passed_over);
    }
    Ok(judgment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_matched_by_id_name_or_number() {
        let labels = model_core::labels::imagenet1k();
        let folders = ["n02123045", "Egyptian_cat", "7"].map(str::to_owned);
        let classes = match_classes(&folders, labels).unwrap();
        assert_eq!((classes[0], classes[2]), (281, 7));
        assert_eq!(labels[classes[1]].name.to_lowercase(), "egyptian cat");
        let error = match_classes(&["unicorn".to_owned()], labels).unwrap_err();
        assert!(
            error.contains("unicorn") && error.contains("1 of 1"),
            "{error}"
        );
        let twice = [Label::named("Crane"), Label::named("crane")];
        let error = match_classes(&["crane".to_owned()], &twice).unwrap_err();
        assert!(error.contains("two classes"), "{error}");
    }
}
