//! Where the bytes of an image lie: a file of their own, or a stretch of a larger file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::parquet_file::ParquetFile;
use crate::decode::{DecodeError, DecodeLimits, read_file};
use crate::remote;

/// One labeled image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The file, or the path of the container with the image's name inside behind it.
    pub path: PathBuf,
    /// Index into the classes of its set.
    pub class: usize,
    /// Where in a container the image lies; none where it is a file.
    pub part: Option<ContainerPart>,
}

/// A place inside a larger file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerPart {
    /// Plain bytes: a member of a tar file.
    Bytes {
        /// The tar file.
        container: Arc<Path>,
        /// Where the image begins.
        offset: u64,
        /// Its length in bytes.
        length: u64,
    },
    /// A cell of a Parquet file.
    Cell {
        /// The file.
        file: Arc<ParquetFile>,
        /// From 0, over all row groups.
        row: u64,
    },
}

impl Sample {
    /// An image that is a file of its own.
    pub fn file(path: PathBuf, class: usize) -> Self {
        Self {
            path,
            class,
            part: None,
        }
    }

    /// The file that is read for it, from where, and how many bytes; none where that is not known before.
    pub fn stretch(&self) -> Option<(&Path, u64, u64)> {
        match &self.part {
            None => Some((&self.path, 0, u64::MAX)),
            Some(ContainerPart::Bytes {
                container,
                offset,
                length,
            }) => Some((container, *offset, *length)),
            Some(ContainerPart::Cell { .. }) => None,
        }
    }

    /// The encoded image.
    ///
    /// # Errors
    /// [`DecodeError::Io`] when it cannot be read, [`DecodeError::TooManyBytes`] when it is larger than the limit.
    pub fn read(&self, limits: &DecodeLimits) -> Result<Vec<u8>, DecodeError> {
        match &self.part {
            None => match remote::mirror_of(&self.path) {
                None => read_file(&self.path, limits),
                Some(mirror) => {
                    let file = mirror.file(&self.path)?;
                    within(limits, file.length())?;
                    Ok(file.read(0, file.length())?)
                }
            },
            Some(ContainerPart::Bytes {
                container,
                offset,
                length,
            }) => {
                within(limits, *length)?;
                Ok(read_stretch(container, *offset, *length)?)
            }
            Some(ContainerPart::Cell { file, row }) => {
                let bytes = file.image(*row)?;
                within(limits, bytes.len() as u64)?;
                Ok(bytes)
            }
        }
    }
}

fn within(limits: &DecodeLimits, bytes: u64) -> Result<(), DecodeError> {
    match bytes > limits.max_bytes {
        true => Err(DecodeError::TooManyBytes {
            bytes,
            limit: limits.max_bytes,
        }),
        false => Ok(()),
    }
}

/// `length` bytes of a file from `offset` on.
pub(super) fn read_stretch(path: &Path, offset: u64, length: u64) -> std::io::Result<Vec<u8>> {
    if let Some(mirror) = remote::mirror_of(path) {
        return mirror.file(path)?.read(offset, length);
    }
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length {
        return Ok(bytes);
    }
    let name = path.display();
    let reason = format!(
        "{name} ends {} bytes too early",
        length - bytes.len() as u64
    );
    Err(std::io::Error::new(
        std::io::ErrorKind::UnexpectedEof,
        reason,
    ))
}
