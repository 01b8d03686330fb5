//! JPEG files for [`super::decode`]: limits before pixels, and what the markers say beside the picture. The decoder itself is
//! [`crate::jpeg`].

use std::cell::RefCell;

use image::metadata::Orientation;
use model_core::RgbImage;
use model_core::resample::Rect;

use super::metadata::{exif_orientation, xmp_orientation};
use super::{
    Color, DecodeConfig, DecodeError, DecodeLimits, Decoded, Exif, Format, Header, Icc, Notes,
};
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

pub(super) fn decode(bytes: &[u8], config: &DecodeConfig) -> Result<(Decoded, Notes), DecodeError> {
    decode_as(bytes, config, Components::AsTheFileSays)
}

/// What the components of a JPEG are, where something around it knows better than the file. What does not fit the number
/// of components changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Components {
    /// What its own markers say.
    AsTheFileSays,
    /// Three samples without a meaning: they come as they are, those of smaller components repeated.
    ThreeSamples,
    /// Four amounts of ink, 255 being full.
    FourInks,
    /// The first one, or the first three, of four have this color; those behind are left out.
    FirstOfFour(JpegColor),
}

/// [`decode`], with what `components` are.
pub(super) fn decode_as(
    bytes: &[u8],
    config: &DecodeConfig,
    components: Components,
) -> Result<(Decoded, Notes), DecodeError> {
    let mut markers = sound_markers(bytes, &config.limits)?;
    let has_four = matches!(markers.color, JpegColor::Cmyk | JpegColor::Ycck);
    match components {
        Components::ThreeSamples => markers.leave_samples(),
        Components::FourInks if has_four => markers.color = JpegColor::Inks,
        Components::FirstOfFour(color) if has_four => markers.color = color,
        Components::AsTheFileSays | Components::FourInks | Components::FirstOfFour(_) => {}
    }
    let whole = whole(&markers);
    let mut data = Vec::new();
    let damage = with_decoder(|decoder| decoder.decode(bytes, &markers, whole, true, &mut data))?;
    if let Some(damage) = &damage
        && config.strict
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
        orientation: orientation(&markers),
        icc_profile: (config.icc == Icc::ToSrgb)
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

/// A picture and the color profile to apply to it.
pub(super) type WithProfile = (RgbImage, Option<Vec<u8>>);

/// The part that `choose` asks for, and the profile to apply. `None`, without having asked, for a picture that must be turned.
/// The part may come smaller, as long as it keeps `least` rows and columns.
pub(super) fn decode_part(
    bytes: &[u8],
    config: &DecodeConfig,
    least: Option<[u32; 2]>,
    choose: &mut dyn FnMut(u32, u32) -> Option<Rect>,
) -> Result<Option<WithProfile>, DecodeError> {
    let mut markers = sound_markers(bytes, &config.limits)?;
    if config.exif == Exif::Apply && orientation(&markers) != Orientation::NoTransforms {
        return Ok(None);
    }
    let (width, height) = (markers.frame.width, markers.frame.height);
    let mut part = match choose(width, height) {
        None => whole(&markers),
        Some(rect) => {
            // As `RgbImage::crop` cuts what lies outside.
            let (x, y) = (rect.x.min(width - 1), rect.y.min(height - 1));
            Part {
                x,
                y,
                width: rect.width.clamp(1, width - x),
                height: rect.height.clamp(1, height - y),
            }
        }
    };
    let smaller = least.and_then(|least| smaller_part(part, least, width, height));
    if let Some((by, smaller)) = smaller
        && markers.make_smaller(by)
    {
        part = smaller;
    }
    let mut data = Vec::new();
    with_decoder(|decoder| decoder.decode(bytes, &markers, part, false, &mut data))?;
    let image = RgbImage {
        width: part.width,
        height: part.height,
        data,
    };
    let colored = matches!(markers.color, JpegColor::YCbCr | JpegColor::Rgb);
    let profile = (config.icc == Icc::ToSrgb && colored)
        .then(|| markers.icc_profile())
        .flatten();
    Ok(Some((image, profile)))
}

/// By how much a picture can be decoded smaller so that `part` keeps `least` rows and columns, the most that is possible,
/// and the part in that picture: its edges move to the nearest pixel there.
fn smaller_part(part: Part, least: [u32; 2], width: u32, height: u32) -> Option<(u32, Part)> {
    [8, 4, 2].into_iter().find_map(|by| {
        let nearest = |edge: u32| (edge + by / 2) / by;
        let span = |first: u32, length: u32, all: u32| {
            let start = nearest(first);
            (
                start,
                nearest(first + length)
                    .min(all.div_ceil(by))
                    .saturating_sub(start),
            )
        };
        let (x, columns) = span(part.x, part.width, width);
        let (y, rows) = span(part.y, part.height, height);
        let is_enough = rows >= least[0].max(1) && columns >= least[1].max(1);
        is_enough.then_some((
            by,
            Part {
                x,
                y,
                width: columns,
                height: rows,
            },
        ))
    })
}

/// Buffers that a thread keeps for its next picture are no larger.
const KEPT_BYTES: usize = 64 << 20;

/// Calls `work` with this thread's decoder, which keeps its buffers and tables from picture to picture.
fn with_decoder<R>(work: impl FnOnce(&mut Decoder) -> R) -> R {
    thread_local! {
        static DECODER: RefCell<Decoder> = RefCell::default();
    }
    DECODER.with_borrow_mut(|decoder| {
        let result = work(decoder);
        if decoder.kept_bytes() > KEPT_BYTES {
            *decoder = Decoder::default();
        }
        result
    })
}

/// What the markers say of a file that has an end and keeps within the limits.
fn sound_markers<'a>(bytes: &'a [u8], limits: &DecodeLimits) -> Result<Markers<'a>, DecodeError> {
    let markers = walk(bytes, true)?;
    check(&markers, limits)?;
    if !markers.complete {
        return Err(DecodeError::Truncated {
            format: Format::Jpeg,
            reason: format!("no end marker in {} bytes", bytes.len()),
        });
    }
    Ok(markers)
}

fn whole(markers: &Markers<'_>) -> Part {
    Part {
        x: 0,
        y: 0,
        width: markers.frame.width,
        height: markers.frame.height,
    }
}

fn orientation(markers: &Markers<'_>) -> Orientation {
    markers
        .exif
        .and_then(exif_orientation)
        .or_else(|| markers.xmp.and_then(xmp_orientation))
        .unwrap_or(Orientation::NoTransforms)
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
