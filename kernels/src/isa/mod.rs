//! Instruction sets: a table with one row each, and the proof that this processor has one.
//!
//! A row says how many lanes a vector has and which kernels compute each element type; everything else of the crate is
//! the same for all. To add a set, write its file and its row in `ALL`; `README.md` says how.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512_int8;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
mod neon_int8;
mod portable;
#[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
mod relaxed;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;

use std::fmt;

use crate::kernel::depthwise;
use crate::kernel::tile::{Kernel, Shape, Tile};
use crate::kernel::winograd::Winograd;
use crate::memory::Arena;
use crate::step::small::Small;

/// A set of vector instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isa {
    /// Intel's tiles for int8 and bfloat16, AVX-512 for the rest.
    Amx,
    /// AVX-512 with VNNI and BF16.
    Avx512Bf16,
    /// AVX-512 with VNNI: four products of int8 an instruction.
    Avx512Vnni,
    /// AVX-512F, BW, DQ and VL: 16 channels in a vector.
    Avx512,
    /// AVX2, FMA and VNNI in 256 bits.
    AvxVnni,
    /// AVX2 and FMA: 8 channels in a vector.
    Avx2,
    /// 64-bit ARM with I8MM: products of uint8 and int8, four an instruction.
    NeonI8mm,
    /// 64-bit ARM with the dot product of int8.
    NeonDot,
    /// 64-bit ARM.
    Neon,
    /// WebAssembly with relaxed SIMD, where it multiplies int8 by uint8.
    RelaxedSimd,
    /// WebAssembly with relaxed SIMD, where it multiplies int8 only.
    RelaxedSimdSigned,
    /// WebAssembly with vectors of 128 bits.
    Simd128,
    /// Whatever the compiler makes of plain arrays of 8.
    Portable,
}

/// A row of the table.
pub(crate) struct Set {
    pub isa: Isa,
    pub name: &'static str,
    /// Words in a vector, and words of a pixel in a block.
    pub lanes: usize,
    /// Whether this processor, and its operating system, have it.
    pub detect: fn() -> bool,
    pub float: Arithmetic,
    pub bf16: Option<Arithmetic>,
    pub int8: Arithmetic,
    /// The small steps, compiled for this set.
    pub small: unsafe fn(&Small, Arena, &[f32], usize),
}

/// How one element type is computed.
pub(crate) struct Arithmetic {
    /// Pixels of a tile, most first; falls to 1.
    pub widths: &'static [usize],
    pub tile: fn(Shape) -> Option<Kernel>,
    pub depthwise: Depthwise,
    /// Winograd's kernels, where they pay.
    pub winograd: Option<&'static Winograd>,
    /// Matrix tiles, where there are any.
    pub matrix: Option<&'static Matrix>,
}

/// Depthwise kernels by pixels, stride and columns of taps.
#[derive(Clone, Copy)]
pub(crate) enum Depthwise {
    /// A vector of channels at a time: the kernel of so many pixels, for a stride and columns of taps.
    Lanes(fn(usize, usize, usize) -> Option<depthwise::Kernel>),
    /// A block of channels at a time, four rows woven into words; the same.
    Woven(fn(usize, usize, usize) -> Option<depthwise::Kernel>),
}

/// Tiles in registers of two dimensions: 16 pixels of 16 words times 16 words of 16 channels.
pub(crate) struct Matrix {
    /// Prepares the thread that computes a task; ends what `enter` began.
    pub enter: unsafe fn(),
    pub leave: unsafe fn(),
    /// 32 pixels by 32 channels into `[32 pixels][2 vectors][16]` sums.
    pub multiply: unsafe fn(&MatrixTile),
    /// From those sums to stored numbers.
    pub finish: unsafe fn(&Tile, *const u8, usize, usize, usize),
}

/// How many cache lines of coming weights are asked for with every run, which itself reads 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AheadLines {
    Eight = 8,
    Sixteen = 16,
    All = 32,
}

/// What one call of [`Matrix::multiply`] works on. Distances are bytes.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))] // No other set has matrix tiles yet.
pub(crate) struct MatrixTile {
    /// The first word of the first of 16 pixels, twice.
    pub inputs: [*const u8; 2],
    /// From a pixel to the next.
    pub step: usize,
    /// See [`Tile::runs`]; every run has 16 words.
    pub runs: *const usize,
    pub run_count: usize,
    /// `[runs][16][2][16]` words; with one vector `[runs][16][16]`.
    pub weights: *const u8,
    pub vectors: usize,
    /// Weights used soon, to be asked for along the way: so many cache lines a run.
    pub ahead: *const u8,
    pub ahead_lines: AheadLines,
    pub sums: *mut u8,
}

/// That this processor has an instruction set: kernels are only to be had through it.
#[derive(Clone, Copy)]
pub(crate) struct Proof(&'static Set);

impl Proof {
    pub fn set(self) -> &'static Set {
        self.0
    }
}

/// Best first.
static ALL: &[&Set] = &[
    #[cfg(target_arch = "x86_64")]
    &amx::AMX,
    #[cfg(target_arch = "x86_64")]
    &avx512::AVX512_BF16,
    #[cfg(target_arch = "x86_64")]
    &avx512::AVX512_VNNI,
    #[cfg(target_arch = "x86_64")]
    &avx512::AVX512,
    #[cfg(target_arch = "x86_64")]
    &avx2::AVX_VNNI,
    #[cfg(target_arch = "x86_64")]
    &avx2::AVX2,
    #[cfg(target_arch = "aarch64")]
    &neon::NEON_I8MM,
    #[cfg(target_arch = "aarch64")]
    &neon::NEON_DOT,
    #[cfg(target_arch = "aarch64")]
    &neon::NEON,
    #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
    &relaxed::MIXED,
    #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
    &relaxed::SIGNED,
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    &simd128::SIMD128,
    &portable::PORTABLE,
];

impl Isa {
    /// The best this processor has.
    pub fn detect() -> Self {
        *Self::available().first().unwrap_or(&Self::Portable)
    }

    /// All that this processor has, best first.
    pub fn available() -> Vec<Self> {
        let here = ALL.iter().filter(|set| (set.detect)());
        here.map(|set| set.isa).collect()
    }

    /// Whether it computes bfloat16.
    pub fn has_bf16(self) -> bool {
        ALL.iter().any(|set| set.isa == self && set.bf16.is_some())
    }

    /// The proof that this processor has it.
    pub(crate) fn prove(self) -> Option<Proof> {
        let set = ALL.iter().find(|set| set.isa == self && (set.detect)())?;
        Some(Proof(set))
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = ALL.iter().find(|set| set.isa == *self);
        match set {
            Some(set) => f.write_str(set.name),
            None => write!(f, "{self:?}"),
        }
    }
}
