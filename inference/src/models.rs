//! Models by name: the folders where they lie, and which one is the default.
//!
//! A model called [`INSTALLED`] or [`PREFERRED`] in one of the folders, trained or converted by the user, takes the place
//! of the embedded default; the embedded one stays reachable by its name.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use crate::error::ModelProblem;
use crate::{Classifier, ClassifierConfig, InferenceError, embedded};

/// The name under which a model is put that is to be the default: `models/installed/model.onnx`.
pub const INSTALLED: &str = "installed";

/// The name whose presence changes the default where none is installed: `models/resnet50/model.onnx`.
pub const PREFERRED: &str = "resnet50";

/// What a model's path or name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelLocation {
    /// The model inside the program.
    Embedded,
    /// A file.
    File(PathBuf),
}

impl ModelLocation {
    /// Loads it.
    ///
    /// # Errors
    /// As [`Classifier::open`].
    pub fn open(&self, config: &ClassifierConfig) -> Result<Classifier, InferenceError> {
        match self {
            Self::Embedded => Classifier::embedded(config),
            Self::File(path) => Classifier::open(path, config),
        }
    }
}

/// `INFER_MODELS_DIR`; without it `models/` here and beside the program, and [`user_folder`].
pub fn folders() -> Vec<PathBuf> {
    if let Some(dir) = folder_of_environment() {
        return vec![dir];
    }
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.join("models")));
    std::iter::once(PathBuf::from("models"))
        .chain(beside)
        .chain(user_folder())
        .collect()
}

fn folder_of_environment() -> Option<PathBuf> {
    std::env::var_os("INFER_MODELS_DIR")
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from)
}

/// The user's own folder of models, which need not exist: `resnet50-toolkit/models` in `XDG_DATA_HOME` or
/// `~/.local/share`, on Windows in `%APPDATA%`, on macOS in `~/Library/Application Support`. None for a user without a
/// home.
pub fn user_folder() -> Option<PathBuf> {
    let strategy = etcetera::base_strategy::choose_native_strategy().ok()?;
    Some(strategy.data_dir().join("resnet50-toolkit").join("models"))
}

/// Where a model is put so that the programs take it when none is named, from whatever folder they are started in:
/// `installed/model.onnx` in `INFER_MODELS_DIR` or in [`user_folder`].
pub fn installed_path() -> Option<PathBuf> {
    let folder = folder_of_environment().or_else(user_folder)?;
    Some(folder.join(INSTALLED).join("model.onnx"))
}

/// Names and files of the models in the folders, sorted; a name found twice keeps its first place.
pub fn list(folders: &[PathBuf]) -> Vec<(String, PathBuf)> {
    let mut found: Vec<(String, PathBuf)> = Vec::new();
    for dir in folders {
        let Ok(entries) = std::fs::read_dir(dir) else {
            continue;
        };
        let mut here: Vec<(String, PathBuf)> = entries
            .flatten()
            .filter_map(|entry| {
                let path = entry.path();
                let name = path.file_stem()?.to_string_lossy().into_owned();
                if path.is_dir() && path.join("model.onnx").is_file() {
                    let name = path.file_name()?.to_string_lossy().into_owned();
                    return Some((name, path.join("model.onnx")));
                }
                (path.extension()? == "onnx" && path.is_file()).then_some((name, path))
            })
            .filter(|(name, _)| !found.iter().any(|(known, _)| known == name))
            .collect();
        here.sort();
        found.append(&mut here);
    }
    found
}

/// The model taken when none is named: `installed/model.onnx` or else `resnet50/model.onnx` of the first folder that has
/// one, else the embedded one.
pub fn default_model(folders: &[PathBuf]) -> ModelLocation {
    folders
        .iter()
        .flat_map(|dir| [INSTALLED, PREFERRED].map(|name| dir.join(name).join("model.onnx")))
        .find(|path| path.is_file())
        .map_or(ModelLocation::Embedded, ModelLocation::File)
}

/// Resolves a path or a name: an existing file, a folder with a `model.onnx`, a model in the folders, then the embedded
/// model by its name or as `embedded`.
///
/// # Errors
/// [`InferenceError::Model`] with the names there are.
pub fn find(model: &Path, folders: &[PathBuf]) -> Result<ModelLocation, InferenceError> {
    if model.is_file() {
        return Ok(ModelLocation::File(model.to_owned()));
    }
    if model.is_dir() && model.join("model.onnx").is_file() {
        return Ok(ModelLocation::File(model.join("model.onnx")));
    }
    let listed = list(folders);
    let name = model.to_string_lossy();
    if let Some((_, path)) = listed.iter().find(|(known, _)| *known == name) {
        return Ok(ModelLocation::File(path.clone()));
    }
    if name == embedded::NAME || name == "embedded" {
        return Ok(ModelLocation::Embedded);
    }
    let mut names: Vec<&str> = listed.iter().map(|(name, _)| name.as_str()).collect();
    if !names.contains(&embedded::NAME) {
        names.push(embedded::NAME);
    }
    let reason = format!(
        "no such file, and no model of this name; known names: {}",
        names.join(", ")
    );
    Err(InferenceError::model_problem(
        model.display().to_string(),
        ModelProblem::NotFound,
        reason,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(dir: &Path, file: &str) -> PathBuf {
        let path = dir.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "no model, only a name").unwrap();
        path
    }

    #[test]
    fn a_resnet50_of_the_users_takes_the_defaults_place() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folders = [first.path().to_owned(), second.path().to_owned()];
        assert_eq!(default_model(&folders), ModelLocation::Embedded);
        put(second.path(), "resnet18/model.onnx");
        assert_eq!(default_model(&folders), ModelLocation::Embedded);
        let path = put(second.path(), "resnet50/model.onnx");
        assert_eq!(default_model(&folders), ModelLocation::File(path));
        let path = put(first.path(), "resnet50/model.onnx");
        assert_eq!(default_model(&folders), ModelLocation::File(path));
        let path = put(first.path(), "installed/model.onnx");
        assert_eq!(default_model(&folders), ModelLocation::File(path));
        // The one inside stays reachable.
        for name in ["embedded", embedded::NAME] {
            assert_eq!(
                find(Path::new(name), &folders).unwrap(),
                ModelLocation::Embedded
            );
        }
    }

    #[test]
    fn the_first_folder_wins_and_an_unknown_name_lists_the_known_ones() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folders = [first.path().to_owned(), second.path().to_owned()];
        let mine = put(first.path(), "mine.onnx");
        put(second.path(), "mine/model.onnx");
        put(second.path(), "other/model.onnx");
        let names: Vec<String> = list(&folders).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["mine", "other"]);
        assert_eq!(
            find(Path::new("mine"), &folders).unwrap(),
            ModelLocation::File(mine)
        );
        let error = find(Path::new("unknown"), &folders)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("known names: mine, other, efficientnet-lite0"),
            "{error}"
        );
    }
}
