//! How an image becomes a network's input; it belongs to the weights: reading, resize, center crop, normalization.
//!
//! Equal to torchvision's `Resize` -> `CenterCrop` -> `ToTensor` -> `Normalize` on a PIL image: the long side is
//! truncated, crop offsets round half to even, an image smaller than the crop is padded with black.
//! Training augmentation is not here (`image-data`), nor is decoding.

use serde::{Deserialize, Serialize};

use crate::pixels::RgbImage;
use crate::reading::ReadingConfig;
use crate::resample::{Filter, Rect, resize_region};

/// The largest side a transform may ask for, in pixels; beyond it a manifest is taken for damaged.
pub const MAX_SIDE: u32 = 8192;

/// How an image becomes the network's input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// How the file becomes pixels. Manifests before format 2 do not say; they mean what a person sees.
    #[serde(default)]
    pub reading: ReadingConfig,
    /// What happens to the whole image first.
    #[serde(with = "serde_yaml::with::singleton_map")]
    pub resize: Resize,
    /// Height and width of the center crop: the network's input size, in pixels.
    pub crop: [u32; 2],
    /// The resize's kernel.
    #[serde(default = "bilinear")]
    pub interpolation: Filter,
    /// Subtracted from each channel after scaling, in R, G, B order.
    pub mean: [f32; 3],
    /// Divides each channel after the mean, in R, G, B order.
    pub std: [f32; 3],
    /// Order of the axes in the input tensor.
    #[serde(default)]
    pub layout: Layout,
    /// Order of the channels in the input tensor.
    #[serde(default)]
    pub channels: ChannelOrder,
    /// The pixel value 255 becomes `255 / pixel_max` before mean and std: 255 scales to 0..1, 1 leaves 0..255.
    #[serde(default = "full_byte")]
    pub pixel_max: f32,
}

fn bilinear() -> Filter {
    Filter::Bilinear
}

fn full_byte() -> f32 {
    255.0
}

/// What happens to the whole image before the crop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Resize {
    /// The short side becomes this many pixels, the shape is kept (torchvision `Resize(256)`).
    ShortSide(u32),
    /// Both sides are set, the shape is not kept (torchvision `Resize((h, w))`).
    Exact {
        /// Rows.
        height: u32,
        /// Columns.
        width: u32,
    },
    /// Nothing; the crop is taken from the image as it is.
    None,
}

/// Order of the axes in the input tensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// `[N, 3, H, W]`
    #[default]
    Nchw,
    /// `[N, H, W, 3]`
    Nhwc,
}

/// Order of the channels in the input tensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelOrder {
    /// Red first.
    #[default]
    Rgb,
    /// Blue first.
    Bgr,
}

/// A transform that cannot be carried out.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("preprocessing.{field}: expected {expected}, got {got}")]
pub struct PreprocessingError {
    /// The key at fault.
    pub field: &'static str,
    /// What it may hold.
    pub expected: String,
    /// What it holds.
    pub got: String,
}

/// Where the crop lies, for one image size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Columns after the resize.
    pub resized_width: u32,
    /// Rows after the resize.
    pub resized_height: u32,
    /// Left of the crop in the resized image; negative where black is padded.
    pub crop_x: i64,
    /// Top of the crop in the resized image; negative where black is padded.
    pub crop_y: i64,
    /// Columns of the crop.
    pub crop_width: u32,
    /// Rows of the crop.
    pub crop_height: u32,
}

impl Geometry {
    /// The crop in the original image's pixels, as left, top, width, height; it may reach outside.
    pub fn crop_in_original(&self, width: u32, height: u32) -> [f64; 4] {
        let sx = f64::from(width) / f64::from(self.resized_width);
        let sy = f64::from(height) / f64::from(self.resized_height);
        [
            self.crop_x as f64 * sx,
            self.crop_y as f64 * sy,
            f64::from(self.crop_width) * sx,
            f64::from(self.crop_height) * sy,
        ]
    }
}

impl Preprocessing {
    /// torchvision's `ImageClassification(crop_size=224, resize_size=256)`: bilinear, ImageNet mean and std.
    pub fn imagenet() -> Self {
        Self {
            reading: ReadingConfig::default(),
            resize: Resize::ShortSide(256),
            crop: [224, 224],
            interpolation: Filter::Bilinear,
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            layout: Layout::Nchw,
            channels: ChannelOrder::Rgb,
            pixel_max: 255.0,
        }
    }

    /// The usual CIFAR-10 input: 32 x 32 as it is, the training set's mean and std.
    pub fn cifar10() -> Self {
        Self {
            resize: Resize::ShortSide(32),
            crop: [32, 32],
            mean: [0.4914, 0.4822, 0.4465],
            std: [0.2470, 0.2435, 0.2616],
            ..Self::imagenet()
        }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`PreprocessingError`] names the first field that cannot be used.
    pub fn validate(&self) -> Result<(), PreprocessingError> {
        let side = |field, side: u32| {
            if (1..=MAX_SIDE).contains(&side) {
                Ok(())
            } else {
                let expected = format!("1 to {MAX_SIDE} pixels");
                Err(PreprocessingError {
                    field,
                    expected,
                    got: side.to_string(),
                })
            }
        };
        match self.resize {
            Resize::ShortSide(short) => side("resize.short_side", short)?,
            Resize::Exact { height, width } => {
                side("resize.exact.height", height)?;
                side("resize.exact.width", width)?;
            }
            Resize::None => {}
        }
        side("crop[0]", self.crop[0])?;
        side("crop[1]", self.crop[1])?;
        let number = |field, ok: bool, expected: &str, got: String| {
            if ok {
                Ok(())
            } else {
                Err(PreprocessingError {
                    field,
                    expected: expected.to_owned(),
                    got,
                })
            }
        };
        let finite = self.mean.iter().all(|m| m.is_finite());
        number(
            "mean",
            finite,
            "three finite numbers",
            format!("{:?}", self.mean),
        )?;
        let positive = self.std.iter().all(|s| s.is_finite() && *s > 0.0);
        number(
            "std",
            positive,
            "three positive numbers",
            format!("{:?}", self.std),
        )?;
        let scale = self.pixel_max.is_finite() && self.pixel_max > 0.0;
        number(
            "pixel_max",
            scale,
            "a positive number",
            self.pixel_max.to_string(),
        )
    }

    /// Size after the resize and place of the crop, for an image of `width` x `height` pixels.
    pub fn geometry(&self, width: u32, height: u32) -> Geometry {
        let (resized_width, resized_height) = match self.resize {
            Resize::None => (width, height),
            Resize::Exact { height, width } => (width, height),
            Resize::ShortSide(short) => {
                let long = |long: u32, side: u32| {
                    let scaled = u64::from(short) * u64::from(long) / u64::from(side.max(1));
                    u32::try_from(scaled).unwrap_or(u32::MAX)
                };
                if width <= height {
                    (short, long(height, width))
                } else {
                    (long(width, height), short)
                }
            }
        };
        let [crop_height, crop_width] = self.crop;
        Geometry {
            resized_width,
            resized_height,
            crop_x: crop_offset(resized_width, crop_width),
            crop_y: crop_offset(resized_height, crop_height),
            crop_width,
            crop_height,
        }
    }

    /// What the network sees, still as 8-bit RGB: the resized center crop.
    pub fn crop_pixels(&self, image: &RgbImage) -> RgbImage {
        let at = self.geometry(image.width, image.height);
        let inside = Rect {
            x: at.crop_x.max(0) as u32,
            y: at.crop_y.max(0) as u32,
            width: at.crop_width.min(at.resized_width),
            height: at.crop_height.min(at.resized_height),
        };
        let part = resize_region(
            image,
            at.resized_width,
            at.resized_height,
            self.interpolation,
            inside,
        );
        if part.width == at.crop_width && part.height == at.crop_height {
            return part;
        }
        let left = (-at.crop_x).max(0) as usize;
        let top = (-at.crop_y).max(0) as usize;
        let stride = at.crop_width as usize * 3;
        let mut data = vec![0; stride * at.crop_height as usize];
        for y in 0..part.height {
            let to = (top + y as usize) * stride + left * 3;
            data[to..to + part.stride()].copy_from_slice(part.row(y));
        }
        RgbImage {
            width: at.crop_width,
            height: at.crop_height,
            data,
        }
    }

    /// Writes `(pixel / pixel_max - mean) / std` of a crop into `out`, in this transform's layout.
    ///
    /// The arithmetic is f32 in torchvision's order, so the numbers are equal to the last bit.
    ///
    /// # Panics
    /// When `out` does not hold `3 * crop.width * crop.height` numbers.
    pub fn normalize_into(&self, crop: &RgbImage, out: &mut [f32]) {
        let pixels = crop.width as usize * crop.height as usize;
        assert_eq!(
            out.len(),
            pixels * 3,
            "the output must hold every value of the crop"
        );
        let mut table = [[0f32; 256]; 3];
        for (channel, values) in table.iter_mut().enumerate() {
            for (byte, value) in values.iter_mut().enumerate() {
                *value = (byte as f32 / self.pixel_max - self.mean[channel]) / self.std[channel];
            }
        }
        let (source, _) = crop.data.as_chunks::<3>();
        for channel in 0..3 {
            let values = &table[channel];
            let place = match self.channels {
                ChannelOrder::Rgb => channel,
                ChannelOrder::Bgr => 2 - channel,
            };
            match self.layout {
                Layout::Nchw => {
                    let plane = &mut out[place * pixels..(place + 1) * pixels];
                    for (value, pixel) in plane.iter_mut().zip(source) {
                        *value = values[usize::from(pixel[channel])];
                    }
                }
                Layout::Nhwc => {
                    for (to, pixel) in out.chunks_exact_mut(3).zip(source) {
                        to[place] = values[usize::from(pixel[channel])];
                    }
                }
            }
        }
    }

    /// The network's input for one image: `[3, H, W]`, or `[H, W, 3]` by layout.
    pub fn apply(&self, image: &RgbImage) -> Vec<f32> {
        let crop = self.crop_pixels(image);
        let mut out = vec![0.0; crop.data.len()];
        self.normalize_into(&crop, &mut out);
        out
    }

    /// The input tensor's shape for `batch` images.
    pub fn input_shape(&self, batch: usize) -> [usize; 4] {
        let [height, width] = self.crop.map(|side| side as usize);
        match self.layout {
            Layout::Nchw => [batch, 3, height, width],
            Layout::Nhwc => [batch, height, width, 3],
        }
    }
}

/// torchvision `center_crop`: `int(round((size - crop) / 2))` with Python's round half to even; when the image is
/// smaller, `(crop - size) // 2` black columns go before it.
fn crop_offset(size: u32, crop: u32) -> i64 {
    if crop > size {
        return -i64::from((crop - size) / 2);
    }
    let spare = i64::from(size - crop);
    let half = spare / 2;
    if spare % 2 == 0 {
        half
    } else {
        half + half % 2
    }
}

#[cfg(test)]
mod tests;
