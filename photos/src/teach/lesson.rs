//! From photos to a layer, and from a layer to a model file.

use std::collections::{BTreeMap, BTreeSet};

use inference::Manifest;
use model_core::Label;
use model_core::labels::from_folder_names;
use model_core::manifest::{Accuracy, Output, Provenance};
use model_core::proof::{
    FilePrecision, PROOF_KEY, SYNTHETIC_INPUTS, StoredAnswers, synthetic_input,
};
use serde::Serialize;

use super::findings::{Findings, Judged};
use super::head::{self, Head, Samples};
use super::none::{NoneScore, temperature};
use super::{FEW_PHOTOS, NONE_ID, NONE_NAME, TeachError, Teacher, TrainingPhoto, kept};

/// Bits in which the coarse prints of photos that look alike may differ.
const ALIKE_BITS: u32 = 6;
/// Prints of pictures that are alike everywhere, or only change evenly: they say nothing of what is in them.
const EMPTY_PRINTS: [u64; 2] = [0, u64::MAX];
/// How near their features must be as well: the cosine of their angle.
const ALIKE_COSINE: f64 = 0.9;

/// What can be chosen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TeachConfig {
    /// The model's name.
    pub name: String,
    /// Share of photos of the taught classes that may be answered with "none of these", 0 to 0.5; 0 leaves that answer
    /// out.
    pub false_refusals: f64,
    /// Whether the file keeps the photos' features, so that more can be added later.
    pub keep_features: bool,
}

impl Default for TeachConfig {
    fn default() -> Self {
        Self {
            name: "taught".to_owned(),
            false_refusals: 0.05,
            keep_features: true,
        }
    }
}

/// What was learned.
pub struct Lesson {
    config: TeachConfig,
    photos: Vec<TrainingPhoto>,
    classes: Vec<String>,
    head: Head,
    /// The answer "none of these"; none where it is left out.
    none: Option<NoneScore>,
    temperature: f64,
    /// What is to be said before the model is written.
    pub findings: Findings,
}

impl Lesson {
    /// Learns from photos, the order of which does not matter.
    ///
    /// # Errors
    /// [`TeachError::TooFew`] and [`TeachError::OneClass`]; [`TeachError::Features`] when they cannot be told apart.
    pub fn learn(photos: Vec<TrainingPhoto>, config: &TeachConfig) -> Result<Self, TeachError> {
        let (photos, copies, contradictions) = without_copies(photos);
        let names: BTreeSet<&String> = photos.iter().filter_map(|p| p.class.as_ref()).collect();
        let classes: Vec<String> = names.into_iter().cloned().collect();
        if classes.len() < 2 {
            return Err(TeachError::OneClass(classes.len()));
        }
        let of = |name: &String| classes.iter().position(|class| class == name);
        let truths: Vec<Option<usize>> = photos
            .iter()
            .map(|photo| photo.class.as_ref().and_then(of))
            .collect();
        for (class, name) in classes.iter().enumerate() {
            let count = truths.iter().filter(|truth| **truth == Some(class)).count();
            if count < 2 {
                return Err(TeachError::TooFew {
                    class: name.clone(),
                    photos: count,
                });
            }
        }
        let width = photos.first().map_or(0, |photo| photo.features.len());
        let features: Vec<f32> = photos
            .iter()
            .flat_map(|p| p.features.iter().copied())
            .collect();
        let alike = alike(&photos);
        let samples = Samples {
            features: &features,
            width,
            classes: &truths,
            count: classes.len(),
            alike: &alike,
        };
        let head = head::fit(&samples).ok_or(TeachError::Features)?;
        let none = (config.false_refusals > 0.0)
            .then(|| NoneScore::new(&head, &truths, config.false_refusals))
            .flatten();
        let temperature = temperature(&head, &truths, none);
        let judged = judge(&head, &truths, none, temperature, classes.len());
        let findings = Findings::new(&photos, &classes, &judged, &alike, copies, contradictions);
        Ok(Self {
            config: config.clone(),
            photos,
            classes,
            head,
            none,
            temperature,
            findings,
        })
    }

    /// The photos that were learned from.
    pub fn photos(&self) -> usize {
        self.photos.len()
    }

    /// The labels of the model, in the order of its outputs.
    pub fn labels(&self) -> Vec<Label> {
        let mut labels = from_folder_names(&self.classes);
        if self.none.is_some() {
            labels.push(Label {
                id: Some(NONE_ID.to_owned()),
                name: NONE_NAME.to_owned(),
            });
        }
        labels
    }

    /// The model as an ONNX file, and how many of its bytes are what it keeps of the photos.
    ///
    /// The logits are divided by the temperature already, so that a plain softmax gives honest probabilities.
    ///
    /// # Errors
    /// When the backbone cannot be run or the file not be put together.
    pub fn to_onnx(&self, teacher: &Teacher) -> Result<(Vec<u8>, usize), TeachError> {
        self.to_onnx_as(&self.config.name, teacher)
    }

    /// [`Self::to_onnx`] under a name that was chosen after the lesson.
    ///
    /// # Errors
    /// As [`Self::to_onnx`].
    pub fn to_onnx_as(
        &self,
        name: &str,
        teacher: &Teacher,
    ) -> Result<(Vec<u8>, usize), TeachError> {
        let backbone = teacher.backbone();
        let mut weights: Vec<f64> = scaled(&self.head.weights, self.temperature);
        let mut bias: Vec<f64> = scaled(&self.head.bias, self.temperature);
        if let Some(none) = self.none {
            let column = |j: usize| self.head.weights.iter().skip(j).step_by(backbone.width);
            let row = (0..backbone.width).map(|j| none.direction(column(j).sum()));
            let row: Vec<f64> = row.collect();
            weights.extend(scaled(&row, self.temperature));
            bias.push(none.of(&self.head.bias) / self.temperature);
        }
        let single = |values: &[f64]| values.iter().map(|v| *v as f32).collect::<Vec<f32>>();
        let manifest = self.manifest(name, teacher)?;
        let mut extra = Vec::new();
        let stored = stored_answers(teacher, &weights, &bias)?;
        extra.push((PROOF_KEY, serde_json::to_string(&stored)?));
        let mut kept_bytes = 0;
        if self.config.keep_features {
            let (sha256, width) = (&backbone.sha256, backbone.width);
            let text = kept::write(&self.photos, &self.classes, sha256, width)?;
            kept_bytes = text.len();
            extra.push((kept::KEPT_KEY, text));
        }
        let bytes = backbone.with_head(&single(&weights), &single(&bias), &manifest, &extra)?;
        Ok((bytes, kept_bytes))
    }

    fn manifest(&self, name: &str, teacher: &Teacher) -> Result<Manifest, TeachError> {
        let config = TeachConfig {
            name: name.to_owned(),
            ..self.config.clone()
        };
        let base = &teacher.backbone().manifest;
        let tool = concat!("photos ", env!("CARGO_PKG_VERSION"));
        let photos = self.photos.len();
        let mut manifest = Manifest::new(
            config.name.clone(),
            base.arch.clone(),
            self.labels(),
            base.preprocessing.clone(),
        );
        manifest.output = Output::Logits;
        manifest.license.clone_from(&base.license);
        manifest.accuracy = Some(Accuracy {
            top1_percent: self.findings.accuracy_percent,
            top5_percent: None,
            images: self.findings.photos as u64,
            dataset: "the photos it was taught from, each left out once".to_owned(),
        });
        manifest.provenance = Some(Provenance {
            source: format!("{photos} photos on the features of {}", base.name),
            tool: tool.to_owned(),
            recipe: Some(serde_json::to_string(&config)?),
            ..Provenance::default()
        });
        manifest.certificate = Some(serde_json::json!({
            "tool": tool,
            "reference": "the layer in float64 on the backbone's features",
            "backbone": base.name,
            "backbone_sha256": teacher.backbone().sha256,
            "strength": self.head.strength,
            "false_refusals_percent": self.findings.false_refusals_percent,
            "accuracy_interval_percent": self.findings.accuracy_interval_percent,
        }));
        Ok(manifest)
    }
}

/// The photos that a taught model keeps, to be taught together with others; none where it keeps none.
///
/// # Errors
/// [`TeachError::NotTaught`] when what it keeps is damaged or does not fit its backbone.
pub fn kept_photos(
    model: &[u8],
    teacher: &Teacher,
) -> Result<Option<Vec<TrainingPhoto>>, TeachError> {
    let backbone = teacher.backbone();
    kept::of_file(model, &backbone.sha256).map_err(|reason| TeachError::NotTaught {
        model: backbone.manifest.name.clone(),
        reason,
    })
}

fn scaled(values: &[f64], temperature: f64) -> Vec<f64> {
    values.iter().map(|value| value / temperature).collect()
}

/// The new layer's answers to the inputs of every proof, in float64 on the backbone's features, so that `verify` can hold
/// any engine against them.
fn stored_answers(
    teacher: &Teacher,
    weights: &[f64],
    bias: &[f64],
) -> Result<StoredAnswers, TeachError> {
    let backbone = teacher.backbone();
    let [height, width] = backbone
        .manifest
        .preprocessing
        .crop
        .map(|side| side as usize);
    let mut answers = Vec::new();
    for index in 0..SYNTHETIC_INPUTS {
        let features = teacher.features(&synthetic_input(index, height, width))?;
        let rows = weights.chunks_exact(backbone.width);
        let logit = |(row, bias): (&[f64], &f64)| {
            let product = row.iter().zip(&features).map(|(w, x)| w * f64::from(*x));
            (bias + product.sum::<f64>()) as f32
        };
        answers.push(rows.zip(bias).map(logit).collect());
    }
    let precision = match backbone.quantized {
        true => FilePrecision::Int8,
        false => FilePrecision::Float32,
    };
    Ok(StoredAnswers::new(precision, [height, width], &answers))
}

/// One photo a file content, in an order of their own: by class, then by digest. Copies within a class are counted, and
/// photos that lie in two classes left out and named.
fn without_copies(photos: Vec<TrainingPhoto>) -> (Vec<TrainingPhoto>, usize, Vec<Vec<String>>) {
    let mut by_content: BTreeMap<String, Vec<TrainingPhoto>> = BTreeMap::new();
    for photo in photos {
        by_content
            .entry(photo.sha256.clone())
            .or_default()
            .push(photo);
    }
    let (mut kept, mut copies, mut contradictions) = (Vec::new(), 0, Vec::new());
    for mut same in by_content.into_values() {
        if same.iter().any(|photo| photo.class != same[0].class) {
            same.sort_by(|a, b| a.path.cmp(&b.path));
            contradictions.push(same.iter().map(name_of).collect());
        } else {
            copies += same.len() - 1;
            // The one that still has a file can be named.
            same.sort_by(|a, b| {
                b.path
                    .is_some()
                    .cmp(&a.path.is_some())
                    .then(a.path.cmp(&b.path))
            });
            kept.extend(same.into_iter().next());
        }
    }
    kept.sort_by(|a, b| (&a.class, &a.sha256).cmp(&(&b.class, &b.sha256)));
    (kept, copies, contradictions)
}

/// What a photo is called in front of a person.
pub(super) fn name_of(photo: &TrainingPhoto) -> String {
    match (&photo.path, &photo.class) {
        (Some(path), _) => path.display().to_string(),
        (None, Some(class)) => format!("a photo of '{class}' taught before"),
        (None, None) => "a photo of nothing taught before".to_owned(),
    }
}

/// Groups of photos that look alike: coarse prints that differ in few bits, and near features.
fn alike(photos: &[TrainingPhoto]) -> Vec<Vec<usize>> {
    let length = |photo: &TrainingPhoto| dot(photo, photo).sqrt();
    let lengths: Vec<f64> = photos.iter().map(length).collect();
    // Every photo points at the first photo that it is known to look like.
    let mut first: Vec<usize> = (0..photos.len()).collect();
    for i in 0..photos.len() {
        if EMPTY_PRINTS.contains(&photos[i].print) {
            continue;
        }
        for j in 0..i {
            if (photos[i].print ^ photos[j].print).count_ones() > ALIKE_BITS {
                continue;
            }
            let cosine = dot(&photos[i], &photos[j]) / (lengths[i] * lengths[j]);
            if cosine >= ALIKE_COSINE {
                let (old, new) = (first[i].max(first[j]), first[i].min(first[j]));
                for place in &mut first {
                    if *place == old {
                        *place = new;
                    }
                }
            }
        }
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (photo, first) in first.into_iter().enumerate() {
        groups.entry(first).or_default().push(photo);
    }
    groups
        .into_values()
        .filter(|group| group.len() > 1)
        .collect()
}

fn dot(a: &TrainingPhoto, b: &TrainingPhoto) -> f64 {
    let pairs = a.features.iter().zip(&b.features);
    pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn judge(
    head: &Head,
    truths: &[Option<usize>],
    none: Option<NoneScore>,
    temperature: f64,
    count: usize,
) -> Vec<Judged> {
    let rows = head.left_out.chunks_exact(count).zip(truths);
    rows.map(|(row, truth)| {
        // Whether a photo lies in the wrong folder is a question among the classes; "none of these" is another one.
        let scores: Vec<f32> = row
            .iter()
            .map(|score| (score / temperature) as f32)
            .collect();
        let probabilities = model_core::scores::softmax(&scores, 1.0);
        let best = |of: &[f32]| model_core::scores::top_k(of, 1)[0];
        let class = best(&probabilities);
        let refused = none.is_some_and(|none| none.refuses(row));
        Judged {
            truth: *truth,
            class,
            refused,
            probability: f64::from(probabilities[class]),
            truth_probability: truth.map_or(0.0, |truth| f64::from(probabilities[truth])),
        }
    })
    .collect()
}

/// Whether a class has too few photos for its answers to be trusted.
pub(super) fn is_few(photos: usize) -> bool {
    photos < FEW_PHOTOS
}

#[cfg(test)]
#[path = "lesson_tests.rs"]
mod tests;
