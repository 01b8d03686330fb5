//! One file: its header and its end, or all of it.

use std::collections::hash_map::DefaultHasher;
use std::fs::File;
use std::hash::Hasher;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::CheckConfig;
use super::kind::Kind;
use crate::dataset::Sample;
use crate::decode::{
    Color, DecodeConfig, DecodeError, Decoded, Format, Header, decode_full, probe,
};

/// Read from the start of a file; nearly every header fits.
const HEAD_BYTES: u64 = 32 << 10;
/// Read from its end.
const TAIL_BYTES: u64 = 4 << 10;

/// What one file turned out to be.
pub(super) struct Looked {
    pub header: Option<Header>,
    pub bytes: u64,
    /// Of the length, the head and the tail: equal files have equal sketches.
    pub sketch: u64,
    /// What is to be reported, worst first.
    pub kinds: Vec<(Kind, String)>,
}

pub(super) fn look(sample: &Sample, config: &CheckConfig) -> Looked {
    match inspect(sample, config) {
        Ok(looked) => looked,
        Err(error) => {
            let kind = match error {
                DecodeError::Truncated { .. } => Kind::Truncated,
                _ => Kind::Unreadable,
            };
            Looked {
                header: None,
                bytes: 0,
                sketch: 0,
                kinds: vec![(kind, error.to_string())],
            }
        }
    }
}

fn inspect(sample: &Sample, config: &CheckConfig) -> Result<Looked, DecodeError> {
    let path = &sample.path;
    let (head, tail, bytes) = match sample.part {
        None if crate::remote::mirror_of(path).is_none() => ends(path)?,
        _ => ends_of(&sample.read(&config.limits)?)?,
    };
    let mut hasher = DefaultHasher::new();
    hasher.write_u64(bytes);
    hasher.write(&head);
    hasher.write(&tail);
    let sketch = hasher.finish();
    let mut kinds = Vec::new();
    let header = if config.decode {
        let decoded = decoded(sample, config, &mut kinds)?;
        Header {
            format: decoded.format,
            width: decoded.image.width,
            height: decoded.image.height,
            color: decoded.color,
        }
    } else {
        let whole = bytes <= HEAD_BYTES;
        let header = match probe(&head, &config.limits) {
            // A long header (thumbnails, profiles), or a format that keeps its directory at the end.
            Err(_) if !whole => probe(&sample.read(&config.limits)?, &config.limits)?,
            other => other?,
        };
        if lacks_end(header.format, &tail) {
            // Cut off, or all there and the end alone missing, or far in front of what somebody appended: only the pixels tell.
            decoded(sample, config, &mut kinds)?;
        }
        header
    };
    describe(path, &header, config, &mut kinds);
    Ok(Looked {
        header: Some(header),
        bytes,
        sketch,
        kinds,
    })
}

/// The picture, its damage noted.
fn decoded(
    sample: &Sample,
    config: &CheckConfig,
    kinds: &mut Vec<(Kind, String)>,
) -> Result<Decoded, DecodeError> {
    let decode = DecodeConfig {
        limits: config.limits,
        ..DecodeConfig::torchvision()
    };
    let decoded = decode_full(&sample.read(&config.limits)?, &decode)?;
    if let Some(damage) = &decoded.damage {
        kinds.push((Kind::Damaged, damage.to_string()));
    }
    Ok(decoded)
}

/// The start and the end of a file (overlapping when it is short) and its length.
fn ends(path: &Path) -> Result<(Vec<u8>, Vec<u8>, u64), DecodeError> {
    let mut file = File::open(path)?;
    let bytes = file.metadata()?.len();
    if bytes == 0 {
        return Err(DecodeError::Empty);
    }
    let mut head = Vec::new();
    (&mut file).take(HEAD_BYTES).read_to_end(&mut head)?;
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(bytes.saturating_sub(TAIL_BYTES)))?;
    file.take(TAIL_BYTES).read_to_end(&mut tail)?;
    Ok((head, tail, bytes))
}

/// The same of bytes in memory: a member of a container.
fn ends_of(bytes: &[u8]) -> Result<(Vec<u8>, Vec<u8>, u64), DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    let head = bytes.len().min(HEAD_BYTES as usize);
    let tail = bytes.len().saturating_sub(TAIL_BYTES as usize);
    Ok((
        bytes[..head].to_vec(),
        bytes[tail..].to_vec(),
        bytes.len() as u64,
    ))
}

/// Whether the end every sound file of the format has is not near its end. Cameras and editors append data behind a JPEG's
/// end marker.
fn lacks_end(format: Format, tail: &[u8]) -> bool {
    let has = |mark: &[u8]| tail.windows(mark.len()).any(|w| w == mark);
    match format {
        Format::Jpeg => !has(&[0xFF, 0xD9]),
        Format::Png => !has(b"IEND"),
        Format::Gif => tail.last() != Some(&0x3B) && !has(&[0x00, 0x3B]),
        _ => false,
    }
}

fn describe(path: &Path, header: &Header, config: &CheckConfig, kinds: &mut Vec<(Kind, String)>) {
    match header.color {
        Color::Cmyk | Color::Ycck => {
            kinds.push((
                Kind::Cmyk,
                "four inks; converted to RGB without a color profile".to_owned(),
            ));
        }
        Color::Deep => kinds.push((
            Kind::Deep,
            "more than 8 bits a channel; the high byte is used".to_owned(),
        )),
        Color::Alpha => kinds.push((
            Kind::Alpha,
            "has an alpha channel, which training drops".to_owned(),
        )),
        Color::Rgb | Color::Gray => {}
    }
    let extension = path
        .extension()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    // A cell of a table has no ending that could be wrong.
    if !extension.is_empty() && !header.format.extensions().contains(&extension.as_str()) {
        kinds.push((
            Kind::OtherFormat,
            format!("is a {} but is called .{extension}", header.format),
        ));
    }
    if header.width.min(header.height) < config.min_side {
        kinds.push((
            Kind::TooSmall,
            format!("{} x {} pixels", header.width, header.height),
        ));
    }
}
