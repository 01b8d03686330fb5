//! One shard: its images made, written as a tar file, and indexed.

use std::path::{Path, PathBuf};

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use model_core::atomic_file;
use model_core::preprocessing::{Preprocessing, Resize};
use model_core::resample::{Filter, resize};
use model_core::text::hex;
use sha2::{Digest, Sha256};

use super::index::{self, Entry};
use super::{PackConfig, PackError};
use crate::dataset::Sample;
use crate::decode::{DecodeConfig, DecodeError, Format, decode, probe};
use crate::folder::Folder;

/// Rows of blocks between restart markers in the JPEGs that are written: a reader of a crop can skip to them.
const RESTART_ROWS: u32 = 1;
/// Pixels along a side of a block of 4:2:0.
const BLOCK: u32 = 16;

/// What a shard came to.
pub(super) struct Shard {
    pub images: usize,
    pub bytes: u64,
    pub was_there: bool,
    pub left_out: Vec<(PathBuf, String)>,
}

/// Writes the shard at `path`, unless it is there already.
pub(super) fn write(
    path: &Path,
    set: &Folder,
    members: &[usize],
    config: &PackConfig,
) -> Result<Shard, PackError> {
    if let Some(index) = index::read(path) {
        return Ok(Shard {
            images: index.entries.len(),
            bytes: index.bytes,
            was_there: true,
            left_out: index.left_out,
        });
    }
    let (mut entries, mut left_out) = (Vec::new(), Vec::new());
    let mut tar = Tar::default();
    for &member in members {
        let sample = &set.samples[member];
        match image(sample, config) {
            Ok((bytes, ending)) => {
                // The place in the set comes first, so that the names sort as the set does.
                let key = format!("{member:08}");
                let name = format!("{key}.{ending}");
                let offset = tar.append(&name, &bytes);
                tar.append(&format!("{key}.cls"), sample.class.to_string().as_bytes());
                entries.push(Entry {
                    offset,
                    length: bytes.len() as u64,
                    class: sample.class,
                    name,
                });
            }
            Err(error) => left_out.push((sample.path.clone(), error.to_string())),
        }
    }
    let bytes = tar.finish();
    let sha256 = hex(&Sha256::digest(&bytes));
    atomic_file::write(path, &bytes)?;
    // The index is written last: a shard without one is made again.
    let text = index::to_text(bytes.len() as u64, &sha256, &left_out, &entries);
    atomic_file::write(&index::path_of(path), text.as_bytes())?;
    Ok(Shard {
        images: entries.len(),
        bytes: bytes.len() as u64,
        was_there: false,
        left_out,
    })
}

/// The bytes of an image as the shard holds them, and the ending of their name.
fn image(sample: &Sample, config: &PackConfig) -> Result<(Vec<u8>, &'static str), DecodeError> {
    let decode_config = DecodeConfig::reading(&config.reading);
    let bytes = sample.read(&decode_config.limits)?;
    let header = probe(&bytes, &decode_config.limits)?;
    let ending = header.format.extensions().first().copied().unwrap_or("jpg");
    let Some(side) = config.short_side else {
        return Ok((bytes, ending));
    };
    let image = decode(&bytes, &decode_config)?;
    let small = Preprocessing {
        resize: Resize::ShortSide(side),
        ..Preprocessing::imagenet()
    };
    let image = match image.width.min(image.height) > side {
        true => {
            let at = small.geometry(image.width, image.height);
            resize(&image, at.resized_width, at.resized_height, Filter::Bicubic)
        }
        false => image,
    };
    let (Ok(width), Ok(height)) = (u16::try_from(image.width), u16::try_from(image.height)) else {
        return Err(DecodeError::SideTooLong {
            width: image.width,
            height: image.height,
            limit: u32::from(u16::MAX),
        });
    };
    let mut out = Vec::new();
    // Without tables of the picture's own: this encoder counts their symbols as if nothing restarted, so that codes are
    // missing and pictures come out damaged.
    let mut encoder = Encoder::new(&mut out, config.quality);
    encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
    let blocks = image.width.div_ceil(BLOCK) * RESTART_ROWS;
    encoder.set_restart_interval(u16::try_from(blocks).unwrap_or(u16::MAX));
    encoder
        .encode(&image.data, width, height, ColorType::Rgb)
        .map_err(|error| DecodeError::Malformed {
            format: Format::Jpeg,
            reason: error.to_string(),
        })?;
    Ok((out, "jpg"))
}

/// A tar file in memory, with nothing in its headers that changes from one day to the next.
#[derive(Default)]
struct Tar {
    bytes: Vec<u8>,
}

impl Tar {
    /// Adds a file; where its bytes begin.
    fn append(&mut self, name: &str, content: &[u8]) -> u64 {
        let mut header = tar::Header::new_ustar();
        // Names are ours: short, and without anything to escape.
        let _ = header.set_path(name);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_cksum();
        self.bytes.extend_from_slice(header.as_bytes());
        let offset = self.bytes.len() as u64;
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        offset
    }

    /// The whole file, its two closing blocks included.
    fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 1024, 0);
        self.bytes
    }
}
