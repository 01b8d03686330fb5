//! What a manifest says of where weights come from and how good they are.

use serde::{Deserialize, Serialize};

/// Accuracy on a named set of images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accuracy {
    /// Share of images whose best label is right, 0 to 100.
    pub top1_percent: f64,
    /// Share of images whose label is among the best five, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top5_percent: Option<f64>,
    /// Images counted.
    pub images: u64,
    /// What they were.
    pub dataset: String,
}

/// Where weights come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The file or package they were read from.
    pub source: String,
    /// SHA-256 of that file, lower-case hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_sha256: Option<String>,
    /// Program and version that wrote this record.
    pub tool: String,
    /// The resolved training recipe as YAML, for weights trained here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
    /// Epochs finished when the weights were saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
}
