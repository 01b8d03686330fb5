//! Takes the encoded file apart without decoding it: protobuf's wire format, as deep as the graph's initializers.

use model_core::onnx::DataType;
use model_core::text::system_words;

use super::{Blob, OnnxFile, Skeleton};

/// Tensors smaller than this are not worth a separate read.
const MIN_BLOB_BYTES: u64 = 1024;

/// Copies everything but the data of large tensors.
pub(super) fn skeleton(file: &OnnxFile) -> Result<Skeleton, String> {
    let mut scan = Scan {
        file,
        window: Vec::new(),
        window_start: 0,
        initializers: 0,
        blobs: Vec::new(),
    };
    let mut bytes = Vec::new();
    scan.message(&MODEL, 0, file.len(), &mut bytes)?;
    Ok(Skeleton {
        bytes,
        blobs: scan.blobs,
    })
}

/// How a message is taken apart: the field to look into, and how.
struct Level {
    field: u64,
    inside: Option<&'static Level>,
}

/// `ModelProto.graph`, `GraphProto.initializer`.
static MODEL: Level = Level {
    field: 7,
    inside: Some(&GRAPH),
};
static GRAPH: Level = Level {
    field: 5,
    inside: None,
};

/// `TensorProto.data_type` and `TensorProto.raw_data`.
const DATA_TYPE: u64 = 2;
const RAW_DATA: u64 = 9;

const WINDOW_BYTES: u64 = 64 << 10;

struct Scan<'a> {
    file: &'a OnnxFile,
    window: Vec<u8>,
    window_start: u64,
    initializers: usize,
    blobs: Vec<Blob>,
}

/// One field: its number, its wire type, and where its payload is.
struct Field {
    number: u64,
    wire: u64,
    start: u64,
    payload: u64,
    end: u64,
}

impl Scan<'_> {
    /// Copies the fields from `at` to `end`, looking into one of them.
    fn message(
        &mut self,
        level: &Level,
        mut at: u64,
        end: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        while at < end {
            let field = self.field(at, end)?;
            if field.number == level.field && field.wire == 2 {
                let mut inner = Vec::new();
                match level.inside {
                    Some(inside) => self.message(inside, field.payload, field.end, &mut inner)?,
                    None => self.tensor(&field, &mut inner)?,
                }
                put_bytes(out, field.number, &inner);
            } else {
                self.copy(field.start, field.end, out)?;
            }
            at = field.end;
        }
        Ok(())
    }

    /// Copies an initializer; large data of a number type stays where it is. Shapes (int64) are always copied: the
    /// graph is judged by them.
    fn tensor(&mut self, tensor: &Field, out: &mut Vec<u8>) -> Result<(), String> {
        let (mut at, mut raw, mut data_type) = (tensor.payload, None, 0);
        while at < tensor.end {
            let field = self.field(at, tensor.end)?;
            match (field.number, field.wire) {
                (RAW_DATA, 2) if raw.is_some() => return Err("a tensor has its data twice".into()),
                (RAW_DATA, 2) => raw = Some((field.start, field.payload, field.end)),
                _ => {
                    if (field.number, field.wire) == (DATA_TYPE, 0) {
                        data_type = self.varint(field.payload, field.end)?.0;
                    }
                    self.copy(field.start, field.end, out)?;
                }
            }
            at = field.end;
        }
        if let Some((start, payload, end)) = raw {
            let element = i32::try_from(data_type).ok().and_then(DataType::from_i32);
            let movable = element.filter(|element| {
                matches!(
                    element,
                    DataType::Float
                        | DataType::Float16
                        | DataType::Bfloat16
                        | DataType::Double
                        | DataType::Int8
                        | DataType::Uint8
                )
            });
            match movable.filter(|_| end - payload >= MIN_BLOB_BYTES) {
                Some(element) => self.blobs.push(Blob {
                    initializer: self.initializers,
                    offset: payload,
                    len: end - payload,
                    element,
                }),
                None => self.copy(start, end, out)?,
            }
        }
        self.initializers += 1;
        Ok(())
    }

    fn field(&mut self, start: u64, end: u64) -> Result<Field, String> {
        let (tag, after) = self.varint(start, end)?;
        let (number, wire) = (tag >> 3, tag & 7);
        let (payload, stop) = match wire {
            0 => (after, self.varint(after, end)?.1),
            1 => (after, after + 8),
            2 => {
                let (len, payload) = self.varint(after, end)?;
                let stop = payload.checked_add(len).ok_or("a field is too long")?;
                (payload, stop)
            }
            5 => (after, after + 4),
            _ => return Err(format!("a field of unknown kind at byte {start}")),
        };
        if stop > end || number == 0 {
            return Err(format!("the field at byte {start} does not end inside it"));
        }
        Ok(Field {
            number,
            wire,
            start,
            payload,
            end: stop,
        })
    }

    /// A number and where it ends.
    fn varint(&mut self, start: u64, end: u64) -> Result<(u64, u64), String> {
        let mut value = 0u64;
        for place in 0..10 {
            let at = start + place;
            if at >= end {
                return Err("it ends within a number".to_owned());
            }
            let byte = self.byte(at)?;
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok((value, at + 1));
            }
        }
        Err(format!("a number of more than 64 bits at byte {start}"))
    }

    fn byte(&mut self, at: u64) -> Result<u8, String> {
        if let OnnxFile::Bytes(bytes) = self.file {
            return bytes
                .get(at as usize)
                .copied()
                .ok_or_else(|| "it ends too early".to_owned());
        }
        let inside = at
            .checked_sub(self.window_start)
            .and_then(|place| self.window.get(place as usize));
        if let Some(byte) = inside {
            return Ok(*byte);
        }
        let len = WINDOW_BYTES.min(self.file.len().saturating_sub(at));
        self.window_start = at;
        self.window.resize(len as usize, 0);
        self.file
            .read_at(at, &mut self.window)
            .map_err(|error| format!("cannot read it: {}", system_words(error)))?;
        self.window
            .first()
            .copied()
            .ok_or_else(|| "it ends too early".to_owned())
    }

    fn copy(&mut self, start: u64, end: u64, out: &mut Vec<u8>) -> Result<(), String> {
        let inside = start.checked_sub(self.window_start).and_then(|place| {
            self.window
                .get(place as usize..(place + end - start) as usize)
        });
        if let Some(part) = inside {
            out.extend_from_slice(part);
            return Ok(());
        }
        let from = out.len();
        out.resize(from + (end - start) as usize, 0);
        self.file
            .read_at(start, &mut out[from..])
            .map_err(|error| format!("cannot read it: {}", system_words(error)))
    }
}

/// Writes a length-delimited field.
fn put_bytes(out: &mut Vec<u8>, number: u64, payload: &[u8]) {
    put_varint(out, number << 3 | 2);
    put_varint(out, payload.len() as u64);
    out.extend_from_slice(payload);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
