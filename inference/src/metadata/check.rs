//! Holds what a model says of itself against what its graph shows.

use model_core::preprocessing::Layout;

use super::Resolved;
use crate::InferenceError;
use crate::error::ModelProblem;
use crate::graph::{Element, GraphFacts};

/// Corrects what can be corrected, with a note; the rest is an error that says what contradicts what.
pub(super) fn check(
    resolved: &mut Resolved,
    facts: &GraphFacts,
    model: &str,
) -> Result<(), InferenceError> {
    if facts.any_size() {
        // Layout, resize and crop in the manifest describe what happens inside the graph.
        let note = "the network resizes, crops and normalizes by itself";
        resolved.notes.push(note.to_owned());
    } else {
        bytes(resolved, facts);
        shape(resolved, facts, model)?;
        gray(resolved, facts, model)?;
    }
    Ok(())
}

/// A network that takes bytes has its normalization inside.
fn bytes(resolved: &mut Resolved, facts: &GraphFacts) {
    if facts.element != Element::U8 {
        return;
    }
    let numbers = &mut resolved.manifest.preprocessing;
    let plain = ([0.0; 3], [1.0; 3], 1.0);
    if (numbers.mean, numbers.std, numbers.pixel_max) != plain {
        (numbers.mean, numbers.std, numbers.pixel_max) = plain;
        let note = "the network takes bytes (uint8) and normalizes by itself: mean and std are not applied";
        resolved.notes.push(note.to_owned());
    }
}

/// A network of one channel gets the luma of the three prepared ones, which need one mean and one deviation for that.
fn gray(resolved: &mut Resolved, facts: &GraphFacts, model: &str) -> Result<(), InferenceError> {
    if !facts.is_gray() {
        return Ok(());
    }
    let numbers = &resolved.manifest.preprocessing;
    for (name, [first, second, third]) in [("mean", numbers.mean), ("std", numbers.std)] {
        if first != second || second != third {
            return Err(InferenceError::model_problem(
                model,
                ModelProblem::Preprocessing,
                format!(
                    "the network takes gray images, so {name} is one number, but {} gives three: {first}, {second}, {third}",
                    resolved.dialect
                ),
            ));
        }
    }
    let note = "the network takes gray images: pictures are turned to gray (ITU-R BT.601)";
    resolved.notes.push(note.to_owned());
    Ok(())
}

fn shape(resolved: &Resolved, facts: &GraphFacts, model: &str) -> Result<(), InferenceError> {
    let dialect = &resolved.dialect;
    let preprocessing = &resolved.manifest.preprocessing;
    if let Some(layout) = facts.layout()
        && layout != preprocessing.layout
    {
        return Err(InferenceError::model_problem(
            model,
            ModelProblem::Preprocessing,
            format!(
                "{dialect} says the input is {} (preprocessing.layout) but the network's input is {}",
                match preprocessing.layout {
                    Layout::Nchw => "[N, 3, H, W]",
                    Layout::Nhwc => "[N, H, W, 3]",
                },
                facts.shape_text()
            ),
        ));
    }
    let size = facts.size(preprocessing.layout);
    for (said, takes) in preprocessing.crop.iter().zip(size) {
        if let Some(takes) = takes
            && takes != *said as usize
        {
            let [height, width] = preprocessing.crop;
            return Err(InferenceError::model_problem(
                model,
                ModelProblem::Preprocessing,
                format!(
                    "{dialect} says images are {height} x {width} (preprocessing.crop) but the network's input is {}",
                    facts.shape_text()
                ),
            ));
        }
    }
    let channels = match preprocessing.layout {
        Layout::Nchw => facts.dims[1],
        Layout::Nhwc => facts.dims[3],
    };
    if let Some(channels) = channels.filter(|channels| *channels != 3 && !facts.is_gray()) {
        return Err(InferenceError::model(
            model,
            format!(
                "expected a network for color (3 channels) or gray images (1), got {channels} channels: {}",
                facts.shape_text()
            ),
        ));
    }
    Ok(())
}
