//! How an image file becomes RGB pixels: what is done about the camera's orientation, transparency and color profile.
//!
//! It is part of [`crate::Preprocessing`], so it travels with the weights: training, validation, preview, export and
//! classification read one file the same way. Decoding itself is `image-data`'s.

use serde::{Deserialize, Serialize};

/// How an image file is read. The default is what a person sees in a viewer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReadingConfig {
    /// The orientation a camera noted.
    pub exif: Exif,
    /// Transparency.
    pub alpha: Alpha,
    /// The embedded color profile of an RGB picture.
    pub icc: Icc,
}

impl ReadingConfig {
    /// `torchvision.datasets.folder.pil_loader`: orientation and color profile are ignored, alpha is dropped.
    /// Published accuracies rest on it.
    pub const TORCHVISION: Self = Self {
        exif: Exif::Ignore,
        alpha: Alpha::Drop,
        icc: Icc::Ignore,
    };
}

/// What to do with the orientation a camera noted in EXIF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exif {
    /// Turn the picture upright, as a person sees it.
    #[default]
    Apply,
    /// Leave the pixels as stored, as `PIL.Image.open` and so every ImageNet figure does.
    Ignore,
}

/// What to do with transparency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alpha {
    /// Lay the picture on white, as a viewer shows it.
    #[default]
    OnWhite,
    /// Forget the alpha channel and keep the colors under it, as PIL's `convert("RGB")` does.
    Drop,
}

/// What to do with an embedded color profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Icc {
    /// Convert to sRGB, which networks were trained on: phones write Display P3, cameras Adobe RGB.
    #[default]
    ToSrgb,
    /// Take the numbers as they are, as `PIL.Image.open` and so every ImageNet figure does.
    Ignore,
}
