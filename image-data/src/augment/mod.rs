//! One picture to one training sample, as torchvision does it on PIL images: crop, flip, policy, color jitter,
//! erasing. Operations are equal to PIL's to the byte; the random numbers come from [`crate::random`], so they follow
//! torchvision's distributions and not its generator. Mixing two samples needs the whole batch: [`mix`] only draws
//! the parameters.

pub mod color;
mod crop;
pub mod geometry;
pub mod mix;
mod policy;

use model_core::preprocessing::{Preprocessing, Resize};
use model_core::resample::Filter;
use model_core::{RgbImage, resample};

use crate::random::Random;

pub use crop::{Area, erased_area, pad_crop, random_resized_area};
pub use policy::{Operation, Policy};

/// From a decoded picture to the pixels of one sample. Called from several threads at once.
pub trait Transform: Send + Sync {
    /// Height and width of every result.
    fn size(&self) -> [u32; 2];

    /// Makes the sample, drawing what is random from `random`.
    fn apply(&self, image: RgbImage, random: &mut Random) -> RgbImage;
}

/// The evaluation transform, up to the pixels the network sees; nothing is random.
#[derive(Clone, Debug)]
pub struct EvalTransform(pub Preprocessing);

impl Transform for EvalTransform {
    fn size(&self) -> [u32; 2] {
        self.0.crop
    }

    fn apply(&self, image: RgbImage, _: &mut Random) -> RgbImage {
        self.0.crop_pixels(&image)
    }
}

/// How the training square is cut out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Crop {
    /// torchvision `RandomResizedCrop`.
    RandomResized {
        /// Share of the picture's area, smallest and largest.
        scale: [f64; 2],
        /// Width over height, smallest and largest.
        ratio: [f64; 2],
    },
    /// torchvision `RandomCrop(side, padding, pad_if_needed=True)`: black on every side, then a random square.
    Pad {
        /// Pixels added on every side.
        padding: u32,
    },
    /// Short side to `resize`, center square: as in validation.
    Center {
        /// Short side before the crop, in pixels.
        resize: u32,
    },
}

impl Crop {
    /// `RandomResizedCrop` with torchvision's defaults.
    pub const IMAGENET: Self = Self::RandomResized {
        scale: [0.08, 1.0],
        ratio: [3.0 / 4.0, 4.0 / 3.0],
    };
}

/// torchvision `ColorJitter`: factors from `max(0, 1 - x)..1 + x`, hue from `-x..x`, in random order.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
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

/// torchvision `RandomErasing`, with one color.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Erasing {
    /// Probability that a rectangle is erased.
    pub probability: f64,
    /// Share of the area, smallest and largest.
    pub scale: [f64; 2],
    /// Height over width, smallest and largest.
    pub ratio: [f64; 2],
    /// The color. torchvision erases to 0 after normalization, which is the mean; as a byte it is off by half a level at
    /// most.
    pub fill: [u8; 3],
}

impl Erasing {
    /// torchvision's defaults, filling with the mean that normalization will subtract.
    pub fn to_mean(probability: f64, mean: [f32; 3]) -> Self {
        let fill = mean.map(|m| (m * 255.0).round().clamp(0.0, 255.0) as u8);
        Self {
            probability,
            scale: [0.02, 0.33],
            ratio: [0.3, 3.3],
            fill,
        }
    }
}

/// Training augmentation, in the order of the fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Augment {
    /// How the square is cut out.
    pub crop: Crop,
    /// The resize's kernel.
    pub interpolation: Filter,
    /// Probability of a horizontal flip.
    pub flip_probability: f64,
    /// A random policy of operations.
    pub policy: Policy,
    /// Color jitter.
    pub color_jitter: Option<ColorJitter>,
    /// Random erasing.
    pub erasing: Option<Erasing>,
}

impl Default for Augment {
    /// The classic: `RandomResizedCrop` and a flip.
    fn default() -> Self {
        Self {
            crop: Crop::IMAGENET,
            interpolation: Filter::Bilinear,
            flip_probability: 0.5,
            policy: Policy::None,
            color_jitter: None,
            erasing: None,
        }
    }
}

/// Why an augmentation cannot be built.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("{name}: expected {expected}, got {got}")]
pub struct AugmentError {
    name: &'static str,
    expected: &'static str,
    got: String,
}

/// [`Augment`] at one image size.
#[derive(Clone, Debug)]
pub struct TrainTransform {
    augment: Augment,
    side: u32,
}

impl TrainTransform {
    /// Squares of `side` pixels.
    ///
    /// # Errors
    /// [`AugmentError`] for a value out of range.
    pub fn new(augment: Augment, side: u32) -> Result<Self, AugmentError> {
        let refuse = |name, expected, got| {
            Err(AugmentError {
                name,
                expected,
                got,
            })
        };
        let range = |[low, high]: [f64; 2]| low > 0.0 && low <= high && high.is_finite();
        if side == 0 || side > 8192 {
            return refuse("image size", "1 to 8192 pixels", side.to_string());
        }
        if !(0.0..=1.0).contains(&augment.flip_probability) {
            return refuse(
                "flip probability",
                "0 to 1",
                augment.flip_probability.to_string(),
            );
        }
        match augment.crop {
            Crop::RandomResized { scale, .. } if !range(scale) => {
                return refuse(
                    "crop scale",
                    "0 < smallest <= largest",
                    format!("{scale:?}"),
                );
            }
            Crop::RandomResized { ratio, .. } if !range(ratio) => {
                return refuse(
                    "crop ratio",
                    "0 < smallest <= largest",
                    format!("{ratio:?}"),
                );
            }
            Crop::Center { resize } if resize < side => {
                return refuse("resize", "at least the image size", resize.to_string());
            }
            Crop::Pad { padding } if padding > 8192 => {
                return refuse("padding", "at most 8192 pixels", padding.to_string());
            }
            _ => {}
        }
        if let Some(jitter) = augment.color_jitter {
            let factors = [jitter.brightness, jitter.contrast, jitter.saturation];
            if factors.iter().any(|f| !(0.0..=100.0).contains(f)) {
                return refuse("color jitter", "factors from 0", format!("{factors:?}"));
            }
            if !(0.0..=0.5).contains(&jitter.hue) {
                return refuse("color jitter hue", "0 to 0.5", jitter.hue.to_string());
            }
        }
        if let Some(erasing) = augment.erasing {
            if !(0.0..=1.0).contains(&erasing.probability) {
                return refuse(
                    "erasing probability",
                    "0 to 1",
                    erasing.probability.to_string(),
                );
            }
            if !range(erasing.scale) || erasing.scale[1] > 1.0 || !range(erasing.ratio) {
                return refuse(
                    "erasing",
                    "0 < smallest <= largest, areas up to 1",
                    format!("{erasing:?}"),
                );
            }
        }
        augment
            .policy
            .validate()
            .map_err(|(expected, got)| AugmentError {
                name: "policy",
                expected,
                got,
            })?;
        Ok(Self { augment, side })
    }

    /// What it does.
    pub fn augment(&self) -> &Augment {
        &self.augment
    }

    fn crop(&self, image: &RgbImage, random: &mut Random) -> RgbImage {
        let filter = self.augment.interpolation;
        match self.augment.crop {
            Crop::RandomResized { scale, ratio } => {
                let area = random_resized_area(image.width, image.height, scale, ratio, random);
                // Cut first, as PIL does: the kernel must not see the pixels beyond the cut.
                let part = image.crop(area.x, area.y, area.width, area.height);
                resample::resize(&part, self.side, self.side, filter)
            }
            Crop::Pad { padding } => pad_crop(image, self.side, padding, random),
            Crop::Center { resize } => {
                let preprocessing = Preprocessing {
                    resize: Resize::ShortSide(resize),
                    crop: [self.side; 2],
                    interpolation: filter,
                    ..Preprocessing::imagenet()
                };
                preprocessing.crop_pixels(image)
            }
        }
    }
}

impl Transform for TrainTransform {
    fn size(&self) -> [u32; 2] {
        [self.side; 2]
    }

    fn apply(&self, image: RgbImage, random: &mut Random) -> RgbImage {
        let augment = &self.augment;
        let mut image = self.crop(&image, random);
        if random.chance(augment.flip_probability) {
            image.flip_horizontal();
        }
        augment.policy.apply(&mut image, random);
        if let Some(jitter) = augment.color_jitter {
            jitter.apply(&mut image, random);
        }
        if let Some(erasing) = augment.erasing
            && random.chance(erasing.probability)
            && let Some(area) = erased_area(
                image.width,
                image.height,
                erasing.scale,
                erasing.ratio,
                random,
            )
        {
            for y in area.y..area.y + area.height {
                let start = (y as usize * image.width as usize + area.x as usize) * 3;
                let row = &mut image.data[start..start + area.width as usize * 3];
                row.as_chunks_mut::<3>().0.fill(erasing.fill);
            }
        }
        image
    }
}

impl ColorJitter {
    /// Draws the factors and their order, and applies them (`ColorJitter.forward`).
    pub fn apply(&self, image: &mut RgbImage, random: &mut Random) {
        let mut order = [0, 1, 2, 3];
        random.shuffle(&mut order);
        let mut factor = |x: f64| random.uniform((1.0 - x).max(0.0), 1.0 + x);
        let (brightness, contrast, saturation) = (
            factor(self.brightness),
            factor(self.contrast),
            factor(self.saturation),
        );
        let hue = random.uniform(-self.hue, self.hue);
        for step in order {
            match step {
                0 if self.brightness > 0.0 => color::brightness(image, brightness),
                1 if self.contrast > 0.0 => color::contrast(image, contrast),
                2 if self.saturation > 0.0 => color::saturation(image, saturation),
                3 if self.hue > 0.0 => color::hue(image, hue),
                _ => {}
            }
        }
    }
}
