//! The numbers of integer layers: zero points taken into biases, bounds and scales in stored units.

use super::draft::{Draft, Residual};
use crate::buffer::Buffer;
use crate::elem::{Elem, Scale};
use crate::graph::{Bytes, Room, WeightData};
use crate::kernel::finish::{self, Finish, QuantizedSum, Store};
use crate::step::spec::Whole;

/// The output's units: its scale and zero where it is quantized.
pub(super) fn units(dst: &Buffer) -> Option<Scale> {
    match dst.elem {
        Elem::U8(scale) => Some(scale),
        Elem::F32 | Elem::Bf16 => None,
    }
}

/// Bounds of real numbers as stored numbers, zero not added.
pub(super) fn stored_bounds(scale: Scale, low: f32, high: f32) -> [f32; 2] {
    let (least, most) = (-scale.zero as f32, (255 - scale.zero) as f32);
    let stored = |bound: f32| (bound / scale.scale).round_ties_even().clamp(least, most);
    [stored(low), stored(high)]
}

pub(super) fn store(dst: &Buffer) -> Store {
    match dst.elem {
        Elem::F32 => Store::F32,
        Elem::Bf16 => Store::Bf16,
        Elem::U8(_) => Store::U8,
    }
}

/// `to.zero - (ratios[0] * zero of the first + ratios[1] * zero of the second)`, as MLAS computes it.
pub(super) fn fixed_part(to: Scale, from: [Scale; 2], ratios: [f32; 2]) -> f32 {
    to.zero as f32 - (ratios[0] * from[0].zero as f32 + ratios[1] * from[1].zero as f32)
}

/// How integer sums end.
pub(super) fn integer_finish(
    draft: &Draft,
    dst: &Buffer,
    residual: Option<Residual>,
    place: Option<Buffer>,
) -> Finish {
    let mut finish = Finish {
        store: store(dst),
        residual: finish::Residual::None,
        low: draft.low,
        high: draft.high,
        zero: 0.0,
    };
    let Some(to) = units(dst) else {
        if residual.is_some() {
            finish.residual = finish::Residual::Real;
        }
        return finish;
    };
    let [low, high] = stored_bounds(to, draft.low, draft.high);
    let zero = to.zero as f32;
    (finish.low, finish.high, finish.zero) = (low, high, zero);
    if let Some(residual) = residual
        && let Some(other) = place.as_ref().and_then(units)
    {
        // Without a quantization of its own the convolution's result is already in the output's units.
        let own = residual
            .inner
            .map_or(Scale { zero: 0, ..to }, |(inner, ..)| inner);
        let ratios = [own.scale / to.scale, other.scale / to.scale];
        let (first, second) = if residual.conv_is_second {
            (1, 0)
        } else {
            (0, 1)
        };
        let mut ordered = [Scale {
            scale: 0.0,
            zero: 0,
        }; 2];
        (ordered[first], ordered[second]) = (own, other);
        let mut ordered_ratios = [0.0; 2];
        (ordered_ratios[first], ordered_ratios[second]) = (ratios[0], ratios[1]);
        finish.residual = finish::Residual::Quantized(QuantizedSum {
            inner: residual.inner.map(|(inner, low, high)| {
                let [low, high] = stored_bounds(inner, low, high);
                [low, high, inner.zero as f32]
            }),
            conv_ratio: ratios[0],
            residual_ratio: ratios[1],
            fixed: fixed_part(to, ordered, ordered_ratios),
            conv_is_second: residual.conv_is_second,
        });
        // The sum holds the zero point.
        (finish.low, finish.high, finish.zero) = (low + zero, high + zero, 0.0);
    }
    finish
}

/// The numbers of an integer convolution.
pub(super) struct Integers<'a> {
    pub weights: Whole<'a>,
    pub bias: Vec<i32>,
    pub scale: Vec<f32>,
}

impl<'a> Integers<'a> {
    /// Zero points taken into the biases; scales as ONNX Runtime multiplies them, `(x * w) / y`.
    pub fn new(
        bytes: &'a Bytes,
        room: &'a mut Room<u8>,
        bias: Option<&WeightData>,
        out: usize,
        from: Scale,
        unit: Option<Scale>,
    ) -> std::io::Result<Self> {
        let (weights, sums) = Whole::new(bytes, bytes.read(room)?, out);
        let mut biases = Vec::with_capacity(out);
        let mut scales = Vec::with_capacity(out);
        let real_bias = match bias {
            Some(WeightData::Integers { .. }) | None => None,
            Some(real) => Some(real.read(out)?),
        };
        for (channel, sum) in sums.into_iter().enumerate() {
            let product = from.scale * bytes.affine(channel).0;
            let own = match (bias, &real_bias) {
                (Some(WeightData::Integers { values, .. }), _) => values[channel],
                (_, Some(real)) => {
                    (f64::from(real[channel]) / f64::from(product)).round_ties_even() as i32
                }
                _ => 0,
            };
            biases.push(own.wrapping_sub(from.zero.wrapping_mul(sum)));
            scales.push(unit.map_or(product, |unit| product / unit.scale));
        }
        Ok(Self {
            weights,
            bias: biases,
            scale: scales,
        })
    }
}
