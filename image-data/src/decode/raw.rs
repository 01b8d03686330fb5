//! Camera raw files: the picture that the camera itself made of the raw data and put beside it, a JPEG. Nothing here
//! develops sensor data. The largest JPEG inside counts; its orientation is the raw file's, where that says one.

use image::metadata::Orientation;

use super::metadata::{exif_orientation, orientation_of};
use super::tiff::directory::{Directory, tag};
use super::{DecodeConfig, DecodeError, DecodeLimits, Decoded, Format, Header, Notes, jpeg};

/// JPEGs looked at in one file. Cameras put two to five beside the raw data.
const MAX_CANDIDATES: usize = 64;

/// Raw files with a signature of their own. The others are TIFFs in form: see [`is_tiff_raw`].
const SIGNATURES: [&[u8]; 5] = [b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0"];

/// Whether the first bytes are those of a raw file with a signature of its own.
pub(super) fn has_signature(bytes: &[u8]) -> bool {
    let canon = bytes.starts_with(b"II*\0") && bytes.get(8..11) == Some(b"CR\x02");
    let canon_3 = bytes.get(4..12) == Some(b"ftypcrx ");
    canon
        || canon_3
        || SIGNATURES
            .iter()
            .any(|signature| bytes.starts_with(signature))
}

/// Whether a TIFF is a raw file (DNG, NEF, ARW, PEF, SRW): it says so, or its first directory is a small stand-in of a
/// camera's for what lies in others.
pub(super) fn is_tiff_raw(bytes: &[u8]) -> bool {
    const SUBFILE_TYPE: u16 = 254;
    const MAKE: u16 = 271;
    const SUB_DIRECTORIES: u16 = 330;
    const DNG_VERSION: u16 = 50706;
    let Ok(directory) = Directory::first(bytes) else {
        return false;
    };
    let stand_in = directory.integer(SUBFILE_TYPE) == Some(1)
        || matches!(directory.integer(tag::COMPRESSION), Some(6 | 34713 | 65535));
    directory.has(DNG_VERSION)
        || (directory.has(MAKE) && directory.has(SUB_DIRECTORIES) && stand_in)
        || directory.integer(tag::COMPRESSION) == Some(65535)
}

pub(super) fn probe(bytes: &[u8], limits: &DecodeLimits) -> Result<Header, DecodeError> {
    let (_, header) = preview(bytes, limits)?;
    Ok(header)
}

pub(super) fn decode(bytes: &[u8], config: &DecodeConfig) -> Result<(Decoded, Notes), DecodeError> {
    let (inside, _) = preview(bytes, &config.limits)?;
    let (mut decoded, mut notes) = jpeg::decode(inside, config)?;
    decoded.format = Format::Raw;
    if let Some(orientation) = orientation(bytes) {
        notes.orientation = orientation;
    }
    Ok((decoded, notes))
}

/// The largest JPEG inside, from its first byte to the end of the file, and what its header says.
fn preview<'a>(bytes: &'a [u8], limits: &DecodeLimits) -> Result<(&'a [u8], Header), DecodeError> {
    let mut best: Option<(&[u8], Header)> = None;
    let mut refused = None;
    for at in memchr::memmem::find_iter(bytes, b"\xFF\xD8\xFF").take(MAX_CANDIDATES) {
        let inside = &bytes[at..];
        match jpeg::probe(inside, limits) {
            Ok(header) => {
                let area = |header: &Header| u64::from(header.width) * u64::from(header.height);
                if best
                    .as_ref()
                    .is_none_or(|(_, other)| area(&header) > area(other))
                {
                    best = Some((inside, header));
                }
            }
            // Raw data is lossless JPEG in some files, and in others bytes that only look like the start of one.
            Err(error @ (DecodeError::TooManyPixels { .. } | DecodeError::SideTooLong { .. })) => {
                refused = Some(error);
            }
            Err(_) => {}
        }
    }
    let missing = || DecodeError::Unsupported {
        name: "camera raw without a preview inside".to_owned(),
    };
    let (inside, header) = best.ok_or_else(|| refused.unwrap_or_else(missing))?;
    let format = Format::Raw;
    Ok((inside, Header { format, ..header }))
}

/// What the raw file itself says: its first directory, or the one in Canon's `CMT1` box.
fn orientation(bytes: &[u8]) -> Option<Orientation> {
    if bytes.get(4..8) == Some(b"ftyp") {
        let at = memchr::memmem::find(bytes, b"CMT1")?;
        return exif_orientation(bytes.get(at + 4..)?);
    }
    let directory = Directory::first(bytes).ok()?;
    orientation_of(directory.integer(tag::ORIENTATION)?)
}
