//! What a practitioner would remark on seeing this recipe with this data, in a line each. Nothing here stops a run.

use image_data::augment::CropKind;
use image_data::decode::{DecodeLimits, probe};
use image_data::folder::Folder;

use crate::recipe::Recipe;

/// Images whose sizes are looked at.
const SAMPLED: usize = 16;
/// The largest class may have so many times the images of the smallest before it is remarked.
const UNBALANCED: usize = 10;
/// Training and evaluation sizes that differ by more than this factor are remarked.
const SIZE_RATIO: f64 = 1.6;

/// The remarks on a recipe and its data.
pub fn hints(recipe: &Recipe, train: &Folder, val: Option<&Folder>) -> Vec<String> {
    let mut hints = Vec::new();
    if let [only] = train.classes.as_slice() {
        hints.push(format!(
            "there is one class only ({only}): every answer will be right"
        ));
    }
    let counts = train.images_per_class();
    let (least, most) = (counts.iter().min(), counts.iter().max());
    if let (Some(&least), Some(&most)) = (least, most)
        && most >= UNBALANCED * least.max(1)
        && recipe.loss.class_weights.is_none()
        && !recipe.balanced_sampling
    {
        let named = |count: usize| {
            let class = counts.iter().position(|&c| c == count).unwrap_or_default();
            format!("{} of {}", count, train.classes[class])
        };
        hints.push(format!(
            "classes differ much in size ({}, {}): --set balanced_sampling=true or --set loss.class_weights=balanced counts \
             them alike",
            named(most),
            named(least)
        ));
    }
    let side = f64::from(recipe.augment.size_at(recipe.epochs.saturating_sub(1)));
    let evaluated = f64::from(recipe.preprocessing.crop[0]);
    if val.is_some() && (evaluated / side).max(side / evaluated) > SIZE_RATIO {
        hints.push(format!(
            "training sees {side} pixels and validation {evaluated}: --image-size sets both"
        ));
    }
    if recipe.augment.crop == CropKind::Pad
        && let Some(median) = median_side(train)
        && f64::from(median) > 2.0 * side
    {
        hints.push(format!(
            "the photos have about {median} pixels, and crop `pad` cuts {side} of them out: --set augment.crop=random_resized \
             scales them"
        ));
    }
    hints
}

/// The median of the short sides of some images, spread over the set; none where no header can be read.
fn median_side(folder: &Folder) -> Option<u32> {
    let step = (folder.len() / SAMPLED).max(1);
    let limits = DecodeLimits::default();
    let mut sides: Vec<u32> = folder
        .samples
        .iter()
        .step_by(step)
        .take(SAMPLED)
        .filter_map(|sample| {
            let header = probe(&sample.read(&limits).ok()?, &limits).ok()?;
            Some(header.width.min(header.height))
        })
        .collect();
    sides.sort_unstable();
    sides.get(sides.len() / 2).copied()
}
