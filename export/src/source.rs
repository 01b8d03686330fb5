//! From what the user names to what is exported: weights, architecture and manifest, all checked.

use std::path::Path;

use anyhow::{Context, Result, bail};
use model_core::arch::{self, Architecture, Family, Origin};
use model_core::labels::{self, Label};
use model_core::manifest::{MANIFEST_KEY, Manifest, Provenance};
use model_core::preprocessing::{Preprocessing, Resize};
use model_core::resample::Filter;
use model_core::text::hex;
use model_core::weights::{self, StateDict, WeightSet};
use sha2::{Digest, Sha256};

use crate::cli::ExportArgs;

/// A network, its checked weights, and its description.
pub struct ExportSource {
    /// The architecture.
    pub architecture: Architecture,
    /// Its weights, by the names that the architecture gives them.
    pub weights: StateDict,
    /// What the model is said to be: labels, preprocessing, origin.
    pub manifest: Manifest,
    /// What was assumed on the way.
    pub notes: Vec<String>,
}

/// `export-onnx 0.1.0`, as written into files.
pub fn tool() -> String {
    format!("export-onnx {}", env!("CARGO_PKG_VERSION"))
}

/// Reads and checks everything the arguments name.
///
/// # Errors
/// A file that cannot be read, an architecture nobody named, weights or labels that do not fit.
pub fn load(checkpoint: &Path, args: &ExportArgs) -> Result<ExportSource> {
    let set = if args.ema {
        WeightSet::Ema
    } else {
        WeightSet::Model
    };
    let weights = weights::read_set(checkpoint, set).context("cannot use the checkpoint")?;
    let own = own_manifest(checkpoint, &weights)?;
    let sidecar = args.manifest.as_deref().map(read_manifest).transpose()?;
    let given = sidecar.or(own);

    let (arch_name, notes) = architecture_name(checkpoint, args, given.as_ref(), &weights)?;
    // The name comes first: weights of a network nobody here knows have no classifier to be found.
    let probe = arch::by_name(&arch_name, 1)?;
    let num_classes = weights.num_classes(&probe).with_context(|| {
        format!(
            "{} has no classifier weight of {}: it is of another architecture, or holds features only",
            checkpoint.display(),
            probe.name()
        )
    })?;
    let architecture = arch::by_name(&arch_name, num_classes)?;
    let metadata = weights.metadata.clone();
    let weights = weights::load_state(&architecture, weights).with_context(|| {
        format!(
            "{} is no {} checkpoint",
            checkpoint.display(),
            architecture.name()
        )
    })?;

    let mut manifest = match given {
        Some(manifest) => manifest,
        None => Manifest::new(
            architecture.name(),
            architecture.name(),
            Vec::new(),
            default_preprocessing(&architecture),
        ),
    };
    manifest.arch = architecture.name().to_string();
    manifest.certificate = None;
    if let Some(name) = &args.name {
        manifest.name.clone_from(name);
    }
    if let Some(license) = &args.license {
        manifest.license = Some(license.clone());
    }
    if let Some(list) = &args.labels {
        manifest.labels = labels_from(list)?;
    } else if manifest.labels.is_empty() && num_classes == 1000 {
        manifest.labels = labels::imagenet1k().to_vec();
    }
    if manifest.labels.len() != num_classes {
        bail!(
            "the checkpoint has {num_classes} classes but {} labels are known; give them with --labels FILE, one a line",
            manifest.labels.len()
        );
    }
    let recipe = match &args.recipe {
        Some(path) => Some(
            std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the recipe {}", path.display()))?,
        ),
        None => manifest
            .provenance
            .as_ref()
            .and_then(|provenance| provenance.recipe.clone()),
    };
    let epoch = manifest
        .provenance
        .as_ref()
        .and_then(|provenance| provenance.epoch);
    manifest.provenance = Some(Provenance {
        source: checkpoint
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
        source_sha256: Some(sha256_file(checkpoint)?),
        tool: tool(),
        recipe,
        epoch: epoch.or_else(|| metadata.get("epoch").and_then(|epoch| epoch.parse().ok())),
    });
    manifest.validate()?;
    Ok(ExportSource {
        architecture,
        weights,
        manifest,
        notes,
    })
}

/// The architecture's name: what the caller says, else what the file shows. Where two networks have the same tensors and
/// nothing tells them apart, only the caller can say.
fn architecture_name(
    checkpoint: &Path,
    args: &ExportArgs,
    given: Option<&Manifest>,
    weights: &StateDict,
) -> Result<(String, Vec<String>)> {
    let shown = weights.origin();
    let stem = checkpoint
        .file_stem()
        .map(|stem| stem.to_string_lossy().to_lowercase().replace('-', "_"))
        .unwrap_or_default();
    let named = arch::names()
        .into_iter()
        .filter(|name| stem.starts_with(name) || stem.ends_with(name))
        // `tf_efficientnet_b0` ends in `efficientnet_b0`, too.
        .max_by_key(|name| name.len());
    let mut notes = Vec::new();
    if let Some(asked) = &args.arch {
        let asked = arch::by_name(asked, 1)?.name();
        let Some(other) = twin(asked) else {
            return Ok((asked.to_owned(), notes));
        };
        return Ok(match (&shown, named) {
            // The caller means the network by its family's name; the file knows better.
            (Some((theirs, because)), _) if theirs.name() == other => {
                notes.push(format!(
                    "{asked} was asked for, but {because} that these are the weights of {other}: exported as that"
                ));
                (other.to_owned(), notes)
            }
            (None, Some(name)) if name == other => {
                notes.push(format!(
                    "the file is named after {other}, which has other borders than {asked}: exported as {asked}, as \
                     asked; check the answers with --reference-logits"
                ));
                (asked.to_owned(), notes)
            }
            (None, named) if named != Some(asked) => {
                notes.push(format!(
                    "nothing in the file tells {asked} from {other}, which has other borders: exported as {asked}, as \
                     asked; check the answers with --reference-logits"
                ));
                (asked.to_owned(), notes)
            }
            _ => (asked.to_owned(), notes),
        });
    }
    if let Some(manifest) = given {
        return Ok((manifest.arch.clone(), notes));
    }
    if let Some((theirs, _)) = shown {
        return Ok((theirs.name().to_owned(), notes));
    }
    if let Some(name) = weights.metadata.get("arch") {
        return Ok((name.clone(), notes));
    }
    if let Some(name) = named {
        notes.push(format!("architecture {name}, after the name of the file"));
        return Ok((name.to_owned(), notes));
    }
    bail!(
        "{} does not say its architecture; name it with --arch (one of {})",
        checkpoint.display(),
        arch::names().join(", ")
    )
}

/// The other network that takes the same tensors: TensorFlow's and PyTorch's EfficientNet of one size.
fn twin(name: &str) -> Option<&'static str> {
    if !name.contains("efficientnet") {
        return None;
    }
    let other = match name.strip_prefix("tf_") {
        Some(rest) => rest.to_owned(),
        None => format!("tf_{name}"),
    };
    Some(arch::by_name(&other, 1).ok()?.name())
}

/// The manifest inside a checkpoint of ours.
fn own_manifest(path: &Path, weights: &StateDict) -> Result<Option<Manifest>> {
    let Some(text) = weights.metadata.get(MANIFEST_KEY) else {
        return Ok(None);
    };
    Manifest::from_json(text)
        .map(Some)
        .with_context(|| format!("the manifest inside {} is damaged", path.display()))
}

fn read_manifest(path: &Path) -> Result<Manifest> {
    Manifest::read_sidecar(path)
        .with_context(|| format!("cannot use the manifest {}", path.display()))
}

/// torchvision's and timm's evaluation transforms of the weights these architectures usually carry.
fn default_preprocessing(architecture: &Architecture) -> Preprocessing {
    let size = architecture.default_input_size();
    if let Family::EfficientNet(net) = architecture.family() {
        // TensorFlow's weights take pixels around 0.5; the short side is the input's divided by 0.875.
        let inception = net.origin == Origin::TensorFlow && net.lite;
        let (mean, std) = match inception {
            true => ([0.498; 3], [0.502; 3]),
            false => {
                let imagenet = Preprocessing::imagenet();
                (imagenet.mean, imagenet.std)
            }
        };
        return Preprocessing {
            resize: Resize::ShortSide((f64::from(size) / 0.875) as u32),
            crop: [size, size],
            interpolation: Filter::Bicubic,
            mean,
            std,
            ..Preprocessing::imagenet()
        };
    }
    if size <= 64 {
        Preprocessing::cifar10()
    } else {
        Preprocessing::imagenet()
    }
}

/// A file with one name a line, or `id<TAB>name`; or the word `imagenet1k`.
fn labels_from(list: &str) -> Result<Vec<Label>> {
    if list == "imagenet1k" {
        return Ok(labels::imagenet1k().to_vec());
    }
    Ok(labels::read_labels(Path::new(list))?)
}

/// SHA-256 of a file, lower-case hex.
///
/// # Errors
/// A file that cannot be read.
pub fn sha256_file(path: &Path) -> Result<String> {
    let mut file =
        std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut hasher = Sha256::new();
    std::io::copy(&mut file, &mut HashWriter(&mut hasher))
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(hex(&hasher.finalize()))
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
