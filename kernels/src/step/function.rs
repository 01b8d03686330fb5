//! Functions of one number, written so that the compiler makes vectors of them.

use crate::graph::Function;

/// `exp(x)` within 2 units in the last place (Cephes `expf`: range reduction by ln 2, a polynomial of degree 6).
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    /// Adding it leaves the nearest integer in the low bits.
    const BIG: f32 = 12_582_912.0;
    // Beyond these the result is 0 or infinite; a NaN passes both comparisons.
    let x = if x < -87.3 { -87.3 } else { x };
    let x = if x > 88.3 { 88.3 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + BIG;
    let n = shifted - BIG;
    let r = x - n * 0.693_359_4;
    let r = r + n * 2.121_944_4e-4;
    let mut p = 1.987_569_2e-4;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let y = p * (r * r) + r + 1.0;
    let power = shifted
        .to_bits()
        .wrapping_add(127u32.wrapping_sub(BIG.to_bits()))
        << 23;
    y * f32::from_bits(power)
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `value` within `low..=high`; a NaN stays one.
#[inline(always)]
pub(crate) fn clamp(value: f32, low: f32, high: f32) -> f32 {
    let value = if value < low { low } else { value };
    if value > high { high } else { value }
}

/// Applies a function to every number.
#[inline(always)]
pub(crate) fn apply(function: Function, values: &mut [f32]) {
    match function {
        Function::Sigmoid => values.iter_mut().for_each(|v| *v = sigmoid(*v)),
        Function::Silu => values.iter_mut().for_each(|v| *v *= sigmoid(*v)),
        Function::HardSigmoid { alpha, beta } => {
            values
                .iter_mut()
                .for_each(|v| *v = clamp(alpha * *v + beta, 0.0, 1.0));
        }
        Function::HardSwish => {
            values
                .iter_mut()
                .for_each(|v| *v *= clamp(*v * (1.0 / 6.0) + 0.5, 0.0, 1.0));
        }
        Function::LeakyRelu { alpha } => {
            values
                .iter_mut()
                .for_each(|v| *v = if *v < 0.0 { alpha * *v } else { *v });
        }
        Function::Tanh => values
            .iter_mut()
            .for_each(|v| *v = 2.0 * sigmoid(2.0 * *v) - 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_everywhere_and_keeps_nan() {
        for i in -8700..8830 {
            let x = i as f32 / 100.0;
            let expected = f64::from(x).exp();
            let error = (f64::from(exp(x)) - expected).abs() / expected;
            assert!(error < 2.4e-7, "exp({x}): {error}");
        }
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(-1e30) < 2e-38 && exp(1e30) > 1e38);
        let mut values = [f32::NEG_INFINITY, f32::INFINITY, f32::NAN, 0.0];
        apply(Function::Sigmoid, &mut values);
        assert!(values[0] < 1e-37 && values[1] == 1.0 && values[2].is_nan() && values[3] == 0.5);
    }
}
