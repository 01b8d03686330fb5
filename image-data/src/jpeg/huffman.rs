//! Huffman tables: what a file defines ([`Spec`]), and tables of it for decoding; those for AC are in `ac`. A code that no
//! table holds takes 17 bits and stands for the symbol 0, as in libjpeg (`jdhuff.c`).

use super::bits::Bits;

mod ac;

pub(super) use ac::{AcTable, END_OF_BLOCK};

/// Bits that one look-up sees.
const LOOK: u32 = 10;
const ENTRIES: usize = 1 << LOOK;

/// A table as a file defines it (DHT).
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Spec {
    /// Number of codes of 1 to 16 bits.
    pub counts: [u8; 16],
    /// Symbols in the order of their codes, zeros behind.
    pub values: [u8; 256],
}

/// Code to symbol, for every length.
#[derive(Clone)]
struct Codes {
    /// By the next [`LOOK`] bits: length << 8 | symbol; 0 for longer codes.
    short: [u16; ENTRIES],
    /// Largest code of each length, -1 for none; index 17 ends every search.
    largest: [i32; 18],
    /// What turns a code of each length into an index of `values`.
    offset: [i32; 17],
    values: [u8; 256],
}

impl Codes {
    fn new(spec: &Spec) -> Result<Self, String> {
        let mut codes = Self {
            short: [0; ENTRIES],
            largest: [-1; 18],
            offset: [0; 17],
            values: spec.values,
        };
        codes.largest[17] = i32::MAX;
        let (mut code, mut index) = (0_i32, 0_usize);
        for length in 1..=16 {
            let count = usize::from(spec.counts[length - 1]);
            if index + count > 256 {
                return Err("a Huffman table has more than 256 codes".to_owned());
            }
            if count > 0 {
                codes.offset[length] = index as i32 - code;
                if length as u32 <= LOOK {
                    let spread = 1 << (LOOK - length as u32);
                    for (number, &value) in spec.values[index..index + count].iter().enumerate() {
                        let first = (code as usize + number) * spread;
                        // Codes that do not fit are refused below.
                        if let Some(entries) = codes.short.get_mut(first..first + spread) {
                            entries.fill((length as u16) << 8 | u16::from(value));
                        }
                    }
                }
                code += count as i32;
                index += count;
                codes.largest[length] = code - 1;
                // All ones is no code.
                if code >= 1 << length {
                    return Err("a Huffman table has more codes than fit".to_owned());
                }
            }
            code <<= 1;
        }
        Ok(codes)
    }

    /// Length and symbol of the code that begins a look-up's bits; 0 for a longer one.
    fn short(&self, bits: usize) -> (u32, u32) {
        let entry = u32::from(self.short[bits]);
        (entry >> 8, entry & 0xFF)
    }

    /// Length of the code at the top of `buffer`, and its symbol. 17 and 0 when there is none.
    #[inline(always)]
    fn symbol(&self, buffer: u64) -> (u32, u32) {
        let entry = u32::from(self.short[(buffer >> (64 - LOOK)) as usize]);
        if entry != 0 {
            return (entry >> 8, entry & 0xFF);
        }
        self.long_symbol(buffer)
    }

    #[cold]
    fn long_symbol(&self, buffer: u64) -> (u32, u32) {
        let mut length = LOOK + 1;
        while (buffer >> (64 - length)) as i32 > self.largest[length as usize] {
            length += 1;
        }
        if length > 16 {
            return (17, 0);
        }
        let code = (buffer >> (64 - length)) as i32;
        let index = (code + self.offset[length as usize]) & 0xFF;
        (length, u32::from(self.values[index as usize]))
    }
}

/// The number that `size` bits stand for (F.12): those with a leading zero are negative.
#[inline(always)]
pub(super) fn extend(bits: u32, size: u32) -> i32 {
    number_at(u64::from(bits) << 1 << (63 - size), 0, size)
}

/// The number in the `size` bits of `buffer`, 0 to 15, that follow the first `at`. It asks nothing that a processor could
/// guess wrong.
#[inline(always)]
fn number_at(buffer: u64, at: u32, size: u32) -> i32 {
    let from = buffer << (at & 63);
    let bits = (from >> 1 >> (63 - size)) as i32;
    let leads_with_one = (from as i64 >> 63) as i32;
    bits + (!leads_with_one & (1 - (1 << size)))
}

/// For DC coefficients.
pub(super) struct DcTable(Codes);

impl DcTable {
    pub fn new(spec: &Spec) -> Result<Box<Self>, String> {
        let codes = Codes::new(spec)?;
        let used: usize = spec.counts.iter().map(|&c| usize::from(c)).sum();
        if spec.values[..used].iter().any(|&v| v > 15) {
            return Err("a DC Huffman table has a symbol above 15".to_owned());
        }
        Ok(Box::new(Self(codes)))
    }

    /// Takes one difference; `bits` holds at least 32. The flag says that the code was none.
    #[inline(always)]
    pub fn difference(&self, bits: &mut Bits<'_>) -> (i32, bool) {
        let (length, size) = self.0.symbol(bits.buffer());
        let value = number_at(bits.buffer(), length, size);
        bits.skip(length + size);
        (value, length > 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jpeg::standard::standard;

    #[test]
    fn impossible_tables_are_refused() {
        let mut spec = standard(true, false);
        spec.counts[0] = 2; // both one-bit codes: one of them is all ones
        assert!(AcTable::new(&spec).is_err());
        let mut spec = standard(false, false);
        spec.values[3] = 16;
        assert!(DcTable::new(&spec).is_err());
    }
}
