//! From the sums of a tile to stored numbers: bias and scale, residual, clamp, rounding.
//!
//! Quantized results follow ONNX Runtime's arithmetic step by step (MLAS `MlasRequantizeOutput`, `MlasQLinearAdd`): one
//! float32 multiplication, clamp, round half to even, add the zero point. Nothing is fused into one rounding, so every
//! instruction set gives the same bits.

use super::tile::{Tile, half};
use super::{Dot, Float, unroll};

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

impl Finish {
    /// Whether results are stored as most of this type are, and nothing is added to them but the bias.
    #[inline(always)]
    pub fn is_simple<D: Dot>(&self) -> bool {
        self.store == D::STORE && matches!(self.residual, Residual::None)
    }
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
    let pixel = lanes * 4;
    // SAFETY: the caller's.
    unsafe {
        let (low, high) = (D::F::splat(f.low), D::F::splat(f.high));
        let zero = f.zero as i32;
        // A macro, not a closure: a closure that is not inlined would lose the target features. Pixels of one vector of
        // channels follow each other, so that its bias and scale stay in registers.
        macro_rules! each {
            (|$value:ident, $to:ident, $from:ident| $body:block) => {
                for n in 0..t.live {
                    let factor = D::factor(t.bias.add(n * pixel), t.scale.wrapping_add(n * lanes));
                    let to = t.output.wrapping_add(n.wrapping_mul(t.output_next));
                    let from = t.residual.wrapping_add(n.wrapping_mul(t.residual_next));
                    let sum = sums.add(n * pixel);
                    for p in 0..half.min(pixels) {
                        let $value = D::value(D::load_sum(sum.add(p * vectors * pixel)), factor);
                        let ($to, $from) = (to.add(p * pixel), from.wrapping_add(p * pixel));
                        $body
                    }
                    let to = to.wrapping_add(t.output_second);
                    let from = from.wrapping_add(t.residual_second);
                    for p in half..pixels {
                        let $value = D::value(D::load_sum(sum.add(p * vectors * pixel)), factor);
                        let along = (p - half) * pixel;
                        let ($to, $from) = (to.add(along), from.wrapping_add(along));
                        $body
                    }
                }
            };
        }
        match (f.store, f.residual) {
            (Store::U8, Residual::None | Residual::Real) => each!(|value, to, _from| {
                let v = D::F::min(high, D::F::max(low, value));
                D::F::store_u8(to, v, zero);
            }),
            (Store::U8, Residual::Quantized(q)) => {
                let fixed = D::F::splat(q.fixed);
                let (own, other) = (D::F::splat(q.conv_ratio), D::F::splat(q.residual_ratio));
                let [inner_low, inner_high, inner_zero] =
                    q.inner.unwrap_or_default().map(|v| D::F::splat(v));
                // The choices are made outside of the loops.
                macro_rules! sum {
                    ($is_stored:literal, $conv_is_second:literal) => {
                        each!(|value, to, from| {
                            let mut v = value;
                            if $is_stored {
                                let bounded = D::F::min(inner_high, D::F::max(inner_low, v));
                                v = D::F::add(D::F::round(bounded), inner_zero);
                            }
                            let (mut v, mut r) =
                                (D::F::mul(v, own), D::F::mul(D::F::load_u8(from), other));
                            if $conv_is_second {
                                v = D::F::add(v, fixed);
                            } else {
                                r = D::F::add(r, fixed);
                            }
                            let v = D::F::min(high, D::F::max(low, D::F::add(v, r)));
                            D::F::store_u8(to, v, zero);
                        })
                    };
                }
                match (q.inner.is_some(), q.conv_is_second) {
                    (true, true) => sum!(true, true),
                    (true, false) => sum!(true, false),
                    (false, true) => sum!(false, true),
                    (false, false) => sum!(false, false),
                }
            }
            (Store::F32, Residual::Real) => each!(|value, to, from| {
                let v = D::F::add(value, D::F::load(from.cast()));
                D::F::store(to.cast(), D::F::min(high, D::F::max(low, v)));
            }),
            (Store::F32, _) => each!(|value, to, _from| {
                D::F::store(to.cast(), D::F::min(high, D::F::max(low, value)));
            }),
            (Store::Bf16, Residual::Real) => each!(|value, to, from| {
                let v = D::F::add(value, D::F::load_bf16(from.cast()));
                D::store_half(to.cast(), D::F::min(high, D::F::max(low, v)));
            }),
            (Store::Bf16, _) => each!(|value, to, _from| {
                D::store_half(to.cast(), D::F::min(high, D::F::max(low, value)));
            }),
        }
    }
}

/// The same for a layer that is [simple](Finish::is_simple) and sums that are still in registers.
///
/// # Safety
/// As for [`finish`].
#[inline(always)]
pub(crate) unsafe fn finish_in_place<D: Dot, const P: usize, const N: usize>(
    t: &Tile,
    sums: &[[D::Sum; N]; P],
) {
    let (half, pixel, lanes) = (half(P), D::F::LANES * 4, D::F::LANES);
    let zero = t.finish.zero as i32;
    // SAFETY: the caller's.
    unsafe {
        let (low, high) = (D::F::splat(t.finish.low), D::F::splat(t.finish.high));
        unroll!(n < N, two, {
            let factor = D::factor(t.bias.add(n * pixel), t.scale.wrapping_add(n * lanes));
            let first = t.output.wrapping_add(n.wrapping_mul(t.output_next));
            let second = first.wrapping_add(t.output_second);
            unroll!(p < P, fourteen, {
                let to = if p < half {
                    first.add(p * pixel)
                } else {
                    second.add((p - half) * pixel)
                };
                let v = D::F::min(high, D::F::max(low, D::value(sums[p][n], factor)));
                match D::STORE {
                    Store::F32 => D::F::store(to.cast(), v),
                    Store::Bf16 => D::store_half(to.cast(), v),
                    Store::U8 => D::F::store_u8(to, v, zero),
                }
            });
        });
    }
}
