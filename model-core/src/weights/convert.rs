//! Little-endian numbers of a checkpoint to f32.

use half::{bf16, f16};

/// Number types of checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    F32,
    F64,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
    /// Quantized, complex, float8 and what else no network of ours is made of.
    Other,
}

impl Number {
    /// Bytes of one number.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool | Self::Other => 1,
        }
    }

    /// The number in `bytes`, which has exactly [`Number::bytes`] of them.
    fn read(self, bytes: &[u8]) -> f32 {
        let mut wide = [0u8; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        let bits = u64::from_le_bytes(wide);
        match self {
            Self::F32 => f32::from_bits(bits as u32),
            Self::F64 => f64::from_bits(bits) as f32,
            Self::F16 => f16::from_bits(bits as u16).to_f32(),
            Self::Bf16 => bf16::from_bits(bits as u16).to_f32(),
            Self::I64 => bits as i64 as f32,
            Self::I32 => bits as u32 as i32 as f32,
            Self::I16 => bits as u16 as i16 as f32,
            Self::I8 => bits as u8 as i8 as f32,
            Self::U8 | Self::Bool => bits as f32,
            Self::Other => f32::NAN,
        }
    }

    /// All numbers of `bytes`; a rest shorter than one number is ignored.
    pub(super) fn read_all(self, bytes: &[u8]) -> Vec<f32> {
        if self == Self::F32 {
            let (words, _) = bytes.as_chunks::<4>();
            return words.iter().map(|word| f32::from_le_bytes(*word)).collect();
        }
        bytes
            .chunks_exact(self.bytes())
            .map(|chunk| self.read(chunk))
            .collect()
    }

    /// The number at `index` of `bytes`, if it is inside.
    pub(super) fn read_at(self, bytes: &[u8], index: usize) -> Option<f32> {
        let start = index.checked_mul(self.bytes())?;
        bytes
            .get(start..start.checked_add(self.bytes())?)
            .map(|chunk| self.read(chunk))
    }
}
