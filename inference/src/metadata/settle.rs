//! Settles what the network's output is: what the caller or the description says, held against the graph's structure and
//! against two runs.

use model_core::RgbImage;
use model_core::manifest::Output;

use super::Resolved;
use crate::ClassifierConfig;
use crate::engine::{Engine, EngineError};
use crate::graph::GraphFacts;
use crate::graph::ending::Ending;
use crate::graph::output::{Decision, decide};

/// Puts what the output is into the manifest, and says why.
///
/// # Errors
/// [`EngineError`] when the network cannot be run.
pub(crate) fn settle_output(
    resolved: &mut Resolved,
    facts: &GraphFacts,
    engine: &dyn Engine,
    config: &ClassifierConfig,
) -> Result<String, EngineError> {
    if config.overrides.output.is_some() {
        return Ok("the caller says so".to_owned());
    }
    let said = resolved.output_said;
    // Nothing is left to find out by running where the description and the graph agree.
    if let Some(said) = said
        && agrees(said, &facts.ending, engine.classes())
    {
        return Ok(format!(
            "{} says so, and the graph agrees",
            resolved.dialect
        ));
    }
    let runs = trial_runs(resolved, facts, engine)?;
    let Decision {
        output,
        because,
        doubt,
    } = decide(&facts.ending, &runs);
    match said {
        None => {
            resolved.manifest.output = output;
            resolved.notes.extend(doubt);
            Ok(because)
        }
        Some(said) if said == output => Ok(because),
        // Doubtful evidence does not contradict a description that the values allow.
        Some(said) if doubt.is_some() && allows(&runs, said) => {
            Ok(format!("{} says so; {because}", resolved.dialect))
        }
        Some(said) => {
            resolved.notes.push(format!(
                "{} calls the output {said}, but {because}: taken as {output}",
                resolved.dialect
            ));
            resolved.manifest.output = output;
            Ok(because)
        }
    }
}

/// Whether structure alone confirms what the description says.
fn agrees(said: Output, ending: &Ending, outputs: usize) -> bool {
    match (said, ending) {
        (Output::Logits, Ending::Linear) => outputs > 1,
        (Output::SigmoidLogits, Ending::Linear)
        | (Output::Probabilities, Ending::Softmax)
        | (Output::LogProbabilities, Ending::LogSoftmax)
        | (Output::SigmoidScores, Ending::Sigmoid) => true,
        (
            Output::Logits
            | Output::SigmoidLogits
            | Output::Probabilities
            | Output::LogProbabilities
            | Output::SigmoidScores,
            _,
        ) => false,
    }
}

/// Whether the values of the runs can be what the description says.
fn allows(runs: &[Vec<f32>], said: Output) -> bool {
    let all = |within: fn(f32) -> bool| runs.iter().flatten().all(|value| within(*value));
    match said {
        Output::Logits | Output::SigmoidLogits => runs
            .iter()
            .all(|run| run.len() > 1 || said.is_independent()),
        Output::Probabilities | Output::SigmoidScores => {
            all(|value| (-1e-6..=1.000_001).contains(&value))
        }
        Output::LogProbabilities => all(|value| value <= 1e-6),
    }
}

/// The outputs for two pictures that have little in common.
fn trial_runs(
    resolved: &Resolved,
    facts: &GraphFacts,
    engine: &dyn Engine,
) -> Result<Vec<Vec<f32>>, EngineError> {
    let preprocessing = &resolved.manifest.preprocessing;
    let [height, width] = if facts.any_size() {
        [240, 320]
    } else {
        preprocessing.crop
    };
    let mut runs = Vec::with_capacity(2);
    for picture in [noise(width, height), slope(width, height)] {
        let run = if facts.any_size() {
            engine.run_picture(&picture)?
        } else {
            let mut input = vec![0.0; picture.data.len()];
            preprocessing.normalize_into(&picture, &mut input);
            engine.run(&input, 1)?
        };
        // A network that makes no numbers of a test picture shows nothing.
        if run.iter().all(|value| value.is_finite()) {
            runs.push(run);
        }
    }
    Ok(runs)
}

fn noise(width: u32, height: u32) -> RgbImage {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let data = (0..width as usize * height as usize * 3)
        .map(|_| next())
        .collect();
    RgbImage {
        width,
        height,
        data,
    }
}

fn slope(width: u32, height: u32) -> RgbImage {
    let pixel = |x: u32, y: u32| {
        let part = |value: u32, of: u32| (value * 255 / of.max(1)) as u8;
        [part(x, width), part(y, height), 255 - part(x, width)]
    };
    let rows = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let data = rows.flat_map(|(x, y)| pixel(x, y)).collect();
    RgbImage {
        width,
        height,
        data,
    }
}
