//! JPEG (and WebP) inside a TIFF. Compression 7 keeps tables once and scans apart (Adobe's technote 2); the withdrawn
//! compression 6 keeps a whole file somewhere, or tables and scans in tags of their own. Either way a whole JPEG is put
//! together and given to the JPEG reader; an Adobe marker tells it the colors that the TIFF's tags name.

use super::super::jpeg::Components;
use super::super::{
    Alpha, Damage, DecodeConfig, DecodeError, Decoded, Exif, Format, Icc, jpeg, raster,
};
use super::compression::Compression;
use super::directory::{Directory, tag};
use super::layout::Layout;
use super::{color, jpeg_alpha, refused};

const START: [u8; 2] = [0xFF, 0xD8];
const END: [u8; 2] = [0xFF, 0xD9];

/// Decodes one strip or tile of compression 7 or WebP to `samples` bytes a pixel, four inks to RGB.
pub(super) fn chunk(
    packed: &[u8],
    directory: &Directory<'_>,
    layout: &Layout,
    size: [usize; 2],
    samples: usize,
    config: &DecodeConfig,
) -> Result<(Vec<u8>, Option<Damage>), DecodeError> {
    if layout.bits != 8 {
        return Err(refused(&format!("JPEG of {} bits", layout.bits)));
    }
    let beside_colors = matches!(samples, 2 | 4) && !layout.inks_in_jpeg;
    if samples > 4 || (beside_colors && layout.compression == Compression::WebP) {
        return Err(refused(&format!("JPEG of {samples} channels")));
    }
    if beside_colors {
        let tables = directory.raw(tag::JPEG_TABLES).unwrap_or_default();
        let stream = assemble(tables, packed, layout.ycbcr_in_jpeg);
        let config = plain(config);
        return jpeg_alpha::samples(&stream, layout.ycbcr_in_jpeg, samples, size, &config);
    }
    let decoded = if layout.compression == Compression::WebP {
        raster::decode(packed, Format::WebP, &plain(config))?.0
    } else {
        let stream = assemble(
            directory.raw(tag::JPEG_TABLES).unwrap_or_default(),
            packed,
            layout.ycbcr_in_jpeg,
        );
        let components = if layout.inks_in_jpeg {
            Components::FourInks
        } else {
            Components::AsTheFileSays
        };
        jpeg::decode_as(&stream, &plain(config), components)?.0
    };
    let mut pixels = fit(&decoded, size)?;
    if samples == 1 {
        pixels = pixels.as_chunks::<3>().0.iter().map(|p| p[0]).collect();
    }
    Ok((pixels, decoded.damage))
}

/// The whole picture of a TIFF with compression 6.
pub(super) fn old(
    bytes: &[u8],
    directory: &Directory<'_>,
    layout: &Layout,
    config: &DecodeConfig,
) -> Result<(Vec<u8>, Option<Damage>), DecodeError> {
    let size = [layout.width, layout.height];
    if layout.samples == 3
        && !layout.planar
        && let Some(stream) = whole_stream(bytes, directory)
        && let Ok((decoded, _)) = jpeg::decode_as(
            &assemble(&[], stream, false),
            &plain(config),
            Components::ThreeSamples,
        )
        && let Ok(pixels) = fit(&decoded, size)
    {
        return Ok((in_rgb(pixels, directory), decoded.damage));
    }
    from_tables(bytes, directory, layout, config)
}

/// Luma and chroma, which the JPEG reader was told to leave as they are, in the colors that the TIFF's own tags name: they
/// need not be JFIF's.
fn in_rgb(mut pixels: Vec<u8>, directory: &Directory<'_>) -> Vec<u8> {
    let color = color::ycbcr(directory);
    for pixel in pixels.as_chunks_mut::<3>().0 {
        *pixel = color(pixel);
    }
    pixels
}

/// The JPEG file that tags 513 and 514 point at.
fn whole_stream<'a>(bytes: &'a [u8], directory: &Directory<'_>) -> Option<&'a [u8]> {
    let start = usize::try_from(directory.integer(tag::JPEG_STREAM)?).ok()?;
    let rest = bytes.get(start..)?;
    // Its length is often that of the header alone: the stream itself knows where it ends.
    rest.starts_with(&START).then_some(rest)
}

/// Strips of bare scans, with quantization and Huffman tables in tags 519 to 521 (TIFF 6.0, section 22).
fn from_tables(
    bytes: &[u8],
    directory: &Directory<'_>,
    layout: &Layout,
    config: &DecodeConfig,
) -> Result<(Vec<u8>, Option<Damage>), DecodeError> {
    let channels = layout.samples;
    if layout.planar || layout.tiled || !matches!(channels, 1 | 3) {
        return Err(refused("old JPEG compression in tiles or planes"));
    }
    let table = |tag, number: usize| -> Option<&[u8]> {
        let places = directory.integers(tag, channels)?;
        bytes.get(usize::try_from(*places.get(number)?).ok()?..)
    };
    let missing = || refused("old JPEG compression without tables");
    let mut tables = Vec::new();
    for number in 0..channels {
        let quantization = table(tag::JPEG_Q_TABLES, number).ok_or_else(missing)?;
        tables.extend([0xFF, 0xDB, 0, 67, number as u8]);
        tables.extend(quantization.get(..64).ok_or_else(missing)?);
        for (class, tag) in [(0, tag::JPEG_DC_TABLES), (0x10, tag::JPEG_AC_TABLES)] {
            let huffman = table(tag, number).ok_or_else(missing)?;
            let lengths = huffman.get(..16).ok_or_else(missing)?;
            let symbols = lengths.iter().map(|&n| usize::from(n)).sum::<usize>();
            let body = huffman.get(..16 + symbols).ok_or_else(missing)?;
            tables.extend([0xFF, 0xC4]);
            tables.extend(((3 + body.len()) as u16).to_be_bytes());
            tables.push(class | number as u8);
            tables.extend(body);
        }
    }
    let [h, v] = layout.subsampling;
    let rows_per_strip = layout.chunk[1];
    let strips = layout.height.div_ceil(rows_per_strip);
    let chunks = super::Chunks::new(bytes, directory, layout, strips)?;
    let (mut pixels, mut damage) = (Vec::new(), None);
    for strip in 0..strips {
        let rows = rows_per_strip.min(layout.height - strip * rows_per_strip);
        let mut frame = vec![8];
        frame.extend((rows as u16).to_be_bytes());
        frame.extend((layout.width as u16).to_be_bytes());
        frame.push(channels as u8);
        let mut scan = vec![channels as u8];
        for number in 0..channels as u8 {
            let factors = if number == 0 && channels == 3 {
                (h << 4 | v) as u8
            } else {
                0x11
            };
            frame.extend([number + 1, factors, number]);
            scan.extend([number + 1, number << 4 | number]);
        }
        scan.extend([0, 63, 0]);
        let mut stream = START.to_vec();
        for (marker, body) in [(0xC0, &frame), (0xDA, &scan)] {
            stream.extend([0xFF, marker]);
            stream.extend(((2 + body.len()) as u16).to_be_bytes());
            stream.extend(body);
        }
        let (packed, _) = chunks.get(strip)?;
        let packed = packed.strip_prefix(&START[..]).unwrap_or(&packed);
        stream.extend(packed);
        let stream = assemble(&[&START[..], &tables, &END].concat(), &stream, false);
        let (decoded, _) = jpeg::decode_as(&stream, &plain(config), Components::ThreeSamples)?;
        pixels.extend(fit(&decoded, [layout.width, rows])?);
        damage = damage.or(decoded.damage);
    }
    pixels = match channels {
        1 => pixels.as_chunks::<3>().0.iter().map(|p| p[0]).collect(),
        _ => in_rgb(pixels, directory),
    };
    Ok((pixels, damage))
}

/// One JPEG from the shared tables and a chunk's own stream, without either's application markers (they may
/// contradict the TIFF's tags), with Adobe's marker in front and an end behind.
fn assemble(tables: &[u8], stream: &[u8], ycbcr: bool) -> Vec<u8> {
    let mut out = START.to_vec();
    out.extend(*b"\xFF\xEE\x00\x0EAdobe\x00\x64\0\0\0\0");
    out.push(u8::from(ycbcr));
    for (part, last) in [(tables, false), (stream, true)] {
        let mut at = if part.starts_with(&START) { 2 } else { 0 };
        while let Some(&[0xFF, marker]) = part.get(at..at + 2) {
            match marker {
                0xFF => at += 1,
                0xD9 => break,
                0xDA => {
                    out.extend(&part[at..]);
                    break;
                }
                marker => {
                    let Some(&[high, low]) = part.get(at + 2..at + 4) else {
                        break;
                    };
                    let end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
                    let Some(segment) = part.get(at..end) else {
                        break;
                    };
                    if !matches!(marker, 0xE0..=0xEF | 0xFE) {
                        out.extend(segment);
                    }
                    at = end;
                }
            }
        }
        if last {
            // A strip needs none of its own, and a second one does no harm.
            out.extend(END);
        }
    }
    out
}

/// A piece of a picture has no orientation, profile or transparency of its own.
fn plain(config: &DecodeConfig) -> DecodeConfig {
    DecodeConfig {
        exif: Exif::Ignore,
        icc: Icc::Ignore,
        alpha: Alpha::Drop,
        ..*config
    }
}

/// RGB pixels of exactly `width` by `rows`: the last strip's JPEG may be taller or shorter than what is needed.
pub(super) fn fit(decoded: &Decoded, [width, rows]: [usize; 2]) -> Result<Vec<u8>, DecodeError> {
    let image = &decoded.image;
    if (image.width as usize) < width {
        return Err(DecodeError::Malformed {
            format: Format::Tiff,
            reason: format!(
                "a strip or tile is {} pixels wide, not {width}",
                image.width
            ),
        });
    }
    let mut out = vec![0; width * rows * 3];
    let lines = image.data.chunks_exact(image.width as usize * 3);
    for (to, from) in out.chunks_exact_mut(width * 3).zip(lines) {
        to.copy_from_slice(&from[..width * 3]);
    }
    Ok(out)
}
