//! Huffman tables: what a file defines ([`Spec`]), and three tables of it for decoding. A code that no table holds
//! takes 17 bits and stands for the symbol 0, as in libjpeg (`jdhuff.c`).

use super::bits::Bits;

/// Bits that one look-up sees.
const LOOK: u32 = 11;
const ENTRIES: usize = 1 << LOOK;

/// Advance of an end-of-block symbol: beyond 63 + 16, so that it is told from a run that leaves the block.
pub(super) const END_OF_BLOCK: u32 = 128;

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
    if size == 0 {
        return 0;
    }
    let bits = bits as i32;
    if bits < 1 << (size - 1) {
        bits - (1 << size) + 1
    } else {
        bits
    }
}

/// For DC coefficients.
pub(super) struct DcTable {
    codes: Codes,
    /// By the next bits, where code and difference fit: difference << 8 | length of both. 0 where not.
    differences: [i32; ENTRIES],
}

impl DcTable {
    pub fn new(spec: &Spec) -> Result<Box<Self>, String> {
        let codes = Codes::new(spec)?;
        let used: usize = spec.counts.iter().map(|&c| usize::from(c)).sum();
        if spec.values[..used].iter().any(|&v| v > 15) {
            return Err("a DC Huffman table has a symbol above 15".to_owned());
        }
        let mut differences = [0; ENTRIES];
        for (bits, entry) in differences.iter_mut().enumerate() {
            let (length, size) = codes.symbol((bits as u64) << (64 - LOOK));
            if length + size <= LOOK {
                let extra = (bits as u32) >> (LOOK - length - size) & ((1 << size) - 1);
                *entry = extend(extra, size) << 8 | (length + size) as i32;
            }
        }
        Ok(Box::new(Self { codes, differences }))
    }

    /// Takes one difference; `bits` holds at least 32. The flag says that the code was none.
    #[inline(always)]
    pub fn difference(&self, bits: &mut Bits<'_>) -> (i32, bool) {
        let entry = self.differences[bits.peek(LOOK) as usize];
        if entry != 0 {
            bits.skip(entry as u32 & 0xFF);
            return (entry >> 8, false);
        }
        let (length, size) = self.codes.symbol(bits.buffer());
        bits.skip(length);
        let value = if size == 0 {
            0
        } else {
            extend(bits.take(size), size)
        };
        (value, length > 16)
    }
}

/// For AC coefficients.
pub(super) struct AcTable {
    codes: Codes,
    /// By the next bits, where code and value fit: value << 16 | advance << 8 | length of both. 0 where not. The advance
    /// is the run and the coefficient itself, or [`END_OF_BLOCK`].
    values: [u32; ENTRIES],
    /// As many whole coefficients as fit: advance of all but the last << 16 | advance of all << 8 | length. 0 for none.
    runs: [u32; ENTRIES],
}

impl AcTable {
    pub fn new(spec: &Spec) -> Result<Box<Self>, String> {
        let codes = Codes::new(spec)?;
        let mut table = Box::new(Self {
            codes,
            values: [0; ENTRIES],
            runs: [0; ENTRIES],
        });
        for bits in 0..ENTRIES {
            let (length, symbol) = table.codes.symbol((bits as u64) << (64 - LOOK));
            let (advance, size) = step(symbol);
            if length + size <= LOOK {
                let extra = (bits as u32) >> (LOOK - length - size) & ((1 << size) - 1);
                let value = extend(extra, size) as u32;
                table.values[bits] = value << 16 | advance << 8 | (length + size);
            }
        }
        for bits in 0..ENTRIES {
            let (mut before, mut advance, mut length) = (0, 0, 0);
            while advance < END_OF_BLOCK {
                let entry = table.values[bits << length & (ENTRIES - 1)];
                let next = entry & 0xFF;
                // The look-up saw zeros behind the last known bit: only what lies before it counts.
                if entry == 0 || length + next > LOOK || advance + (entry >> 8 & 0xFF) > 255 {
                    break;
                }
                before = advance;
                advance += entry >> 8 & 0xFF;
                length += next;
            }
            table.runs[bits] = before << 16 | advance << 8 | length;
        }
        Ok(table)
    }

    /// Length of the next code and its symbol; 17 and 0 when there is none.
    #[inline(always)]
    pub fn symbol(&self, buffer: u64) -> (u32, u32) {
        self.codes.symbol(buffer)
    }

    /// The entry of `values`, see there.
    #[inline(always)]
    pub fn value(&self, bits: &Bits<'_>) -> u32 {
        self.values[bits.peek(LOOK) as usize]
    }

    /// The entry of `runs`, see there.
    #[inline(always)]
    pub fn run(&self, bits: &Bits<'_>) -> u32 {
        self.runs[bits.peek(LOOK) as usize]
    }

    /// Takes one coefficient whose code or value is long; `bits` holds at least 32. Advance, value, and whether the code was
    /// none.
    #[inline(always)]
    pub fn long_value(&self, bits: &mut Bits<'_>) -> (u32, i32, bool) {
        let (length, symbol) = self.codes.symbol(bits.buffer());
        bits.skip(length);
        let (advance, size) = step(symbol);
        let value = if size == 0 {
            0
        } else {
            extend(bits.take(size), size)
        };
        (advance, value, length > 16)
    }
}

/// How far a symbol of a sequential scan moves, and how many bits of value follow it (F.2.2.1).
#[inline(always)]
fn step(symbol: u32) -> (u32, u32) {
    match (symbol >> 4, symbol & 15) {
        (15, 0) => (16, 0),
        (_, 0) => (END_OF_BLOCK, 0),
        (run, size) => (run + 1, size),
    }
}

/// The tables of the standard's section K.3, which Motion JPEG frames leave out: DC and AC, luma and chroma.
pub(super) fn standard(ac: bool, chroma: bool) -> Spec {
    let (counts, list): ([u8; 16], &[u8]) = match (ac, chroma) {
        (false, false) => ([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], &DC_VALUES),
        (false, true) => ([0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], &DC_VALUES),
        (true, false) => (
            [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7D],
            &AC_LUMA_VALUES,
        ),
        (true, true) => (
            [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77],
            &AC_CHROMA_VALUES,
        ),
    };
    let mut values = [0; 256];
    values[..list.len()].copy_from_slice(list);
    Spec { counts, values }
}

const DC_VALUES: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

#[rustfmt::skip]
const AC_LUMA_VALUES: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71,
    0x14, 0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52, 0xD1, 0xF0, 0x24, 0x33, 0x62, 0x72,
    0x82, 0x09, 0x0A, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x34, 0x35, 0x36, 0x37,
    0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59,
    0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x83,
    0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3,
    0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3,
    0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE1, 0xE2,
    0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,
];

#[rustfmt::skip]
const AC_CHROMA_VALUES: [u8; 162] = [
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22,
    0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xA1, 0xB1, 0xC1, 0x09, 0x23, 0x33, 0x52, 0xF0, 0x15, 0x62, 0x72, 0xD1,
    0x0A, 0x16, 0x24, 0x34, 0xE1, 0x25, 0xF1, 0x17, 0x18, 0x19, 0x1A, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x35, 0x36,
    0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58,
    0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A,
    0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A,
    0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA,
    0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA,
    0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jpeg::bits::PADDING;

    /// The plain procedure of the standard (F.2.2.3), one bit at a time.
    fn slowly(spec: &Spec, bits: &mut impl Iterator<Item = u32>) -> u32 {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for length in 0..16 {
            code = code << 1 | bits.next().unwrap_or(0);
            let count = u32::from(spec.counts[length]);
            if code < first + count {
                return u32::from(spec.values[(index + code - first) as usize]);
            }
            index += count;
            first = (first + count) << 1;
        }
        panic!("no code");
    }

    #[test]
    fn look_ups_give_what_single_bits_give() {
        let mut state = 7_u32;
        let mut data: Vec<u8> = (0..4000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        let bytes = data.len();
        data.resize(bytes + PADDING, 0);
        for chroma in [false, true] {
            let spec = standard(true, chroma);
            let table = AcTable::new(&spec).unwrap_or_else(|e| panic!("{e}"));
            let mut bits = Bits::new(&data);
            let mut single = (0..data.len() * 8).map(|i| u32::from(data[i / 8] >> (7 - i % 8) & 1));
            for _ in 0..2000 {
                bits.refill();
                let buffer = bits.buffer();
                // Sixteen ones are no code: random data may hold them.
                if buffer >> 48 == 0xFFFF || table.symbol(buffer).0 > 16 {
                    break;
                }
                let symbol = slowly(&spec, &mut single);
                assert_eq!(table.symbol(buffer).1, symbol);
                let (advance, size) = step(symbol);
                let extra = (0..size).fold(0, |v, _| v << 1 | single.next().unwrap_or(0));
                let entry = table.value(&bits);
                let mut copy = bits;
                let (long_advance, value, bad) = table.long_value(&mut copy);
                assert_eq!(
                    (long_advance, value, bad),
                    (advance, extend(extra, size), false)
                );
                if entry != 0 {
                    assert_eq!(entry >> 8 & 0xFF, advance);
                    assert_eq!(entry as i32 >> 16, value);
                }
                bits = copy;
            }
        }
    }

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
