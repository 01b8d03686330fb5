//! The proof: the exported file, run by inference engines, against the checkpoint's own answers.
//!
//! The reference is the checkpoint evaluated in float64 with BatchNorm unfolded ([`crate::eval`]), or logits that the
//! trainer stored. Answers to two synthetic inputs travel in the file, so that `verify` can repeat the proof without
//! the checkpoint. Not here: writing files.

use std::path::Path;

use anyhow::{Context, Result, bail};
use inference::{Classifier, EngineKind, Options};
use model_core::manifest::{Manifest, Output};
use model_core::scores;
use model_core::weights;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cli::ProofArgs;
use crate::eval::Evaluator;
use crate::images::ImageList;
use crate::plan::Plan;
use crate::source;

/// The metadata key of [`StoredAnswers`].
pub const PROOF_KEY: &str = "resnet50_toolkit.proof";
/// Synthetic inputs in every proof.
const SYNTHETIC: usize = 2;
/// Most stored inputs of the trainer that are compared.
const MAX_STORED: usize = 64;

/// How exact the file's arithmetic is meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    Float32,
    Float16Weights,
    Int8,
}

impl Precision {
    /// Largest allowed |difference|, relative to the largest |logit| where that is above 1; none for int8.
    fn tolerance(self) -> Option<f64> {
        match self {
            Self::Float32 => Some(1e-4),
            Self::Float16Weights => Some(2e-2),
            Self::Int8 => None,
        }
    }

    /// Least share of photos on which the best class stays the same, percent.
    fn least_agreement(self) -> f64 {
        match self {
            Self::Float32 => 99.0,
            Self::Float16Weights => 97.0,
            Self::Int8 => 80.0,
        }
    }
}

/// The checkpoint's answers to the synthetic inputs, as stored in the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredAnswers {
    pub precision: Precision,
    pub inputs: usize,
    pub height: usize,
    pub width: usize,
    /// The weights are the checkpoint's moving average.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ema: bool,
    /// Little-endian f32 of `[inputs, classes]`, hexadecimal.
    pub logits: String,
}

impl StoredAnswers {
    pub fn new(precision: Precision, size: [usize; 2], logits: &[Vec<f32>]) -> Self {
        let bytes = logits
            .iter()
            .flatten()
            .flat_map(|value| value.to_le_bytes());
        let hex = bytes.map(|byte| format!("{byte:02x}")).collect();
        Self {
            precision,
            inputs: logits.len(),
            height: size[0],
            width: size[1],
            ema: false,
            logits: hex,
        }
    }

    /// The logits, one vector an input.
    ///
    /// # Errors
    /// Damaged numbers.
    pub fn logits(&self) -> Result<Vec<Vec<f32>>> {
        let digits = self.logits.as_bytes();
        let word = |digits: &[u8]| -> Option<f32> {
            let text = std::str::from_utf8(digits).ok()?;
            Some(f32::from_bits(
                u32::from_str_radix(text, 16).ok()?.swap_bytes(),
            ))
        };
        let values: Option<Vec<f32>> = digits.chunks(8).map(word).collect();
        let values = values.filter(|values| {
            self.inputs > 0 && !values.is_empty() && values.len() % self.inputs == 0
        });
        let values = values.context("the stored answers are damaged")?;
        Ok(values
            .chunks(values.len() / self.inputs)
            .map(<[f32]>::to_vec)
            .collect())
    }
}

/// Input number `index` of the proof, `[3, height, width]`: uniform noise in -2..2, the same on every machine.
pub fn synthetic_input(index: usize, height: usize, width: usize) -> Vec<f32> {
    let count = 3 * height * width;
    let start = (index as u64).wrapping_mul(0x0000_0001_0000_0000);
    (0..count as u64)
        .map(|at| (splitmix64(start + at) >> 40) as f32 / (1u64 << 22) as f32 - 2.0)
        .collect()
}

/// Steele, Lea and Flood 2014.
fn splitmix64(state: u64) -> u64 {
    let mut z = state.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The checkpoint's answers to the synthetic inputs: float64, BatchNorm unfolded.
pub fn reference_answers(unfolded: &Plan, [height, width]: [usize; 2]) -> Vec<Vec<f32>> {
    let evaluator = Evaluator::<f64>::new(unfolded);
    let answer = |index| evaluator.logits(&synthetic_input(index, height, width), height, width);
    (0..SYNTHETIC)
        .into_par_iter()
        .map(answer)
        .map(|logits| logits.iter().map(|value| *value as f32).collect())
        .collect()
}

/// Inputs with the answers they should get.
pub struct Expected {
    pub what: String,
    pub inputs: Vec<Vec<f32>>,
    pub logits: Vec<Vec<f32>>,
}

/// Logits that the trainer stored beside `checkpoint` (`best.logits.safetensors` for `best.safetensors`).
///
/// # Errors
/// A file that is there but cannot be used.
pub fn trainer_answers(
    checkpoint: &Path,
    size: [usize; 2],
    num_classes: usize,
) -> Result<Option<Expected>> {
    let path = checkpoint.with_extension("logits.safetensors");
    if !path.is_file() {
        return Ok(None);
    }
    let file = weights::read_plain(&path)?;
    let (Some(input), Some(logits)) = (file.tensors.get("input"), file.tensors.get("logits"))
    else {
        bail!("{} needs the tensors 'input' and 'logits'", path.display());
    };
    let count = input.shape.first().copied().unwrap_or(0);
    if count == 0
        || input.shape != [count, 3, size[0], size[1]]
        || logits.shape != [count, num_classes]
    {
        bail!(
            "{}: expected input [N, 3, {}, {}] and logits [N, {num_classes}], got {:?} and {:?}",
            path.display(),
            size[0],
            size[1],
            input.shape,
            logits.shape
        );
    }
    let rows = |data: &[f32]| {
        data.chunks(data.len() / count)
            .take(MAX_STORED)
            .map(<[f32]>::to_vec)
            .collect::<Vec<_>>()
    };
    let inputs = rows(&input.data);
    let what = format!("{} of the trainer", inputs.len());
    Ok(Some(Expected {
        what,
        inputs,
        logits: rows(&logits.data),
    }))
}

/// One engine with the exported model loaded.
pub struct Candidate {
    pub name: String,
    pub classifier: Classifier,
}

/// Loads `bytes` in every engine asked for; ONNX Runtime only where it is found, unless it was named.
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
        vec![EngineKind::Tract, EngineKind::OnnxRuntime]
    };
    let mut candidates = Vec::new();
    let mut notes = Vec::new();
    for engine in kinds {
        let options = Options {
            engine,
            onnxruntime_lib: args.onnxruntime_lib.clone(),
            ..Default::default()
        };
        match Classifier::from_bytes(bytes.to_vec(), "the exported model", &options) {
            Ok(classifier) => candidates.push(Candidate {
                name: engine.to_string(),
                classifier,
            }),
            Err(inference::Error::Engine(error @ inference::EngineError::Unavailable { .. }))
                if !named =>
            {
                notes.push(format!(
                    "{engine} was not found, so only the others were compared ({error})"
                ));
            }
            Err(error) => {
                return Err(error).with_context(|| format!("{engine} refuses the exported model"));
            }
        }
    }
    Ok((candidates, notes))
}

/// One line of the proof.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub engine: String,
    pub inputs: String,
    pub count: usize,
    pub max_difference: f64,
    pub largest_logit: f64,
    pub agreement_percent: f64,
}

/// Accuracy on labelled photos.
#[derive(Clone, Debug, Serialize)]
pub struct AccuracyRow {
    pub who: String,
    pub top1_percent: f64,
    pub top5_percent: f64,
    pub images: usize,
}

/// Everything that was compared.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub rows: Vec<Row>,
    pub accuracy: Vec<AccuracyRow>,
    pub notes: Vec<String>,
}

/// Turns logits into what the file's output is.
fn as_output(logits: &[f32], manifest: &Manifest) -> Vec<f32> {
    match manifest.output {
        Output::Logits => logits.to_vec(),
        Output::Probabilities => scores::softmax(logits, manifest.temperature),
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
    unfolded: Option<&Plan>,
    variants: &[(&str, Plan)],
    images: &ImageList,
    manifest: &Manifest,
) -> Result<(Vec<Row>, Vec<AccuracyRow>)> {
    let [height, width] = manifest.preprocessing.crop.map(|side| side as usize);
    let evaluator = unfolded.map(Evaluator::<f32>::new);
    let variant_evaluators: Vec<_> = variants
        .iter()
        .map(|(_, plan)| Evaluator::<f32>::new(plan))
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
    let what = format!("{} photos", images.paths.len());
    let rows = candidates
        .iter()
        .zip(&comparisons)
        .map(|(candidate, comparison)| comparison.row(&candidate.name, &what));
    let mut accuracy = Vec::new();
    if images.truth.is_some() {
        if evaluator.is_some() {
            accuracy.push(hits[0].row("checkpoint (fp32)", images.paths.len()));
        }
        for ((name, _), hits) in variants.iter().zip(&variant_hits) {
            accuracy.push(hits.row(name, images.paths.len()));
        }
        for (candidate, hits) in candidates.iter().zip(&hits[1..]) {
            accuracy.push(hits.row(&candidate.name, images.paths.len()));
        }
    }
    Ok((rows.collect(), accuracy))
}

/// Fails with every disagreement beyond what `precision` allows.
///
/// # Errors
/// The list of disagreements.
pub fn judge(report: &Report, precision: Precision) -> Result<()> {
    let mut failures = Vec::new();
    for row in &report.rows {
        let photos = row.inputs.ends_with("photos");
        if let Some(tolerance) = precision.tolerance() {
            let allowed = tolerance * row.largest_logit.max(1.0);
            if row.max_difference.is_nan() || row.max_difference > allowed {
                failures.push(format!(
                    "{} on {}: |difference| {:.3e}, allowed {allowed:.1e}",
                    row.engine, row.inputs, row.max_difference
                ));
            }
        } else if !row.max_difference.is_finite() {
            failures.push(format!(
                "{} on {}: it gives numbers that are not finite",
                row.engine, row.inputs
            ));
        }
        if photos && row.agreement_percent < precision.least_agreement() {
            failures.push(format!(
                "{} on {}: the best class agrees on {:.1} %, expected at least {:.0} %",
                row.engine,
                row.inputs,
                row.agreement_percent,
                precision.least_agreement()
            ));
        }
    }
    if report.rows.is_empty() {
        failures.push("no engine ran the model".into());
    }
    if failures.is_empty() {
        Ok(())
    } else {
        bail!(
            "the model does not answer as its checkpoint: {}",
            failures.join("; ")
        )
    }
}

/// The certificate for the manifest. Differences are given as the next power of ten above them, so that the file
/// comes out the same on machines whose rounding differs in the last bit.
pub fn certificate(report: &Report, precision: Precision, reference: &str) -> Value {
    let rows: Vec<Value> = report
        .rows
        .iter()
        .map(|row| {
            json!({
                "engine": row.engine,
                "inputs": row.inputs,
                "max_abs_difference_below": power_of_ten_above(row.max_difference),
                "top1_agreement_percent": row.agreement_percent,
            })
        })
        .collect();
    let mut certificate = json!({
        "tool": source::tool(),
        "precision": precision,
        "reference": reference,
        "compared": rows,
    });
    if !report.accuracy.is_empty() {
        certificate["accuracy"] = json!(report.accuracy);
    }
    certificate
}

fn power_of_ten_above(value: f64) -> Value {
    if value == 0.0 {
        return json!(1e-9);
    }
    let exponent = value.log10().floor() as i32 + 1;
    // Parsed from decimal text, so that it is written as 1e-5 and not as 0.000010000000000000001.
    format!("1e{exponent}")
        .parse::<f64>()
        .map_or(Value::Null, Value::from)
}

/// The report as lines for a person.
pub fn lines(report: &Report) -> Vec<String> {
    let mut lines = vec![format!(
        "{:<14}{:<18}{:>18}{:>18}",
        "engine", "inputs", "max |difference|", "top-1 agreement"
    )];
    for row in &report.rows {
        lines.push(format!(
            "{:<14}{:<18}{:>18}{:>16.1} %",
            row.engine,
            row.inputs,
            format!("{:.2e}", row.max_difference),
            row.agreement_percent
        ));
    }
    for row in &report.accuracy {
        lines.push(format!(
            "accuracy on {} photos: {:<24} top-1 {:.1} %, top-5 {:.1} %",
            row.images, row.who, row.top1_percent, row.top5_percent
        ));
    }
    lines.extend(report.notes.iter().map(|note| format!("note: {note}")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synthetic_inputs_are_spread_and_repeat() {
        let a = synthetic_input(0, 8, 8);
        assert_eq!(a, synthetic_input(0, 8, 8));
        assert_ne!(a, synthetic_input(1, 8, 8));
        assert!(a.iter().all(|v| (-2.0..2.0).contains(v)));
        let mean = a.iter().sum::<f32>() / a.len() as f32;
        assert!(mean.abs() < 0.3, "{mean}");
    }

    #[test]
    fn stored_answers_keep_every_bit() {
        let logits = vec![vec![1.5f32, -0.1], vec![f32::MIN_POSITIVE, 3e8]];
        let stored = StoredAnswers::new(Precision::Float32, [4, 5], &logits);
        assert_eq!(stored.logits().unwrap(), logits);
        let mut damaged = stored;
        damaged.logits.replace_range(0..1, "x");
        assert!(damaged.logits().is_err());
    }

    #[test]
    fn not_a_number_is_never_agreement() {
        let mut comparison = Comparison::default();
        comparison.add(&[1.0, 2.0], &[f32::NAN, 2.0]);
        let report = Report {
            rows: vec![comparison.row("tract", "2 synthetic")],
            ..Default::default()
        };
        for precision in [Precision::Float32, Precision::Int8] {
            assert!(judge(&report, precision).is_err());
        }
    }

    #[test]
    fn the_tolerance_decides() {
        let report = |difference: f64| {
            let row = Row {
                engine: "tract".into(),
                inputs: "2 synthetic".into(),
                count: 2,
                max_difference: difference,
                largest_logit: 10.0,
                agreement_percent: 100.0,
            };
            Report {
                rows: vec![row],
                ..Default::default()
            }
        };
        assert!(judge(&report(0.9e-3), Precision::Float32).is_ok());
        assert!(judge(&report(1.1e-3), Precision::Float32).is_err());
        assert!(judge(&Report::default(), Precision::Float32).is_err());
        assert_eq!(power_of_ten_above(4.1e-6), json!(1e-5));
    }
}
