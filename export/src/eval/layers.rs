//! What each layer computes for one image.

use model_core::arch::{Conv, window_count};
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};

use super::{Map, Real};

/// Convolution as `[out, in * k * k] x [in * k * k, pixels]`, group by group; depthwise ones directly.
pub(super) fn convolve<T: Real>(conv: &Conv, weight: &[T], bias: &[T], x: &Map<T>) -> Map<T> {
    let (k, stride) = (conv.kernel, conv.stride);
    let (top, _) = conv.padding.resolve(x.height, k, stride);
    let (left, _) = conv.padding.resolve(x.width, k, stride);
    let (height, width) = (conv.output_side(x.height), conv.output_side(x.width));
    let pixels = height * width;
    let mut data = vec![T::zero(); conv.out_channels * pixels];
    for (plane, bias) in data.chunks_exact_mut(pixels).zip(bias) {
        plane.fill(*bias);
    }
    let (group_in, group_out) = (
        conv.in_channels / conv.groups,
        conv.out_channels / conv.groups,
    );
    let in_pixels = x.height * x.width;
    let window = group_in * k * k;
    let direct = k == 1 && stride == 1 && top == 0 && left == 0;
    let mut columns = if direct {
        Vec::new()
    } else {
        vec![T::zero(); window * pixels]
    };
    for group in 0..conv.groups {
        let source = &x.data[group * group_in * in_pixels..(group + 1) * group_in * in_pixels];
        let weights = &weight[group * group_out * window..(group + 1) * group_out * window];
        let target = &mut data[group * group_out * pixels..(group + 1) * group_out * pixels];
        let columns: &[T] = if direct {
            source
        } else {
            let geometry = Window {
                k,
                stride,
                top,
                left,
                height,
                width,
            };
            gather(source, x.height, x.width, geometry, &mut columns);
            &columns
        };
        if group_out == 1 {
            for (column, weight) in columns.chunks_exact(pixels).zip(weights) {
                target
                    .iter_mut()
                    .zip(column)
                    .for_each(|(sum, value)| *sum = *sum + *weight * *value);
            }
            continue;
        }
        let shapes = (
            ArrayView2::from_shape((group_out, window), weights),
            ArrayView2::from_shape((window, pixels), columns),
            ArrayViewMut2::from_shape((group_out, pixels), target),
        );
        if let (Ok(weights), Ok(columns), Ok(mut target)) = shapes {
            general_mat_mul(T::one(), &weights, &columns, T::one(), &mut target);
        }
    }
    Map {
        channels: conv.out_channels,
        height,
        width,
        data,
    }
}

#[derive(Clone, Copy)]
struct Window {
    k: usize,
    stride: usize,
    top: usize,
    left: usize,
    height: usize,
    width: usize,
}

/// Row `(channel, ky, kx)` of `columns` holds that window element for every output pixel.
fn gather<T: Real>(source: &[T], height: usize, width: usize, window: Window, columns: &mut [T]) {
    let Window {
        k,
        stride,
        top,
        left,
        ..
    } = window;
    let pixels = window.height * window.width;
    for (row, column) in columns.chunks_exact_mut(pixels).enumerate() {
        let (channel, ky, kx) = (row / (k * k), row / k % k, row % k);
        let plane = &source[channel * height * width..(channel + 1) * height * width];
        for (oy, line) in column.chunks_exact_mut(window.width).enumerate() {
            let y = (oy * stride + ky).wrapping_sub(top);
            if y >= height {
                line.fill(T::zero());
                continue;
            }
            let values = &plane[y * width..(y + 1) * width];
            for (ox, value) in line.iter_mut().enumerate() {
                let x = (ox * stride + kx).wrapping_sub(left);
                *value = values.get(x).copied().unwrap_or_else(T::zero);
            }
        }
    }
}

pub(super) fn multiply<T: Real>(weight: &[T], bias: &[T], x: &Map<T>) -> Map<T> {
    let rows = weight.chunks_exact(x.data.len()).zip(bias);
    let data = rows
        .map(|(row, bias)| {
            row.iter()
                .zip(&x.data)
                .fold(*bias, |sum, (w, v)| sum + *w * *v)
        })
        .collect();
    Map {
        channels: bias.len(),
        height: 1,
        width: 1,
        data,
    }
}

pub(super) fn normalize<T: Real>(scale: &[T], shift: &[T], mut x: Map<T>) -> Map<T> {
    let pixels = x.height * x.width;
    for (channel, plane) in x.data.chunks_exact_mut(pixels).enumerate() {
        plane
            .iter_mut()
            .for_each(|value| *value = *value * scale[channel] + shift[channel]);
    }
    x
}

/// A function of one value, computed in f64.
pub(super) fn each<T: Real>(mut x: Map<T>, function: impl Fn(f64) -> f64) -> Map<T> {
    for value in &mut x.data {
        *value = T::from_f64(function(value.to_f64()));
    }
    x
}

pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

pub(super) fn hard_sigmoid(x: f64) -> f64 {
    (x + 3.0).clamp(0.0, 6.0) / 6.0
}

/// Over the channels of each pixel; sums in f64.
pub(super) fn layer_norm<T: Real>(weight: &[T], bias: &[T], eps: f64, mut x: Map<T>) -> Map<T> {
    let pixels = x.height * x.width;
    let count = x.channels as f64;
    for pixel in 0..pixels {
        let column = || x.data.iter().skip(pixel).step_by(pixels);
        let mean = column().map(|value| value.to_f64()).sum::<f64>() / count;
        let square = |value: &T| (value.to_f64() - mean).powi(2);
        let variance = column().map(square).sum::<f64>() / count;
        let scale = 1.0 / (variance + eps).sqrt();
        let numbers = weight.iter().zip(bias);
        let column = x.data.iter_mut().skip(pixel).step_by(pixels);
        for (value, (weight, bias)) in column.zip(numbers) {
            *value = T::from_f64((value.to_f64() - mean) * scale) * *weight + *bias;
        }
    }
    x
}

pub(super) fn clamp<T: Real>(mut x: Map<T>, top: Option<T>) -> Map<T> {
    for value in &mut x.data {
        if *value < T::zero() {
            *value = T::zero();
        }
        if let Some(top) = top
            && *value > top
        {
            *value = top;
        }
    }
    x
}

pub(super) fn max_pool<T: Real>(
    x: &Map<T>,
    kernel: usize,
    stride: usize,
    padding: usize,
) -> Map<T> {
    let side = |size: usize| window_count(size + 2 * padding, kernel, stride);
    let (height, width) = (side(x.height), side(x.width));
    let mut data = Vec::with_capacity(x.channels * height * width);
    for plane in x.data.chunks_exact(x.height * x.width) {
        for oy in 0..height {
            for ox in 0..width {
                let mut best = T::lowest();
                for y in (oy * stride).saturating_sub(padding)
                    ..(oy * stride + kernel - padding).min(x.height)
                {
                    for x_at in (ox * stride).saturating_sub(padding)
                        ..(ox * stride + kernel - padding).min(x.width)
                    {
                        let value = plane[y * x.width + x_at];
                        if value > best {
                            best = value;
                        }
                    }
                }
                data.push(best);
            }
        }
    }
    Map {
        channels: x.channels,
        height,
        width,
        data,
    }
}

/// Means of windows that lie beside one another; with `ceil` the last ones may be smaller, without it they are left out.
pub(super) fn average_windows<T: Real>(x: &Map<T>, kernel: usize, ceil: bool) -> Map<T> {
    let side = |size: usize| match ceil {
        true => size.div_ceil(kernel),
        false => size / kernel,
    };
    let (height, width) = (side(x.height), side(x.width));
    let mut data = Vec::with_capacity(x.channels * height * width);
    for plane in x.data.chunks_exact(x.height * x.width) {
        for oy in 0..height {
            let rows = oy * kernel..((oy + 1) * kernel).min(x.height);
            for ox in 0..width {
                let columns = ox * kernel..((ox + 1) * kernel).min(x.width);
                let mut sum = T::zero();
                for y in rows.clone() {
                    for value in &plane[y * x.width..][columns.clone()] {
                        sum = sum + *value;
                    }
                }
                data.push(sum / T::from_f64((rows.len() * columns.len()) as f64));
            }
        }
    }
    Map {
        channels: x.channels,
        height,
        width,
        data,
    }
}

pub(super) fn average<T: Real>(x: &Map<T>) -> Map<T> {
    let pixels = x.height * x.width;
    let count = T::from_f64(pixels as f64);
    let data = x
        .data
        .chunks_exact(pixels)
        .map(|plane| plane.iter().fold(T::zero(), |sum, v| sum + *v) / count);
    Map {
        channels: x.channels,
        height: 1,
        width: 1,
        data: data.collect(),
    }
}
