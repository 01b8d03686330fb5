//! Element types of values in the arena.

use crate::graph::Quantization;

/// How the numbers of a value are stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Elem {
    F32,
    /// The upper half of a float32.
    Bf16,
    U8(Scale),
}

/// `real = scale * (stored - zero)`; int8 is stored with 128 added, so that all kernels read uint8.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    pub scale: f32,
    pub zero: i32,
}

impl From<Quantization> for Scale {
    fn from(from: Quantization) -> Self {
        Self {
            scale: from.scale,
            zero: from.zero_point + if from.is_signed { 128 } else { 0 },
        }
    }
}

impl Scale {
    /// ONNX QuantizeLinear.
    #[inline(always)]
    pub fn store(self, value: f32) -> u8 {
        to_u8((value / self.scale).round_ties_even() + self.zero as f32)
    }

    /// ONNX DequantizeLinear.
    #[inline(always)]
    pub fn load(self, stored: u8) -> f32 {
        (i32::from(stored) - self.zero) as f32 * self.scale
    }
}

impl Elem {
    /// Bytes of a number.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
            Self::U8(_) => 1,
        }
    }

    /// Numbers in 32 bits.
    pub fn per_word(self) -> usize {
        4 / self.size()
    }

    /// A number as it is stored, in the lowest bits.
    #[inline(always)]
    pub fn bits(self, value: f32) -> u32 {
        match self {
            Self::F32 => value.to_bits(),
            Self::Bf16 => u32::from(to_bf16(value)),
            Self::U8(scale) => u32::from(scale.store(value)),
        }
    }

    /// The byte that zeros are made of.
    pub fn zero_byte(self) -> u8 {
        match self {
            Self::F32 | Self::Bf16 => 0,
            Self::U8(scale) => scale.zero as u8,
        }
    }
}

/// A whole number as a byte, the nearest one where it does not fit; 0 for a NaN. A cast of Rust's would do, but loops
/// over it stay without vectors.
#[inline(always)]
#[allow(clippy::manual_clamp)] // `clamp` keeps a NaN.
pub(crate) fn to_u8(whole: f32) -> u8 {
    let bounded = whole.max(0.0).min(255.0);
    // SAFETY: within 0 to 255, and `max` has made 0 of a NaN.
    unsafe { bounded.to_int_unchecked::<i32>() as u8 }
}

/// The nearest bfloat16, ties to even; a NaN stays one.
#[inline(always)]
pub(crate) fn to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = (bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16) as u16;
    if value.is_nan() {
        (bits >> 16) as u16 | 0x40
    } else {
        rounded
    }
}

#[inline(always)]
pub(crate) fn from_bf16(stored: u16) -> f32 {
    f32::from_bits(u32::from(stored) << 16)
}

/// Reads `to.len()` numbers that lie together.
///
/// # Safety
/// They are there.
#[inline(always)]
pub(crate) unsafe fn load(elem: Elem, from: *const u8, to: &mut [f32]) {
    // SAFETY: the caller's; unaligned reads.
    unsafe {
        match elem {
            Elem::F32 => {
                for (i, to) in to.iter_mut().enumerate() {
                    *to = from.cast::<f32>().add(i).read_unaligned();
                }
            }
            Elem::Bf16 => {
                for (i, to) in to.iter_mut().enumerate() {
                    *to = from_bf16(from.cast::<u16>().add(i).read_unaligned());
                }
            }
            Elem::U8(scale) => {
                for (i, to) in to.iter_mut().enumerate() {
                    *to = scale.load(*from.add(i));
                }
            }
        }
    }
}

/// Writes numbers that lie together.
///
/// # Safety
/// There is room, and nobody else reads or writes it.
#[inline(always)]
pub(crate) unsafe fn store(elem: Elem, from: &[f32], to: *mut u8) {
    // SAFETY: the caller's; unaligned writes.
    unsafe {
        match elem {
            Elem::F32 => {
                for (i, value) in from.iter().enumerate() {
                    to.cast::<f32>().add(i).write_unaligned(*value);
                }
            }
            Elem::Bf16 => {
                for (i, value) in from.iter().enumerate() {
                    to.cast::<u16>().add(i).write_unaligned(to_bf16(*value));
                }
            }
            Elem::U8(scale) => {
                for (i, value) in from.iter().enumerate() {
                    *to.add(i) = scale.store(*value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bfloat16_rounds_to_nearest_even() {
        let cases = [
            (1.0, 0x3f80),
            (f32::from_bits(0x3f80_8000), 0x3f80),
            (f32::from_bits(0x3f81_8000), 0x3f82),
            (f32::from_bits(0x3f80_8001), 0x3f81),
            (f32::MAX, 0x7f80),
            (f32::NEG_INFINITY, 0xff80),
        ];
        for (value, expected) in cases {
            assert_eq!(to_bf16(value), expected, "{value}");
        }
        assert!(from_bf16(to_bf16(f32::from_bits(0x7f80_0001))).is_nan());
    }

    #[test]
    fn quantized_numbers_are_those_of_onnx() {
        let scale = Scale::from(Quantization {
            scale: 0.5,
            zero_point: 10,
            is_signed: false,
        });
        let cases = [(0.25, 10), (0.75, 12), (-0.75, 8), (1e9, 255), (-1e9, 0)];
        for (value, expected) in cases {
            assert_eq!(scale.store(value), expected, "{value}");
        }
        for stored in 0..=255 {
            assert_eq!(scale.store(scale.load(stored)), stored);
        }
        let signed = Scale::from(Quantization {
            scale: 0.1,
            zero_point: -3,
            is_signed: true,
        });
        assert_eq!((signed.zero, signed.load(125)), (125, 0.0));
    }
}
