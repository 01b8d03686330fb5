//! What decodes AC coefficients: two of them in one look-up, and many where only their lengths are wanted.

use super::{Codes, ENTRIES, LOOK, Spec, number_at};
use crate::jpeg::bits::Bits;

/// Advance of an end-of-block symbol: beyond 63 + 16, so that it is told from a run that leaves the block.
pub(in crate::jpeg) const END_OF_BLOCK: u32 = 128;

/// For AC coefficients.
pub(in crate::jpeg) struct AcTable {
    codes: Codes,
    /// By the next bits: the one or two coefficients whose codes they hold.
    pairs: [Pair; ENTRIES],
    /// As many coefficients as have their codes there: advance of all but the last << 16 | advance of all << 8 | length. 0
    /// for none.
    runs: [u32; ENTRIES],
}

/// One or two coefficients whose codes a look-up saw. The value of the last one may reach beyond the bits that were seen. With
/// one, the first stands where the last does, so that both can be written without asking.
#[derive(Clone, Copy)]
pub(in crate::jpeg) struct Pair(u64);

impl Pair {
    /// No code is whole.
    const NONE: Self = Self(0);

    fn one(only: Code) -> Self {
        Self::of(0, 0, 0, only.advance, only)
    }

    fn two(first: Code, value: i16, last: Code) -> Self {
        Self::of(value, first.advance, first.bits(), first.advance, last)
    }

    /// The last one's code begins after `bits` bits and an advance of `before`.
    fn of(first: i16, before: u32, bits: u32, first_advance: u32, last: Code) -> Self {
        let counts = before << 24
            | first_advance << 16
            | (before + last.advance) << 8
            | (bits + last.bits());
        let values = last.size << 24 | (bits + last.length) << 16 | u32::from(first as u16);
        Self(u64::from(values) << 32 | u64::from(counts))
    }

    #[inline(always)]
    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Length of all of it in its low six bits, as [`Bits::skip`] takes it: at most [`LOOK`] + 15.
    #[inline(always)]
    pub fn bits(self) -> u32 {
        self.0 as u32
    }

    /// How far it moves in all.
    #[inline(always)]
    pub fn advance(self) -> u32 {
        self.0 as u32 >> 8 & 0xFF
    }

    /// How far the first coefficient moves.
    #[inline(always)]
    pub fn first_advance(self) -> u32 {
        self.0 as u32 >> 16 & 0xFF
    }

    /// How far it moves before the last coefficient: 0 where there is but one.
    #[inline(always)]
    pub fn before(self) -> u32 {
        self.0 as u32 >> 24
    }

    #[inline(always)]
    pub fn first(self) -> i16 {
        (self.0 >> 32) as i16
    }

    /// The last coefficient; `buffer` is what the look-up saw, and more.
    #[inline(always)]
    pub fn last(self, buffer: u64) -> i16 {
        number_at(buffer, (self.0 >> 48) as u32, (self.0 >> 56) as u32) as i16
    }
}

/// What one code says.
#[derive(Clone, Copy)]
struct Code {
    /// Of the code alone; 0 where there is none.
    length: u32,
    /// The run and the coefficient itself, or [`END_OF_BLOCK`].
    advance: u32,
    /// Bits of value that follow the code.
    size: u32,
}

impl Code {
    /// Of a code of `length` bits.
    fn of((length, symbol): (u32, u32)) -> Self {
        let (advance, size) = step(symbol);
        Self {
            length,
            advance,
            size,
        }
    }

    fn bits(self) -> u32 {
        self.length + self.size
    }
}

impl AcTable {
    pub fn new(spec: &Spec) -> Result<Box<Self>, String> {
        let mut table = Box::new(Self {
            codes: Codes::new(spec)?,
            pairs: [Pair::NONE; ENTRIES],
            runs: [0; ENTRIES],
        });
        for bits in 0..ENTRIES {
            let (mut before, mut advance, mut length) = (0, 0, 0);
            let mut first = None;
            // The value of a coefficient may reach beyond the bits seen: then it is the last.
            while advance < END_OF_BLOCK && length < LOOK {
                // The look-up saw zeros behind the last known bit: only a code that lies before it counts.
                let code = Code::of(table.codes.short(bits << length & (ENTRIES - 1)));
                if code.length == 0 || length + code.length > LOOK || advance + code.advance > 255 {
                    break;
                }
                match first {
                    None => {
                        table.pairs[bits] = Pair::one(code);
                        let buffer = (bits as u64) << (64 - LOOK);
                        first = Some((code, number_at(buffer, code.length, code.size)));
                    }
                    Some((one, value)) if before == 0 => {
                        table.pairs[bits] = Pair::two(one, value as i16, code);
                    }
                    Some(_) => {}
                }
                before = advance;
                advance += code.advance;
                length += code.bits();
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

    /// The entry of `pairs`, see there.
    #[inline(always)]
    pub fn pair(&self, bits: &Bits<'_>) -> Pair {
        self.pairs[bits.peek(LOOK) as usize]
    }

    /// The entry of `runs`, see there.
    #[inline(always)]
    pub fn run(&self, bits: &Bits<'_>) -> u32 {
        self.runs[bits.peek(LOOK) as usize]
    }

    /// Takes one coefficient, however long its code; `bits` holds at least 32. Advance, value, and whether the code was none.
    #[inline(always)]
    pub fn one_value(&self, bits: &mut Bits<'_>) -> (u32, i32, bool) {
        let (length, symbol) = self.codes.symbol(bits.buffer());
        let (advance, size) = step(symbol);
        let value = number_at(bits.buffer(), length, size);
        bits.skip(length + size);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jpeg::bits::PADDING;
    use crate::jpeg::huffman::extend;
    use crate::jpeg::standard::standard;

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
            let mut pairs = 0;
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
                let pair = table.pair(&bits);
                let mut copy = bits;
                let (long_advance, value, bad) = table.one_value(&mut copy);
                assert_eq!(
                    (long_advance, value, bad),
                    (advance, extend(extra, size), false)
                );
                if !pair.is_none() {
                    assert_eq!(pair.first_advance(), advance);
                    if pair.before() > 0 {
                        assert_eq!(i32::from(pair.first()), value);
                    }
                }
                let taken = bits.left() - copy.left();
                bits = copy;
                // What the pair says of the second coefficient is what the next code is.
                if !pair.is_none() && pair.before() > 0 {
                    assert_eq!(pair.before(), advance);
                    let (second, value, bad) = table.one_value(&mut copy);
                    assert!(!bad);
                    assert_eq!(pair.advance(), advance + second);
                    assert_eq!(i32::from(pair.last(buffer)), value);
                    assert_eq!(pair.bits() & 63, taken + bits.left() - copy.left());
                    pairs += 1;
                } else if !pair.is_none() {
                    assert_eq!(pair.advance(), advance);
                    assert_eq!(i32::from(pair.last(buffer)), value);
                    assert_eq!(pair.bits() & 63, taken);
                }
            }
            assert!(pairs > 100, "{pairs}");
        }
    }
}
