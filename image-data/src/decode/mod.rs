//! Image bytes to 8-bit RGB, whoever wrote them: by content and never by file name, with every limit checked on
//! the header before a pixel is allocated, and with a decoder's panic turned into an error. Of an animation the first
//! frame counts; of a CMYK picture the color profile does not.

mod bmp;
mod damage;
mod error;
mod format;
mod gif;
mod heif;
mod icc;
mod ico;
mod jp2;
mod jpeg;
mod jxl;
pub(crate) mod known;
mod metadata;
mod png;
mod raster;
mod raw;
mod tga;
mod tiff;

use std::path::Path;

use image::metadata::Orientation;
use model_core::RgbImage;
use model_core::resample::Rect;

use crate::sandbox;

pub use damage::{Damage, DamageKind};
pub use error::DecodeError;
pub use format::Format;
pub use model_core::reading::{Alpha, Exif, Icc, ReadingConfig};

/// What a picture may cost before it is refused. Checked against the header, so refusing is cheap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Width times height. Default 128 Mi pixels.
    pub max_pixels: u64,
    /// Longest side in pixels. Default 65,535 (no JPEG is larger).
    pub max_side: u32,
    /// Size of the encoded file. Default 512 MiB.
    pub max_bytes: u64,
    /// What a decoder may allocate, output included. Default 2 GiB.
    pub max_memory_bytes: u64,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            max_pixels: 128 << 20,
            max_side: 65_535,
            max_bytes: 512 << 20,
            max_memory_bytes: 2 << 30,
        }
    }
}

/// How to decode. The default is what a person sees; [`DecodeConfig::torchvision`] is what published figures rest on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodeConfig {
    /// Limits on size and memory.
    pub limits: DecodeLimits,
    /// EXIF orientation.
    pub exif: Exif,
    /// Transparency.
    pub alpha: Alpha,
    /// Color profile of an RGB picture.
    pub icc: Icc,
    /// Refuse a JPEG whose compressed data is damaged but whose end is there. `PIL` accepts it (libjpeg only warns),
    /// and so is the default here; a truncated one is always refused.
    pub strict: bool,
    /// Never ask a program of the system, as HEIC and AVIF need: for pictures that strangers send.
    pub own_decoders_only: bool,
}

impl DecodeConfig {
    /// Reads files as a model's preprocessing says.
    pub fn reading(reading: &ReadingConfig) -> Self {
        Self {
            exif: reading.exif,
            alpha: reading.alpha,
            icc: reading.icc,
            ..Self::default()
        }
    }

    /// `torchvision.datasets.folder.pil_loader`: [`ReadingConfig::TORCHVISION`].
    pub fn torchvision() -> Self {
        Self::reading(&ReadingConfig::TORCHVISION)
    }
}

/// A decoded picture and what was noticed on the way.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The pixels, upright when [`Exif::Apply`] was asked for.
    pub image: RgbImage,
    /// What the bytes are, whatever the file is called.
    pub format: Format,
    /// How the pixels were stored, for reports: `"CMYK"`, `"YCCK"`, `"gray"`, `"16-bit"`, ...
    pub color: Color,
    /// Which parts of the picture may be wrong, when the decoder had to guess. `None` for a sound file.
    pub damage: Option<Damage>,
}

/// How a file stores its colors, as far as a data set's owner cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// Three channels of 8 bits (YCbCr, RGB or a palette).
    Rgb,
    /// One channel.
    Gray,
    /// Four inks, converted as PIL converts them (no color profile).
    Cmyk,
    /// Four inks stored as luma, chroma and black (Photoshop).
    Ycck,
    /// An alpha channel is present.
    Alpha,
    /// More than 8 bits a channel; the high byte is kept.
    Deep,
}

/// What a file says about its pixels, for [`decode_full`] to act on.
struct Notes {
    orientation: Orientation,
    icc_profile: Option<Vec<u8>>,
}

/// The header alone: what [`probe`] tells without decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the bytes are.
    pub format: Format,
    /// Columns as stored.
    pub width: u32,
    /// Rows as stored.
    pub height: u32,
    /// How colors are stored.
    pub color: Color,
}

/// Decodes `bytes` to RGB.
///
/// # Errors
/// [`DecodeError`]: unknown or unsupported format, over a limit, truncated or malformed. Never panics.
pub fn decode(bytes: &[u8], config: &DecodeConfig) -> Result<RgbImage, DecodeError> {
    Ok(decode_full(bytes, config)?.image)
}

/// [`decode`], with the format, the color storage and any damage that was worked around.
///
/// # Errors
/// As [`decode`].
pub fn decode_full(bytes: &[u8], config: &DecodeConfig) -> Result<Decoded, DecodeError> {
    let format = identify(bytes, &config.limits)?;
    let (mut decoded, notes) = guard(format, || match format {
        Format::Jpeg => jpeg::decode(bytes, config),
        Format::Tiff => tiff::decode(bytes, config),
        Format::Raw => raw::decode(bytes, config),
        Format::JpegXl => jxl::decode(bytes, config),
        Format::Jpeg2000 => jp2::decode(bytes, config),
        Format::Heic | Format::Avif => heif::decode(bytes, format, config),
        other => raster::decode(bytes, other, config),
    })?;
    if config.icc == Icc::ToSrgb
        && let Some(profile) = &notes.icc_profile
        && !matches!(decoded.color, Color::Cmyk | Color::Ycck | Color::Gray)
    {
        icc::to_srgb(&mut decoded.image, profile);
    }
    // A TIFF's orientation is a tag of the picture itself; Pillow, and so torchvision, obeys it without being asked.
    if config.exif == Exif::Apply || format == Format::Tiff {
        decoded.image = orient(decoded.image, notes.orientation)?;
    }
    Ok(decoded)
}

/// The part of the picture that `choose` asks for once its width and height are known, or all of it for `None`: the pixels that cutting
/// [`decode`]'s picture gives. `choose` is called at most once.
///
/// Of a JPEG only that part is transformed, and what lies below is not even read; damage is not looked for.
///
/// # Errors
/// As [`decode`]; a fault that lies below the part may go unseen.
pub fn decode_part(
    bytes: &[u8],
    config: &DecodeConfig,
    choose: &mut dyn FnMut(u32, u32) -> Option<Rect>,
) -> Result<RgbImage, DecodeError> {
    part(bytes, config, None, choose)
}

/// [`decode_part`], for a part that will be resized to `least` rows and columns or fewer: where a JPEG's part is at least
/// twice, four or eight times that, it comes at a half, a quarter or an eighth of its size. That is faster and not the
/// same: the block transform shrinks in place of the resize, and the part's edges move to whole pixels of the smaller
/// picture.
///
/// # Errors
/// As [`decode_part`].
pub fn decode_smaller_part(
    bytes: &[u8],
    config: &DecodeConfig,
    least: [u32; 2],
    choose: &mut dyn FnMut(u32, u32) -> Option<Rect>,
) -> Result<RgbImage, DecodeError> {
    part(bytes, config, Some(least), choose)
}

fn part(
    bytes: &[u8],
    config: &DecodeConfig,
    least: Option<[u32; 2]>,
    choose: &mut dyn FnMut(u32, u32) -> Option<Rect>,
) -> Result<RgbImage, DecodeError> {
    let format = identify(bytes, &config.limits)?;
    if format == Format::Jpeg
        && !config.strict
        && let Some((mut image, profile)) =
            guard(format, || jpeg::decode_part(bytes, config, least, choose))?
    {
        if let Some(profile) = profile {
            icc::to_srgb(&mut image, &profile);
        }
        return Ok(image);
    }
    let image = decode(bytes, config)?;
    Ok(match choose(image.width, image.height) {
        Some(part) => image.crop(part.x, part.y, part.width, part.height),
        None => image,
    })
}

/// Reads only what the header says: format, size and color storage, limits checked.
///
/// # Errors
/// As [`decode`], as far as the header shows. A sound header says nothing about the pixels.
pub fn probe(bytes: &[u8], limits: &DecodeLimits) -> Result<Header, DecodeError> {
    let format = identify(bytes, limits)?;
    guard(format, || match format {
        Format::Jpeg => jpeg::probe(bytes, limits),
        Format::Tiff => tiff::probe(bytes, limits),
        Format::Raw => raw::probe(bytes, limits),
        Format::JpegXl => jxl::probe(bytes, limits),
        Format::Jpeg2000 => jp2::probe(bytes, limits),
        Format::Heic | Format::Avif => heif::probe(bytes, format, limits),
        other => raster::probe(bytes, other, limits),
    })
}

/// Runs a decoder; a panic inside becomes [`DecodeError::Panicked`] and prints nothing.
fn guard<T>(
    format: Format,
    decode: impl FnOnce() -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    sandbox::catch(decode).unwrap_or_else(|reason| Err(DecodeError::Panicked { format, reason }))
}

/// Reads and decodes one file. The error does not repeat the path: whoever reports it names the file.
///
/// # Errors
/// [`DecodeError::Io`] when the file cannot be read, else as [`decode`].
pub fn decode_file(path: impl AsRef<Path>, config: &DecodeConfig) -> Result<RgbImage, DecodeError> {
    decode(&read_file(path.as_ref(), &config.limits)?, config)
}

/// Reads a file whole, unless it is larger than the limit or no regular file.
///
/// # Errors
/// [`DecodeError::Io`], [`DecodeError::TooManyBytes`].
pub fn read_file(path: &Path, limits: &DecodeLimits) -> Result<Vec<u8>, DecodeError> {
    use std::io::Read;
    let file = std::fs::File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(std::io::Error::new(std::io::ErrorKind::IsADirectory, "it is a folder").into());
    }
    let too_many = |bytes| DecodeError::TooManyBytes {
        bytes,
        limit: limits.max_bytes,
    };
    if metadata.len() > limits.max_bytes {
        return Err(too_many(metadata.len()));
    }
    // A pipe or a growing file says 0 or too little: the reader is bounded too.
    let mut bytes = Vec::with_capacity(metadata.len() as usize + 1);
    file.take(limits.max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limits.max_bytes {
        return Err(too_many(bytes.len() as u64));
    }
    Ok(bytes)
}

/// Whether the system has the program that decodes HEIC and AVIF: libheif's `heif-dec`, in `PATH` or named by the
/// environment variable `HEIF_DEC` (empty: none).
pub fn asks_program() -> bool {
    heif::program().is_some()
}

fn identify(bytes: &[u8], limits: &DecodeLimits) -> Result<Format, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    if bytes.len() as u64 > limits.max_bytes {
        return Err(DecodeError::TooManyBytes {
            bytes: bytes.len() as u64,
            limit: limits.max_bytes,
        });
    }
    let format = format::sniff(bytes)?;
    if Format::BY_PROGRAM.contains(&format) && heif::program().is_none() {
        return Err(heif::not_read(format));
    }
    Ok(format)
}

impl DecodeLimits {
    /// Refuses a size from a header, `memory_bytes` being what decoding it will take.
    fn check(&self, width: u32, height: u32, memory_bytes: u64) -> Result<(), DecodeError> {
        let pixels = u64::from(width) * u64::from(height);
        if pixels == 0 {
            return Err(DecodeError::NoPixels { width, height });
        }
        if pixels > self.max_pixels {
            return Err(DecodeError::TooManyPixels {
                width,
                height,
                limit: self.max_pixels,
            });
        }
        if width.max(height) > self.max_side {
            return Err(DecodeError::SideTooLong {
                width,
                height,
                limit: self.max_side,
            });
        }
        if memory_bytes > self.max_memory_bytes {
            return Err(DecodeError::TooMuchMemory {
                width,
                height,
                bytes: memory_bytes,
                limit: self.max_memory_bytes,
            });
        }
        Ok(())
    }
}

/// Turns the picture as EXIF's tag 0x0112 says it must be turned to stand upright.
fn orient(image: RgbImage, orientation: Orientation) -> Result<RgbImage, DecodeError> {
    if orientation == Orientation::NoTransforms {
        return Ok(image);
    }
    let (width, height) = (image.width, image.height);
    let inconsistent = || DecodeError::NoPixels { width, height };
    let pixels = image::RgbImage::from_raw(width, height, image.data).ok_or_else(inconsistent)?;
    let mut turned = image::DynamicImage::ImageRgb8(pixels);
    turned.apply_orientation(orientation);
    let (width, height) = (turned.width(), turned.height());
    RgbImage::new(width, height, turned.into_bytes()).map_err(|_| inconsistent())
}

/// Four inks to RGB; 255 is all of an ink.
fn inks_to_rgb([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    crate::jpeg::over_black([c, m, y], 255 - k)
}

/// One pixel on white paper.
fn over_white(rgb: [u8; 3], alpha: u8) -> [u8; 3] {
    rgb.map(|v| {
        let (v, a) = (u32::from(v), u32::from(alpha));
        ((v * a + 255 * (255 - a) + 127) / 255) as u8
    })
}
