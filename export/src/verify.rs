//! `export-onnx verify`: the proof of a finished file, repeated.

use std::path::Path;

use anyhow::{Context, Result, bail};
use model_core::manifest::{MANIFEST_KEY, Manifest};
use model_core::onnx;
use model_core::weights::{self, WeightSet};

use crate::cli::VerifyArgs;
use crate::plan::ExportPlan;
use crate::preprocess_graph;
use crate::proof::{self, PROOF_KEY, StoredAnswers};
use crate::run::{Networks, input_size, prove};
use crate::source;

/// `export-onnx verify model.onnx`
///
/// # Errors
/// A model without a proof of ours, or one that no longer answers as it did.
pub fn run_verify(args: &VerifyArgs) -> Result<()> {
    let model = onnx::read(&args.model)?;
    let (Some(manifest), Some(stored)) = (model.metadata(MANIFEST_KEY), model.metadata(PROOF_KEY))
    else {
        bail!(
            "{} carries no proof; only models written by export-onnx do (see `export-onnx inspect`)",
            args.model.display()
        );
    };
    let manifest =
        Manifest::from_json(manifest).context("the manifest inside the model is damaged")?;
    let mut inputs = model.graph.iter().flat_map(|graph| &graph.input);
    if inputs.any(|input| input.name == preprocess_graph::IMAGE) {
        bail!(
            "{} takes pixels, which only the export itself proves; export it again to repeat the proof",
            args.model.display()
        );
    }
    let stored: StoredAnswers =
        serde_json::from_str(stored).context("the proof inside the model is damaged")?;
    if [stored.height, stored.width] != input_size(&manifest) {
        bail!(
            "the proof inside {} is for another input size",
            args.model.display()
        );
    }
    let bytes = std::fs::read(&args.model)
        .with_context(|| format!("cannot read {}", args.model.display()))?;
    let mut answers = stored.logits()?;
    let mut unfolded = None;
    if let Some(checkpoint) = &args.checkpoint {
        let plan = reload(
            checkpoint,
            &manifest,
            if stored.ema {
                WeightSet::Ema
            } else {
                WeightSet::Model
            },
        )?;
        answers = proof::reference_answers(&plan, input_size(&manifest));
        unfolded = Some(plan);
    }
    let beside = args.checkpoint.as_deref().unwrap_or(&args.model);
    let networks = Networks {
        unfolded: unfolded.as_ref(),
        variants: &[],
    };
    let report = prove(&bytes, beside, &manifest, &networks, answers, &args.proof)?;
    println!("model       {} ({})", args.model.display(), manifest.name);
    let reference = if unfolded.is_some() {
        "the checkpoint, evaluated now"
    } else {
        "the answers stored in the file"
    };
    println!("proof       the file's answers against {reference}");
    proof::lines(&report, stored.precision)
        .iter()
        .for_each(|line| println!("            {line}"));
    proof::judge(&report, stored.precision)?;
    println!("verified    the model answers as its checkpoint");
    Ok(())
}

/// The unfolded network of the checkpoint a model says it was made from.
fn reload(checkpoint: &Path, manifest: &Manifest, set: WeightSet) -> Result<ExportPlan> {
    let recorded = manifest
        .provenance
        .as_ref()
        .and_then(|provenance| provenance.source_sha256.clone());
    let found = source::sha256_file(checkpoint)?;
    if let Some(recorded) = recorded
        && recorded != found
    {
        bail!(
            "{} is not the checkpoint of this model: sha256 {found}, expected {recorded}",
            checkpoint.display()
        );
    }
    let architecture = model_core::arch::by_name(&manifest.arch, manifest.labels.len())?;
    let weights = weights::load_state(&architecture, weights::read_set(checkpoint, set)?)?;
    ExportPlan::lower(&architecture.graph(), &weights)
}
