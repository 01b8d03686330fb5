//! JPEG 2000 (`.jp2` and bare codestreams), through the `hayro-jpeg2000` crate: 8-bit RGB, alpha as asked.

use super::error::malformed;
use super::raster::from_channels;
use super::{
    Color, DecodeError, DecodeLimits, DecodeOptions, Decoded, Format, Header, Notes, Orientation,
};
use hayro_jpeg2000::{ColorSpace, DecodeSettings, DecoderContext, Image};

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
    let icc_profile = match image.color_space() {
        ColorSpace::Icc { profile, .. } => Some(profile.clone()),
        ColorSpace::CMYK => {
            return Err(DecodeError::Unsupported {
                name: "JPEG 2000 with four inks".to_owned(),
            });
        }
        _ => None,
    };
    let mut context = DecoderContext::default();
    let decoded = image
        .decode(&mut context)
        .map_err(|error| malformed(FORMAT, error))?;
    let (width, height) = (header.width, header.height);
    let channels = decoded.components().len();
    let data = decoded.data_u8();
    if !matches!(
        (channels, image.has_alpha()),
        (1, _) | (2 | 4, true) | (3, false)
    ) {
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
    let color = if image.has_alpha() {
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
