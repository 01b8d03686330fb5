//! One picture to one training sample, as torchvision does it on PIL images: crop, flip, policy, color jitter,
//! erasing. Operations are equal to PIL's to the byte; the random numbers come from [`crate::random`], so they follow
//! torchvision's distributions and not its generator. Mixing two samples needs the whole batch: [`mix`] only draws
//! the parameters.

pub mod color;
mod config;
mod crop;
pub mod geometry;
pub mod mix;
mod policy;

use model_core::preprocessing::{Preprocessing, Resize};
use model_core::resample::Rect;
use model_core::{RgbImage, resample};

use crate::random::{Purpose, Random};

pub use config::{
    AugmentConfig, AugmentError, ColorJitter, CropKind, Interpolation, PaddingMode, PolicyKind,
    ProgressiveConfig,
};
pub use crop::{Area, erased_area, pad_crop, random_resized_area};
pub use policy::Operation;

/// From a decoded picture to the pixels of one sample. Called from several threads at once.
pub trait Transform: Send + Sync {
    /// Height and width of every result.
    fn size(&self) -> [u32; 2];

    /// Makes the sample, drawing what is random from `random`.
    fn apply(&self, image: RgbImage, random: &mut Random) -> RgbImage;

    /// The part of a picture of this size that the sample needs, so that no more is decoded. `None` when it needs all of it;
    /// then nothing is drawn.
    fn part(&self, _width: u32, _height: u32, _random: &mut Random) -> Option<Rect> {
        None
    }

    /// Rows and columns to which the part will be shrunk where it has more: one that has twice as many or more may come
    /// smaller. `None` where its size matters.
    fn least_part(&self) -> Option<[u32; 2]> {
        None
    }

    /// What `apply` does once it has cut out [`Transform::part`]: the same sample.
    fn apply_to_part(&self, part: RgbImage, random: &mut Random) -> RgbImage {
        self.apply(part, random)
    }
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

/// What [`AugmentConfig`] makes of one picture, at one image size.
#[derive(Clone, Debug)]
pub struct TrainTransform {
    config: AugmentConfig,
    side: u32,
    /// Validation's resize, for [`CropKind::Center`].
    short_side: u32,
    erasing: Option<Erasing>,
    fill: [u8; 3],
}

impl TrainTransform {
    /// Squares of `side` pixels. `evaluation` gives the color that erasing fills with, and the ratio of resize to crop of
    /// [`CropKind::Center`].
    ///
    /// # Errors
    /// [`AugmentError`] for a value out of range.
    pub fn new(
        config: &AugmentConfig,
        evaluation: &Preprocessing,
        side: u32,
    ) -> Result<Self, AugmentError> {
        let config = AugmentConfig {
            image_size: side,
            ..config.clone()
        };
        config.validate()?;
        let erasing = Erasing::to_mean(config.erasing_probability, evaluation.mean);
        Ok(Self {
            short_side: center_resize(evaluation, side),
            fill: erasing.fill,
            erasing: (config.erasing_probability > 0.0).then_some(erasing),
            config,
            side,
        })
    }

    /// What it does.
    pub fn config(&self) -> &AugmentConfig {
        &self.config
    }

    fn is_flipped(&self, random: &mut Random) -> bool {
        if !self.config.flip_alternates {
            return random.chance(self.config.flip_probability);
        }
        let begins_flipped = random.of_every_epoch(Purpose::Flip).chance(0.5);
        begins_flipped != random.epoch().is_multiple_of(2)
    }

    fn crop(&self, image: &RgbImage, random: &mut Random) -> RgbImage {
        let config = &self.config;
        match config.crop {
            // Cut by `part`, as PIL does: the kernel must not see the pixels beyond the cut.
            CropKind::RandomResized => {
                let filter = config.interpolation.filter(random);
                resample::resize(image, self.side, self.side, filter)
            }
            CropKind::Pad => pad_crop(
                image,
                self.side,
                config.padding,
                config.padding_mode,
                random,
            ),
            CropKind::Center => {
                let preprocessing = Preprocessing {
                    resize: Resize::ShortSide(self.short_side),
                    crop: [self.side; 2],
                    interpolation: config.interpolation.filter(random),
                    ..Preprocessing::imagenet()
                };
                preprocessing.crop_pixels(image)
            }
        }
    }
}

/// Validation's ratio of resize to crop, for another side.
fn center_resize(evaluation: &Preprocessing, side: u32) -> u32 {
    match evaluation.resize {
        Resize::ShortSide(resize) => {
            let crop = evaluation.crop[0].max(1);
            (u64::from(resize) * u64::from(side) / u64::from(crop)).max(u64::from(side)) as u32
        }
        Resize::Exact { .. } | Resize::None => side,
    }
}

impl Transform for TrainTransform {
    fn size(&self) -> [u32; 2] {
        [self.side; 2]
    }

    fn apply(&self, image: RgbImage, random: &mut Random) -> RgbImage {
        match self.part(image.width, image.height, random) {
            Some(part) => {
                let part = image.crop(part.x, part.y, part.width, part.height);
                self.apply_to_part(part, random)
            }
            None => self.apply_to_part(image, random),
        }
    }

    fn part(&self, width: u32, height: u32, random: &mut Random) -> Option<Rect> {
        let config = &self.config;
        if config.crop != CropKind::RandomResized {
            return None;
        }
        let area = random_resized_area(width, height, config.scale, config.ratio, random);
        Some(Rect {
            x: area.x,
            y: area.y,
            width: area.width,
            height: area.height,
        })
    }

    fn least_part(&self) -> Option<[u32; 2]> {
        (self.config.crop == CropKind::RandomResized).then_some([self.side; 2])
    }

    fn apply_to_part(&self, part: RgbImage, random: &mut Random) -> RgbImage {
        let config = &self.config;
        let mut image = self.crop(&part, random);
        if self.is_flipped(random) {
            image.flip_horizontal();
        }
        policy::apply(config, self.fill, &mut image, random);
        if let Some(jitter) = config.color_jitter {
            jitter.apply(&mut image, random);
        }
        if let Some(erasing) = self.erasing
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
