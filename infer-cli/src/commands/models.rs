//! `infer-cli models`: what `--model` knows by name.

use anyhow::Result;
use inference::embedded;
use inference::models::{self, ModelLocation};
use serde::Serialize;

use super::print;
use crate::Exit;
use crate::args::ModelsArgs;
use crate::output::SCHEMA;

#[derive(Serialize)]
struct Listed {
    schema: u32,
    name: String,
    path: Option<String>,
    bytes: u64,
    default: bool,
}

/// Lists the models.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(args: &ModelsArgs) -> Result<Exit> {
    let folders = models::folders();
    let default = models::default_model(&folders);
    let embedded = Listed {
        schema: SCHEMA,
        name: embedded::NAME.to_owned(),
        path: None,
        bytes: embedded::MODEL.len() as u64,
        default: default == ModelLocation::Embedded,
    };
    let found = models::list(&folders)
        .into_iter()
        .map(|(name, path)| Listed {
            schema: SCHEMA,
            name,
            bytes: std::fs::metadata(&path).map_or(0, |file| file.len()),
            path: Some(path.display().to_string()),
            default: default == ModelLocation::File(path),
        });
    let models: Vec<Listed> = std::iter::once(embedded).chain(found).collect();
    let mut out = String::new();
    if args.json {
        for model in &models {
            out.push_str(&serde_json::to_string(model)?);
            out.push('\n');
        }
    } else {
        let width = models
            .iter()
            .map(|model| model.name.len())
            .max()
            .unwrap_or(0);
        for model in &models {
            let place = model.path.as_deref().unwrap_or("inside the program");
            let default = if model.default { "  (default)" } else { "" };
            let mib = model.bytes as f64 / f64::from(1 << 20);
            out.push_str(&format!(
                "{:width$}  {mib:6.1} MiB  {place}{default}\n",
                model.name
            ));
        }
        if models.len() == 1 {
            let folders: Vec<String> = folders
                .iter()
                .map(|dir| dir.display().to_string())
                .collect();
            out.push_str(&format!(
                "(no other in {}; INFER_MODELS_DIR names another folder)\n",
                folders.join(", ")
            ));
        }
    }
    print(&out)?;
    Ok(Exit::Success)
}
