//! What a directory says about the picture, checked: nothing later asks the tags again.

use super::super::{DecodeError, Format};
use super::compression::Compression;
use super::directory::{Directory, tag};
use super::{Numbers, refused};

/// Samples a pixel may have. More is a table of measurements and no picture.
const MAX_SAMPLES: u64 = 32;

/// How the color samples are to be read (tag 262).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Photometric {
    WhiteIsZero,
    BlackIsZero,
    Rgb,
    Palette,
    Cmyk,
    YCbCr,
    /// `a` and `b` signed (CIELab) or around 128 (ICCLab).
    Lab {
        signed: bool,
    },
}

impl Photometric {
    /// Samples that make the color.
    pub fn samples(self) -> usize {
        match self {
            Self::WhiteIsZero | Self::BlackIsZero | Self::Palette => 1,
            Self::Rgb | Self::YCbCr | Self::Lab { .. } => 3,
            Self::Cmyk => 4,
        }
    }
}

/// What the first sample behind the color is (tag 338).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extra {
    /// Nothing, or something that is not transparency.
    None,
    /// Transparency; the colors are multiplied by it.
    Associated,
    /// Transparency; the colors are whole.
    Unassociated,
}

/// The checked description of one picture.
#[derive(Debug)]
pub(super) struct Layout {
    pub width: usize,
    pub height: usize,
    pub bits: usize,
    pub samples: usize,
    pub numbers: Numbers,
    pub photometric: Photometric,
    pub extra: Extra,
    pub compression: Compression,
    pub predictor: u64,
    pub mirrored_bits: bool,
    /// Each channel in strips or tiles of its own.
    pub planar: bool,
    pub tiled: bool,
    /// Size of a strip or tile.
    pub chunk: [usize; 2],
    /// Luma samples for one of chroma, across and down.
    pub subsampling: [usize; 2],
    /// The JPEG reader turns YCbCr into RGB, and `photometric` says what it gives.
    pub ycbcr_in_jpeg: bool,
    /// The JPEG reader turns four inks into RGB, and `photometric` says what it gives.
    pub inks_in_jpeg: bool,
}

impl Layout {
    pub fn new(directory: &Directory<'_>) -> Result<Self, DecodeError> {
        // Their defaults would show something, and not the picture.
        let telling = [
            tag::BITS_PER_SAMPLE,
            tag::COMPRESSION,
            tag::PHOTOMETRIC,
            tag::FILL_ORDER,
            tag::ORIENTATION,
            tag::SAMPLES_PER_PIXEL,
            tag::ROWS_PER_STRIP,
            tag::PLANAR,
            tag::T4_OPTIONS,
            tag::PREDICTOR,
            tag::TILE_WIDTH,
            tag::TILE_OFFSETS,
            tag::EXTRA_SAMPLES,
            tag::SAMPLE_FORMAT,
            tag::YCBCR_COEFFICIENTS,
            tag::YCBCR_SUBSAMPLING,
            tag::REFERENCE_BLACK_WHITE,
        ];
        if let Some(error) = directory.unreadable(&telling) {
            return Err(error);
        }
        let missing = |what: &str| DecodeError::Malformed {
            format: Format::Tiff,
            reason: format!("the directory does not tell its {what}"),
        };
        let side = |tag, what| {
            let value = directory.integer(tag).ok_or_else(|| missing(what))?;
            usize::try_from(value)
                .ok()
                .filter(|side| u32::try_from(*side).is_ok())
                .ok_or_else(|| missing(what))
        };
        let (width, height) = (
            side(tag::IMAGE_WIDTH, "width")?,
            side(tag::IMAGE_LENGTH, "height")?,
        );
        let number = directory.integer(tag::COMPRESSION).unwrap_or(1);
        let options = directory.integer(tag::T4_OPTIONS).unwrap_or(0);
        let compression = Compression::new(number, options)
            .map_err(|name| refused(&format!("compression {name}")))?;
        let mut photometric = photometric(directory, compression)?;
        let samples = samples(directory, photometric, compression)?;
        if photometric == Photometric::YCbCr && samples == 1 {
            photometric = Photometric::BlackIsZero;
        }
        let planar = directory.integer(tag::PLANAR) == Some(2) && samples > 1;
        let ycbcr_in_jpeg = photometric == Photometric::YCbCr
            && !planar
            && matches!(
                compression,
                Compression::Jpeg | Compression::OldJpeg | Compression::WebP
            );
        let inks_in_jpeg = photometric == Photometric::Cmyk
            && !planar
            && samples == 4
            && compression == Compression::Jpeg;
        if ycbcr_in_jpeg || inks_in_jpeg {
            photometric = Photometric::Rgb;
        }
        let color = photometric.samples();
        if samples < color {
            return Err(DecodeError::Malformed {
                format: Format::Tiff,
                reason: format!("{samples} samples a pixel where the color needs {color}"),
            });
        }
        let bits = bits(directory, samples)?;
        let numbers = numbers(directory, photometric, bits)?;
        if matches!(compression, Compression::Fax(_)) && (bits, samples) != (1, 1) {
            return Err(refused("fax compression of more than one bit"));
        }
        if compression == Compression::ThunderScan && (bits, samples) != (4, 1) {
            return Err(refused("ThunderScan compression of other than four bits"));
        }
        let extra = match directory.integer(tag::EXTRA_SAMPLES) {
            _ if samples <= color || inks_in_jpeg => Extra::None,
            Some(1) => Extra::Associated,
            Some(2 | 999) => Extra::Unassociated,
            // Writers that forget the tag mean RGB with transparency.
            None if photometric == Photometric::Rgb => Extra::Unassociated,
            _ => Extra::None,
        };
        let tiled = directory.has(tag::TILE_WIDTH) || directory.has(tag::TILE_OFFSETS);
        let chunk = if tiled {
            [
                side(tag::TILE_WIDTH, "tile width")?,
                side(tag::TILE_LENGTH, "tile height")?,
            ]
        } else {
            let rows = directory.integer(tag::ROWS_PER_STRIP).unwrap_or(u64::MAX);
            [
                width,
                usize::try_from(rows).map_or(height, |rows| rows.min(height)),
            ]
        };
        if chunk.contains(&0) && width > 0 && height > 0 {
            return Err(missing("strip height"));
        }
        let subsampling = directory
            .integers(tag::YCBCR_SUBSAMPLING, 2)
            .filter(|two| two.len() == 2 && two.iter().all(|v| matches!(v, 1 | 2 | 4)))
            .map_or([2, 2], |two| [two[0] as usize, two[1] as usize]);
        Ok(Self {
            width,
            height,
            bits,
            samples,
            numbers,
            photometric,
            extra,
            compression,
            predictor: if compression.has_predictor() {
                directory.integer(tag::PREDICTOR).unwrap_or(1)
            } else {
                1
            },
            mirrored_bits: directory.integer(tag::FILL_ORDER) == Some(2),
            planar,
            tiled,
            chunk,
            subsampling,
            ycbcr_in_jpeg,
            inks_in_jpeg,
        })
    }

    /// Whether the samples have no agreed white, so that the whole picture decides.
    pub fn ranged(&self) -> bool {
        match self.numbers {
            Numbers::Float => true,
            Numbers::Signed => self.bits > 8,
            Numbers::Unsigned => self.bits > 16,
            Numbers::Indices => false,
        }
    }

    /// Samples that are kept of a pixel: its color, and its transparency.
    pub fn kept(&self) -> usize {
        self.photometric.samples() + usize::from(self.extra != Extra::None)
    }

    /// Whether chroma lies in blocks between luma: YCbCr that no JPEG decoder unpacks.
    pub fn blocks(&self) -> bool {
        self.photometric == Photometric::YCbCr && !self.planar && self.subsampling != [1, 1]
    }
}

fn photometric(
    directory: &Directory<'_>,
    compression: Compression,
) -> Result<Photometric, DecodeError> {
    let number = match directory.integer(tag::PHOTOMETRIC) {
        _ if compression == Compression::OldJpeg => 6,
        Some(number) => number,
        None if directory.has(tag::COLOR_MAP) => 3,
        None if directory.integer(tag::SAMPLES_PER_PIXEL) >= Some(3) => 2,
        None => 0,
    };
    Ok(match number {
        0 => Photometric::WhiteIsZero,
        // A transparency mask (4) is a picture of black and white.
        1 | 4 => Photometric::BlackIsZero,
        2 => Photometric::Rgb,
        3 => Photometric::Palette,
        5 => Photometric::Cmyk,
        6 => Photometric::YCbCr,
        8 => Photometric::Lab { signed: true },
        9 => Photometric::Lab { signed: false },
        10 => return Err(refused("ITU L*a*b* colors")),
        32803 | 34892 => return Err(refused("a camera sensor's raw colors")),
        32844 | 32845 => return Err(refused("SGI LogLuv colors")),
        other => return Err(refused(&format!("photometric interpretation {other}"))),
    })
}

fn samples(
    directory: &Directory<'_>,
    photometric: Photometric,
    compression: Compression,
) -> Result<usize, DecodeError> {
    let said = directory.integer(tag::SAMPLES_PER_PIXEL);
    let samples = match said {
        Some(samples) => samples,
        None if compression == Compression::OldJpeg => 3,
        None => directory
            .integers(tag::BITS_PER_SAMPLE, MAX_SAMPLES as usize + 1)
            .map_or(photometric.samples() as u64, |bits| bits.len() as u64),
    };
    if samples == 0 || samples > MAX_SAMPLES {
        return Err(refused(&format!("{samples} samples a pixel")));
    }
    Ok(samples as usize)
}

fn bits(directory: &Directory<'_>, samples: usize) -> Result<usize, DecodeError> {
    let bits = directory
        .integers(tag::BITS_PER_SAMPLE, samples)
        .unwrap_or_else(|| vec![1]);
    let first = bits.first().copied().unwrap_or(1);
    if bits.iter().any(|other| *other != first) {
        return Err(refused("channels of different depths"));
    }
    match first {
        1..=16 | 24 | 32 | 64 => Ok(first as usize),
        other => Err(refused(&format!("{other} bits a sample"))),
    }
}

fn numbers(
    directory: &Directory<'_>,
    photometric: Photometric,
    bits: usize,
) -> Result<Numbers, DecodeError> {
    let numbers = match directory.integer(tag::SAMPLE_FORMAT) {
        _ if photometric == Photometric::Palette => Numbers::Indices,
        Some(2) => Numbers::Signed,
        Some(3) => Numbers::Float,
        Some(5 | 6) => return Err(refused("complex numbers")),
        _ => Numbers::Unsigned,
    };
    let fits = match numbers {
        Numbers::Float => matches!(bits, 16 | 24 | 32 | 64),
        Numbers::Signed => bits.is_multiple_of(8),
        Numbers::Indices if bits > 8 => return Err(refused("a palette of more than 256 colors")),
        Numbers::Indices => true,
        Numbers::Unsigned => true,
    };
    if fits {
        Ok(numbers)
    } else {
        Err(refused(
            &format!("{bits}-bit {numbers:?} samples").to_lowercase(),
        ))
    }
}
