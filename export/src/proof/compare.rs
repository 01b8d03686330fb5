//! Runs the exported file in inference engines and measures how far its answers lie from the expected ones.

use anyhow::{Context, Result};
use inference::{Classifier, ClassifierConfig, EngineError, EngineKind, InferenceError};
use model_core::manifest::{Manifest, Output};
use model_core::scores;
use rayon::prelude::*;

use super::{AccuracyRow, Expected, Row};
use crate::cli::ProofArgs;
use crate::eval::PlanEvaluator;
use crate::images::ImageList;
use crate::plan::ExportPlan;

/// One engine with the exported model loaded.
pub struct Candidate {
    /// The engine's name.
    pub name: String,
    /// The model, as this engine runs it.
    pub classifier: Classifier,
}

/// Loads `bytes` in every engine asked for. Unless they were named: our kernels where they compute the whole network,
/// tract, and ONNX Runtime where it is found.
///
/// # Errors
/// An engine that cannot load the model, or a named one that is not there.
pub fn open_engines(bytes: &[u8], args: &ProofArgs) -> Result<(Vec<Candidate>, Vec<String>)> {
    let named = !args.engines.is_empty();
    let kinds: Vec<EngineKind> = if named {
        args.engines
            .iter()
            .map(|name| name.parse().map_err(anyhow::Error::msg))
            .collect::<Result<_>>()?
    } else {
        // Auto stands for what `infer-cli` will use; where that is tract, it is compared once.
        vec![EngineKind::Auto, EngineKind::Tract, EngineKind::OnnxRuntime]
    };
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut notes = Vec::new();
    for kind in kinds {
        if candidates.iter().any(|known| known.name == kind.name()) {
            continue;
        }
        let config = ClassifierConfig {
            engine: kind,
            onnxruntime_lib: args.onnxruntime_lib.clone(),
            ..Default::default()
        };
        match Classifier::from_bytes(bytes.to_vec(), "the exported model", &config) {
            Ok(classifier) => {
                let name = classifier.model().engine.to_string();
                if candidates.iter().all(|known| known.name != name) {
                    candidates.push(Candidate { name, classifier });
                }
            }
            Err(InferenceError::Engine(error @ EngineError::Unavailable { .. })) if !named => {
                notes.push(format!(
                    "{kind} was not found, so only the others were compared ({error})"
                ));
            }
            Err(error) => {
                return Err(error).with_context(|| format!("{kind} refuses the exported model"));
            }
        }
    }
    Ok((candidates, notes))
}

/// Turns logits into what the file's output is.
fn as_output(logits: &[f32], manifest: &Manifest) -> Vec<f32> {
    match manifest.output {
        Output::Logits | Output::SigmoidLogits => logits.to_vec(),
        Output::Probabilities => scores::softmax(logits, manifest.temperature),
        Output::LogProbabilities => scores::softmax(logits, manifest.temperature)
            .iter()
            .map(|p| p.ln())
            .collect(),
        Output::SigmoidScores => logits
            .iter()
            .map(|logit| scores::sigmoid(logit / manifest.temperature))
            .collect(),
    }
}

#[derive(Default)]
struct Comparison {
    count: usize,
    agreed: usize,
    max_difference: f64,
    largest: f64,
}

impl Comparison {
    fn add(&mut self, expected: &[f32], got: &[f32]) {
        self.count += 1;
        for (a, b) in expected.iter().zip(got) {
            let difference = f64::from((a - b).abs());
            // NaN compares false, so it must be caught here and never be taken for agreement.
            self.max_difference = if difference.is_nan() {
                f64::INFINITY
            } else {
                self.max_difference.max(difference)
            };
            self.largest = self.largest.max(f64::from(a.abs()));
        }
        if expected.len() != got.len() {
            self.max_difference = f64::INFINITY;
        }
        self.agreed += usize::from(scores::top_k(expected, 1) == scores::top_k(got, 1));
    }

    fn row(&self, engine: &str, inputs: &str) -> Row {
        Row {
            engine: engine.into(),
            inputs: inputs.into(),
            count: self.count,
            max_difference: self.max_difference,
            largest_logit: self.largest,
            agreement_percent: 100.0 * self.agreed as f64 / self.count.max(1) as f64,
        }
    }
}

/// Compares each engine with each set of expected answers.
///
/// # Errors
/// An engine that fails to run.
pub fn compare(
    candidates: &[Candidate],
    expected: &[Expected],
    manifest: &Manifest,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for candidate in candidates {
        for set in expected {
            let mut comparison = Comparison::default();
            for (input, logits) in set.inputs.iter().zip(&set.logits) {
                comparison.add(
                    &as_output(logits, manifest),
                    &candidate.classifier.logits_of(input)?,
                );
            }
            rows.push(comparison.row(&candidate.name, &set.what));
        }
    }
    Ok(rows)
}

#[derive(Default)]
struct Hits {
    top1: usize,
    top5: usize,
}

impl Hits {
    fn add(&mut self, output: &[f32], truth: usize) {
        let best = scores::top_k(output, 5);
        self.top1 += usize::from(best.first() == Some(&truth));
        self.top5 += usize::from(best.contains(&truth));
    }

    fn row(&self, who: &str, images: usize) -> AccuracyRow {
        let percent = |hits: usize| 100.0 * hits as f64 / images.max(1) as f64;
        AccuracyRow {
            who: who.into(),
            top1_percent: percent(self.top1),
            top5_percent: percent(self.top5),
            images,
        }
    }
}

/// Compares the engines on photos, with the checkpoint where `unfolded` is given, else with the first engine. The
/// accuracy of `variants`, evaluated here, joins the table.
///
/// # Errors
/// Unreadable photos, or an engine that fails.
pub fn compare_on_images(
    candidates: &[Candidate],
    unfolded: Option<&ExportPlan>,
    variants: &[(&str, ExportPlan)],
    images: &ImageList,
    manifest: &Manifest,
) -> Result<(Vec<Row>, Vec<AccuracyRow>)> {
    let [height, width] = manifest.preprocessing.crop.map(|side| side as usize);
    let evaluator = unfolded.map(PlanEvaluator::<f32>::new);
    let variant_evaluators: Vec<_> = variants
        .iter()
        .map(|(_, plan)| PlanEvaluator::<f32>::new(plan))
        .collect();
    let mut variant_hits: Vec<Hits> = variants.iter().map(|_| Hits::default()).collect();
    let mut comparisons: Vec<Comparison> =
        candidates.iter().map(|_| Comparison::default()).collect();
    let mut hits: Vec<Hits> = (0..=candidates.len()).map(|_| Hits::default()).collect();
    images.for_each_chunk(|start, inputs| {
        let mut answers: Vec<Vec<Vec<f32>>> = Vec::new();
        for candidate in candidates {
            answers.push(
                inputs
                    .iter()
                    .map(|input| candidate.classifier.logits_of(input))
                    .collect::<Result<_, _>>()?,
            );
        }
        let reference: Vec<Vec<f32>> = match &evaluator {
            Some(evaluator) => {
                let logits = inputs
                    .par_iter()
                    .map(|input| evaluator.logits(input, height, width));
                logits.map(|logits| as_output(&logits, manifest)).collect()
            }
            None => answers.first().cloned().unwrap_or_default(),
        };
        if let Some(truth) = &images.truth {
            for (evaluator, hits) in variant_evaluators.iter().zip(&mut variant_hits) {
                let logits: Vec<Vec<f32>> = inputs
                    .par_iter()
                    .map(|input| evaluator.logits(input, height, width))
                    .collect();
                logits
                    .iter()
                    .zip(&truth[start..])
                    .for_each(|(logits, truth)| hits.add(logits, *truth));
            }
        }
        for (index, expected) in reference.iter().enumerate() {
            for (comparison, answers) in comparisons.iter_mut().zip(&answers) {
                comparison.add(expected, &answers[index]);
            }
            if let Some(truth) = &images.truth {
                hits[0].add(expected, truth[start + index]);
                for (hits, answers) in hits[1..].iter_mut().zip(&answers) {
                    hits.add(&answers[index], truth[start + index]);
                }
            }
        }
        Ok(())
    })?;
    let what = format!("{} photos", images.samples.len());
    let rows = candidates
        .iter()
        .zip(&comparisons)
        .map(|(candidate, comparison)| comparison.row(&candidate.name, &what));
    let mut accuracy = Vec::new();
    if images.truth.is_some() {
        if evaluator.is_some() {
            accuracy.push(hits[0].row("checkpoint (fp32)", images.samples.len()));
        }
        for ((name, _), hits) in variants.iter().zip(&variant_hits) {
            accuracy.push(hits.row(name, images.samples.len()));
        }
        for (candidate, hits) in candidates.iter().zip(&hits[1..]) {
            accuracy.push(hits.row(&candidate.name, images.samples.len()));
        }
    }
    Ok((rows.collect(), accuracy))
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::proof::{FilePrecision, ProofReport, judge};

    #[test]
    fn not_a_number_is_never_agreement() {
        let mut comparison = Comparison::default();
        comparison.add(&[1.0, 2.0], &[f32::NAN, 2.0]);
        let report = ProofReport {
            rows: vec![comparison.row("tract", "2 synthetic")],
            ..Default::default()
        };
        for precision in [FilePrecision::Float32, FilePrecision::Int8] {
            assert!(judge(&report, precision).is_err());
        }
    }
}
