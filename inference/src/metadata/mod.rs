//! What a model says of itself, in whose dialect: our manifest, Ultralytics' keys, timm's `pretrained_cfg`,
//! Hugging Face's `config.json`, a side file, or values given by hand. What contradicts the network is an error that
//! says what contradicts what.
//!
//! Looked for in this order; the first that tells the labels and the preprocessing wins:
//!
//! 1. a manifest handed in by the caller (`--manifest`),
//! 2. our manifest inside the ONNX file (`metadata_props`, key [`MANIFEST_KEY`]),
//! 3. `<model>.manifest.yaml`, then `manifest.yaml`, beside the file,
//! 4. `pretrained_cfg` (timm), `names` + `imgsz` (Ultralytics), `id2label` + `preprocessor_config` (Hugging Face)
//!    inside the file,
//! 5. `config.json` + `preprocessor_config.json` (Hugging Face, timm) beside the file,
//! 6. a preset and single values ([`Overrides`]).
//!
//! Single values win over all of them.

mod check;
mod huggingface;
mod image_keys;
mod overrides;
mod python;
mod settle;
mod splice;
mod timm;
mod ultralytics;

use std::path::{Path, PathBuf};

use model_core::manifest::{Answers, MANIFEST_KEY, Manifest, Output};
use model_core::onnx::ModelProto;
use model_core::{Label, Preprocessing, labels};
use serde::Serialize;

pub use overrides::{Overrides, Preset};
pub use splice::with_manifest;

pub(crate) use settle::settle_output;

use crate::error::ModelProblem;
use crate::graph::GraphFacts;
use crate::{ClassifierConfig, InferenceError};

/// Who described the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// Our manifest inside the file.
    Toolkit,
    /// Our manifest in a file beside the model.
    Sidecar(PathBuf),
    /// Ultralytics' metadata.
    Ultralytics,
    /// timm's `pretrained_cfg`.
    Timm,
    /// Hugging Face's configuration.
    HuggingFace,
    /// The caller, by a whole manifest or by a preset.
    Given,
}

impl std::fmt::Display for Dialect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Toolkit => f.write_str("its own manifest"),
            Self::Sidecar(path) => write!(f, "{}", path.display()),
            Self::Ultralytics => f.write_str("Ultralytics metadata"),
            Self::Timm => f.write_str("timm metadata"),
            Self::HuggingFace => f.write_str("Hugging Face configuration"),
            Self::Given => f.write_str("given by the caller"),
        }
    }
}

/// A manifest with its origin.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub manifest: Manifest,
    pub dialect: Dialect,
    /// What the description says the output is; none where it says nothing.
    pub output_said: Option<Output>,
    pub notes: Vec<String>,
}

impl Resolved {
    fn whole(manifest: Manifest, dialect: Dialect) -> Self {
        Self {
            output_said: Some(manifest.output),
            manifest,
            dialect,
            notes: Vec::new(),
        }
    }
}

/// What a dialect tells; parts may be missing.
#[derive(Debug, Default)]
struct Description {
    name: Option<String>,
    arch: Option<String>,
    labels: Option<Vec<Label>>,
    preprocessing: Option<Preprocessing>,
    license: Option<String>,
    output: Option<Output>,
    notes: Vec<String>,
}

/// The files that may lie beside a model.
pub(crate) struct Sidecars {
    model: Option<PathBuf>,
}

/// A side file larger than this is no configuration.
const MAX_SIDECAR_BYTES: u64 = 16 << 20;

impl Sidecars {
    pub fn none() -> Self {
        Self { model: None }
    }

    pub fn beside(model: &Path) -> Self {
        Self {
            model: Some(model.to_owned()),
        }
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        let path = self.model.as_ref()?.with_file_name(name);
        path.is_file().then_some(path)
    }

    fn manifest(&self) -> Option<PathBuf> {
        let stem = self
            .model
            .as_ref()?
            .file_stem()?
            .to_string_lossy()
            .into_owned();
        self.path(&format!("{stem}.manifest.yaml"))
            .or_else(|| self.path("manifest.yaml"))
    }

    /// A file beside the model that is small enough to be read whole.
    fn small(&self, name: &str) -> Result<Option<PathBuf>, InferenceError> {
        let Some(path) = self.path(name) else {
            return Ok(None);
        };
        let len = std::fs::metadata(&path)
            .map_err(|source| InferenceError::Read {
                path: path.clone(),
                source,
            })?
            .len();
        if len > MAX_SIDECAR_BYTES {
            let reason =
                format!("expected at most {MAX_SIDECAR_BYTES} bytes of configuration, got {len}");
            return Err(InferenceError::model(path.display().to_string(), reason));
        }
        Ok(Some(path))
    }

    fn read(&self, name: &str) -> Result<Option<String>, InferenceError> {
        let Some(path) = self.small(name)? else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(&path);
        text.map(Some)
            .map_err(|source| InferenceError::Read { path, source })
    }
}

/// Finds the manifest and holds it against the network.
///
/// # Errors
/// [`InferenceError`] when nobody tells what is needed, or what is described cannot be true of this network.
pub(crate) fn resolve(
    proto: &ModelProto,
    facts: &GraphFacts,
    model: &str,
    sidecars: &Sidecars,
    config: &ClassifierConfig,
) -> Result<Resolved, InferenceError> {
    let mut resolved = find(proto, facts, model, sidecars, config)?;
    config.overrides.apply(&mut resolved.manifest);
    // A whole manifest says the order and the range itself. The keys come after a preset, which would undo them.
    let whole = config.manifest.is_some()
        || matches!(resolved.dialect, Dialect::Toolkit | Dialect::Sidecar(_));
    if !whole {
        let described = config.overrides.preset.is_none();
        let preprocessing = &mut resolved.manifest.preprocessing;
        let notes = image_keys::obey(proto, preprocessing, described, &config.overrides);
        resolved.notes.extend(notes);
    }
    resolved
        .manifest
        .validate()
        .map_err(|source| InferenceError::Manifest {
            origin: model.to_owned(),
            source,
        })?;
    check::check(&mut resolved, facts, model)?;
    Ok(resolved)
}

fn find(
    proto: &ModelProto,
    facts: &GraphFacts,
    model: &str,
    sidecars: &Sidecars,
    config: &ClassifierConfig,
) -> Result<Resolved, InferenceError> {
    if let Some(manifest) = &config.manifest {
        return Ok(Resolved::whole(manifest.clone(), Dialect::Given));
    }
    if let Some(text) = proto.metadata(MANIFEST_KEY) {
        let manifest = Manifest::from_json(text).map_err(|source| InferenceError::Manifest {
            origin: format!("{model}, metadata key {MANIFEST_KEY}"),
            source,
        })?;
        return Ok(Resolved::whole(manifest, Dialect::Toolkit));
    }
    if let Some(path) = sidecars.manifest() {
        let manifest =
            Manifest::read_sidecar(&path).map_err(|source| InferenceError::Manifest {
                origin: path.display().to_string(),
                source,
            })?;
        return Ok(Resolved::whole(manifest, Dialect::Sidecar(path)));
    }
    let problem = |reason: String| InferenceError::model(model, reason);
    let mut notes = Vec::new();
    let description = if let Some(pretrained) = proto.metadata("pretrained_cfg") {
        Some((timm::read(pretrained).map_err(problem)?, Dialect::Timm))
    } else if let Some(names) = proto.metadata("names") {
        let description = ultralytics::read(proto, names).map_err(problem)?;
        Some((description, Dialect::Ultralytics))
    } else if let Some(labels) = proto.metadata("id2label") {
        let preprocessor = proto.metadata("preprocessor_config");
        let description = huggingface::read_embedded(labels, preprocessor).map_err(problem)?;
        Some((description, Dialect::HuggingFace))
    } else if let Some(described) = sidecars.read("config.json")? {
        let preprocessor = sidecars.read("preprocessor_config.json")?;
        // A file of this name may be of something else that lies in the same folder.
        huggingface::read_files(&described, preprocessor.as_deref()).unwrap_or_else(|reason| {
            notes.push(format!("what lies beside the model is not used: {reason}"));
            None
        })
    } else {
        None
    };
    let (mut description, dialect) =
        description.unwrap_or((Description::default(), Dialect::Given));
    description.notes.append(&mut notes);
    complete(
        description,
        dialect,
        facts,
        model,
        sidecars,
        &config.overrides,
    )
}

/// Fills what a dialect left out from the preset and the side file `labels.txt`; what is still missing is an error.
fn complete(
    mut description: Description,
    dialect: Dialect,
    facts: &GraphFacts,
    model: &str,
    sidecars: &Sidecars,
    overrides: &Overrides,
) -> Result<Resolved, InferenceError> {
    let mut preprocessing = match (&overrides.preset, description.preprocessing) {
        (Some(preset), _) => preset.preprocessing(),
        (None, Some(preprocessing)) => preprocessing,
        (None, None) => {
            let unused = description.notes.iter().map(|note| format!("; {note}"));
            let reason = format!(
                "the file does not say how images are prepared for it (no manifest, no metadata of a known dialect){}",
                unused.collect::<String>()
            );
            return Err(InferenceError::model_problem(
                model,
                ModelProblem::NoPreprocessing,
                reason,
            ));
        }
    };
    if let Some(layout) = facts.layout() {
        preprocessing.layout = layout;
    }
    if description.labels.is_none() {
        description.labels.clone_from(&facts.labels);
    }
    if description.labels.is_none()
        && let Some(path) = sidecars.small("labels.txt")?
    {
        let read = labels::read_labels(&path).map_err(|error| {
            InferenceError::model_problem(model, ModelProblem::Labels, error.to_string())
        })?;
        description.labels = Some(read);
        description
            .notes
            .push("labels taken from labels.txt beside the model".to_owned());
    }
    // An empty list is filled in by `finish_labels` once the engine has told the number of classes.
    let labels = description
        .labels
        .or_else(|| overrides.labels.clone())
        .unwrap_or_default();
    if labels.is_empty() {
        description.notes.push(match facts.classes {
            Some(1000) => {
                "no labels found; 1000 classes are taken for ImageNet's, in torchvision's order"
                    .to_owned()
            }
            _ => "no labels found; classes are numbered".to_owned(),
        });
    }
    let stem = Path::new(model)
        .file_stem()
        .map_or(model.to_owned(), |stem| stem.to_string_lossy().into_owned());
    let name = description.name.unwrap_or(stem);
    let arch = description.arch.unwrap_or_else(|| "unknown".to_owned());
    let labels = if labels.is_empty() {
        placeholder(facts.classes)
    } else {
        labels
    };
    let mut manifest = Manifest::new(name, arch, labels, preprocessing);
    manifest.output = description.output.unwrap_or_default();
    manifest.license = description.license;
    Ok(Resolved {
        manifest,
        dialect,
        output_said: description.output,
        notes: description.notes,
    })
}

/// The name a class without a label gets.
const UNLABELED: &str = "\u{0}unlabeled";

fn placeholder(classes: Option<usize>) -> Vec<Label> {
    match classes {
        Some(1000) => labels::imagenet1k().to_vec(),
        // One marker stands for all of them until the number is known.
        _ => vec![Label::named(UNLABELED)],
    }
}

/// Numbers the classes of a model without labels, once their number is known.
pub(crate) fn finish_labels(mut manifest: Manifest, outputs: usize, answers: Answers) -> Manifest {
    if matches!(&manifest.labels[..], [only] if only.name == UNLABELED) {
        manifest.labels = match (outputs, answers) {
            (1000, _) => labels::imagenet1k().to_vec(),
            (1, Answers::Binary) => vec![Label::named("positive")],
            (n, _) => (0..n)
                .map(|class| Label::named(format!("class {class}")))
                .collect(),
        };
    }
    manifest
}
