//! JPEG files for [`super::decode`]: limits before pixels, and what the markers say beside the picture. The decoder itself is
//! [`crate::jpeg`].

use image::metadata::Orientation;
use model_core::RgbImage;

use super::metadata::{exif_orientation, xmp_orientation};
use super::{Color, DecodeError, DecodeLimits, DecodeOptions, Decoded, Format, Header, Icc, Notes};
use crate::jpeg::{Decoder, JpegColor, Markers, Part, memory_bytes, walk};

pub(super) fn probe(bytes: &[u8], limits: &DecodeLimits) -> Result<Header, DecodeError> {
    let markers = walk(bytes, false)?;
    check(&markers, limits)?;
    Ok(Header {
        format: Format::Jpeg,
        width: markers.frame.width,
        height: markers.frame.height,
        color: reported(markers.color),
    })
}

pub(super) fn decode(
    bytes: &[u8],
    options: &DecodeOptions,
) -> Result<(Decoded, Notes), DecodeError> {
    decode_as(bytes, options, None)
}

/// [`decode`], with `color` in place of what the file says of its components, when it has as many.
pub(super) fn decode_as(
    bytes: &[u8],
    options: &DecodeOptions,
    color: Option<JpegColor>,
) -> Result<(Decoded, Notes), DecodeError> {
    let mut markers = walk(bytes, true)?;
    let four = matches!(markers.color, JpegColor::Cmyk | JpegColor::Ycck);
    if let Some(color) = color.filter(|_| four) {
        markers.color = color;
    }
    check(&markers, &options.limits)?;
    if !markers.complete {
        return Err(DecodeError::Truncated {
            format: Format::Jpeg,
            reason: format!("no end marker in {} bytes", bytes.len()),
        });
    }
    let whole = Part {
        x: 0,
        y: 0,
        width: markers.frame.width,
        height: markers.frame.height,
    };
    let mut data = Vec::new();
    let damage = Decoder::default().decode(bytes, &markers, whole, true, &mut data)?;
    if let Some(damage) = &damage
        && options.strict
    {
        return Err(DecodeError::Malformed {
            format: Format::Jpeg,
            reason: damage.to_string(),
        });
    }
    let image = RgbImage {
        width: whole.width,
        height: whole.height,
        data,
    };
    let notes = Notes {
        orientation: markers
            .exif
            .and_then(exif_orientation)
            .or_else(|| markers.xmp.and_then(xmp_orientation))
            .unwrap_or(Orientation::NoTransforms),
        icc_profile: (options.icc == Icc::ToSrgb)
            .then(|| markers.icc_profile())
            .flatten(),
    };
    Ok((
        Decoded {
            image,
            format: Format::Jpeg,
            color: reported(markers.color),
            damage,
        },
        notes,
    ))
}

fn check(markers: &Markers<'_>, limits: &DecodeLimits) -> Result<(), DecodeError> {
    limits.check(
        markers.frame.width,
        markers.frame.height,
        memory_bytes(markers),
    )
}

fn reported(color: JpegColor) -> Color {
    match color {
        JpegColor::Gray => Color::Gray,
        JpegColor::YCbCr | JpegColor::Rgb => Color::Rgb,
        JpegColor::Cmyk | JpegColor::Inks => Color::Cmyk,
        JpegColor::Ycck => Color::Ycck,
    }
}
