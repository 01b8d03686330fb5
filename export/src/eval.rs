//! A plain evaluator of a [`Plan`]: im2col and a matrix product, in f64 or f32.
//!
//! In f64 and with BatchNorm unfolded it gives the checkpoint's own answers, independently of libtorch, ONNX and
//! every inference engine: the reference of the proof. In f32 it carries the calibration of int8. Not here: speed
//! beyond what those two need.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, LinalgScalar};

use model_core::arch::{Conv, window_count};

use crate::plan::{LayerOp, Plan};

/// The number types it computes in.
pub trait Real: LinalgScalar + PartialOrd + Send + Sync {
    fn from_f64(value: f64) -> Self;
    fn to_f64(self) -> f64;
    fn lowest() -> Self;
}

impl Real for f32 {
    fn from_f64(value: f64) -> Self {
        value as f32
    }
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    fn lowest() -> Self {
        f32::NEG_INFINITY
    }
}

impl Real for f64 {
    fn from_f64(value: f64) -> Self {
        value
    }
    fn to_f64(self) -> f64 {
        self
    }
    fn lowest() -> Self {
        f64::NEG_INFINITY
    }
}

/// A layer's output for one image: `[channels, height, width]`; features are `[features, 1, 1]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Map<T> {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub data: Vec<T>,
}

/// A plan with its numbers in `T`, ready to run.
pub struct Evaluator<'a, T> {
    plan: &'a Plan,
    numbers: Vec<(Vec<T>, Vec<T>)>,
    last_reader: Vec<usize>,
}

impl<'a, T: Real> Evaluator<'a, T> {
    pub fn new(plan: &'a Plan) -> Self {
        let convert = |values: &[f64]| {
            values
                .iter()
                .map(|value| T::from_f64(*value))
                .collect::<Vec<T>>()
        };
        let numbers = plan.layers.iter().map(|layer| match &layer.op {
            LayerOp::Conv(conv) => (convert(&conv.weight), convert(&conv.bias)),
            LayerOp::Linear(linear) => (convert(&linear.weight), convert(&linear.bias)),
            LayerOp::BatchNorm { scale, shift } => (convert(scale), convert(shift)),
            _ => (Vec::new(), Vec::new()),
        });
        let readers = plan.readers();
        let last_reader = readers
            .iter()
            .map(|readers| readers.iter().copied().max().unwrap_or(usize::MAX))
            .collect();
        Self {
            plan,
            numbers: numbers.collect(),
            last_reader,
        }
    }

    /// The logits of one image, `input` being `[3, height, width]`.
    pub fn logits(&self, input: &[f32], height: usize, width: usize) -> Vec<T> {
        self.run(input, height, width, |_, _| {})
    }

    /// As [`Self::logits`]; `watch` sees, and may change, each layer's output as it is made.
    pub fn run(
        &self,
        input: &[f32],
        height: usize,
        width: usize,
        mut watch: impl FnMut(usize, &mut Map<T>),
    ) -> Vec<T> {
        let mut outputs: Vec<Option<Map<T>>> = vec![None; self.plan.layers.len()];
        for (index, layer) in self.plan.layers.iter().enumerate() {
            let source = |place: usize| {
                layer
                    .inputs
                    .get(place)
                    .and_then(|input| outputs[*input].as_ref())
            };
            let (weight, bias) = &self.numbers[index];
            let mut output = match (&layer.op, source(0)) {
                (LayerOp::Input, _) => {
                    let data = input
                        .iter()
                        .map(|value| T::from_f64(f64::from(*value)))
                        .collect();
                    Map {
                        channels: input.len() / (height * width),
                        height,
                        width,
                        data,
                    }
                }
                (LayerOp::Conv(conv), Some(x)) => convolve(&conv.geometry, weight, bias, x),
                (LayerOp::Linear(_), Some(x)) => multiply(weight, bias, x),
                (LayerOp::BatchNorm { .. }, Some(x)) => normalize(weight, bias, x.clone()),
                (LayerOp::Relu, Some(x)) => clamp(x.clone(), None),
                (LayerOp::Relu6, Some(x)) => clamp(x.clone(), Some(T::from_f64(6.0))),
                (
                    LayerOp::MaxPool {
                        kernel,
                        stride,
                        padding,
                    },
                    Some(x),
                ) => max_pool(x, *kernel, *stride, *padding),
                (LayerOp::GlobalAvgPool, Some(x)) => average(x),
                (LayerOp::Flatten, Some(x)) => Map {
                    channels: x.data.len(),
                    height: 1,
                    width: 1,
                    data: x.data.clone(),
                },
                (LayerOp::Add, Some(x)) => {
                    let mut sum = x.clone();
                    if let Some(y) = source(1) {
                        sum.data
                            .iter_mut()
                            .zip(&y.data)
                            .for_each(|(a, b)| *a = *a + *b);
                    }
                    sum
                }
                // A graph whose layers read later ones cannot be built.
                (_, None) => Map {
                    channels: 0,
                    height: 0,
                    width: 0,
                    data: Vec::new(),
                },
            };
            watch(index, &mut output);
            for input in &layer.inputs {
                if self.last_reader[*input] == index {
                    outputs[*input] = None;
                }
            }
            outputs[index] = Some(output);
        }
        outputs
            .pop()
            .flatten()
            .map(|map| map.data)
            .unwrap_or_default()
    }
}

/// Convolution as `[out, in * k * k] x [in * k * k, pixels]`, group by group; depthwise ones directly.
fn convolve<T: Real>(conv: &Conv, weight: &[T], bias: &[T], x: &Map<T>) -> Map<T> {
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

fn multiply<T: Real>(weight: &[T], bias: &[T], x: &Map<T>) -> Map<T> {
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

fn normalize<T: Real>(scale: &[T], shift: &[T], mut x: Map<T>) -> Map<T> {
    let pixels = x.height * x.width;
    for (channel, plane) in x.data.chunks_exact_mut(pixels).enumerate() {
        plane
            .iter_mut()
            .for_each(|value| *value = *value * scale[channel] + shift[channel]);
    }
    x
}

fn clamp<T: Real>(mut x: Map<T>, top: Option<T>) -> Map<T> {
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

fn max_pool<T: Real>(x: &Map<T>, kernel: usize, stride: usize, padding: usize) -> Map<T> {
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

fn average<T: Real>(x: &Map<T>) -> Map<T> {
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
