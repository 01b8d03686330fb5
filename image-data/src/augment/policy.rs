//! Policies of random operations. RandAugment (Cubuk et al. 2020) and TrivialAugmentWide (Müller and Hutter 2021) with
//! torchvision's operations, magnitudes and signs (`torchvision/transforms/autoaugment.py`); RandAugment also as timm has
//! it (`timm/data/auto_augment.py`, the operations that grow stronger with the magnitude).

use model_core::RgbImage;

use super::color;
use super::config::{AugmentConfig, PolicyKind};
use super::geometry::{self, AffineMatrix, Sampling};
use crate::random::Random;

/// torchvision counts magnitudes in 31 steps, 0 to 30.
const TORCHVISION_MOST: f64 = 30.0;
/// timm counts them from 0 to 10.
const TIMM_MOST: f64 = 10.0;
/// The number of operations that torchvision's policies draw from.
const TORCHVISION_OPERATIONS: u64 = 14;
/// The number of operations that timm's policy draws from.
const TIMM_OPERATIONS: u64 = 15;
/// timm carries out each operation with this probability.
const TIMM_PROBABILITY: f64 = 0.5;

/// One operation with its magnitude.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation {
    /// Nothing.
    Identity,
    /// The tangent of the shear along the rows.
    ShearX(f64),
    /// The tangent of the shear along the columns.
    ShearY(f64),
    /// Pixels to the right, cut off to whole ones.
    TranslateX(f64),
    /// Pixels down, cut off to whole ones.
    TranslateY(f64),
    /// PIL's matrix as it is: timm's shears and translations.
    Affine(AffineMatrix),
    /// Degrees, counter-clockwise.
    Rotate(f64),
    /// Added to the factor 1.
    Brightness(f64),
    /// Added to the factor 1.
    Color(f64),
    /// Added to the factor 1.
    Contrast(f64),
    /// Added to the factor 1.
    Sharpness(f64),
    /// Bits kept.
    Posterize(u32),
    /// Inverted from this level on.
    Solarize(f64),
    /// Added to levels below 128.
    SolarizeAdd(u8),
    /// Every level inverted.
    Invert,
    /// Every channel stretched to its full range.
    AutoContrast,
    /// Every channel's histogram made even.
    Equalize,
}

/// Largest magnitudes of a policy of torchvision's; `posterize` counts bits taken away.
struct Ranges {
    shear: f64,
    translate: [f64; 2],
    rotate: f64,
    enhance: f64,
    posterize: f64,
}

/// Draws the operations of `config`'s policy and applies them; what timm moves in from outside is `fill`.
pub(super) fn apply(
    config: &AugmentConfig,
    fill: [u8; 3],
    image: &mut RgbImage,
    random: &mut Random,
) {
    match config.policy {
        PolicyKind::None => {}
        PolicyKind::RandAugment => {
            // The translation's range follows the size, which the operations keep.
            let translate = [image.width, image.height].map(|side| 150.0 / 331.0 * f64::from(side));
            let ranges = Ranges {
                shear: 0.3,
                translate,
                rotate: 30.0,
                enhance: 0.9,
                posterize: 4.0,
            };
            for _ in 0..config.policy_ops {
                let operation = random.below(TORCHVISION_OPERATIONS);
                let share = magnitude(config, TORCHVISION_MOST, random) / TORCHVISION_MOST;
                let operation = torchvision(operation, &ranges, share, random);
                operation.apply(image, config.policy_interpolation.sampling(random), [0; 3]);
            }
        }
        PolicyKind::TrivialAugmentWide => {
            let ranges = Ranges {
                shear: 0.99,
                translate: [32.0; 2],
                rotate: 135.0,
                enhance: 0.99,
                posterize: 6.0,
            };
            let operation = random.below(TORCHVISION_OPERATIONS);
            let share = random.below(TORCHVISION_MOST as u64 + 1) as f64 / TORCHVISION_MOST;
            let operation = torchvision(operation, &ranges, share, random);
            operation.apply(image, config.policy_interpolation.sampling(random), [0; 3]);
        }
        PolicyKind::TimmRandAugment => {
            for _ in 0..config.policy_ops {
                let operation = random.below(TIMM_OPERATIONS);
                if !random.chance(TIMM_PROBABILITY) {
                    continue;
                }
                let share = magnitude(config, TIMM_MOST, random) / TIMM_MOST;
                let operation = timm(operation, [image.width, image.height], share, random);
                operation.apply(image, config.policy_interpolation.sampling(random), fill);
            }
        }
    }
}

/// The recipe's magnitude, or one drawn around it (timm's `mstd`), 0 to `most`.
fn magnitude(config: &AugmentConfig, most: f64, random: &mut Random) -> f64 {
    let mean = f64::from(config.policy_magnitude);
    if config.policy_magnitude_std == 0.0 {
        return mean;
    }
    (mean + config.policy_magnitude_std * random.normal()).clamp(0.0, most)
}

/// Half of the signed magnitudes go the other way.
fn signed(largest: f64, share: f64, random: &mut Random) -> f64 {
    if random.chance(0.5) {
        -share * largest
    } else {
        share * largest
    }
}

fn torchvision(operation: u64, ranges: &Ranges, share: f64, random: &mut Random) -> Operation {
    let mut signed = |largest: f64| signed(largest, share, random);
    match operation {
        0 => Operation::Identity,
        1 => Operation::ShearX(signed(ranges.shear)),
        2 => Operation::ShearY(signed(ranges.shear)),
        3 => Operation::TranslateX(signed(ranges.translate[0])),
        4 => Operation::TranslateY(signed(ranges.translate[1])),
        5 => Operation::Rotate(signed(ranges.rotate)),
        6 => Operation::Brightness(signed(ranges.enhance)),
        7 => Operation::Color(signed(ranges.enhance)),
        8 => Operation::Contrast(signed(ranges.enhance)),
        9 => Operation::Sharpness(signed(ranges.enhance)),
        10 => Operation::Posterize(8 - (share * ranges.posterize).round_ties_even() as u32),
        11 => Operation::Solarize(255.0 * (1.0 - share)),
        12 => Operation::AutoContrast,
        _ => Operation::Equalize,
    }
}

/// timm's `_RAND_INCREASING_TRANSFORMS` with `LEVEL_TO_ARG`.
fn timm(operation: u64, [width, height]: [u32; 2], share: f64, random: &mut Random) -> Operation {
    let mut signed = |largest: f64| signed(largest, share, random);
    // Enhancements keep a tenth of the picture.
    let enhance = |level: f64| level.max(-0.9);
    match operation {
        0 => Operation::AutoContrast,
        1 => Operation::Equalize,
        2 => Operation::Invert,
        3 => Operation::Rotate(signed(30.0)),
        4 => Operation::Posterize(4 - (share * 4.0) as u32),
        5 => Operation::Solarize(f64::from(256 - (share * 256.0) as u32)),
        6 => Operation::SolarizeAdd((share * 110.0) as u8),
        7 => Operation::Color(enhance(signed(0.9))),
        8 => Operation::Contrast(enhance(signed(0.9))),
        9 => Operation::Brightness(enhance(signed(0.9))),
        10 => Operation::Sharpness(enhance(signed(0.9))),
        11 => Operation::Affine([1.0, signed(0.3), 0.0, 0.0, 1.0, 0.0]),
        12 => Operation::Affine([1.0, 0.0, 0.0, signed(0.3), 1.0, 0.0]),
        13 => Operation::Affine([1.0, 0.0, signed(0.45) * f64::from(width), 0.0, 1.0, 0.0]),
        _ => Operation::Affine([1.0, 0.0, 0.0, 0.0, 1.0, signed(0.45) * f64::from(height)]),
    }
}

impl Operation {
    /// Applies it in place (torchvision's `_apply_op`, timm's `NAME_TO_OP`); `fill` comes from outside the picture.
    pub fn apply(self, image: &mut RgbImage, sampling: Sampling, fill: [u8; 3]) {
        match self {
            Self::Identity => {}
            Self::ShearX(level) => *image = geometry::shear(image, [level, 0.0], sampling, fill),
            Self::ShearY(level) => *image = geometry::shear(image, [0.0, level], sampling, fill),
            Self::TranslateX(pixels) => {
                *image = geometry::translate(image, [pixels as i32, 0], sampling, fill);
            }
            Self::TranslateY(pixels) => {
                *image = geometry::translate(image, [0, pixels as i32], sampling, fill);
            }
            Self::Affine(matrix) => *image = geometry::affine(image, &matrix, sampling, fill),
            Self::Rotate(degrees) => *image = geometry::rotate(image, degrees, sampling, fill),
            Self::Brightness(level) => color::brightness(image, 1.0 + level),
            Self::Color(level) => color::saturation(image, 1.0 + level),
            Self::Contrast(level) => color::contrast(image, 1.0 + level),
            Self::Sharpness(level) => color::sharpness(image, 1.0 + level),
            Self::Posterize(bits) => color::posterize(image, bits),
            Self::Solarize(threshold) => color::solarize(image, threshold),
            Self::SolarizeAdd(level) => color::solarize_add(image, level),
            Self::Invert => color::invert(image),
            Self::AutoContrast => color::autocontrast(image),
            Self::Equalize => color::equalize(image),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Key, Purpose};

    /// Magnitudes of `config` as they are drawn, 2,000 of them.
    fn magnitudes(config: &AugmentConfig, most: f64) -> Vec<f64> {
        let draw = |index| {
            let mut random = Key::new(7, 0, index, Purpose::Augment).stream();
            magnitude(config, most, &mut random)
        };
        (0..2000).map(draw).collect()
    }

    #[test]
    fn magnitudes_follow_the_normal_distribution_they_are_drawn_from() {
        let config = AugmentConfig {
            policy: PolicyKind::TimmRandAugment,
            policy_magnitude: 6,
            policy_magnitude_std: 0.5,
            ..AugmentConfig::default()
        };
        let drawn = magnitudes(&config, TIMM_MOST);
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        let variance = drawn.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / drawn.len() as f64;
        // Five standard errors of the mean and of the variance of 2,000 draws.
        assert!((mean - 6.0).abs() < 0.056, "{mean}");
        assert!((variance - 0.25).abs() < 0.04, "{variance}");
        let wide = AugmentConfig {
            policy_magnitude_std: 30.0,
            ..config.clone()
        };
        let clipped = magnitudes(&wide, TIMM_MOST);
        assert!(clipped.iter().all(|m| (0.0..=10.0).contains(m)));
        assert!(clipped.contains(&0.0) && clipped.contains(&10.0));
        let fixed = AugmentConfig {
            policy_magnitude_std: 0.0,
            ..config
        };
        assert!(magnitudes(&fixed, TIMM_MOST).iter().all(|&m| m == 6.0));
    }

    #[test]
    fn timms_operations_have_timms_arguments() {
        // Level 6 of 10: int(0.6 * 4) = 2 bits away from 4; 256 - int(153.6); int(66.0).
        let mut random = Key::new(0, 0, 0, Purpose::Augment).stream();
        let mut at = |operation| timm(operation, [100, 50], 0.6, &mut random);
        assert_eq!(at(4), Operation::Posterize(2));
        assert_eq!(at(5), Operation::Solarize(103.0));
        assert_eq!(at(6), Operation::SolarizeAdd(66));
        let Operation::Rotate(degrees) = at(3) else {
            panic!("operation 3 turns")
        };
        assert_eq!(degrees.abs(), 18.0);
        let Operation::Affine(matrix) = at(13) else {
            panic!("operation 13 moves")
        };
        assert!((matrix[2].abs() - 27.0).abs() < 1e-12);
    }
}
