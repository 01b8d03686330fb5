//! CCITT fax compression as TIFF holds it (T.4 and T.6): modified Huffman rows on byte or word boundaries, Group 3 in
//! one and two dimensions, Group 4. The code tables are the `fax` crate's; the rows are ours, because that crate reads
//! neither two-dimensional Group 3 nor rows without end-of-line codes.

use std::convert::Infallible;

use fax::BitReader;
use fax::maps::{Mode, black, mode, white};

/// Which of the compressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Modified Huffman, every row beginning on a byte (TIFF 2) or a 16-bit word (TIFF 32771).
    Huffman { align_bits: usize },
    /// Group 3; `two_dimensional` is bit 0 of T4Options.
    Group3 { two_dimensional: bool },
    /// Group 4.
    Group4,
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Zero bits that may be read past the end, so that the last code is found by a table that looks further ahead.
const SLACK: usize = 32;

impl Bits<'_> {
    fn ended(&self) -> bool {
        self.at >= self.bytes.len() * 8
    }

    fn window(&self) -> u32 {
        let byte = self.at / 8;
        let four = |i: usize| u32::from(self.bytes.get(byte + i).copied().unwrap_or(0));
        let word = four(0) << 24 | four(1) << 16 | four(2) << 8 | four(3);
        word << (self.at % 8)
    }
}

impl BitReader for Bits<'_> {
    type Error = Infallible;

    fn peek(&self, bits: u8) -> Option<u16> {
        if self.at + usize::from(bits) > self.bytes.len() * 8 + SLACK {
            return None;
        }
        Some((self.window() >> (32 - u32::from(bits.clamp(1, 16)))) as u16)
    }

    fn consume(&mut self, bits: u8) -> Result<(), Infallible> {
        self.at += usize::from(bits);
        Ok(())
    }

    fn bits_to_byte_boundary(&self) -> u8 {
        ((8 - self.at % 8) % 8) as u8
    }
}

/// Decodes rows of `width` pixels until `rows` are there: a bit a pixel, 1 is black, every row on a whole byte.
/// The text says what was wrong, when something was; what could not be read is white.
pub(super) fn decode(
    bytes: &[u8],
    width: usize,
    rows: usize,
    kind: Kind,
) -> (Vec<u8>, Option<String>) {
    let stride = width.div_ceil(8);
    let mut out = vec![0; stride * rows];
    let mut bits = Bits { bytes, at: 0 };
    let mut reference: Vec<usize> = Vec::new();
    let mut damage = None;
    for (row, line) in out.chunks_exact_mut(stride.max(1)).enumerate() {
        if bits.ended() {
            damage.get_or_insert_with(|| format!("rows from {row} on are missing"));
            break;
        }
        let (changes, sound) = match kind {
            Kind::Huffman { align_bits } => {
                bits.at = bits.at.next_multiple_of(align_bits);
                one_dimensional(&mut bits, width)
            }
            Kind::Group3 { two_dimensional } => {
                let ends = skip_ends_of_line(&mut bits);
                if ends >= 6 || bits.ended() {
                    damage.get_or_insert_with(|| format!("rows from {row} on are missing"));
                    break;
                }
                let in_one = !two_dimensional || bits.peek(1) == Some(1);
                if two_dimensional {
                    bits.at += 1;
                }
                let read = if in_one {
                    one_dimensional(&mut bits, width)
                } else {
                    across(&mut bits, width, &reference).unwrap_or_default()
                };
                if !read.1 {
                    find_end_of_line(&mut bits);
                }
                read
            }
            Kind::Group4 => match across(&mut bits, width, &reference) {
                Some(read) => read,
                None => {
                    damage.get_or_insert_with(|| format!("rows from {row} on are missing"));
                    break;
                }
            },
        };
        paint(line, &changes, width);
        if !sound {
            damage.get_or_insert_with(|| format!("the code of row {row} is broken"));
            if kind == Kind::Group4 {
                break;
            }
        }
        reference = changes;
    }
    (out, damage)
}

/// Passes over end-of-line codes (eleven or more zeros and a one) and says how many there were in a row.
fn skip_ends_of_line(bits: &mut Bits<'_>) -> usize {
    let mut count = 0;
    loop {
        let begin = bits.at;
        while bits.peek(1) == Some(0) && !bits.ended() {
            bits.at += 1;
        }
        if bits.at - begin < 11 || bits.ended() {
            if !bits.ended() || count == 0 {
                bits.at = begin;
            }
            return count;
        }
        bits.at += 1;
        count += 1;
        // In two dimensions a tag bit stands between the six codes of the page's end.
        if count < 6 && bits.peek(13).is_some_and(|next| next == 0x1001) {
            bits.at += 1;
        }
    }
}

fn find_end_of_line(bits: &mut Bits<'_>) {
    let mut zeros = 0;
    while !bits.ended() {
        if bits.peek(1) == Some(0) {
            zeros += 1;
        } else if zeros >= 11 {
            bits.at -= zeros;
            return;
        } else {
            zeros = 0;
        }
        bits.at += 1;
    }
}

fn run(bits: &mut Bits<'_>, is_black: bool) -> Option<usize> {
    let mut total = 0;
    loop {
        let part = if is_black {
            black::decode(bits)
        } else {
            white::decode(bits)
        }?;
        total += usize::from(part);
        if part < 64 {
            return Some(total);
        }
        // Runs of more than any row: nothing sound.
        if total > 1 << 24 {
            return None;
        }
    }
}

/// One row of runs; the positions of color changes, the first being white to black.
fn one_dimensional(bits: &mut Bits<'_>, width: usize) -> (Vec<usize>, bool) {
    let mut changes = Vec::new();
    let (mut at, mut is_black) = (0, false);
    while at < width {
        // An end-of-line code before the row is full: the rest is white.
        if bits.peek(11) == Some(0) {
            return (changes, false);
        }
        let Some(length) = run(bits, is_black) else {
            return (changes, false);
        };
        at += length;
        changes.push(at.min(width));
        is_black = !is_black;
    }
    (changes, at == width)
}

/// One row described by its difference from the row above. `None` at the end of the block.
fn across(bits: &mut Bits<'_>, width: usize, reference: &[usize]) -> Option<(Vec<usize>, bool)> {
    let mut changes: Vec<usize> = Vec::new();
    let mut at: Option<usize> = None;
    let mut is_black = false;
    // The reference's changes before `at` are never looked at again.
    let mut first = 0_usize;
    while at.unwrap_or(0) < width {
        let after = |position: usize| at.is_none_or(|at| position > at);
        while first > 0 && reference.get(first - 1).is_some_and(|&p| after(p)) {
            first -= 1;
        }
        while reference.get(first).is_some_and(|&p| !after(p)) {
            first += 1;
        }
        // b1 has the color opposite to the current one: white to black changes stand at even places.
        let b1 = first + usize::from((first % 2 == 1) != is_black);
        let position = |index: usize| reference.get(index).copied().unwrap_or(width).min(width);
        match mode::decode(bits) {
            Some(Mode::Pass) => at = Some(position(b1 + 1)),
            Some(Mode::Vertical(delta)) => {
                let a1 = position(b1).checked_add_signed(isize::from(delta));
                match a1.filter(|&a1| a1 <= width && at.is_none_or(|at| a1 >= at)) {
                    Some(a1) => {
                        changes.push(a1);
                        at = Some(a1);
                        is_black = !is_black;
                    }
                    None => return Some((changes, false)),
                }
            }
            Some(Mode::Horizontal) => {
                let (Some(one), Some(two)) = (run(bits, is_black), run(bits, !is_black)) else {
                    return Some((changes, false));
                };
                let a1 = at.unwrap_or(0) + one;
                changes.extend([a1.min(width), (a1 + two).min(width)]);
                at = Some(a1 + two);
            }
            Some(Mode::EOF) if at.is_none() => return None,
            Some(Mode::EOF | Mode::Extension) | None => return Some((changes, false)),
        }
    }
    Some((changes, true))
}

/// Sets the bits between a white-to-black change and the next one.
fn paint(line: &mut [u8], changes: &[usize], width: usize) {
    for pair in changes.chunks(2) {
        let end = pair.get(1).copied().unwrap_or(width);
        for x in pair[0]..end.min(width) {
            line[x / 8] |= 0x80 >> (x % 8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(text: &str) -> Vec<u8> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        text.as_bytes()
            .chunks(8)
            .map(|byte| {
                let value = byte.iter().fold(0, |v, b| v << 1 | u8::from(*b == b'1'));
                value << (8 - byte.len())
            })
            .collect()
    }

    #[test]
    fn rows_of_every_kind() {
        // White 2 = 0111, black 3 = 10, white 3 = 1000 (T.4, table 2).
        let row = "0111 10 1000";
        let align = Kind::Huffman { align_bits: 8 };
        assert_eq!(
            decode(&bits(&format!("{row} 000000 {row}")), 8, 2, align),
            (vec![0b0011_1000; 2], None)
        );
        let end = "000000000001";
        let group3 = Kind::Group3 {
            two_dimensional: false,
        };
        assert_eq!(
            decode(&bits(&format!("{end} {row} {end} {row}")), 8, 2, group3),
            (vec![0b0011_1000; 2], None)
        );
        // Without end-of-line codes, as some writers leave them out.
        assert_eq!(decode(&bits(&format!("{row} {row}")), 8, 2, group3).1, None);
        // Two dimensions: the second row is the first, one pixel to the right: V(1) = 011, V(1), V(0).
        let two = Kind::Group3 {
            two_dimensional: true,
        };
        let both = format!("{end} 1 {row} {end} 0 011 011 1");
        assert_eq!(
            decode(&bits(&both), 8, 2, two),
            (vec![0b0011_1000, 0b0001_1100], None)
        );
        // Group 4: horizontal (001) in the first row, then pass (0001) and white to the end.
        let four = format!("001 {} 1 0001 1 000000000001000000000001", "0111 10");
        assert_eq!(
            decode(&bits(&four), 8, 2, Kind::Group4),
            (vec![0b0011_1000, 0], None)
        );
    }

    #[test]
    fn damage_is_said_and_nothing_panics() {
        let (out, damage) = decode(&[0x35], 1728, 4, Kind::Group4);
        assert_eq!(out.len(), 216 * 4);
        assert!(damage.is_some());
        for kind in [
            Kind::Group4,
            Kind::Group3 {
                two_dimensional: true,
            },
            Kind::Huffman { align_bits: 16 },
        ] {
            for seed in 0..=255_u8 {
                let noise: Vec<u8> = (0..64_u8)
                    .map(|i| seed.wrapping_mul(i ^ 0x5A).wrapping_add(i))
                    .collect();
                let _ = decode(&noise, 40, 30, kind);
            }
        }
    }
}
