//! Everything but JPEG, through the `image` crate's decoders: first frame, 8-bit RGB, alpha as asked.

use std::borrow::Cow;
use std::error::Error as _;
use std::io::Cursor;

use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use model_core::RgbImage;

use super::error;
use super::{
    Alpha, Color, Damage, DamageKind, DecodeConfig, DecodeError, DecodeLimits, Decoded, Format,
    Header, Icc, Notes, bmp, gif, ico, metadata, over_white, png, tga,
};

pub(super) fn probe(
    bytes: &[u8],
    format: Format,
    limits: &DecodeLimits,
) -> Result<Header, DecodeError> {
    if format == Format::Ico {
        match ico::choose(bytes) {
            Some(ico::Entry::Png(inside)) => {
                return Ok(Header {
                    format,
                    ..probe(inside, Format::Png, limits)?
                });
            }
            Some(ico::Entry::Bitmap(alone)) => return header(&alone, format, limits),
            None => {}
        }
    }
    header(bytes, format, limits)
}

fn header(bytes: &[u8], format: Format, limits: &DecodeLimits) -> Result<Header, DecodeError> {
    let wide = match format {
        Format::Tga => tga::widened(bytes, limits)?.map(Cow::Owned),
        Format::Bmp => Some(bmp::plain(bytes, limits, false)?.bytes),
        Format::Gif => gif::mended(bytes).map(Cow::Owned),
        _ => None,
    };
    let decoder = open(wide.as_deref().unwrap_or(bytes), format, limits)?;
    let (width, height) = decoder.dimensions();
    limits.check(width, height, memory_bytes(&decoder))?;
    Ok(Header {
        format,
        width,
        height,
        color: color(decoder.color_type()),
    })
}

pub(super) fn decode(
    bytes: &[u8],
    format: Format,
    config: &DecodeConfig,
) -> Result<(Decoded, Notes), DecodeError> {
    match format {
        Format::Png => decode_png(bytes, config),
        Format::Ico => match ico::choose(bytes) {
            Some(ico::Entry::Png(inside)) => {
                let (mut decoded, notes) = decode_png(inside, config)?;
                decoded.format = format;
                Ok((decoded, notes))
            }
            Some(ico::Entry::Bitmap(alone)) => decode_with(&alone, format, config),
            None => decode_with(bytes, format, config),
        },
        Format::Tga => match tga::widened(bytes, &config.limits)? {
            Some(wide) => decode_with(&wide, format, config),
            None => decode_with(bytes, format, config),
        },
        _ => decode_with(bytes, format, config),
    }
}

/// A PNG with a wrong checksum or without its end is decoded all the same, as other programs do, and noted.
fn decode_png(bytes: &[u8], config: &DecodeConfig) -> Result<(Decoded, Notes), DecodeError> {
    let first = decode_with(bytes, Format::Png, config);
    let broken = matches!(
        first,
        Err(DecodeError::Malformed { .. } | DecodeError::Truncated { .. })
    );
    if !broken {
        return first;
    }
    let Some((mended, why)) = png::mend(bytes) else {
        return first;
    };
    match decode_with(&mended, Format::Png, config) {
        Ok((mut decoded, notes)) => {
            decoded.damage = Some(Damage::new(DamageKind::Other(why)));
            Ok((decoded, notes))
        }
        Err(_) => first,
    }
}

fn decode_with(
    bytes: &[u8],
    format: Format,
    config: &DecodeConfig,
) -> Result<(Decoded, Notes), DecodeError> {
    let (mended, damage) = match format {
        Format::Bmp => {
            let plain = bmp::plain(bytes, &config.limits, true)?;
            (Some(plain.bytes), plain.damage)
        }
        Format::Gif => (gif::mended(bytes).map(Cow::Owned), None),
        Format::Tga => {
            let damage = tga::runs_past_end(bytes).then_some("runs of pixels go past the end");
            (None, damage)
        }
        _ => (None, None),
    };
    let bytes = mended.as_deref().unwrap_or(bytes);
    let mut decoder = open(bytes, format, &config.limits)?;
    let (width, height) = decoder.dimensions();
    config.limits.check(width, height, memory_bytes(&decoder))?;
    let color = color(decoder.color_type());
    let icc_profile = match config.icc {
        Icc::ToSrgb => decoder.icc_profile().unwrap_or_default(),
        Icc::Ignore => None,
    };
    let mut image =
        DynamicImage::from_decoder(decoder).map_err(|error| translate(format, error))?;
    if let (Format::Gif, Alpha::Drop, DynamicImage::ImageRgba8(pixels)) =
        (format, config.alpha, &mut image)
    {
        gif::fill_hidden(bytes, pixels);
    }
    let alpha = if undefined_alpha(bytes, format, &image) {
        Alpha::Drop
    } else {
        config.alpha
    };
    let data = to_rgb(image, alpha);
    let image = RgbImage::new(width, height, data).map_err(|error| DecodeError::Malformed {
        format,
        reason: error.to_string(),
    })?;
    Ok((
        Decoded {
            image,
            format,
            color,
            damage: damage.map(|what| Damage::new(DamageKind::Other(what.to_owned()))),
        },
        Notes {
            orientation: metadata::orientation(bytes, format),
            icc_profile,
        },
    ))
}

/// Whether the fourth byte of a pixel is not transparency: a TGA says how many bits of it are; old bitmaps leave it zero
/// everywhere, and a picture of which nothing shows is none.
fn undefined_alpha(bytes: &[u8], format: Format, image: &DynamicImage) -> bool {
    let DynamicImage::ImageRgba8(pixels) = image else {
        return false;
    };
    match format {
        Format::Tga if bytes.get(17).is_some_and(|bits| bits & 0xF == 0) => true,
        Format::Tga | Format::Bmp | Format::Ico => pixels.pixels().all(|pixel| pixel.0[3] == 0),
        _ => false,
    }
}

fn open<'a>(
    bytes: &'a [u8],
    format: Format,
    limits: &DecodeLimits,
) -> Result<impl ImageDecoder + 'a, DecodeError> {
    let kind = match format {
        Format::Jpeg => ImageFormat::Jpeg,
        Format::Png => ImageFormat::Png,
        Format::WebP => ImageFormat::WebP,
        Format::Gif => ImageFormat::Gif,
        Format::Bmp => ImageFormat::Bmp,
        Format::Tiff => ImageFormat::Tiff,
        Format::Pnm => ImageFormat::Pnm,
        Format::Ico => ImageFormat::Ico,
        Format::Qoi => ImageFormat::Qoi,
        Format::Tga => ImageFormat::Tga,
        Format::JpegXl | Format::Jpeg2000 | Format::Heic | Format::Avif | Format::Raw => {
            return Err(DecodeError::Unsupported {
                name: format!("{format} in {format}"),
            });
        }
    };
    if let Some((width, height)) = stated_size(bytes, format) {
        limits.check(width, height, 0)?;
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), kind);
    let mut allowed = Limits::no_limits();
    allowed.max_alloc = Some(limits.max_memory_bytes);
    reader.limits(allowed);
    reader
        .into_decoder()
        .map_err(|error| translate(format, error))
}

/// The decoder's output and our RGB copy of it.
fn memory_bytes(decoder: &impl ImageDecoder) -> u64 {
    let (width, height) = decoder.dimensions();
    decoder
        .total_bytes()
        .saturating_add(u64::from(width) * u64::from(height) * 3)
}

fn color(kind: ColorType) -> Color {
    match kind {
        ColorType::L8 => Color::Gray,
        ColorType::La8 | ColorType::Rgba8 => Color::Alpha,
        ColorType::Rgb8 => Color::Rgb,
        _ => Color::Deep,
    }
}

fn translate(format: Format, error: ImageError) -> DecodeError {
    if matches!(error, ImageError::Unsupported(_)) {
        return DecodeError::Unsupported {
            name: format!("this kind of {format}"),
        };
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = match &error {
        ImageError::IoError(io) => Some(io),
        error => error.source(),
    };
    while let Some(error) = cause {
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|io| io.kind() == std::io::ErrorKind::UnexpectedEof) {
            return DecodeError::Truncated {
                format,
                reason: "it ends before the last pixel".to_owned(),
            };
        }
        cause = error.source();
    }
    error::broken(format)
}

/// Width and height as the header says them, where a decoder refuses large ones in words of its own.
fn stated_size(bytes: &[u8], format: Format) -> Option<(u32, u32)> {
    let at = match format {
        Format::Png => 16,
        Format::Qoi => 4,
        _ => return None,
    };
    let number = |at: usize| {
        let four = bytes.get(at..at + 4)?;
        four.try_into().ok().map(u32::from_be_bytes)
    };
    Some((number(at)?, number(at + 4)?))
}

/// The picture of interleaved 8-bit channels (gray, gray and alpha, RGB, or RGBA), with `alpha` as asked. `None` where
/// they do not fill it.
pub(super) fn from_channels(
    (width, height): (u32, u32),
    channels: usize,
    data: Vec<u8>,
    alpha: Alpha,
) -> Option<RgbImage> {
    let pixels = match channels {
        1 => image::GrayImage::from_raw(width, height, data).map(DynamicImage::ImageLuma8),
        2 => image::GrayAlphaImage::from_raw(width, height, data).map(DynamicImage::ImageLumaA8),
        3 => image::RgbImage::from_raw(width, height, data).map(DynamicImage::ImageRgb8),
        4 => image::RgbaImage::from_raw(width, height, data).map(DynamicImage::ImageRgba8),
        _ => None,
    };
    RgbImage::new(width, height, to_rgb(pixels?, alpha)).ok()
}

fn to_rgb(image: DynamicImage, alpha: Alpha) -> Vec<u8> {
    match image {
        DynamicImage::ImageRgb8(pixels) => pixels.into_raw(),
        DynamicImage::ImageLuma8(pixels) => pixels.iter().flat_map(|&v| [v; 3]).collect(),
        DynamicImage::ImageRgba8(pixels) => {
            flatten(pixels.as_raw().as_chunks::<4>().0.iter().copied(), alpha)
        }
        DynamicImage::ImageLumaA8(pixels) => flatten(
            pixels
                .as_raw()
                .as_chunks::<2>()
                .0
                .iter()
                .map(|&[v, a]| [v, v, v, a]),
            alpha,
        ),
        // The high byte, as libpng's `strip_16` and so PIL: not rounded.
        DynamicImage::ImageRgb16(pixels) => pixels.iter().map(|&v| (v >> 8) as u8).collect(),
        DynamicImage::ImageLuma16(pixels) => {
            pixels.iter().flat_map(|&v| [(v >> 8) as u8; 3]).collect()
        }
        DynamicImage::ImageRgba16(pixels) => {
            let high = pixels
                .as_raw()
                .as_chunks::<4>()
                .0
                .iter()
                .map(|p| p.map(|v| (v >> 8) as u8));
            flatten(high, alpha)
        }
        DynamicImage::ImageLumaA16(pixels) => {
            let high = pixels
                .as_raw()
                .as_chunks::<2>()
                .0
                .iter()
                .map(|p| p.map(|v| (v >> 8) as u8));
            flatten(high.map(|[v, a]| [v, v, v, a]), alpha)
        }
        // Floating point: 0 to 1 is the visible range.
        other => flatten(
            other
                .into_rgba8()
                .into_raw()
                .as_chunks::<4>()
                .0
                .iter()
                .copied(),
            alpha,
        ),
    }
}

fn flatten(pixels: impl Iterator<Item = [u8; 4]>, alpha: Alpha) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(pixels.size_hint().0 * 3);
    for [r, g, b, a] in pixels {
        rgb.extend(match alpha {
            Alpha::Drop => [r, g, b],
            Alpha::OnWhite => over_white([r, g, b], a),
        });
    }
    rgb
}
