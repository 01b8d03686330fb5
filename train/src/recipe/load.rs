//! From a recipe's text and the command line's overrides to a checked [`Recipe`].
//!
//! Both are laid over the defaults as plain trees first, so that every key can be overridden by its path and an unknown
//! one is named together with the nearest known.

use std::path::Path;

use anyhow::{Context, Result, bail};
use model_core::arch::edit_distance;
use model_core::preprocessing::Preprocessing;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Augment, ColorJitter, Ema, Recipe, Sizing, catalog};

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
    let known = serde_json::to_value(known_keys())?;
    let given = match yaml_to_json(text)? {
        Value::Null => Value::Object(Map::new()),
        value @ Value::Object(_) => value,
        other => bail!("expected keys and values, got {}", kind(&other)),
    };
    let mut tree = serde_json::to_value(Recipe::default())?;
    merge(&mut tree, &given, &known, "")?;
    for change in overrides {
        let mut nested = change.value.clone();
        for key in change.path.rsplit('.') {
            nested = Value::Object(Map::from_iter([(key.to_owned(), nested)]));
        }
        merge(&mut tree, &nested, &known, "")?;
    }
    let recipe: Recipe =
        serde_json::from_value(tree).map_err(|error| anyhow::anyhow!("{error}"))?;
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
fn known_keys() -> Recipe {
    Recipe {
        ema: Some(Ema::default()),
        augment: Augment {
            color_jitter: Some(ColorJitter::default()),
            progressive: Some(Sizing {
                start_size: 128,
                end_size: 224,
                start_epoch: 0,
                end_epoch: 1,
                multiple: 32,
            }),
            ..Augment::default()
        },
        preprocessing: Preprocessing::imagenet(),
        ..Recipe::default()
    }
}

fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> &'a str {
    known
        .into_iter()
        .min_by_key(|name| edit_distance(name, wanted))
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
        assert!(error("epochs: many").contains("expected u32"));
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
            Some(Ema {
                decay: 0.5,
                every_steps: 1
            })
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
