//! What happens to the training pixels, as data. The operations themselves live in `image-data` (one image) and
//! `crate::mix` (mixup and cutmix, a whole batch).

use model_core::resample::Filter;
use serde::{Deserialize, Serialize};

/// Training augmentation, in the order it is applied: crop, flip, policy, color jitter, normalization, erasing, mixing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// Side of the square the network trains on, in pixels.
    pub image_size: u32,
    /// How the square is cut out.
    pub crop: TrainCrop,
    /// `random_resized` only: share of the image's area, smallest and largest.
    pub scale: [f64; 2],
    /// `random_resized` only: width over height, smallest and largest.
    pub ratio: [f64; 2],
    /// `pad` only: black pixels added on every side before the cut.
    pub padding: u32,
    /// The resize's kernel.
    pub interpolation: Filter,
    /// Probability of a horizontal flip.
    pub flip_probability: f64,
    /// torchvision `ColorJitter`.
    pub color_jitter: Option<ColorJitter>,
    /// A learned or random policy of operations.
    pub policy: Policy,
    /// RandAugment: operations per image.
    pub policy_ops: u32,
    /// RandAugment: magnitude, 0..=30.
    pub policy_magnitude: u32,
    /// Probability that a rectangle is blanked (torchvision `RandomErasing`, value 0 after normalization).
    pub erasing_probability: f64,
    /// Beta parameter of mixup (Zhang et al. 2018); 0 is off.
    pub mixup_alpha: f64,
    /// Beta parameter of cutmix (Yun et al. 2019); 0 is off. With both on, each batch takes one, evenly.
    pub cutmix_alpha: f64,
    /// How often an epoch shows each drawn image, differently augmented (Hoffer et al. 2020); the epoch keeps its length.
    pub repeats: u32,
    /// Smaller images early in the run.
    pub progressive: Option<Sizing>,
}

/// How the training square is cut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrainCrop {
    /// torchvision `RandomResizedCrop`.
    RandomResized,
    /// Pad and take a random square, for images that have the right size (CIFAR).
    Pad,
    /// As in validation: resize and center crop.
    Center,
}

/// Policies of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// No policy.
    None,
    /// Cubuk et al. 2020, as torchvision's `RandAugment`.
    RandAugment,
    /// Müller & Hutter 2021, as torchvision's `TrivialAugmentWide`.
    TrivialAugmentWide,
}

/// torchvision's `ColorJitter`: each factor is drawn from `1 - x ..= 1 + x`, hue from `-x ..= x`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColorJitter {
    /// Brightness.
    pub brightness: f64,
    /// Contrast.
    pub contrast: f64,
    /// Saturation.
    pub saturation: f64,
    /// Hue, at most 0.5.
    pub hue: f64,
}

/// Progressive resizing: the side grows linearly with the epoch, rounded to a multiple.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sizing {
    /// Side before `start_epoch`, in pixels.
    pub start_size: u32,
    /// Side from `end_epoch` on, in pixels.
    pub end_size: u32,
    /// Epoch (from 0) at which growth begins.
    pub start_epoch: u32,
    /// Epoch at which it ends.
    pub end_epoch: u32,
    /// Sides are rounded to a multiple of this many pixels.
    pub multiple: u32,
}

impl Default for Augment {
    fn default() -> Self {
        Self {
            image_size: 224,
            crop: TrainCrop::RandomResized,
            scale: [0.08, 1.0],
            ratio: [3.0 / 4.0, 4.0 / 3.0],
            padding: 4,
            interpolation: Filter::Bilinear,
            flip_probability: 0.5,
            color_jitter: None,
            policy: Policy::None,
            policy_ops: 2,
            policy_magnitude: 9,
            erasing_probability: 0.0,
            mixup_alpha: 0.0,
            cutmix_alpha: 0.0,
            repeats: 1,
            progressive: None,
        }
    }
}

impl Augment {
    /// Side of the training square in an epoch (from 0), in pixels.
    pub fn size_at(&self, epoch: u32) -> u32 {
        let Some(sizing) = self.progressive else {
            return self.image_size;
        };
        if epoch < sizing.start_epoch {
            return sizing.start_size;
        }
        if epoch >= sizing.end_epoch {
            return sizing.end_size;
        }
        let share = f64::from(epoch - sizing.start_epoch)
            / f64::from(sizing.end_epoch - sizing.start_epoch);
        let side = f64::from(sizing.start_size)
            + share * (f64::from(sizing.end_size) - f64::from(sizing.start_size));
        let multiple = f64::from(sizing.multiple.max(1));
        ((side / multiple).round() * multiple) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_side_grows_between_the_two_epochs() {
        let augment = Augment {
            progressive: Some(Sizing {
                start_size: 160,
                end_size: 192,
                start_epoch: 34,
                end_epoch: 38,
                multiple: 8,
            }),
            ..Augment::default()
        };
        let sides: Vec<u32> = (33..40).map(|epoch| augment.size_at(epoch)).collect();
        assert_eq!(sides, [160, 160, 168, 176, 184, 192, 192]);
    }
}
