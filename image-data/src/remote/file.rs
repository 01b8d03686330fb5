//! An object read as a file: from this machine where it is kept, from what was read ahead, or from the store.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use super::ahead::Stretch;
use super::chunks::CHUNK_BYTES;
use super::listing;
use super::mirror::Mirror;

/// An object, read as a file from any place.
pub struct RemoteFile {
    pub(super) mirror: Arc<Mirror>,
    pub(super) object: u32,
    pub(super) length: u64,
    /// The last bytes fetched of an object that is not kept: headers are read in small steps.
    pub(super) block: Option<(u64, Vec<u8>)>,
}

impl RemoteFile {
    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The same object for another reader.
    pub fn again(&self) -> Self {
        Self {
            mirror: self.mirror.clone(),
            block: None,
            ..*self
        }
    }

    /// `length` bytes from `offset` on: what was read ahead, what is kept, or fetched now.
    ///
    /// # Errors
    /// The store failed, each time it was asked; or the stretch is not in the object.
    pub fn read(&self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        if offset.saturating_add(length) > self.length {
            let reason = format!("{length} bytes at {offset} of an object of {}", self.length);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, reason));
        }
        let shared = &self.mirror.shared;
        let stretch = Stretch {
            object: self.object,
            offset,
            length,
        };
        if shared.keeps(self.object) {
            match shared.keep(self.object, offset, length) {
                Ok(()) => {
                    let path =
                        listing::path_of(&shared.root, &shared.objects[self.object as usize]);
                    let mut file = File::open(path)?;
                    file.seek(SeekFrom::Start(offset))?;
                    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
                    file.read_exact(&mut bytes)?;
                    return Ok(bytes);
                }
                // A full disk ends the keeping and not the run.
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {}
                Err(error) => return Err(error),
            }
        }
        match self.mirror.ahead.take(stretch) {
            Some(result) => result,
            None => shared.fetch(stretch),
        }
    }

    /// Reads into `buffer` at `offset`: fewer bytes than fit at the object's end.
    ///
    /// # Errors
    /// As [`RemoteFile::read`].
    pub fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let wanted = (buffer.len() as u64).min(self.length.saturating_sub(offset));
        let holds = |(start, bytes): &(u64, Vec<u8>)| {
            *start <= offset && offset + wanted <= start + bytes.len() as u64
        };
        if !self.block.as_ref().is_some_and(holds) {
            let length = wanted
                .max(CHUNK_BYTES)
                .min(self.length.saturating_sub(offset));
            self.block = Some((offset, self.read(offset, length)?));
        }
        let Some((start, bytes)) = &self.block else {
            return Ok(0);
        };
        let from = (offset - start) as usize;
        buffer[..wanted as usize].copy_from_slice(&bytes[from..from + wanted as usize]);
        Ok(wanted as usize)
    }
}
