//! The pages of a Parquet column whose packing is unpacked here ([`super::parquet_packing`]): their headers are read
//! and their bytes unpacked, and the crate `parquet` takes the pages from there.

use std::io::Read;

use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::ChunkReader;

use super::parquet_header::{Fields, Header, Kind};
use super::parquet_packing::{Packing, general};

/// The pages of one column of one row group.
pub(super) struct Pages<R> {
    file: R,
    packing: Packing,
    /// What is left of the column.
    offset: u64,
    remaining: u64,
    /// The header of the next page, where it was read already.
    next: Option<Header>,
}

impl<R: ChunkReader> Pages<R> {
    /// The pages of `chunk` in `file`.
    ///
    /// # Errors
    /// A packing that is not read.
    pub fn new(file: R, chunk: &ColumnChunkMetaData) -> Result<Self> {
        let (offset, remaining) = chunk.byte_range();
        Ok(Self {
            file,
            packing: Packing::of(chunk)?,
            offset,
            remaining,
            next: None,
        })
    }

    /// Moves over the next header; none at the end.
    fn header(&mut self) -> Result<Option<Header>> {
        loop {
            if let Some(header) = self.next.take() {
                return Ok(Some(header));
            }
            if self.remaining == 0 {
                return Ok(None);
            }
            let from = self.file.get_read(self.offset)?;
            let mut fields = Fields::new(from.take(self.remaining));
            let header = fields.header()?;
            self.move_on(fields.read)?;
            if header.packed > self.remaining {
                return Err(ParquetError::EOF(
                    "a page ends behind its column".to_owned(),
                ));
            }
            match header.kind {
                Kind::Index => self.move_on(header.packed)?,
                _ => return Ok(Some(header)),
            }
        }
    }

    fn move_on(&mut self, bytes: u64) -> Result<()> {
        self.offset += bytes;
        let left = self.remaining.checked_sub(bytes);
        self.remaining = left.ok_or_else(|| general("a page ends behind its column"))?;
        Ok(())
    }
}

impl<R: ChunkReader> Iterator for Pages<R> {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl<R: ChunkReader> PageReader for Pages<R> {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let Some(header) = self.header()? else {
            return Ok(None);
        };
        let bytes = self.file.get_bytes(self.offset, header.packed as usize)?;
        self.move_on(header.packed)?;
        header.page(bytes, self.packing).map(Some)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.next = self.header()?;
        Ok(self.next.as_ref().map(|header| PageMetadata {
            num_rows: match header.kind {
                Kind::DataV2 { rows, .. } => Some(rows as usize),
                _ => None,
            },
            num_levels: match header.kind {
                Kind::Dictionary | Kind::Index => None,
                _ => Some(header.values as usize),
            },
            is_dict: header.kind == Kind::Dictionary,
        }))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        match self.header()? {
            Some(header) => self.move_on(header.packed),
            None => Ok(()),
        }
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        // Columns of images and labels hold no lists: every value is a record.
        Ok(true)
    }
}
