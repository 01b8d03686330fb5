//! The folders that other tools take a model from (`--to TOOL=DIR`), as files in memory until all of them are made.
//!
//! | module | for |
//! |---|---|
//! | `timm` | timm and transformers: a Hugging Face repository |
//! | `transformers_js` | transformers.js, in browsers and Node |
//! | `photoprism` | PhotoPrism's own models |
//! | `ort` | ONNX Runtime mobile |
//! | `card` | the README of such a folder |
//!
//! Nothing is sent anywhere: what is done with a folder is its owner's matter.

mod card;
mod ort;
mod photoprism;
mod timm;
mod transformers_js;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use model_core::atomic_file;
use model_core::onnx::ModelProto;

use crate::cli::ExportArgs;
use crate::plan::ExportPlan;
use crate::proof::{FilePrecision, ProofReport};
use crate::source::ExportSource;

/// A tool that takes models in a form of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// timm, and transformers by its wrapper for timm.
    Timm,
    /// transformers.js.
    TransformersJs,
    /// PhotoPrism.
    PhotoPrism,
    /// ONNX Runtime mobile.
    Ort,
}

impl Tool {
    const ALL: [(&'static str, Self); 4] = [
        ("timm", Self::Timm),
        ("transformers-js", Self::TransformersJs),
        ("photoprism", Self::PhotoPrism),
        ("ort", Self::Ort),
    ];

    fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, tool)| *tool == self)
            .map_or("", |(name, _)| name)
    }
}

/// `TOOL=DIR`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Whose form.
    pub tool: Tool,
    /// The folder; it is made where it is not there.
    pub folder: PathBuf,
}

impl std::str::FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Tool::ALL.map(|(name, _)| format!("{name}=DIR")).join(", ");
        let (tool, folder) = text
            .split_once('=')
            .ok_or_else(|| format!("expected one of {}", names()))?;
        let found = Tool::ALL.iter().find(|(name, _)| *name == tool);
        let (_, tool) =
            found.ok_or_else(|| format!("expected one of {}, got '{tool}'", names()))?;
        if folder.is_empty() {
            return Err("expected a folder after the =".into());
        }
        Ok(Self {
            tool: *tool,
            folder: folder.into(),
        })
    }
}

/// A file to be written.
#[derive(Debug, PartialEq)]
pub struct NewFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl NewFile {
    fn new(path: PathBuf, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            path,
            bytes: bytes.into(),
        }
    }

    /// Its path, for people.
    pub fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// Whether something else is there already.
    pub fn would_change(&self) -> bool {
        self.path.exists() && std::fs::read(&self.path).map_or(true, |bytes| bytes != self.bytes)
    }

    /// Writes it, and the folders above it where they are missing.
    ///
    /// # Errors
    /// Not writable.
    pub fn write(&self) -> Result<()> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        Ok(atomic_file::write(&self.path, &self.bytes)?)
    }
}

/// Files beside `target`, from names and contents.
pub fn beside(target: &Path, files: Vec<(&'static str, String)>) -> Vec<NewFile> {
    let file = |(name, text): (&str, String)| NewFile::new(target.with_file_name(name), text);
    files.into_iter().map(file).collect()
}

/// Proves a model of another form, and gives it the certificate that this shows.
pub type ProveForm<'a> = &'a dyn Fn(&mut ModelProto, FilePrecision) -> Result<()>;

/// The model that was made and proved, and what it was made from.
pub struct Shipped<'a> {
    /// What the command line asked for.
    pub args: &'a ExportArgs,
    /// The network, its weights and its description.
    pub source: &'a ExportSource,
    /// The network with its BatchNorms absorbed.
    pub folded: &'a ExportPlan,
    /// The finished model; `bytes` is its file.
    pub model: &'a ModelProto,
    /// The file of `model`.
    pub bytes: &'a [u8],
    /// What the numbers in the file are.
    pub precision: FilePrecision,
    /// What the proof has shown.
    pub report: &'a ProofReport,
    /// Proves the model in another form.
    pub prove: ProveForm<'a>,
}

/// Refuses what cannot be made, before the work of an export is done in vain.
///
/// # Errors
/// A network that a tool does not have, or a converter that is not there.
pub fn check(args: &ExportArgs, source: &ExportSource) -> Result<()> {
    for to in &args.to {
        match to.tool {
            Tool::Timm => timm::check(source)?,
            Tool::TransformersJs => {}
            Tool::PhotoPrism => photoprism::check(&to.folder, &source.manifest)?,
            Tool::Ort => ort::check(args)?,
        }
    }
    Ok(())
}

/// Every file of every folder asked for, and notes about them.
///
/// # Errors
/// A form that cannot be made or proved.
pub fn files(shipped: &Shipped<'_>) -> Result<(Vec<NewFile>, Vec<String>)> {
    let (mut files, mut notes) = (Vec::new(), Vec::new());
    for Destination { tool, folder } in &shipped.args.to {
        let made = match tool {
            Tool::Timm => timm::files(shipped)?,
            Tool::TransformersJs => transformers_js::files(shipped, &mut notes)?,
            Tool::PhotoPrism => photoprism::files(shipped, folder)?,
            Tool::Ort => ort::files(shipped)?,
        };
        files.extend(
            made.into_iter()
                .map(|(name, bytes)| NewFile::new(folder.join(name), bytes)),
        );
    }
    Ok((files, notes))
}

/// What was written for whom, a line each.
pub fn lines(args: &ExportArgs, files: &[NewFile]) -> Vec<String> {
    let line = |to: &Destination| {
        let inside = files
            .iter()
            .filter_map(|file| file.path.strip_prefix(&to.folder).ok());
        let names: Vec<String> = inside.map(|path| path.display().to_string()).collect();
        format!(
            "for {:<16}{}: {}",
            to.tool.name(),
            to.folder.display(),
            names.join(", ")
        )
    };
    args.to.iter().map(line).collect()
}

/// Files of one folder, by their path inside it.
type Made = Vec<(String, Vec<u8>)>;

/// JSON for people: indented, with a line's end.
fn pretty(value: &serde_json::Value) -> Result<Vec<u8>> {
    Ok((serde_json::to_string_pretty(value)? + "\n").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_a_tool_and_a_folder() {
        let to: Destination = "transformers-js=out/a=b".parse().unwrap();
        assert_eq!(
            to,
            Destination {
                tool: Tool::TransformersJs,
                folder: "out/a=b".into()
            }
        );
        for (text, says) in [
            ("out", "expected one of timm=DIR"),
            ("tim=out", "got 'tim'"),
            ("ort=", "folder"),
        ] {
            assert!(
                text.parse::<Destination>().unwrap_err().contains(says),
                "{text}"
            );
        }
    }
}
