//! From a recipe's text and the command line's overrides to a checked [`Recipe`].
//!
//! Both are laid over the defaults as plain trees first, so that every key can be overridden by its path and an unknown
//! one is named together with the nearest known.

use std::path::Path;

use anyhow::{Context, Result, bail};
use image_data::augment::{AugmentConfig, ColorJitter, ProgressiveConfig};
use model_core::preprocessing::Preprocessing;
use model_core::reading::{Exif, ReadingConfig};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{EmaConfig, Recipe, catalog};

/// One key set from the command line: its dotted path and the new value.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// As `optimizer.learning_rate`.
    pub path: String,
    /// The new value.
    pub value: Value,
}

impl Override {
    /// An override from a program value.
    pub fn new(path: &str, value: impl Serialize) -> Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            value: serde_json::to_value(value)?,
        })
    }

    /// Reads `path=value`, the value in YAML.
    pub fn parse(text: &str) -> Result<Self> {
        let Some((path, value)) = text.split_once('=') else {
            bail!("--set: expected key=value, got '{text}'");
        };
        let value = yaml_to_json(value).with_context(|| format!("--set {path}"))?;
        Ok(Self {
            path: path.trim().to_owned(),
            value,
        })
    }
}

/// The recipe `name_or_file` (a name of the catalog, or a YAML file), with `overrides` applied in order.
///
/// # Errors
/// No such recipe, unknown keys, values of the wrong type or out of range.
pub fn resolve(name_or_file: &str, overrides: &[Override]) -> Result<Recipe> {
    let (origin, text) = read(name_or_file)?;
    from_text(&text, overrides).with_context(|| format!("recipe {origin}"))
}

fn read(name_or_file: &str) -> Result<(String, String)> {
    if let Some(text) = catalog::text(name_or_file) {
        return Ok((name_or_file.to_owned(), text.to_owned()));
    }
    let path = Path::new(name_or_file);
    let is_file = path
        .extension()
        .is_some_and(|ext| ext == "yaml" || ext == "yml");
    if !is_file && !path.is_file() {
        let nearest = nearest(name_or_file, catalog::names());
        bail!(
            "unknown recipe '{name_or_file}': did you mean '{nearest}'? `train recipes` lists them; a file ends in .yaml"
        );
    }
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read recipe file {}", path.display()))?;
    Ok((path.display().to_string(), text))
}

/// A recipe from YAML text, with `overrides` applied in order.
///
/// # Errors
/// As [`resolve`].
pub fn from_text(text: &str, overrides: &[Override]) -> Result<Recipe> {
    let known = serde_json::to_value(every_section())?;
    let mut given = match yaml_to_json(text)? {
        Value::Null => Map::new(),
        Value::Object(map) => map,
        other => bail!("expected keys and values, got {}", kind(&other)),
    };
    replace_apply_exif(&mut given)?;
    replace_stop_after_epochs(&mut given);
    let given = Value::Object(given);
    let mut tree = serde_json::to_value(Recipe::default())?;
    merge(&mut tree, &given, &known, "")?;
    for change in overrides {
        if change.path == IMAGE_SIZE {
            scale_images(&mut tree, &change.value, overrides)?;
            continue;
        }
        let (path, mut nested) = match change.path.as_str() {
            APPLY_EXIF => ("preprocessing.reading.exif", exif(&change.value)?),
            "evaluation.stop_after_epochs" => ("evaluation.patience", change.value.clone()),
            path => (path, change.value.clone()),
        };
        for key in path.rsplit('.') {
            nested = Value::Object(Map::from_iter([(key.to_owned(), nested)]));
        }
        merge(&mut tree, &nested, &known, "")?;
    }
    let recipe: Recipe = serde_path_to_error::deserialize(tree)
        .map_err(|error| anyhow::anyhow!("{}: {}", error.path(), error.inner()))?;
    recipe.validate()?;
    Ok(recipe)
}

/// The recipe as YAML, every key present: what `config.yaml` holds.
pub fn to_yaml(recipe: &Recipe) -> Result<String> {
    // By way of JSON: enums with contents then read as `key: value`, not as YAML tags.
    Ok(serde_yaml::to_string(&serde_json::to_value(recipe)?)?)
}

/// Lays `given` over `tree`, key by key; `known` holds every key there can be.
fn merge(tree: &mut Value, given: &Value, known: &Value, path: &str) -> Result<()> {
    let (Value::Object(given_map), Value::Object(known_map)) = (given, known) else {
        *tree = given.clone();
        return Ok(());
    };
    if is_choice(known_map) {
        *tree = given.clone();
        return Ok(());
    }
    for key in given_map.keys() {
        if !known_map.contains_key(key) {
            let near = nearest(key, known_map.keys().map(String::as_str));
            bail!("unknown key '{path}{key}': did you mean '{path}{near}'?");
        }
    }
    if !tree.is_object() {
        // A section that is off by default (`ema: null`): start from what it holds when on.
        *tree = known.clone();
    }
    let Value::Object(tree_map) = tree else {
        return Ok(());
    };
    for (key, value) in given_map {
        let slot = tree_map.entry(key.clone()).or_insert(Value::Null);
        merge(slot, value, &known_map[key], &format!("{path}{key}."))?;
    }
    Ok(())
}

/// `resize: {short_side: 256}` is one of several choices, not a section whose keys add up.
fn is_choice(known: &Map<String, Value>) -> bool {
    known.len() == 1 && known.contains_key("short_side")
}

/// A recipe in which every optional section is on, so that all keys show.
pub fn every_section() -> Recipe {
    Recipe {
        ema: Some(EmaConfig::default()),
        augment: AugmentConfig {
            color_jitter: Some(ColorJitter::default()),
            progressive: Some(ProgressiveConfig::default()),
            ..AugmentConfig::default()
        },
        preprocessing: Preprocessing::imagenet(),
        ..Recipe::default()
    }
}

/// No key of a recipe, but of the command line: sets the training size and moves the evaluation size along.
pub const IMAGE_SIZE: &str = "image_size";

/// Trains on squares of `side` pixels: every other size of the recipe keeps its ratio to the training size, unless the
/// command line sets it too.
fn scale_images(tree: &mut Value, side: &Value, overrides: &[Override]) -> Result<()> {
    let (Some(new), Some(old)) = (
        side.as_u64().filter(|&side| side > 0),
        tree["augment"]["image_size"]
            .as_u64()
            .filter(|&side| side > 0),
    ) else {
        bail!("{IMAGE_SIZE}: expected a number of pixels, got {side}");
    };
    tree["augment"]["image_size"] = side.clone();
    let scaled = |value: &Value| {
        let pixels = value.as_u64()?;
        Some(Value::from(
            ((pixels * new) as f64 / old as f64).round() as u64
        ))
    };
    let is_set = |path: &str| overrides.iter().any(|other| other.path.starts_with(path));
    let mut scale = |pointer: &str| {
        let path = pointer.trim_start_matches('/').replace('/', ".");
        let keys = path.split('.').take(2).collect::<Vec<_>>().join(".");
        if !is_set(&keys)
            && let Some(value) = tree.pointer_mut(pointer)
            && let Some(new) = scaled(value)
        {
            *value = new;
        }
    };
    for pointer in [
        "/augment/progressive/start_size",
        "/augment/progressive/end_size",
        "/preprocessing/crop/0",
        "/preprocessing/crop/1",
        "/preprocessing/resize/short_side",
        "/preprocessing/resize/exact/height",
        "/preprocessing/resize/exact/width",
    ] {
        scale(pointer);
    }
    Ok(())
}

/// The key by which recipes said until format 2 of the manifest how photos are read.
const APPLY_EXIF: &str = "apply_exif";

/// A recipe file from before `preprocessing.reading` meant torchvision's reading, but for the orientation it names.
fn replace_apply_exif(given: &mut Map<String, Value>) -> Result<()> {
    let Some(value) = given.remove(APPLY_EXIF) else {
        return Ok(());
    };
    let mut reading = serde_json::to_value(ReadingConfig::TORCHVISION)?;
    reading["exif"] = exif(&value)?;
    let preprocessing = given
        .entry("preprocessing")
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(preprocessing) = preprocessing {
        preprocessing.entry("reading").or_insert(reading);
    }
    Ok(())
}

/// Patience was counted in epochs once; it is counted in validations, which were the same unless `every_epochs` was set.
fn replace_stop_after_epochs(given: &mut Map<String, Value>) {
    if let Some(Value::Object(evaluation)) = given.get_mut("evaluation")
        && let Some(patience) = evaluation.remove("stop_after_epochs")
    {
        evaluation.entry("patience").or_insert(patience);
    }
}

fn exif(value: &Value) -> Result<Value> {
    let Value::Bool(apply) = value else {
        bail!("{APPLY_EXIF}: expected true or false, got {}", kind(value));
    };
    let exif = if *apply { Exif::Apply } else { Exif::Ignore };
    Ok(serde_json::to_value(exif)?)
}

fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> &'a str {
    known
        .into_iter()
        .min_by_key(|name| strsim::damerau_levenshtein(name, wanted))
        .unwrap_or_default()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "keys and values",
    }
}

fn yaml_to_json(text: &str) -> Result<Value> {
    let value: serde_yaml::Value = serde_yaml::from_str(text)?;
    Ok(serde_json::to_value(value)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::OptimizerKind;
    use model_core::preprocessing::Resize;

    fn error(text: &str) -> String {
        format!("{:#}", from_text(text, &[]).unwrap_err())
    }

    #[test]
    fn unknown_keys_name_the_nearest() {
        assert_eq!(
            error("epoch: 3"),
            "unknown key 'epoch': did you mean 'epochs'?"
        );
        assert_eq!(
            error("optimizer: {momentun: 0.9}"),
            "unknown key 'optimizer.momentun': did you mean 'optimizer.momentum'?"
        );
        assert_eq!(
            error("ema: {decya: 0.9}"),
            "unknown key 'ema.decya': did you mean 'ema.decay'?"
        );
    }

    #[test]
    fn wrong_types_are_errors() {
        assert!(error("epochs: many").starts_with("epochs: "));
        assert!(error("optimizer: {betas: [0.9]}").starts_with("optimizer.betas: "));
        assert!(error("augment: {crop: middle}").starts_with("augment.crop: "));
        assert!(error("[1, 2]").contains("got a list"));
        assert!(error("optimizer: {kind: sdg}").contains("sgd"));
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let changes = [
            Override::new("epochs", 7).unwrap(),
            Override::parse("optimizer.kind=adamw").unwrap(),
            Override::parse("ema={decay: 0.5}").unwrap(),
        ];
        let recipe = from_text("epochs: 5\nbatch_size: 8", &changes).unwrap();
        assert_eq!(recipe.epochs, 7);
        assert_eq!(recipe.batch_size, 8);
        assert_eq!(recipe.optimizer.kind, OptimizerKind::Adamw);
        assert_eq!(recipe.optimizer.momentum, 0.9);
        assert_eq!(
            recipe.ema,
            Some(EmaConfig {
                warmup: true,
                decay: 0.5,
                every_steps: 1,
                keep_raw: true,
                statistics_images: None,
            })
        );
    }

    #[test]
    fn the_image_size_of_the_command_line_moves_the_evaluation_size() {
        let size = |side: u32| Override::new(IMAGE_SIZE, side).unwrap();
        let recipe = from_text("", &[size(112)]).unwrap();
        assert_eq!(recipe.augment.image_size, 112);
        assert_eq!(recipe.preprocessing.crop, [112, 112]);
        assert_eq!(recipe.preprocessing.resize, Resize::ShortSide(128));
        // torchvision's second recipe trains on 176 and validates on 224 pixels: the ratio stays.
        let v2 = resolve("resnet50-torchvision-v2", &[size(88)]).unwrap();
        assert_eq!(v2.preprocessing.crop, [112, 112]);
        let kept = Override::parse("preprocessing.crop=[64, 64]").unwrap();
        let recipe = from_text("", &[size(112), kept]).unwrap();
        assert_eq!(recipe.preprocessing.crop, [64, 64]);
        assert_eq!(recipe.preprocessing.resize, Resize::ShortSide(128));
    }

    #[test]
    fn the_key_of_older_runs_says_how_their_photos_were_read() {
        let old = from_text("apply_exif: true", &[]).unwrap();
        let expected = ReadingConfig {
            exif: Exif::Apply,
            ..ReadingConfig::TORCHVISION
        };
        assert_eq!(old.preprocessing.reading, expected);
        let old = from_text("apply_exif: false\npreprocessing: {crop: [32, 32]}", &[]).unwrap();
        assert_eq!(old.preprocessing.reading, ReadingConfig::TORCHVISION);
        let flag = Override::parse("apply_exif=false").unwrap();
        let changed = from_text("", &[flag]).unwrap();
        assert_eq!(changed.preprocessing.reading.exif, Exif::Ignore);
        assert_eq!(
            from_text("apply_exif: 3", &[]).unwrap_err().to_string(),
            "apply_exif: expected true or false, got a number"
        );
    }

    #[test]
    fn a_resolved_recipe_reads_back_as_itself() {
        for name in catalog::names() {
            let recipe = resolve(name, &[]).unwrap();
            let text = to_yaml(&recipe).unwrap();
            assert_eq!(from_text(&text, &[]).unwrap(), recipe, "{name}");
        }
    }
}
