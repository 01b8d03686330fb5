//! A file that is read from any place: on this machine, or an object of a store. Each reader has a place of its own.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use model_core::platform::read_at;

use crate::remote::{self, RemoteFile};

/// A file or an object.
pub(crate) enum AnyFile {
    Local { file: Arc<File>, length: u64 },
    Remote(RemoteFile),
}

impl AnyFile {
    pub fn open(path: &Path) -> io::Result<Self> {
        if let Some(mirror) = remote::mirror_of(path) {
            return Ok(Self::Remote(mirror.file(path)?));
        }
        let file = File::open(path)?;
        Ok(Self::Local {
            length: file.metadata()?.len(),
            file: Arc::new(file),
        })
    }

    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Local { length, .. } => *length,
            Self::Remote(file) => file.length(),
        }
    }

    /// Reads into `buffer` at `offset`: 0 at the end, else 1 byte or more.
    pub fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::Local { file, .. } => read_at(file, buffer, offset),
            Self::Remote(file) => file.read_at(buffer, offset),
        }
    }

    /// The same file for another reader.
    pub fn again(&self) -> Self {
        match self {
            Self::Local { file, length } => Self::Local {
                file: file.clone(),
                length: *length,
            },
            Self::Remote(file) => Self::Remote(file.again()),
        }
    }
}
