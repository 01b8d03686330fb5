//! Policies of random operations: RandAugment (Cubuk et al. 2020) and TrivialAugmentWide (Müller and Hutter 2021), with
//! torchvision's operations, magnitudes and signs (`torchvision/transforms/autoaugment.py`).

use model_core::RgbImage;

use super::color;
use super::geometry::{self, Sampling};
use crate::random::Random;

/// Magnitudes are counted in 31 steps, 0 to 30.
const BINS: u32 = 31;

/// Which policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Policy {
    /// None.
    None,
    /// `operations` random operations, all at `magnitude`.
    RandAugment {
        /// Operations per picture; torchvision's default is 2.
        operations: u32,
        /// 0 to 30; torchvision's default is 9.
        magnitude: u32,
        /// How places between pixels are read.
        sampling: Sampling,
    },
    /// One random operation at a random magnitude, from wider ranges.
    TrivialAugmentWide {
        /// How places between pixels are read.
        sampling: Sampling,
    },
}

/// One operation with its magnitude.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Operation {
    Identity,
    ShearX(f64),
    ShearY(f64),
    /// Pixels, cut off to whole ones.
    TranslateX(f64),
    TranslateY(f64),
    /// Degrees, counter-clockwise.
    Rotate(f64),
    /// Added to the factor 1, as are the next three.
    Brightness(f64),
    Color(f64),
    Contrast(f64),
    Sharpness(f64),
    /// Bits kept.
    Posterize(u32),
    /// Inverted from this level on.
    Solarize(f64),
    AutoContrast,
    Equalize,
}

/// The number of operations both policies draw from.
const OPERATIONS: u64 = 14;

/// Largest magnitudes of a policy; `Posterize` counts bits taken away.
struct Ranges {
    shear: f64,
    translate: [f64; 2],
    rotate: f64,
    enhance: f64,
    posterize: f64,
}

impl Policy {
    /// torchvision's `RandAugment()`.
    pub const RAND_AUGMENT: Self = Self::RandAugment {
        operations: 2,
        magnitude: 9,
        sampling: Sampling::Nearest,
    };
    /// torchvision's `TrivialAugmentWide()`.
    pub const TRIVIAL_AUGMENT_WIDE: Self = Self::TrivialAugmentWide {
        sampling: Sampling::Nearest,
    };

    /// What was expected and what there is, when the policy is impossible.
    pub(super) fn validate(self) -> Result<(), (&'static str, String)> {
        match self {
            Self::RandAugment { magnitude, .. } if magnitude >= BINS => Err((
                "a RandAugment magnitude from 0 to 30",
                magnitude.to_string(),
            )),
            Self::RandAugment { operations, .. } if operations > 64 => {
                Err(("at most 64 operations", operations.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Draws operations and applies them.
    pub fn apply(self, image: &mut RgbImage, random: &mut Random) {
        match self {
            Self::None => {}
            Self::RandAugment {
                operations,
                magnitude,
                sampling,
            } => {
                for _ in 0..operations {
                    // The translation's range follows the size, which the operations keep.
                    let translate =
                        [image.width, image.height].map(|side| 150.0 / 331.0 * f64::from(side));
                    let ranges = Ranges {
                        shear: 0.3,
                        translate,
                        rotate: 30.0,
                        enhance: 0.9,
                        posterize: 4.0,
                    };
                    draw(&ranges, magnitude, random).apply(image, sampling);
                }
            }
            Self::TrivialAugmentWide { sampling } => {
                let ranges = Ranges {
                    shear: 0.99,
                    translate: [32.0; 2],
                    rotate: 135.0,
                    enhance: 0.99,
                    posterize: 6.0,
                };
                let operation = random.below(OPERATIONS);
                let magnitude = random.below(u64::from(BINS)) as u32;
                pick(operation, &ranges, magnitude, random).apply(image, sampling);
            }
        }
    }
}

fn draw(ranges: &Ranges, magnitude: u32, random: &mut Random) -> Operation {
    pick(random.below(OPERATIONS), ranges, magnitude, random)
}

fn pick(operation: u64, ranges: &Ranges, magnitude: u32, random: &mut Random) -> Operation {
    let share = f64::from(magnitude) / f64::from(BINS - 1);
    // Half of the signed operations go the other way.
    let mut signed = |largest: f64| {
        if random.chance(0.5) {
            -share * largest
        } else {
            share * largest
        }
    };
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

impl Operation {
    /// Applies it in place (torchvision's `_apply_op`).
    pub fn apply(self, image: &mut RgbImage, sampling: Sampling) {
        match self {
            Self::Identity => {}
            Self::ShearX(level) => *image = geometry::shear(image, level, 0.0, sampling),
            Self::ShearY(level) => *image = geometry::shear(image, 0.0, level, sampling),
            Self::TranslateX(pixels) => {
                *image = geometry::translate(image, pixels as i32, 0, sampling)
            }
            Self::TranslateY(pixels) => {
                *image = geometry::translate(image, 0, pixels as i32, sampling)
            }
            Self::Rotate(degrees) => *image = geometry::rotate(image, degrees, sampling),
            Self::Brightness(level) => color::brightness(image, 1.0 + level),
            Self::Color(level) => color::saturation(image, 1.0 + level),
            Self::Contrast(level) => color::contrast(image, 1.0 + level),
            Self::Sharpness(level) => color::sharpness(image, 1.0 + level),
            Self::Posterize(bits) => color::posterize(image, bits),
            Self::Solarize(threshold) => color::solarize(image, threshold),
            Self::AutoContrast => color::autocontrast(image),
            Self::Equalize => color::equalize(image),
        }
    }
}
