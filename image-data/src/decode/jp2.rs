//! JPEG 2000 (`.jp2` and bare codestreams), through the `hayro-jpeg2000` crate: 8-bit RGB, alpha as asked.

use super::error::malformed;
use super::raster::from_channels;
use super::{
    Color, DecodeError, DecodeLimits, DecodeOptions, Decoded, Format, Header, Notes, Orientation,
    inks_to_rgb,
};
use hayro_jpeg2000::{ColorSpace, DecodeSettings, DecoderContext, Image};
use model_core::RgbImage;

const FORMAT: Format = Format::Jpeg2000;

/// What the decoder holds of a pixel at its peak: coefficients and samples of 4 bytes for up to four channels, and the
/// result.
const BYTES_A_PIXEL: u64 = 40;

pub(super) fn probe(bytes: &[u8], limits: &DecodeLimits) -> Result<Header, DecodeError> {
    header(&open(bytes)?, limits)
}

pub(super) fn decode(
    bytes: &[u8],
    options: &DecodeOptions,
) -> Result<(Decoded, Notes), DecodeError> {
    let image = open(bytes)?;
    let header = header(&image, &options.limits)?;
    let inks = has_inks(&image);
    let icc_profile = match image.color_space() {
        ColorSpace::Icc { profile, .. } if !inks => Some(profile.clone()),
        _ => None,
    };
    let mut context = DecoderContext::default();
    let decoded = image
        .decode(&mut context)
        .map_err(|error| malformed(FORMAT, error))?;
    let (width, height) = (header.width, header.height);
    let channels = decoded.components().len();
    let data = decoded.data_u8();
    if inks && channels == 4 {
        let rgb = data.as_chunks::<4>().0.iter().flat_map(|p| inks_to_rgb(*p));
        let image = RgbImage::new(width, height, rgb.collect());
        return Ok((
            Decoded {
                image: image.map_err(|error| malformed(FORMAT, error))?,
                format: FORMAT,
                color: header.color,
                damage: None,
            },
            Notes {
                orientation: Orientation::NoTransforms,
                icc_profile,
            },
        ));
    }
    if !matches!(
        (channels, image.has_alpha()),
        (1, _) | (2 | 4, true) | (3, false)
    ) || inks
    {
        return Err(DecodeError::Unsupported {
            name: format!("JPEG 2000 with {channels} channels of this kind"),
        });
    }
    let image = from_channels((width, height), channels, data, options.alpha)
        .ok_or_else(|| malformed(FORMAT, "its channels are of different sizes"))?;
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

/// Whether the channels are four inks: by the file's own word, or by that of its color profile.
fn has_inks(image: &Image<'_>) -> bool {
    match image.color_space() {
        ColorSpace::CMYK => true,
        // The header of a profile names its color space at byte 16.
        ColorSpace::Icc { profile, .. } => profile.get(16..20) == Some(b"CMYK"),
        _ => false,
    }
}

fn open(bytes: &[u8]) -> Result<Image<'_>, DecodeError> {
    // Strict: a stream that breaks off is refused instead of shown with what is missing made up.
    let settings = DecodeSettings {
        strict: true,
        ..DecodeSettings::default()
    };
    Image::new(bytes, &settings).map_err(|error| malformed(FORMAT, error))
}

fn header(image: &Image<'_>, limits: &DecodeLimits) -> Result<Header, DecodeError> {
    let (width, height) = (image.width(), image.height());
    let memory = u64::from(width) * u64::from(height) * BYTES_A_PIXEL;
    limits.check(width, height, memory)?;
    let color = if has_inks(image) {
        Color::Cmyk
    } else if image.has_alpha() {
        Color::Alpha
    } else if image.color_space().num_channels() == 1 {
        Color::Gray
    } else if image.original_bit_depth() > 8 {
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
