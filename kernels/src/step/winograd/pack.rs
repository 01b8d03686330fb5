//! Weights of a 3 x 3 convolution, transformed for Winograd's tiles and packed for a panel.

use super::super::places::Panel;
use super::Tiling;
use crate::buffer::Buffer;
use crate::elem::{Elem, to_bf16};
use crate::kernel::winograd::LARGEST_SIDE;
use crate::memory::Aligned;

/// Transforms the weights of a panel, `[out, in, 3, 3]`, into `[position][block][word][vectors][LANES]`.
pub(super) fn pack(
    to: &mut Aligned,
    panel: &Panel,
    weights: &[f32],
    src: &Buffer,
    dst: &Buffer,
    lanes: usize,
    tiling: Tiling,
) {
    const MOST_LANES: usize = 16;
    let side = tiling.outputs + 2;
    let wide = panel.vectors * lanes;
    let position = src.blocks() * lanes * wide;
    let per_word = src.elem.per_word();
    for vector in 0..panel.vectors {
        let first = (panel.group + vector) * lanes;
        let outs = dst.channels.saturating_sub(first).min(lanes);
        for channel in 0..src.channels {
            let mut taps = [[0.0f64; MOST_LANES]; 9];
            for out in 0..outs {
                let from = &weights[((first + out) * src.channels + channel) * 9..][..9];
                for (tap, from) in taps.iter_mut().zip(from) {
                    tap[out] = f64::from(*from);
                }
            }
            // Blocks follow each other, so words are counted through.
            let (word, part) = (channel / per_word, channel % per_word);
            let at = panel.weights / 4 + word * wide + vector * lanes;
            let mut columns = [[[0.0; MOST_LANES]; 3]; LARGEST_SIDE];
            for x in 0..3 {
                let column = spread([taps[x], taps[3 + x], taps[6 + x]], tiling.outputs);
                for (row, value) in columns.iter_mut().zip(column) {
                    row[x] = value;
                }
            }
            for (y, row) in columns.iter().take(side).enumerate() {
                for (x, values) in spread(*row, tiling.outputs).iter().take(side).enumerate() {
                    let at = (y * side + x) * position + at;
                    match src.elem {
                        Elem::Bf16 => {
                            let to = &mut to.as_mut::<u16>()[at * 2..][..lanes * 2];
                            for (to, value) in to.chunks_exact_mut(2).zip(values) {
                                to[part] = to_bf16(*value as f32);
                            }
                        }
                        _ => {
                            let to = &mut to.as_mut::<f32>()[at..][..lanes];
                            for (to, value) in to.iter_mut().zip(values) {
                                *to = *value as f32;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `G g`, for each of some channels.
fn spread<const N: usize>([a, b, c]: [[f64; N]; 3], outputs: usize) -> [[f64; N]; LARGEST_SIDE] {
    let each = |f: fn(f64, f64, f64) -> f64| std::array::from_fn(|i| f(a[i], b[i], c[i]));
    if outputs == 2 {
        return [
            a,
            each(|a, b, c| (a + b + c) / 2.0),
            each(|a, b, c| (a - b + c) / 2.0),
            c,
            c,
            c,
        ];
    }
    [
        each(|a, _, _| a / 4.0),
        each(|a, b, c| -(a + b + c) / 6.0),
        each(|a, b, c| -(a - b + c) / 6.0),
        each(|a, b, c| a / 24.0 + b / 12.0 + c / 6.0),
        each(|a, b, c| a / 24.0 - b / 12.0 + c / 6.0),
        c,
    ]
}
