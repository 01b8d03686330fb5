//! Raw rows to numbers: predictors undone, bits unpacked, every kind of number brought to 8 bits.

use super::Numbers;

/// What one row's raw bytes hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// Samples in a row: pixels times the samples of one plane.
    pub samples: usize,
    /// Distance between two samples of one channel.
    pub step: usize,
    /// Bits of one sample.
    pub bits: usize,
    /// Whether samples of 16 bits and more begin with their high byte.
    pub big_endian: bool,
}

/// Undoes the horizontal differences of Predictor 2 in one row.
pub(super) fn undo_differences(line: &mut [u8], row: Row) {
    match row.bits {
        8 => {
            for i in row.step..row.samples.min(line.len()) {
                line[i] = line[i].wrapping_add(line[i - row.step]);
            }
        }
        16 | 32 | 64 => {
            let size = row.bits / 8;
            let number = |bytes: &[u8]| {
                let fold = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
                if row.big_endian {
                    bytes.iter().fold(0, fold)
                } else {
                    bytes.iter().rev().fold(0, fold)
                }
            };
            for i in row.step..row.samples {
                let (here, before) = (i * size, (i - row.step) * size);
                let sum = number(&line[here..here + size])
                    .wrapping_add(number(&line[before..before + size]));
                let sum = sum.to_le_bytes();
                for (place, byte) in sum[..size].iter().enumerate() {
                    let place = if row.big_endian {
                        size - 1 - place
                    } else {
                        place
                    };
                    line[here + place] = *byte;
                }
            }
        }
        _ => {}
    }
}

/// Undoes Predictor 3 (Adobe's technote 3): byte differences over planes of bytes, the highest plane first. The result
/// is big-endian whatever the file is.
pub(super) fn undo_float_differences(line: &mut [u8], row: Row) {
    let size = row.bits / 8;
    for i in row.step..line.len() {
        line[i] = line[i].wrapping_add(line[i - row.step]);
    }
    let planes = line.to_vec();
    for sample in 0..row.samples {
        for byte in 0..size {
            line[sample * size + byte] = planes[byte * row.samples + sample];
        }
    }
}

/// Samples as bytes: 8 bits as they are, fewer stretched to 0..=255, more cut to the high byte.
pub(super) fn bytes(line: &[u8], row: Row, numbers: Numbers, out: &mut Vec<u8>) {
    match row.bits {
        8 => out.extend_from_slice(&line[..row.samples]),
        16 => {
            let high = usize::from(!row.big_endian);
            out.extend(
                line.as_chunks::<2>().0[..row.samples]
                    .iter()
                    .map(|two| two[high]),
            );
        }
        bits if bits > 16 && bits % 8 == 0 => {
            let size = bits / 8;
            let high = if row.big_endian { 0 } else { size - 1 };
            let whole = line.chunks_exact(size).take(row.samples);
            out.extend(whole.map(|sample| sample[high]));
        }
        bits => {
            let most = (1_u32 << bits) - 1;
            for sample in 0..row.samples {
                let value = packed(line, sample * bits, bits);
                out.push(match numbers {
                    Numbers::Indices => value.min(255) as u8,
                    _ if bits < 8 => (value * 255 / most) as u8,
                    _ => (value >> (bits - 8)) as u8,
                });
            }
        }
    }
}

/// Up to 16 bits that begin at a bit, high bits first.
fn packed(line: &[u8], at: usize, bits: usize) -> u32 {
    let byte = |i: usize| u32::from(line.get(at / 8 + i).copied().unwrap_or(0));
    let window = byte(0) << 16 | byte(1) << 8 | byte(2);
    window >> (24 - at % 8 - bits) & ((1 << bits) - 1)
}

/// Samples as numbers whose white nobody agreed on: floating point, signed, 32 bits and more.
pub(super) fn floats(line: &[u8], row: Row, numbers: Numbers, out: &mut Vec<f32>) {
    let size = row.bits / 8;
    for sample in line.chunks_exact(size.max(1)).take(row.samples) {
        let fold = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
        let value = if row.big_endian {
            sample.iter().fold(0, fold)
        } else {
            sample.iter().rev().fold(0, fold)
        };
        out.push(match (numbers, row.bits) {
            (Numbers::Float, 16) => half(value as u16),
            (Numbers::Float, 24) => three_byte_float(value as u32),
            (Numbers::Float, 32) => f32::from_bits(value as u32),
            (Numbers::Float, _) => f64::from_bits(value) as f32,
            (Numbers::Signed, bits) => {
                let shift = 64 - bits as u32;
                ((value << shift) as i64 >> shift) as f32
            }
            _ => value as f32,
        });
    }
}

/// IEEE 754 half precision.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1F), f32::from(bits & 0x3FF));
    sign * match exponent {
        0 => fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2_f32.powi(exponent - 15),
    }
}

/// Adobe's 24-bit floating point: 1 sign, 7 exponent, 16 fraction bits.
fn three_byte_float(bits: u32) -> f32 {
    let sign = if bits >> 23 & 1 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = ((bits >> 16 & 0x7F) as i32, (bits & 0xFFFF) as f32);
    sign * match exponent {
        0 => fraction * 2_f32.powi(-62 - 16),
        127 if fraction == 0.0 => f32::INFINITY,
        127 => f32::NAN,
        _ => (1.0 + fraction / 65536.0) * 2_f32.powi(exponent - 63),
    }
}

/// Brings numbers without an agreed white to bytes: up to 1 (fractions) is 0 to 1, up to 255 and up to 65,535 are those
/// ranges, and anything else ends at its largest value. Negative numbers are black, what is no number is black.
pub(super) fn to_bytes(values: &[f32], numbers: Numbers) -> Vec<u8> {
    let largest = values
        .iter()
        .copied()
        .filter(|value| value.is_finite())
        .fold(0.0_f32, f32::max);
    // Renderings overshoot 1 a little; nothing in 0..=255 is that dark.
    let white = match largest {
        ..=2.0 if numbers == Numbers::Float => 1.0,
        ..=255.0 => 255.0,
        ..=65_535.0 => 65_535.0,
        other => other,
    };
    let scale = 255.0 / white;
    // `as` saturates, and NaN becomes 0.
    values.iter().map(|value| (value * scale) as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_unpacked_from_the_high_end() {
        let row = |bits, samples| Row {
            samples,
            step: 1,
            bits,
            big_endian: false,
        };
        let unpack = |line: &[u8], bits, samples| {
            let mut out = Vec::new();
            bytes(line, row(bits, samples), Numbers::Unsigned, &mut out);
            out
        };
        assert_eq!(unpack(&[0b1010_0000], 1, 3), [255, 0, 255]);
        assert_eq!(unpack(&[0b0001_1011], 2, 4), [0, 85, 170, 255]);
        assert_eq!(unpack(&[0x0F, 0xA0], 4, 3), [0, 255, 170]);
        assert_eq!(unpack(&[0xAB, 0xCD, 0xEF], 12, 2), [0xAB, 0xDE]);
        assert_eq!(unpack(&[0x34, 0x12], 16, 1), [0x12]);
    }

    #[test]
    fn predictors_are_undone() {
        let row = Row {
            samples: 4,
            step: 2,
            bits: 8,
            big_endian: false,
        };
        let mut line = [10, 20, 1, 255];
        undo_differences(&mut line, row);
        assert_eq!(line, [10, 20, 11, 19]);
        let mut line = [0x00, 0x01, 0x00, 0xFF];
        let wide = Row {
            samples: 2,
            step: 1,
            bits: 16,
            big_endian: true,
        };
        undo_differences(&mut line, wide);
        assert_eq!(line, [0x00, 0x01, 0x01, 0x00]);
    }

    #[test]
    fn halves_and_thirds() {
        assert_eq!(half(0x3C00), 1.0);
        assert_eq!(half(0xC000), -2.0);
        assert_eq!(half(0x0001), 2_f32.powi(-24));
        assert_eq!(three_byte_float(0x3F_0000), 1.0);
        assert_eq!(
            to_bytes(&[0.0, 0.5, 1.03, f32::NAN], Numbers::Float),
            [0, 127, 255, 0]
        );
        assert_eq!(to_bytes(&[-3.0, 65_535.0], Numbers::Signed), [0, 255]);
    }
}
