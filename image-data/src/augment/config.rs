//! What happens to training pixels, as data: what a recipe's `augment` section holds. [`super::TrainTransform`] carries
//! out what concerns one picture; mixing needs the whole batch and is the trainer's.

use model_core::resample::Filter;
use serde::{Deserialize, Serialize};

use crate::random::Random;

use super::geometry::Sampling;

/// Training augmentation, in the order it is applied: crop, flip, policy, color jitter, erasing, mixing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentConfig {
    /// Side of the square the network trains on, in pixels.
    pub image_size: u32,
    /// How the square is cut out.
    pub crop: CropKind,
    /// `random_resized` only: share of the picture's area, smallest and largest.
    pub scale: [f64; 2],
    /// `random_resized` only: width over height, smallest and largest.
    pub ratio: [f64; 2],
    /// `pad` only: pixels added on every side before the cut.
    pub padding: u32,
    /// `pad` only: what the added pixels show.
    pub padding_mode: PaddingMode,
    /// The resize's kernel: `bilinear`, `bicubic`, or `random` for one of both per picture (timm's default).
    pub interpolation: Interpolation,
    /// Probability of a horizontal flip.
    pub flip_probability: f64,
    /// A picture is mirrored in every other epoch instead of by chance, half of them first. No side is seen twice in a
    /// row (Jordan 2024, arXiv 2404.00498).
    pub flip_alternates: bool,
    /// torchvision `ColorJitter`.
    pub color_jitter: Option<ColorJitter>,
    /// A random policy of operations.
    pub policy: PolicyKind,
    /// The RandAugments: operations per picture.
    pub policy_ops: u32,
    /// The RandAugments: magnitude, 0 to 30 for `rand_augment`, 0 to 10 for `timm_rand_augment`.
    pub policy_magnitude: u32,
    /// The RandAugments: standard deviation of the magnitude, drawn for each operation (timm's `mstd`).
    pub policy_magnitude_std: f64,
    /// How operations read places between pixels. torchvision's classes default to `nearest`, its training script passes
    /// `bilinear`; timm takes `random`.
    pub policy_interpolation: Interpolation,
    /// Probability that a rectangle is blanked (torchvision `RandomErasing`, value 0 after normalization).
    pub erasing_probability: f64,
    /// Beta parameter of mixup (Zhang et al. 2018); 0 is off.
    pub mixup_alpha: f64,
    /// Beta parameter of CutMix (Yun et al. 2019); 0 is off.
    pub cutmix_alpha: f64,
    /// Probability that a batch is mixed at all, where mixup or CutMix is on.
    pub mix_probability: f64,
    /// With both on, the share of mixed batches that take CutMix.
    pub cutmix_share: f64,
    /// From this epoch on (counted from 0) nothing is mixed; none: to the end.
    pub mix_off_epoch: Option<u32>,
    /// How often an epoch shows each drawn picture, differently augmented (Hoffer et al. 2020); the epoch keeps its length.
    pub repeats: u32,
    /// Smaller pictures early in the run.
    pub progressive: Option<ProgressiveConfig>,
}

/// How the training square is cut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CropKind {
    /// torchvision `RandomResizedCrop`.
    RandomResized,
    /// torchvision `RandomCrop(side, padding, pad_if_needed=True)`, for pictures that have the right size (CIFAR).
    Pad,
    /// As in validation: resize and center crop.
    Center,
}

/// What the pixels show that are added around a picture (torchvision's `padding_mode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaddingMode {
    /// Black.
    Constant,
    /// The picture mirrored at its edge, the edge itself not repeated.
    Reflect,
}

/// How pixels are computed between those there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// The pixel a place falls in; for policies only.
    Nearest,
    /// Linear in both directions.
    Bilinear,
    /// Keys' cubic.
    Bicubic,
    /// Bilinear or bicubic, drawn each time.
    Random,
}

/// Policies of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyKind {
    /// No policy.
    None,
    /// Cubuk et al. 2020, as torchvision's `RandAugment`.
    RandAugment,
    /// Müller and Hutter 2021, as torchvision's `TrivialAugmentWide`.
    TrivialAugmentWide,
    /// timm's `rand-m9-inc1`: its own operations, each carried out with probability one half.
    TimmRandAugment,
}

/// torchvision `ColorJitter`: factors from `max(0, 1 - x)..1 + x`, hue from `-x..x`, in random order.
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
pub struct ProgressiveConfig {
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

/// A value that makes no augmentation.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("augment.{key}: expected {expected}, got {got}")]
pub struct AugmentError {
    /// The key at fault, as `progressive.end_epoch`.
    pub key: &'static str,
    /// What it may hold.
    pub expected: String,
    /// What it holds.
    pub got: String,
}

impl Default for AugmentConfig {
    /// The classic: `RandomResizedCrop` to 224 pixels and a flip.
    fn default() -> Self {
        Self {
            image_size: 224,
            crop: CropKind::RandomResized,
            scale: [0.08, 1.0],
            ratio: [3.0 / 4.0, 4.0 / 3.0],
            padding: 4,
            padding_mode: PaddingMode::Constant,
            interpolation: Interpolation::Bilinear,
            flip_probability: 0.5,
            flip_alternates: false,
            color_jitter: None,
            policy: PolicyKind::None,
            policy_ops: 2,
            policy_magnitude: 9,
            policy_magnitude_std: 0.0,
            policy_interpolation: Interpolation::Nearest,
            erasing_probability: 0.0,
            mixup_alpha: 0.0,
            cutmix_alpha: 0.0,
            mix_probability: 1.0,
            cutmix_share: 0.5,
            mix_off_epoch: None,
            repeats: 1,
            progressive: None,
        }
    }
}

impl Default for ProgressiveConfig {
    fn default() -> Self {
        Self {
            start_size: 128,
            end_size: 224,
            start_epoch: 0,
            end_epoch: 1,
            multiple: 32,
        }
    }
}

impl Interpolation {
    /// The kernel of a resize.
    pub(super) fn filter(self, random: &mut Random) -> Filter {
        match self {
            Self::Nearest | Self::Bilinear => Filter::Bilinear,
            Self::Bicubic => Filter::Bicubic,
            Self::Random if random.chance(0.5) => Filter::Bicubic,
            Self::Random => Filter::Bilinear,
        }
    }

    /// How one operation of a policy reads its picture.
    pub(super) fn sampling(self, random: &mut Random) -> Sampling {
        match self {
            Self::Nearest => Sampling::Nearest,
            Self::Bilinear => Sampling::Bilinear,
            Self::Bicubic => Sampling::Bicubic,
            Self::Random if random.chance(0.5) => Sampling::Bicubic,
            Self::Random => Sampling::Bilinear,
        }
    }
}

impl AugmentConfig {
    /// Side of the training square in an epoch (from 0), in pixels.
    pub fn size_at(&self, epoch: u32) -> u32 {
        let Some(progressive) = self.progressive else {
            return self.image_size;
        };
        if epoch < progressive.start_epoch {
            return progressive.start_size;
        }
        if epoch >= progressive.end_epoch {
            return progressive.end_size;
        }
        let share = f64::from(epoch - progressive.start_epoch)
            / f64::from(progressive.end_epoch - progressive.start_epoch);
        let side = f64::from(progressive.start_size)
            + share * (f64::from(progressive.end_size) - f64::from(progressive.start_size));
        let multiple = f64::from(progressive.multiple.max(1));
        ((side / multiple).round() * multiple) as u32
    }

    /// Whether batches of an epoch (from 0) may be mixed.
    pub fn is_mixing_at(&self, epoch: u32) -> bool {
        (self.mixup_alpha > 0.0 || self.cutmix_alpha > 0.0)
            && self.mix_probability > 0.0
            && self.mix_off_epoch.is_none_or(|off| epoch < off)
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`AugmentError`] names the first key at fault.
    pub fn validate(&self) -> Result<(), AugmentError> {
        self.validate_sizes()?;
        share("flip_probability", self.flip_probability)?;
        if self.flip_alternates && self.flip_probability != 0.5 {
            return refuse(
                "flip_probability",
                "0.5 where flips alternate",
                self.flip_probability,
            );
        }
        share("erasing_probability", self.erasing_probability)?;
        share("mix_probability", self.mix_probability)?;
        share("cutmix_share", self.cutmix_share)?;
        within("mixup_alpha", self.mixup_alpha, 0.0, 100.0)?;
        within("cutmix_alpha", self.cutmix_alpha, 0.0, 100.0)?;
        if !(1..=16).contains(&self.repeats) {
            return refuse("repeats", "1 to 16", self.repeats);
        }
        if self.interpolation == Interpolation::Nearest {
            return refuse("interpolation", "bilinear, bicubic or random", "nearest");
        }
        self.validate_policy()?;
        if let Some(jitter) = self.color_jitter {
            within("color_jitter.brightness", jitter.brightness, 0.0, 100.0)?;
            within("color_jitter.contrast", jitter.contrast, 0.0, 100.0)?;
            within("color_jitter.saturation", jitter.saturation, 0.0, 100.0)?;
            within("color_jitter.hue", jitter.hue, 0.0, 0.5)?;
        }
        Ok(())
    }

    fn validate_sizes(&self) -> Result<(), AugmentError> {
        let side = |key, side: u32| match side {
            8..=4096 => Ok(()),
            _ => refuse(key, "8 to 4096 pixels", side),
        };
        side("image_size", self.image_size)?;
        if let Some(progressive) = self.progressive {
            side("progressive.start_size", progressive.start_size)?;
            side("progressive.end_size", progressive.end_size)?;
            if progressive.end_epoch <= progressive.start_epoch {
                let expected = format!("more than start_epoch ({})", progressive.start_epoch);
                return refuse("progressive.end_epoch", &expected, progressive.end_epoch);
            }
            if !(1..=4096).contains(&progressive.multiple) {
                return refuse("progressive.multiple", "1 to 4096", progressive.multiple);
            }
        }
        range("scale", self.scale, 1.0)?;
        range("ratio", self.ratio, 100.0)?;
        if self.padding > 4096 {
            return refuse("padding", "at most 4096 pixels", self.padding);
        }
        Ok(())
    }

    fn validate_policy(&self) -> Result<(), AugmentError> {
        if !(1..=64).contains(&self.policy_ops) {
            return refuse("policy_ops", "1 to 64", self.policy_ops);
        }
        let most = match self.policy {
            PolicyKind::TimmRandAugment => 10,
            PolicyKind::None | PolicyKind::RandAugment | PolicyKind::TrivialAugmentWide => 30,
        };
        if self.policy_magnitude > most {
            let expected = format!("0 to {most}");
            return refuse("policy_magnitude", &expected, self.policy_magnitude);
        }
        within(
            "policy_magnitude_std",
            self.policy_magnitude_std,
            0.0,
            100.0,
        )?;
        if self.policy == PolicyKind::TrivialAugmentWide && self.policy_magnitude_std > 0.0 {
            let got = self.policy_magnitude_std;
            return refuse("policy_magnitude_std", "0 for trivial_augment_wide", got);
        }
        Ok(())
    }
}

fn refuse(
    key: &'static str,
    expected: &str,
    got: impl std::fmt::Display,
) -> Result<(), AugmentError> {
    Err(AugmentError {
        key,
        expected: expected.to_owned(),
        got: got.to_string(),
    })
}

fn within(key: &'static str, value: f64, least: f64, most: f64) -> Result<(), AugmentError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    refuse(key, &format!("{least} to {most}"), value)
}

fn share(key: &'static str, value: f64) -> Result<(), AugmentError> {
    within(key, value, 0.0, 1.0)
}

fn range(key: &'static str, [low, high]: [f64; 2], most: f64) -> Result<(), AugmentError> {
    if low > 0.0 && low <= high && high <= most {
        return Ok(());
    }
    refuse(
        key,
        &format!("0 < low <= high <= {most}"),
        format!("[{low}, {high}]"),
    )
}

#[cfg(test)]
mod tests;
