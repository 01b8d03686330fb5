//! Parquet files as Hugging Face writes image data sets: a column `image` of bytes (or of a struct with `bytes`), a column
//! `label`, the class names in the schema's metadata. A row's image is read in place: the pages before it are skipped, its
//! page is decompressed.

use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Type as PhysicalType;
use parquet::column::reader::{ColumnReaderImpl, get_column_reader, get_typed_column_reader};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, FileReader, Length, SerializedFileReader};

use super::any_file::AnyFile;
use super::parquet_packing::Packing;
use super::parquet_pages::Pages;
use super::part::{ContainerPart, Sample};
use crate::folder::FolderError;
use crate::sandbox::catch;

/// Columns that hold the image, in the order they are looked for.
const IMAGE_COLUMNS: [&str; 6] = [
    "image.bytes",
    "img.bytes",
    "jpg.bytes",
    "image",
    "img",
    "jpg",
];
/// Columns that hold the class.
const LABEL_COLUMNS: [&str; 6] = ["label", "labels", "fine_label", "class", "cls", "category"];
/// Values read at a time.
const CHUNK: usize = 8192;

/// A Parquet file of images.
pub struct ParquetFile {
    path: PathBuf,
    table: Table,
    image_column: usize,
    /// First row of each row group, and the number of rows at the end.
    starts: Vec<u64>,
}

impl std::fmt::Debug for ParquetFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ParquetFile({})", self.path.display())
    }
}

impl PartialEq for ParquetFile {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Eq for ParquetFile {}

impl ParquetFile {
    /// The encoded image of a row.
    ///
    /// # Errors
    /// The page cannot be read or decompressed, or the cell is empty.
    pub fn image(&self, row: u64) -> io::Result<Vec<u8>> {
        let group = self
            .starts
            .partition_point(|&start| start <= row)
            .saturating_sub(1);
        let within = row - self.starts[group];
        let cell = catch(|| self.cell(group, within as usize))
            .map_err(io::Error::other)?
            .map_err(io::Error::other)?;
        cell.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the cell holds no image"))
    }

    fn cell(&self, group: usize, row: usize) -> ParquetResult<Option<Vec<u8>>> {
        let mut column = self
            .table
            .column::<ByteArrayType>(group, self.image_column)?;
        column.skip_records(row)?;
        let (mut values, mut levels) = (Vec::<ByteArray>::new(), Vec::new());
        column.read_records(1, Some(&mut levels), None, &mut values)?;
        Ok(values.first().map(|value| value.data().to_vec()))
    }
}

/// What the library has read of the file, and the file for pages that it does not unpack.
struct Table {
    reader: SerializedFileReader<Positioned>,
    file: Positioned,
}

impl Table {
    fn new(file: Positioned) -> ParquetResult<Self> {
        Ok(Self {
            reader: SerializedFileReader::new(file.again())?,
            file,
        })
    }

    /// The values of a column in one row group.
    fn column<T: DataType>(
        &self,
        group: usize,
        index: usize,
    ) -> ParquetResult<ColumnReaderImpl<T>> {
        let chunk = self.reader.metadata().row_group(group).column(index);
        let reader = match Packing::of(chunk)? {
            Packing::Library => self.reader.get_row_group(group)?.get_column_reader(index)?,
            _ => {
                let pages = Pages::new(self.file.again(), chunk)?;
                get_column_reader(chunk.column_descr_ptr(), Box::new(pages))
            }
        };
        Ok(get_typed_column_reader::<T>(reader))
    }
}

/// The images of one file, each with the name of its class; the sample's class is set later.
pub(super) fn open(path: &Path) -> Result<Vec<(String, Sample)>, FolderError> {
    let caught = catch(|| rows(path));
    caught.unwrap_or_else(|reason| {
        Err(FolderError::Damaged {
            path: path.to_owned(),
            reason,
        })
    })
}

fn rows(path: &Path) -> Result<Vec<(String, Sample)>, FolderError> {
    let damaged = |error: ParquetError| FolderError::Damaged {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let io = |reason| FolderError::Io {
        path: path.to_owned(),
        reason,
    };
    let file = Positioned(AnyFile::open(path).map_err(io)?);
    let table = Table::new(file).map_err(damaged)?;
    let metadata = table.reader.metadata();
    let schema = metadata.file_metadata().schema_descr();
    let columns: Vec<String> = schema.columns().iter().map(|c| c.path().string()).collect();
    let find = |wanted: &[&str]| {
        wanted
            .iter()
            .find_map(|name| columns.iter().position(|column| column == name))
    };
    let missing = |wanted: &[&str]| FolderError::Damaged {
        path: path.to_owned(),
        reason: format!(
            "expected a column {}, got {}",
            wanted.join(" or "),
            columns.join(", ")
        ),
    };
    let image_column = find(&IMAGE_COLUMNS).ok_or_else(|| missing(&IMAGE_COLUMNS))?;
    let label_column = find(&LABEL_COLUMNS).ok_or_else(|| missing(&LABEL_COLUMNS))?;
    if schema.column(image_column).physical_type() != PhysicalType::BYTE_ARRAY {
        return Err(missing(&IMAGE_COLUMNS));
    }
    let names = class_names(&table.reader, &columns[label_column]);
    let mut starts = vec![0];
    let mut labels = Vec::new();
    for group in 0..metadata.num_row_groups() {
        let kind = schema.column(label_column).physical_type();
        Packing::of(metadata.row_group(group).column(image_column)).map_err(damaged)?;
        let read = read_labels(&table, group, label_column, kind).map_err(damaged)?;
        labels.extend(read.into_iter().map(|label| {
            match (&label, &names) {
                (Label::Number(n), Some(names)) => usize::try_from(*n)
                    .ok()
                    .and_then(|n| names.get(n).cloned())
                    .unwrap_or_else(|| n.to_string()),
                (Label::Number(n), None) => n.to_string(),
                (Label::Text(text), _) => text.clone(),
            }
        }));
        starts.push(labels.len() as u64);
    }
    let file = Arc::new(ParquetFile {
        path: path.to_owned(),
        image_column,
        starts,
        table,
    });
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let rows = labels.into_iter().enumerate();
    Ok(rows
        .map(|(row, class)| {
            let sample = Sample {
                path: path.join(format!("{stem}-row-{row:06}")),
                class: 0,
                part: Some(ContainerPart::Cell {
                    file: file.clone(),
                    row: row as u64,
                }),
            };
            (class, sample)
        })
        .collect())
}

enum Label {
    Number(i64),
    Text(String),
}

fn read_labels(
    table: &Table,
    group: usize,
    index: usize,
    kind: PhysicalType,
) -> ParquetResult<Vec<Label>> {
    Ok(match kind {
        PhysicalType::INT64 => {
            let numbers = read_column::<Int64Type>(table, group, index)?;
            numbers.into_iter().map(Label::Number).collect()
        }
        PhysicalType::INT32 => {
            let numbers = read_column::<Int32Type>(table, group, index)?;
            numbers
                .into_iter()
                .map(|n| Label::Number(n.into()))
                .collect()
        }
        PhysicalType::BYTE_ARRAY => {
            let texts = read_column::<ByteArrayType>(table, group, index)?;
            let text = |t: ByteArray| String::from_utf8_lossy(t.data()).into_owned();
            texts.into_iter().map(|t| Label::Text(text(t))).collect()
        }
        other => {
            let reason = format!("expected labels as numbers or text, got {other}");
            return Err(ParquetError::General(reason));
        }
    })
}

/// Every value of a column of one row group.
fn read_column<T: DataType>(table: &Table, group: usize, index: usize) -> ParquetResult<Vec<T::T>> {
    let rows = table.reader.metadata().row_group(group).num_rows() as usize;
    let mut column = table.column::<T>(group, index)?;
    let (mut values, mut levels) = (Vec::with_capacity(rows), Vec::new());
    loop {
        let (records, ..) = column.read_records(CHUNK, Some(&mut levels), None, &mut values)?;
        if records == 0 {
            break;
        }
    }
    if values.len() != rows {
        let reason = format!(
            "expected {rows} labels, got {} that are not empty",
            values.len()
        );
        return Err(ParquetError::General(reason));
    }
    Ok(values)
}

/// The names that Hugging Face's `datasets` puts beside the schema: `info.features.label.names`.
fn class_names(reader: &SerializedFileReader<Positioned>, column: &str) -> Option<Vec<String>> {
    let pairs = reader.metadata().file_metadata().key_value_metadata()?;
    let text = pairs
        .iter()
        .find(|pair| pair.key == "huggingface")?
        .value
        .as_ref()?;
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    serde_json::from_value(json["info"]["features"][column]["names"].clone()).ok()
}

/// A file that several threads read at places of their own: the library's `File` shares one place among its clones.
struct Positioned(AnyFile);

impl Positioned {
    fn again(&self) -> Self {
        Self(self.0.again())
    }
}

impl Length for Positioned {
    fn len(&self) -> u64 {
        self.0.length()
    }
}

impl ChunkReader for Positioned {
    type T = BufReader<ReadFrom>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(BufReader::new(ReadFrom {
            file: self.0.again(),
            position: start,
        }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        // A damaged file names places that it does not have.
        if start.saturating_add(length as u64) > self.len() {
            let reason = format!("{length} bytes at {start} of a file of {}", self.len());
            return Err(ParquetError::EOF(reason));
        }
        let mut bytes = vec![0; length];
        let mut from = ReadFrom {
            file: self.0.again(),
            position: start,
        };
        from.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// Reads on from a place of its own.
struct ReadFrom {
    file: AnyFile,
    position: u64,
}

impl Read for ReadFrom {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}
