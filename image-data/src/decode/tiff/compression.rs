//! One strip or tile of a TIFF to its raw bytes: what every compression but JPEG does. A chunk that breaks off gives
//! what was there and says why.

use std::io::{ErrorKind, Read};

use flate2::{Decompress, FlushDecompress, Status};
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;
use weezl::{BitOrder, LzwStatus, decode::Decoder as Lzw};

use super::super::DamageKind;
use super::fax;

/// The compressions that are read, by their TIFF number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Fax(fax::Kind),
    Lzw,
    /// The withdrawn compression 6: a whole JPEG file, or its tables and scans apart.
    OldJpeg,
    Jpeg,
    Deflate,
    PackBits,
    ThunderScan,
    Lzma,
    Zstandard,
    WebP,
}

/// The largest dictionary of LZMA, in KiB: that of xz's highest preset, and what the decoder needs beside it.
const LZMA_MEMORY_KIB: u32 = 72 << 10;

impl Compression {
    /// From the tags Compression and T4Options. The error is the compression's name.
    pub fn new(number: u64, t4_options: u64) -> Result<Self, String> {
        Ok(match number {
            1 => Self::None,
            2 => Self::Fax(fax::Kind::Huffman { align_bits: 8 }),
            3 => Self::Fax(fax::Kind::Group3 {
                two_dimensional: t4_options & 1 == 1,
            }),
            4 => Self::Fax(fax::Kind::Group4),
            5 => Self::Lzw,
            6 => Self::OldJpeg,
            7 | 99 => Self::Jpeg,
            8 | 32946 => Self::Deflate,
            32771 => Self::Fax(fax::Kind::Huffman { align_bits: 16 }),
            32773 => Self::PackBits,
            32809 => Self::ThunderScan,
            34925 => Self::Lzma,
            50000 => Self::Zstandard,
            50001 => Self::WebP,
            other => {
                return Err(match other {
                    9 | 10 | 34661 => "JBIG".to_owned(),
                    32766 => "NeXT".to_owned(),
                    33003 | 33005 | 34712 => "JPEG 2000".to_owned(),
                    34676 | 34677 => "SGI LogLuv".to_owned(),
                    34713 => "Nikon NEF".to_owned(),
                    34887 => "LERC".to_owned(),
                    34892 => "lossy DNG".to_owned(),
                    50002 | 52546 => "JPEG XL".to_owned(),
                    other => format!("number {other}"),
                });
            }
        })
    }

    /// Whether FillOrder 2 means that the bits of the compressed bytes are mirrored. JPEG and WebP have an order of
    /// their own, as in libtiff.
    pub fn obeys_fill_order(self) -> bool {
        !matches!(self, Self::Jpeg | Self::OldJpeg | Self::WebP)
    }

    /// Whether the tag Predictor counts.
    pub fn has_predictor(self) -> bool {
        matches!(
            self,
            Self::Lzw | Self::Deflate | Self::Lzma | Self::Zstandard
        )
    }
}

/// The shape of one chunk's raw bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub rows: usize,
    /// Bytes in a row, padding included.
    pub stride: usize,
}

/// Unpacks one chunk to `shape.stride * shape.rows` bytes. What is missing is zero, and the text says why.
pub(super) fn unpack(
    bytes: &[u8],
    compression: Compression,
    shape: Shape,
) -> (Vec<u8>, Option<DamageKind>) {
    let expected = shape.stride * shape.rows;
    let (mut out, reason) = match compression {
        Compression::None => (bytes[..bytes.len().min(expected)].to_vec(), None),
        Compression::Fax(kind) => {
            let (out, damage) = fax::decode(bytes, shape.width, shape.rows, kind);
            return (out, damage.map(DamageKind::Other));
        }
        Compression::Lzw => lzw(bytes, expected),
        Compression::Deflate => deflate(bytes, expected),
        Compression::Lzma => whole(
            XzReader::new_mem_limit(bytes, false, LZMA_MEMORY_KIB),
            expected,
        ),
        Compression::Zstandard => match StreamingDecoder::new(bytes) {
            Ok(decoder) => whole(decoder, expected),
            Err(_) => (Vec::new(), Some(broken())),
        },
        Compression::PackBits => (pack_bits(bytes, expected), None),
        Compression::ThunderScan => (thunder_scan(bytes, shape), None),
        Compression::Jpeg | Compression::OldJpeg | Compression::WebP => (
            Vec::new(),
            Some(DamageKind::Other("no raw bytes".to_owned())),
        ),
    };
    let got = out.len();
    out.resize(expected, 0);
    let short = (got < expected).then(|| {
        let what = format!("a strip holds {got} bytes of pixels, not {expected}");
        DamageKind::Other(what)
    });
    (out, reason.or(short))
}

fn broken() -> DamageKind {
    DamageKind::Other("the compressed data is broken".to_owned())
}

/// What zlib gives, up to `expected` bytes, those in front of an error too. It goes on behind the last pixel (some
/// writers pack more) as far as the checksum: bits that fell over may give other pixels and no other trace. Where the
/// checksum is cut off nothing is wrong.
fn deflate(bytes: &[u8], expected: usize) -> (Vec<u8>, Option<DamageKind>) {
    let mut stream = Decompress::new(true);
    let mut out = vec![0; expected];
    let mut behind = [0; 4096];
    let is_sound = loop {
        let (read, written) = (stream.total_in(), stream.total_out());
        let rest = &bytes[read as usize..];
        let room = match out.get_mut(written as usize..) {
            Some(room) if !room.is_empty() => room,
            _ => &mut behind,
        };
        match stream.decompress(rest, room, FlushDecompress::None) {
            // A few bytes may unpack to as many as somebody likes.
            Ok(Status::Ok) if written as usize > 2 * expected + (1 << 16) => break true,
            Ok(Status::Ok) if (stream.total_in(), stream.total_out()) != (read, written) => {}
            Ok(_) => break true,
            Err(_) => break false,
        }
    };
    out.truncate(expected.min(stream.total_out() as usize));
    let damage = (!is_sound).then(|| match out.len() == expected {
        true => DamageKind::Checksum,
        false => broken(),
    });
    (out, damage)
}

/// What a decoder gives, likewise; of what lies behind the last pixel a byte.
fn whole(mut decoder: impl Read, expected: usize) -> (Vec<u8>, Option<DamageKind>) {
    let mut out = Vec::new();
    let read = (&mut decoder).take(expected as u64).read_to_end(&mut out);
    if out.len() < expected {
        return (out, read.is_err().then(broken));
    }
    let behind = decoder.read(&mut [0]);
    let differs = behind.is_err_and(|error| error.kind() != ErrorKind::UnexpectedEof);
    (out, differs.then_some(DamageKind::Checksum))
}

fn lzw(bytes: &[u8], expected: usize) -> (Vec<u8>, Option<DamageKind>) {
    // Before TIFF 6.0, codes began at the low bit and grew late: such data starts with a clear code of 00 01.
    let old = bytes.len() >= 2 && bytes[0] == 0 && bytes[1] & 1 == 1;
    let mut decoder = if old {
        Lzw::new(BitOrder::Lsb, 8)
    } else {
        Lzw::with_tiff_size_switch(BitOrder::Msb, 8)
    };
    let mut out = vec![0; expected];
    let (mut read, mut written) = (0, 0);
    let mut reason = None;
    while written < expected {
        let step = decoder.decode_bytes(&bytes[read..], &mut out[written..]);
        read += step.consumed_in;
        written += step.consumed_out;
        match step.status {
            Ok(LzwStatus::Ok) if step.consumed_in + step.consumed_out > 0 => {}
            Ok(_) => break,
            Err(_) => {
                reason = Some(broken());
                break;
            }
        }
    }
    out.truncate(written);
    (out, reason)
}

fn pack_bits(bytes: &[u8], expected: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(expected.min(bytes.len().saturating_mul(64)));
    let mut at = 0;
    while out.len() < expected
        && let Some(&code) = bytes.get(at)
    {
        at += 1;
        match code as i8 {
            -128 => {}
            repeat if repeat < 0 => {
                let Some(&value) = bytes.get(at) else { break };
                at += 1;
                out.resize(out.len() + 1 + usize::from(repeat.unsigned_abs()), value);
            }
            literal => {
                let end = (at + 1 + literal as usize).min(bytes.len());
                out.extend_from_slice(&bytes[at..end]);
                at = end;
            }
        }
    }
    out.truncate(expected);
    out
}

/// ThunderScan's 4-bit runs and differences (`tif_thunder.c`), two pixels a byte.
fn thunder_scan(bytes: &[u8], shape: Shape) -> Vec<u8> {
    const TWO: [i16; 4] = [0, 1, 0, -1];
    const THREE: [i16; 8] = [0, 1, 2, 3, 0, -3, -2, -1];
    let mut out = Vec::with_capacity(shape.stride * shape.rows);
    let mut codes = bytes.iter();
    for _ in 0..shape.rows {
        let mut row: Vec<u8> = Vec::with_capacity(shape.width);
        let mut last = 0_u8;
        while row.len() < shape.width {
            let Some(&code) = codes.next() else { break };
            let mut put = |difference: i16, last: &mut u8| {
                *last = ((i16::from(*last) + difference) & 0xF) as u8;
                row.push(*last);
            };
            match code >> 6 {
                0 => (0..code & 0x3F).for_each(|_| put(0, &mut last)),
                1 => {
                    for shift in [4, 2, 0] {
                        let delta = code >> shift & 3;
                        if delta != 2 {
                            put(TWO[usize::from(delta)], &mut last);
                        }
                    }
                }
                2 => {
                    for shift in [3, 0] {
                        let delta = code >> shift & 7;
                        if delta != 4 {
                            put(THREE[usize::from(delta)], &mut last);
                        }
                    }
                }
                _ => {
                    last = code & 0xF;
                    row.push(last);
                }
            }
        }
        if row.is_empty() {
            break;
        }
        row.resize(shape.width, 0);
        out.extend(
            row.chunks(2)
                .map(|two| two[0] << 4 | two.get(1).copied().unwrap_or(0)),
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(width: usize, rows: usize) -> Shape {
        Shape {
            width,
            rows,
            stride: width,
        }
    }

    #[test]
    fn pack_bits_as_in_the_specification() {
        // TIFF 6.0, section 9.
        let packed = [
            0xFE, 0xAA, 0x02, 0x80, 0x00, 0x2A, 0xFD, 0xAA, 0x03, 0x80, 0x00, 0x2A, 0x22, 0xF7,
            0xAA,
        ];
        let unpacked = [
            0xAA, 0xAA, 0xAA, 0x80, 0x00, 0x2A, 0xAA, 0xAA, 0xAA, 0xAA, 0x80, 0x00, 0x2A, 0x22,
            0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA,
        ];
        let (out, damage) = unpack(&packed, Compression::PackBits, shape(24, 1));
        assert_eq!((out.as_slice(), damage), (&unpacked[..], None));
    }

    #[test]
    fn what_is_missing_is_said() {
        for compression in [
            Compression::None,
            Compression::Lzw,
            Compression::Deflate,
            Compression::PackBits,
            Compression::Lzma,
            Compression::Zstandard,
        ] {
            let (out, damage) = unpack(&[0x80, 0x00], compression, shape(10, 2));
            assert_eq!(out.len(), 20);
            assert!(damage.is_some(), "{compression:?}");
        }
    }
}
