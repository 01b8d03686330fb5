//! Values given by hand: a preset to start from and single values that win over whatever the model says.

use std::str::FromStr;

use model_core::manifest::{Manifest, Output};
use model_core::preprocessing::{ChannelOrder, Layout, Resize};
use model_core::resample::Filter;
use model_core::{Label, Preprocessing};

/// A common preprocessing by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// torchvision's evaluation transform: short side 256, crop 224, bilinear, ImageNet mean and std.
    ImageNet,
    /// 32 x 32, CIFAR-10 mean and std.
    Cifar10,
    /// Short side and crop 224, bilinear, values 0 to 1 without mean and std (Ultralytics).
    ZeroToOne,
    /// Short side 256, crop 224, bicubic, values -1 to 1 (mean and std 0.5; Inception-style weights).
    MinusOneToOne,
}

impl Preset {
    /// Every preset's name.
    pub const NAMES: [&str; 4] = ["imagenet", "cifar10", "zero-to-one", "minus-one-to-one"];

    /// The preprocessing it stands for.
    pub fn preprocessing(self) -> Preprocessing {
        let imagenet = Preprocessing::imagenet();
        match self {
            Self::ImageNet => imagenet,
            Self::Cifar10 => Preprocessing::cifar10(),
            Self::ZeroToOne => Preprocessing {
                resize: Resize::ShortSide(224),
                mean: [0.0; 3],
                std: [1.0; 3],
                ..imagenet
            },
            Self::MinusOneToOne => Preprocessing {
                interpolation: Filter::Bicubic,
                mean: [0.5; 3],
                std: [0.5; 3],
                ..imagenet
            },
        }
    }
}

impl FromStr for Preset {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "imagenet" => Ok(Self::ImageNet),
            "cifar10" => Ok(Self::Cifar10),
            "zero-to-one" => Ok(Self::ZeroToOne),
            "minus-one-to-one" => Ok(Self::MinusOneToOne),
            other => Err(format!(
                "expected one of {}, got '{other}'",
                Self::NAMES.join(", ")
            )),
        }
    }
}

/// Single values that win over the manifest. `None` leaves what the model says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// Start from this instead of what the model says of its preprocessing.
    pub preset: Option<Preset>,
    /// One label a class.
    pub labels: Option<Vec<Label>>,
    /// What happens to the whole image before the crop.
    pub resize: Option<Resize>,
    /// Height and width of the network's input.
    pub crop: Option<[u32; 2]>,
    /// The resize's kernel.
    pub interpolation: Option<Filter>,
    /// Subtracted from each channel.
    pub mean: Option<[f32; 3]>,
    /// Divides each channel.
    pub std: Option<[f32; 3]>,
    /// Order of the axes.
    pub layout: Option<Layout>,
    /// Order of the channels.
    pub channels: Option<ChannelOrder>,
    /// What a full byte is divided by.
    pub pixel_max: Option<f32>,
    /// Which of the network's outputs holds the answer.
    pub output_name: Option<String>,
    /// What the network's output is.
    pub output: Option<Output>,
    /// The least score at which a class of a binary or multi-label answer counts as present.
    pub threshold: Option<f32>,
    /// Divides the logits.
    pub temperature: Option<f32>,
}

impl Overrides {
    /// Puts every value that is given into the manifest.
    pub fn apply(&self, manifest: &mut Manifest) {
        let p = &mut manifest.preprocessing;
        if let Some(preset) = self.preset {
            let layout = p.layout;
            *p = preset.preprocessing();
            p.layout = layout;
        }
        set(&mut p.resize, self.resize);
        set(&mut p.crop, self.crop);
        set(&mut p.interpolation, self.interpolation);
        set(&mut p.mean, self.mean);
        set(&mut p.std, self.std);
        set(&mut p.layout, self.layout);
        set(&mut p.channels, self.channels);
        set(&mut p.pixel_max, self.pixel_max);
        set(&mut manifest.output, self.output);
        set(&mut manifest.temperature, self.temperature);
        set(&mut manifest.threshold, self.threshold);
        if let Some(labels) = &self.labels {
            manifest.labels.clone_from(labels);
            // Groups name the classes that they were written for.
            manifest.hierarchy = None;
        }
    }
}

fn set<T>(value: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *value = given;
    }
}
