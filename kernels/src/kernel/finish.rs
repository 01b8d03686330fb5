//! From the sums of a tile to stored numbers: bias and scale, residual, clamp, rounding.
//!
//! Quantized results follow ONNX Runtime's arithmetic step by step (MLAS `MlasRequantizeOutput`, `MlasQLinearAdd`): one
//! float32 multiplication, clamp, round half to even, add the zero point. Nothing is fused into one rounding, so every
//! instruction set gives the same bits.

use super::tile::Tile;
use super::{Dot, Float};

/// How numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    F32,
    Bf16,
    U8,
}

/// The same for all tiles of a layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finish {
    pub store: Store,
    pub residual: Residual,
    pub low: f32,
    pub high: f32,
    /// Added after rounding to uint8.
    pub zero: f32,
}

/// What is added before the clamp.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Residual {
    None,
    /// A value of the output's element type, which is not quantized.
    Real,
    Quantized(QuantizedSum),
}

/// `conv * conv_ratio + (residual * residual_ratio + fixed)`, all in units of the output's scale.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QuantizedSum {
    /// The convolution's own result is stored before the sum: its bounds, and the zero point added after rounding.
    pub inner: Option<[f32; 3]>,
    pub conv_ratio: f32,
    pub residual_ratio: f32,
    pub fixed: f32,
    /// `fixed` joins the convolution's product, as it is the second operand of the sum.
    pub conv_is_second: bool,
}

/// Finishes `pixels` pixels of `vectors` vectors whose sums lie in `[pixels][vectors][LANES]`; the second half of them
/// lies in the tile's second row where `half < pixels`.
///
/// # Safety
/// The pointers of the tile cover its pixels, and the processor has the features of `D`.
#[inline(always)]
pub(crate) unsafe fn finish<D: Dot>(
    t: &Tile,
    sums: *const u8,
    pixels: usize,
    vectors: usize,
    half: usize,
) {
    let f = t.finish;
    let lanes = D::F::LANES;
    // SAFETY: the caller's.
    unsafe {
        let (low, high) = (D::F::splat(f.low), D::F::splat(f.high));
        let zero = D::F::splat(f.zero);
        // A macro, not a closure: a closure that is not inlined would lose the target features.
        macro_rules! each {
            (|$sum:ident, $n:ident, $to:ident, $from:ident| $body:block) => {
                for p in 0..pixels {
                    let ($to, $from) = if p < half {
                        (p * lanes * 4, p * lanes * 4)
                    } else {
                        let along = (p - half) * lanes * 4;
                        (
                            t.output_second.wrapping_add(along),
                            t.residual_second.wrapping_add(along),
                        )
                    };
                    for $n in 0..t.live {
                        let $sum = sums.add((p * vectors + $n) * lanes * 4);
                        let _ = $from;
                        $body
                    }
                }
            };
        }
        macro_rules! value {
            ($sum:ident, $n:ident) => {
                D::value($sum, t.bias.add($n * lanes * 4), t.scale.wrapping_add($n * lanes))
            };
        }
        macro_rules! output {
            ($n:ident, $to:ident) => {
                t.output.wrapping_add($n.wrapping_mul(t.output_next)).wrapping_add($to)
            };
        }
        macro_rules! residual {
            ($n:ident, $from:ident) => {
                t.residual.wrapping_add($n.wrapping_mul(t.residual_next)).wrapping_add($from)
            };
        }
        match (f.store, f.residual) {
            (Store::U8, Residual::None | Residual::Real) => each!(|sum, n, to, from| {
                let v = D::F::min(high, D::F::max(low, value!(sum, n)));
                D::F::store_u8(output!(n, to), D::F::add(D::F::round(v), zero));
            }),
            (Store::U8, Residual::Quantized(q)) => {
                let fixed = D::F::splat(q.fixed);
                let (own, other) = (D::F::splat(q.conv_ratio), D::F::splat(q.residual_ratio));
                each!(|sum, n, to, from| {
                    let mut v = value!(sum, n);
                    if let Some([low, high, zero]) = q.inner {
                        let v_in = D::F::min(D::F::splat(high), D::F::max(D::F::splat(low), v));
                        v = D::F::add(D::F::round(v_in), D::F::splat(zero));
                    }
                    let r = D::F::load_u8(residual!(n, from));
                    let (mut v, mut r) = (D::F::mul(v, own), D::F::mul(r, other));
                    if q.conv_is_second {
                        v = D::F::add(v, fixed);
                    } else {
                        r = D::F::add(r, fixed);
                    }
                    let v = D::F::min(high, D::F::max(low, D::F::add(v, r)));
                    D::F::store_u8(output!(n, to), D::F::add(D::F::round(v), zero));
                });
            }
            (Store::F32, Residual::Real) => each!(|sum, n, to, from| {
                let v = D::F::add(value!(sum, n), D::F::load(residual!(n, from).cast()));
                D::F::store(output!(n, to).cast(), D::F::min(high, D::F::max(low, v)));
            }),
            (Store::F32, _) => each!(|sum, n, to, from| {
                let v = D::F::min(high, D::F::max(low, value!(sum, n)));
                D::F::store(output!(n, to).cast(), v);
            }),
            (Store::Bf16, Residual::Real) => each!(|sum, n, to, from| {
                let v = D::F::add(value!(sum, n), D::F::load_bf16(residual!(n, from).cast()));
                D::F::store_bf16(output!(n, to).cast(), D::F::min(high, D::F::max(low, v)));
            }),
            (Store::Bf16, _) => each!(|sum, n, to, from| {
                let v = D::F::min(high, D::F::max(low, value!(sum, n)));
                D::F::store_bf16(output!(n, to).cast(), v);
            }),
        }
    }
}
