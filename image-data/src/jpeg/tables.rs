//! What DQT, DHT and DRI define: tables and the restart interval, as they stand at some point of a file.

use super::huffman::Spec;
use super::standard::standard;

/// Natural order (row * 8 + column) of the coefficients in the order of the file (Figure A.6). Sixteen more entries take what a damaged
/// run puts behind the end, as in libjpeg; the rest makes every byte an index.
pub(super) const NATURAL: [u8; 256] = {
    let zigzag: [u8; 64] = [
        0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27,
        20, 13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
        58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
    ];
    let mut natural = [63; 256];
    let mut i = 0;
    while i < 64 {
        natural[i] = zigzag[i];
        i += 1;
    }
    natural
};

/// Quantization steps in natural order, cut to 16 bits.
pub(super) type QuantTable = [u16; 64];

/// Everything that scans refer to by number.
#[derive(Default)]
pub(super) struct Tables {
    pub quant: [Option<QuantTable>; 4],
    pub dc: [Option<Spec>; 4],
    pub ac: [Option<Spec>; 4],
    /// MCUs between restart markers, 0 for none.
    pub restart_interval: u32,
}

impl Tables {
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Reads a DQT body: several tables of 8 or 16 bits in zigzag order.
    pub fn read_quant(&mut self, mut body: &[u8]) -> Result<(), &'static str> {
        while let [head, rest @ ..] = body {
            let (wide, number) = (head >> 4 != 0, usize::from(head & 15));
            let bytes = if wide { 128 } else { 64 };
            let (Some(values), Some(slot)) = (rest.get(..bytes), self.quant.get_mut(number)) else {
                return Err("a quantization table is cut off or has no such number");
            };
            let mut table = [0; 64];
            for (i, &place) in NATURAL[..64].iter().enumerate() {
                table[usize::from(place)] = if wide {
                    u16::from_be_bytes([values[i * 2], values[i * 2 + 1]])
                } else {
                    u16::from(values[i])
                };
            }
            *slot = Some(table);
            body = &rest[bytes..];
        }
        Ok(())
    }

    /// Reads a DHT body: several Huffman tables.
    pub fn read_huffman(&mut self, mut body: &[u8]) -> Result<(), &'static str> {
        const DAMAGED: &str = "a Huffman table is cut off or has no such number";
        while let [head, rest @ ..] = body {
            let (Some((counts, rest)), class) = (rest.split_first_chunk::<16>(), head >> 4) else {
                return Err(DAMAGED);
            };
            let used: usize = counts.iter().map(|&c| usize::from(c)).sum();
            let slots = match class {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return Err(DAMAGED),
            };
            let (Some(list), Some(slot)) =
                (rest.get(..used), slots.get_mut(usize::from(head & 15)))
            else {
                return Err(DAMAGED);
            };
            let mut values = [0; 256];
            let Some(place) = values.get_mut(..used) else {
                return Err("a Huffman table has more than 256 codes");
            };
            place.copy_from_slice(list);
            *slot = Some(Spec {
                counts: *counts,
                values,
            });
            body = &rest[used..];
        }
        Ok(())
    }

    /// Reads a DRI body.
    pub fn read_restart_interval(&mut self, body: &[u8]) -> Result<(), &'static str> {
        let &[high, low] = body else {
            return Err("the restart interval has another length than 2 bytes");
        };
        self.restart_interval = u32::from(u16::from_be_bytes([high, low]));
        Ok(())
    }

    /// Motion JPEG frames leave out the standard's tables: libjpeg assumes them where none are defined.
    pub fn add_standard(&mut self) {
        for (number, chroma) in [(0, false), (1, true)] {
            self.dc[number].get_or_insert_with(|| standard(false, chroma));
            self.ac[number].get_or_insert_with(|| standard(true, chroma));
        }
    }
}
