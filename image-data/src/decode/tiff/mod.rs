//! TIFF, our own reader: the format has a dozen ways to store numbers, and a network should see all of them. The first
//! directory is the picture. Compression codes come from kept crates (`weezl`, `flate2`, `fax`, `lzma-rust2`, `ruzstd`) and
//! from our JPEG reader.
//!
//! | read | not read, said by name |
//! |---|---|
//! | strips, tiles, planes apart, BigTIFF, either byte order, FillOrder 2 | channels of different depths, complex numbers, palettes of more than 256 colors |
//! | 1 to 16, 24, 32 and 64 bits, unsigned, signed, floating point | LogLuv, ITU Lab, a sensor's raw colors |
//! | gray, RGB, palette, CMYK, YCbCr (subsampled too), Lab, masks, extra samples, both kinds of alpha | |
//! | none, LZW (both), Deflate, PackBits, fax (RLE, G3, G4), ThunderScan, JPEG (new and old), WebP, LZMA, Zstandard | JBIG, JPEG 2000, LERC |

mod canvas;
mod color;
mod compression;
pub(super) mod directory;
mod fax;
mod jpeg;
mod jpeg_alpha;
mod layout;
mod samples;

use std::borrow::Cow;

use image::metadata::Orientation;
use model_core::RgbImage;

use super::{
    Color, Damage, DamageKind, DecodeConfig, DecodeError, DecodeLimits, Decoded, Format, Header,
    Icc, Notes, metadata,
};
use canvas::Canvas;
use compression::{Compression, Shape};
use directory::{Directory, tag};
use layout::{Extra, Layout, Photometric};

/// What a sample's bits mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Numbers {
    Unsigned,
    Signed,
    Float,
    /// Places in a palette: never stretched.
    Indices,
}

fn refused(what: &str) -> DecodeError {
    DecodeError::Unsupported {
        name: format!("a TIFF with {what}"),
    }
}

pub(super) fn probe(bytes: &[u8], limits: &DecodeLimits) -> Result<Header, DecodeError> {
    let (_, layout) = open(bytes, limits)?;
    Ok(Header {
        format: Format::Tiff,
        width: layout.width as u32,
        height: layout.height as u32,
        color: stored_color(&layout),
    })
}

pub(super) fn decode(bytes: &[u8], config: &DecodeConfig) -> Result<(Decoded, Notes), DecodeError> {
    let (directory, layout) = open(bytes, &config.limits)?;
    let orientation = match directory.integer(tag::ORIENTATION) {
        Some(value) => metadata::orientation_of(value),
        None => directory.raw(tag::XMP).and_then(metadata::xmp_orientation),
    };
    let (samples, damage) = read_samples(bytes, &directory, &layout, config)?;
    let data = color::to_rgb(samples, &layout, &directory, config.alpha)?;
    let image =
        RgbImage::new(layout.width as u32, layout.height as u32, data).map_err(|error| {
            DecodeError::Malformed {
                format: Format::Tiff,
                reason: error.to_string(),
            }
        })?;
    let decoded = Decoded {
        image,
        format: Format::Tiff,
        color: stored_color(&layout),
        damage,
    };
    let notes = Notes {
        orientation: orientation.unwrap_or(Orientation::NoTransforms),
        icc_profile: (config.icc == Icc::ToSrgb)
            .then(|| directory.raw(tag::ICC_PROFILE).map(<[u8]>::to_vec))
            .flatten()
            // A profile for inks or Lab does not describe the RGB that came out.
            .filter(|_| matches!(layout.photometric, Photometric::Rgb | Photometric::Palette)),
    };
    Ok((decoded, notes))
}

fn open<'a>(
    bytes: &'a [u8],
    limits: &DecodeLimits,
) -> Result<(Directory<'a>, Layout), DecodeError> {
    let directory = Directory::first(bytes)?;
    let layout = Layout::new(&directory)?;
    let pixels = (layout.width as u64).saturating_mul(layout.height as u64);
    let sample = if layout.ranged() { 5 } else { 1 };
    let chunk = [
        layout.chunk[0],
        layout.chunk[1],
        layout.samples,
        layout.bits,
    ]
    .iter()
    .fold(1_u64, |product, &n| product.saturating_mul(n as u64))
        / 8;
    let memory = pixels
        .saturating_mul(layout.kept() as u64 * sample + 3)
        .saturating_add(chunk.saturating_mul(2));
    limits.check(layout.width as u32, layout.height as u32, memory)?;
    Ok((directory, layout))
}

fn stored_color(layout: &Layout) -> Color {
    match (layout.photometric, layout.extra) {
        _ if layout.inks_in_jpeg => Color::Cmyk,
        (Photometric::Cmyk, _) => Color::Cmyk,
        _ if layout.ranged() || (layout.bits > 8 && layout.numbers != Numbers::Indices) => {
            Color::Deep
        }
        (_, Extra::Associated | Extra::Unassociated) => Color::Alpha,
        (Photometric::WhiteIsZero | Photometric::BlackIsZero, _) => Color::Gray,
        _ => Color::Rgb,
    }
}

/// Every sample that is kept, 8 bits each, and what was wrong on the way.
fn read_samples(
    bytes: &[u8],
    directory: &Directory<'_>,
    layout: &Layout,
    config: &DecodeConfig,
) -> Result<(Vec<u8>, Option<Damage>), DecodeError> {
    if layout.compression == Compression::OldJpeg {
        return jpeg::old(bytes, directory, layout, config);
    }
    let [chunk_width, chunk_height] = layout.chunk;
    let across = layout.width.div_ceil(chunk_width);
    let down = layout.height.div_ceil(chunk_height);
    let planes = if layout.planar { layout.samples } else { 1 };
    let chunks = Chunks::new(bytes, directory, layout, across * down * planes)?;
    let kept = layout.kept();
    let mut canvas = Canvas::new(layout);
    let mut damage = None;
    let mut sound = 0_usize;
    for index in 0..across * down {
        let (x, y) = (index % across * chunk_width, index / across * chunk_height);
        // The last strip ends with the picture; a tile is whole wherever it lies.
        let rows = if layout.tiled {
            chunk_height
        } else {
            chunk_height.min(layout.height - y)
        };
        for plane in 0..planes.min(kept) {
            let number = plane * across * down + index;
            let (packed, cut_off) = chunks.get(number)?;
            let block = Block {
                layout,
                directory,
                rows,
                config,
            };
            let (unpacked, broken) = block.unpack(&packed)?;
            // With a wrong checksum alone every pixel is there, and most are right.
            let lacks_pixels = broken
                .as_ref()
                .is_some_and(|damage| damage.kind != DamageKind::Checksum);
            if cut_off && lacks_pixels {
                return Err(DecodeError::Truncated {
                    format: Format::Tiff,
                    reason: format!("it ends inside strip or tile {number}"),
                });
            }
            sound += usize::from(!lacks_pixels);
            if damage.is_none() {
                damage = broken;
            }
            canvas.place(&unpacked, [x, y], rows, layout.planar.then_some(plane));
        }
    }
    match damage {
        // Nothing but the header is there.
        Some(damage) if sound == 0 && across * down > 1 => Err(DecodeError::Malformed {
            format: Format::Tiff,
            reason: damage.to_string(),
        }),
        damage => Ok((canvas.into_bytes(layout), damage)),
    }
}

/// Where the strips or tiles lie.
struct Chunks<'a> {
    bytes: &'a [u8],
    offsets: Vec<u64>,
    counts: Vec<u64>,
    mirrored: bool,
}

impl<'a> Chunks<'a> {
    fn new(
        bytes: &'a [u8],
        directory: &Directory<'_>,
        layout: &Layout,
        count: usize,
    ) -> Result<Self, DecodeError> {
        let tags = [
            (tag::TILE_OFFSETS, tag::TILE_BYTE_COUNTS),
            (tag::STRIP_OFFSETS, tag::STRIP_BYTE_COUNTS),
        ];
        // Some writers put tiles under the strips' tags.
        let (offsets, counts) = if layout.tiled && directory.has(tag::TILE_OFFSETS) {
            tags[0]
        } else {
            tags[1]
        };
        let offsets = directory.integers(offsets, count).unwrap_or_default();
        if offsets.len() < count {
            return Err(DecodeError::Truncated {
                format: Format::Tiff,
                reason: format!("it places {} of {count} strips or tiles", offsets.len()),
            });
        }
        Ok(Self {
            bytes,
            offsets,
            counts: directory.integers(counts, count).unwrap_or_default(),
            mirrored: layout.mirrored_bits && layout.compression.obeys_fill_order(),
        })
    }

    /// The packed bytes of one strip or tile, and whether the file ends before they do.
    fn get(&self, index: usize) -> Result<(Cow<'a, [u8]>, bool), DecodeError> {
        let start = usize::try_from(self.offsets[index]).unwrap_or(usize::MAX);
        let rest = self.bytes.get(start..).filter(|rest| !rest.is_empty());
        let rest = rest.ok_or_else(|| DecodeError::Truncated {
            format: Format::Tiff,
            reason: format!("strip or tile {index} lies beyond the end"),
        })?;
        // No count: everything up to the end, and the decoder stops by itself. A wrong one may do no harm either.
        let count = match self.counts.get(index) {
            None | Some(0) => rest.len(),
            Some(&count) => usize::try_from(count).unwrap_or(usize::MAX),
        };
        let packed = rest.get(..count).unwrap_or(rest);
        let packed = if self.mirrored {
            packed.iter().map(|byte| byte.reverse_bits()).collect()
        } else {
            packed.into()
        };
        Ok((packed, count > rest.len()))
    }
}

/// One strip or tile on its way.
struct Block<'a> {
    layout: &'a Layout,
    directory: &'a Directory<'a>,
    rows: usize,
    config: &'a DecodeConfig,
}

/// Samples of one strip or tile, pixel after pixel.
enum Unpacked {
    /// 8 bits a sample, and how many samples a pixel has.
    Bytes(Vec<u8>, usize),
    /// Numbers whose range the whole picture decides.
    Floats(Vec<f32>, usize),
}

impl Block<'_> {
    fn unpack(&self, packed: &[u8]) -> Result<(Unpacked, Option<Damage>), DecodeError> {
        let layout = self.layout;
        let samples = if layout.planar { 1 } else { layout.samples };
        let width = layout.chunk[0];
        if let Compression::Jpeg | Compression::WebP = layout.compression {
            let size = [width, self.rows];
            let (bytes, damage) =
                jpeg::chunk(packed, self.directory, layout, size, samples, self.config)?;
            let channels = if layout.inks_in_jpeg { 3 } else { samples };
            return Ok((Unpacked::Bytes(bytes, channels), damage));
        }
        if layout.blocks() {
            return self.chroma_blocks(packed);
        }
        let too_large = || refused("strips or tiles larger than memory");
        let stride = width
            .checked_mul(samples)
            .and_then(|n| n.checked_mul(layout.bits))
            .ok_or_else(too_large)?
            .div_ceil(8);
        stride.checked_mul(self.rows).ok_or_else(too_large)?;
        let shape = Shape {
            width,
            rows: self.rows,
            stride,
        };
        let (mut raw, broken) = compression::unpack(packed, layout.compression, shape);
        let damage = broken.map(Damage::new);
        let mut row = samples::Row {
            samples: width * samples,
            step: samples,
            bits: layout.bits,
            big_endian: self.directory.big_endian,
        };
        match (layout.predictor, layout.numbers) {
            (2, _) => raw
                .chunks_exact_mut(stride)
                .for_each(|line| samples::undo_differences(line, row)),
            (3, Numbers::Float) => {
                raw.chunks_exact_mut(stride)
                    .for_each(|line| samples::undo_float_differences(line, row));
                row.big_endian = true;
            }
            (3, _) => return Err(refused("predictor 3 on whole numbers")),
            _ => {}
        }
        let unpacked = if layout.ranged() {
            let mut out = Vec::with_capacity(row.samples * self.rows);
            for line in raw.chunks_exact(stride) {
                samples::floats(line, row, layout.numbers, &mut out);
            }
            Unpacked::Floats(out, samples)
        } else {
            let mut out = Vec::with_capacity(row.samples * self.rows);
            for line in raw.chunks_exact(stride) {
                samples::bytes(line, row, layout.numbers, &mut out);
            }
            Unpacked::Bytes(out, samples)
        };
        Ok((unpacked, damage))
    }

    /// YCbCr with fewer chroma samples (TIFF 6.0, section 21): blocks of luma, each followed by one Cb and one Cr.
    fn chroma_blocks(&self, packed: &[u8]) -> Result<(Unpacked, Option<Damage>), DecodeError> {
        let layout = self.layout;
        if layout.bits != 8 || layout.samples != 3 {
            return Err(refused(
                "subsampled YCbCr of other than three 8-bit samples",
            ));
        }
        let [h, v] = layout.subsampling;
        let (width, rows) = (layout.chunk[0], self.rows);
        let block = h * v + 2;
        let (across, down) = (width.div_ceil(h), rows.div_ceil(v));
        let shape = Shape {
            width,
            rows: down,
            stride: across * block,
        };
        let (mut raw, broken) = compression::unpack(packed, layout.compression, shape);
        let damage = broken.map(Damage::new);
        if layout.predictor == 2 {
            let row = samples::Row {
                samples: shape.stride,
                step: 3,
                bits: 8,
                big_endian: false,
            };
            raw.chunks_exact_mut(shape.stride)
                .for_each(|line| samples::undo_differences(line, row));
        }
        let mut out = vec![0; width * rows * 3];
        for (y, line) in out.chunks_exact_mut(width * 3).enumerate() {
            for (x, pixel) in line.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                let at = y / v * shape.stride + x / h * block;
                let luma = raw[at + y % v * h + x % h];
                *pixel = [luma, raw[at + h * v], raw[at + h * v + 1]];
            }
        }
        Ok((Unpacked::Bytes(out, 3), damage))
    }
}
