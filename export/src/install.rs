//! `--install`: a copy of the model where infer-cli and the window find it and take it when no model is named.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use inference::models::{self, ModelLocation};
use model_core::atomic_file;
use model_core::manifest::{MANIFEST_KEY, Manifest};
use model_core::onnx;

/// Where the model goes.
pub struct Place(PathBuf);

impl Place {
    /// Makes the folder, before the work of an export is done in vain.
    ///
    /// # Errors
    /// There is no home folder, or it cannot be written.
    pub fn check() -> Result<Self> {
        let path = models::installed_path()
            .context("--install: this user has no home folder; name one with INFER_MODELS_DIR")?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("--install: cannot create {}", folder.display()))?;
        }
        atomic_file::check_writable(&path)?;
        Ok(Self(path))
    }

    /// Writes the model, in the place of one that may be there, and says what is the default now.
    ///
    /// # Errors
    /// Not writable.
    pub fn install(&self, bytes: &[u8]) -> Result<String> {
        let path = &self.0;
        let before = name_of(path);
        atomic_file::write(path, bytes)?;
        let instead = match before {
            Some(name) => format!(", in the place of '{name}'"),
            None => String::new(),
        };
        let mut text = format!("installed   {}{instead}", path.display());
        text += &match models::default_model(&models::folders()) {
            ModelLocation::File(first) if first != *path => format!(
                "\nnote        in this folder {} is taken first",
                first.display()
            ),
            _ => "\n            infer-cli and the window take it when no model is named; without this file, \
                  they take their own again"
                .to_owned(),
        };
        Ok(text)
    }
}

/// What an installed model calls itself; one that cannot be read has no name.
fn name_of(path: &Path) -> Option<String> {
    if !path.exists() {
        return None;
    }
    let manifest = onnx::read(path).ok().and_then(|model| {
        let text = model.metadata(MANIFEST_KEY)?;
        Manifest::from_json(text).ok()
    });
    Some(manifest.map_or_else(|| "another model".to_owned(), |manifest| manifest.name))
}
