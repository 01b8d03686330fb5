//! JPEG through zune-jpeg, colors by our own rules: the decoder hands over raw inks, libjpeg's and PIL's
//! arithmetic turns them into RGB.

use image::metadata::Orientation;
use model_core::RgbImage;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::error::reason;
use super::jpeg_markers::{JpegColor, Markers, scan};
use super::{
    Color, Damage, DamageKind, DecodeError, DecodeLimits, DecodeOptions, Decoded, Format, Header,
    Icc, Notes,
};

/// More scans than any encoder writes; a file can otherwise make one picture cost hours.
const MAX_SCANS: usize = 100;

pub(super) fn probe(bytes: &[u8], limits: &DecodeLimits) -> Result<Header, DecodeError> {
    let markers = scan(bytes, false)?;
    limits.check(markers.width, markers.height, memory_bytes(&markers))?;
    Ok(Header {
        format: Format::Jpeg,
        width: markers.width,
        height: markers.height,
        color: markers.color.reported(),
    })
}

pub(super) fn decode(
    bytes: &[u8],
    options: &DecodeOptions,
) -> Result<(Decoded, Notes), DecodeError> {
    let markers = scan(bytes, true)?;
    options
        .limits
        .check(markers.width, markers.height, memory_bytes(&markers))?;
    if !markers.complete {
        return Err(DecodeError::Truncated {
            format: Format::Jpeg,
            reason: format!("no end marker in {} bytes", bytes.len()),
        });
    }
    let (pixels, damage) = match components(bytes, &markers, true) {
        Ok(pixels) => (pixels, None),
        Err(reason) if options.strict => {
            return Err(DecodeError::Malformed {
                format: Format::Jpeg,
                reason,
            });
        }
        // The end is there, so do as libjpeg does: keep what decodes, and say so.
        Err(strict) => match components(bytes, &markers, false) {
            Ok(pixels) => (pixels, Some(Damage::new(DamageKind::Other(strict)))),
            Err(reason) => {
                return Err(DecodeError::Malformed {
                    format: Format::Jpeg,
                    reason,
                });
            }
        },
    };
    let image = RgbImage {
        width: markers.width,
        height: markers.height,
        data: pixels,
    };
    let notes = Notes {
        orientation: markers
            .exif
            .and_then(Orientation::from_exif_chunk)
            .unwrap_or(Orientation::NoTransforms),
        icc_profile: (options.icc == Icc::ToSrgb)
            .then(|| markers.icc_profile())
            .flatten(),
    };
    Ok((
        Decoded {
            image,
            format: Format::Jpeg,
            color: markers.color.reported(),
            damage,
        },
        notes,
    ))
}

/// An upper bound on what decoding takes: the output, and for buffered files every coefficient as i16, rounded up to
/// whole 16 x 16 units.
fn memory_bytes(markers: &Markers<'_>) -> u64 {
    let round = |side: u32| u64::from(side).div_ceil(16) * 16;
    let padded = round(markers.width) * round(markers.height);
    let channels = u64::from(markers.components);
    padded * channels.max(3)
        + if markers.buffered {
            padded * channels * 2
        } else {
            0
        }
}

/// Decodes to RGB, `3 * width * height` bytes. The error is the decoder's sentence.
fn components(bytes: &[u8], markers: &Markers<'_>, strict: bool) -> Result<Vec<u8>, String> {
    let options = DecoderOptions::default()
        .set_strict_mode(strict)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(MAX_SCANS);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(reason)?;
    let stored = decoder
        .input_colorspace()
        .ok_or("no color space in the headers")?;
    if stored.num_components() != usize::from(markers.components) {
        return Err(format!(
            "expected {} components, got {}",
            markers.components,
            stored.num_components()
        ));
    }
    if decoder.dimensions() != Some((markers.width as usize, markers.height as usize)) {
        return Err("two frame headers disagree about the size".to_owned());
    }
    let by_decoder = match markers.color {
        JpegColor::Gray => true,
        JpegColor::YCbCr => stored == ColorSpace::YCbCr,
        JpegColor::Rgb | JpegColor::Cmyk | JpegColor::Ycck => false,
    };
    let output = if by_decoder { ColorSpace::RGB } else { stored };
    decoder.set_options(decoder.options().jpeg_set_out_colorspace(output));
    let pixels = markers.width as usize * markers.height as usize;
    let channels = output.num_components();
    let mut data = vec![0; pixels * channels];
    if decoder
        .output_buffer_size()
        .is_some_and(|size| size > data.len())
    {
        return Err(format!(
            "expected {} bytes of pixels, the decoder wants more",
            data.len()
        ));
    }
    decoder.decode_into(&mut data).map_err(reason)?;
    if by_decoder {
        return Ok(data);
    }
    match markers.color {
        JpegColor::YCbCr => {
            for pixel in data.as_chunks_mut::<3>().0 {
                *pixel = ycc_to_rgb(*pixel);
            }
            Ok(data)
        }
        JpegColor::Gray | JpegColor::Rgb => Ok(data),
        JpegColor::Cmyk => Ok(inks_to_rgb(&data, |cmy| cmy.map(|ink| 255 - ink))),
        JpegColor::Ycck => Ok(inks_to_rgb(&data, ycc_to_rgb)),
    }
}

/// Four stored channels to RGB as PIL does it: Adobe's polarity (255 is no ink), and black over the inks
/// (`cmyk2rgb` in Pillow's `Convert.c`, `nk - MULDIV255(c, nk)`). `inks` turns the first three stored channels into
/// amounts of cyan, magenta and yellow. For YCCK, libjpeg stores `255 - R` as cyan and PIL inverts it again, so R is the amount.
fn inks_to_rgb(data: &[u8], inks: impl Fn([u8; 3]) -> [u8; 3]) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(data.len() / 4 * 3);
    for &[a, b, c, k] in data.as_chunks::<4>().0 {
        let cmy = inks([a, b, c]);
        rgb.extend(cmy.map(|ink| k - mul_div_255(ink, k)));
    }
    rgb
}

/// `a * b / 255`, rounded, as Pillow's `MULDIV255`.
fn mul_div_255(a: u8, b: u8) -> u8 {
    let t = u32::from(a) * u32::from(b) + 128;
    (((t >> 8) + t) >> 8) as u8
}

/// JFIF's YCbCr to RGB in libjpeg's 16-bit fixed point (`jdcolor.c`).
fn ycc_to_rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    const ONE_HALF: i32 = 1 << 15;
    let fix = |x: f64| (x * 65536.0 + 0.5) as i32;
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    let red = y + ((fix(1.402) * cr + ONE_HALF) >> 16);
    let green = y + ((-fix(0.344_14) * cb - fix(0.714_14) * cr + ONE_HALF) >> 16);
    let blue = y + ((fix(1.772) * cb + ONE_HALF) >> 16);
    [red, green, blue].map(|v| v.clamp(0, 255) as u8)
}

impl JpegColor {
    fn reported(self) -> Color {
        match self {
            Self::Gray => Color::Gray,
            Self::YCbCr | Self::Rgb => Color::Rgb,
            Self::Cmyk => Color::Cmyk,
            Self::Ycck => Color::Ycck,
        }
    }
}
