//! JPEG XL, through the `jxl-oxide` crate: first frame, 8-bit RGB, alpha as asked. Orientation is part of the format and
//! always applied.

use super::error::{broken, malformed};
use super::raster::from_channels;
use super::{
    Color, DecodeConfig, DecodeError, DecodeLimits, Decoded, Format, Header, Notes, Orientation,
};
use jxl_oxide::{AllocTracker, EnumColourEncoding, JxlImage, RenderingIntent};

const FORMAT: Format = Format::JpegXl;

/// What the decoder holds of a pixel at its peak: three or four channels of 4 bytes, twice, and the result.
const BYTES_A_PIXEL: u64 = 40;

pub(super) fn probe(bytes: &[u8], limits: &DecodeLimits) -> Result<Header, DecodeError> {
    header(&open(bytes, limits)?, limits)
}

pub(super) fn decode(bytes: &[u8], config: &DecodeConfig) -> Result<(Decoded, Notes), DecodeError> {
    let mut image = open(bytes, &config.limits)?;
    let header = header(&image, &config.limits)?;
    let format = image.pixel_format();
    if format.has_black() {
        return Err(DecodeError::Unsupported {
            name: "JPEG XL with four inks".to_owned(),
        });
    }
    // What is stored as XYB are absolute colors: a profile beside them only says where they came from. Else colors stay
    // as stored where there is a profile, and are converted as those of any other format.
    let is_absolute = image.image_header().metadata.xyb_encoded;
    let icc_profile = image.original_icc().filter(|_| !is_absolute);
    let icc_profile = icc_profile.map(<[u8]>::to_vec);
    if icc_profile.is_none() {
        image.request_color_encoding(if format.is_grayscale() {
            EnumColourEncoding::gray_srgb(RenderingIntent::Relative)
        } else {
            EnumColourEncoding::srgb(RenderingIntent::Relative)
        });
    }
    if image.num_loaded_keyframes() == 0 {
        return Err(DecodeError::Truncated {
            format: FORMAT,
            reason: "it ends before the first picture does".to_owned(),
        });
    }
    let render = image.render_frame(0).map_err(|_| broken(FORMAT))?;
    let mut stream = render.stream();
    let (width, height, channels) = (stream.width(), stream.height(), stream.channels());
    let mut data = vec![0_u8; width as usize * height as usize * channels as usize];
    stream.write_to_buffer(&mut data);
    let image = from_channels((width, height), channels as usize, data, config.alpha)
        .ok_or_else(|| malformed(FORMAT, "its channels do not make a picture"))?;
    Ok((
        Decoded {
            image,
            format: FORMAT,
            color: header.color,
            damage: None,
        },
        Notes {
            orientation: Orientation::NoTransforms,
            icc_profile,
        },
    ))
}

fn open(bytes: &[u8], limits: &DecodeLimits) -> Result<JxlImage, DecodeError> {
    let most = usize::try_from(limits.max_memory_bytes).unwrap_or(usize::MAX);
    JxlImage::builder()
        .alloc_tracker(AllocTracker::with_limit(most))
        .read(bytes)
        .map_err(|_| broken(FORMAT))
}

fn header(image: &JxlImage, limits: &DecodeLimits) -> Result<Header, DecodeError> {
    let (width, height) = (image.width(), image.height());
    let memory = u64::from(width) * u64::from(height) * BYTES_A_PIXEL;
    limits.check(width, height, memory)?;
    let format = image.pixel_format();
    let deep = image.image_header().metadata.bit_depth.bits_per_sample() > 8;
    let color = if format.has_alpha() {
        Color::Alpha
    } else if format.is_grayscale() {
        Color::Gray
    } else if deep {
        Color::Deep
    } else {
        Color::Rgb
    };
    Ok(Header {
        format: FORMAT,
        width,
        height,
        color,
    })
}
