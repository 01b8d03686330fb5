//! JPEG 2000 (`.jp2` and bare codestreams), through the `hayro-jpeg2000` crate: 8-bit RGB, alpha as asked.

use super::error::{broken, malformed};
use super::raster::from_channels;
use super::{
    Color, DecodeConfig, DecodeError, DecodeLimits, Decoded, Format, Header, Notes, Orientation,
    inks_to_rgb,
};
use hayro_jpeg2000::{ColorSpace, DecodeSettings, DecoderContext, Image};
use model_core::RgbImage;

const FORMAT: Format = Format::Jpeg2000;

/// What the decoder holds of a pixel at its peak: coefficients and samples of 4 bytes for up to four channels, and the
/// result.
const BYTES_A_PIXEL: u64 = 40;

pub(super) fn probe(bytes: &[u8], limits: &DecodeLimits) -> Result<Header, DecodeError> {
    header(&open(bytes)?, bytes, limits)
}

pub(super) fn decode(bytes: &[u8], config: &DecodeConfig) -> Result<(Decoded, Notes), DecodeError> {
    let image = open(bytes)?;
    let header = header(&image, bytes, &config.limits)?;
    let inks = has_inks(&image, bytes);
    let icc_profile = match image.color_space() {
        ColorSpace::Icc { profile, .. } if !inks => Some(profile.clone()),
        _ => None,
    };
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(|_| broken(FORMAT))?;
    let (width, height) = (header.width, header.height);
    let channels = decoded.components().len();
    let data = decoded.data_u8();
    if inks && channels == 4 {
        let rgb = data.as_chunks::<4>().0.iter().flat_map(|p| inks_to_rgb(*p));
        let image = RgbImage::new(width, height, rgb.collect());
        return Ok((
            Decoded {
                image: image.map_err(|_| broken(FORMAT))?,
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
        (channels, has_alpha(&image, inks)),
        (1, _) | (2 | 4, true) | (3, false)
    ) || inks
    {
        return Err(DecodeError::Unsupported {
            name: format!("JPEG 2000 with {channels} channels of this kind"),
        });
    }
    let image = from_channels((width, height), channels, data, config.alpha)
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

/// Whether the channels are four inks: by the file's own word, or by that of its color profile. The decoder takes any four
/// channels for inks whose kind is not said, but those are red, green, blue and alpha, as OpenJPEG has it.
fn has_inks(image: &Image<'_>, bytes: &[u8]) -> bool {
    match image.color_space() {
        ColorSpace::CMYK => says_inks(bytes),
        // The header of a profile names its color space at byte 16.
        ColorSpace::Icc { profile, .. } => profile.get(16..20) == Some(b"CMYK"),
        _ => false,
    }
}

/// Whether the box of colors (`colr`) names CMYK or YCCK: ISO/IEC 15444-2, table M.25. A bare codestream has no boxes.
fn says_inks(bytes: &[u8]) -> bool {
    const ENUMERATED: u8 = 1;
    const INKS: [[u8; 4]; 2] = [12u32.to_be_bytes(), 13u32.to_be_bytes()];
    // Boxes come before the codestream, which begins with SOC and SIZ.
    let end = bytes
        .windows(4)
        .position(|four| four == b"\xff\x4f\xff\x51");
    let boxes = &bytes[..end.unwrap_or(bytes.len())];
    let mut colors = boxes
        .windows(11)
        .filter(|part| part.starts_with(b"colr") && part[4] == ENUMERATED);
    colors.any(|part| INKS.iter().any(|inks| part[7..11] == *inks))
}

/// Whether the last channel is transparency; of four channels of which nothing is said it is.
fn has_alpha(image: &Image<'_>, has_inks: bool) -> bool {
    image.has_alpha() || (!has_inks && matches!(image.color_space(), ColorSpace::CMYK))
}

fn open(bytes: &[u8]) -> Result<Image<'_>, DecodeError> {
    // Strict: a stream that breaks off is refused instead of shown with what is missing made up.
    let settings = DecodeSettings {
        strict: true,
        ..DecodeSettings::default()
    };
    Image::new(bytes, &settings).map_err(|_| match is_high_throughput(bytes) {
        true => DecodeError::Unsupported {
            name: "high-throughput JPEG 2000".to_owned(),
        },
        false => broken(FORMAT),
    })
}

/// Whether the codestream is packed the other way of ISO/IEC 15444-15: a bit of the capabilities in SIZ, its first segment.
fn is_high_throughput(bytes: &[u8]) -> bool {
    let start = memchr::memmem::find(bytes, b"\xff\x4f\xff\x51");
    let capabilities = start.and_then(|at| bytes.get(at + 6));
    capabilities.is_some_and(|high| high & 0x40 != 0)
}

fn header(image: &Image<'_>, bytes: &[u8], limits: &DecodeLimits) -> Result<Header, DecodeError> {
    let (width, height) = (image.width(), image.height());
    let memory = u64::from(width) * u64::from(height) * BYTES_A_PIXEL;
    limits.check(width, height, memory)?;
    let inks = has_inks(image, bytes);
    let color = if inks {
        Color::Cmyk
    } else if has_alpha(image, inks) {
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
