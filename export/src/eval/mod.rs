//! A plain evaluator of an [`ExportPlan`]: im2col and a matrix product, in f64 or f32.
//!
//! In f64 and with BatchNorm unfolded it gives the checkpoint's own answers, independently of libtorch, ONNX and
//! every inference engine: the reference of the proof. In f32 it carries the calibration of int8. Not here: speed
//! beyond what those two need.

mod layers;

use ndarray::LinalgScalar;

use self::layers::{
    average, average_windows, clamp, convolve, each, hard_sigmoid, layer_norm, max_pool, multiply,
    normalize, sigmoid,
};
use crate::plan::{ExportPlan, LayerOp};

/// The number types it computes in.
pub trait Real: LinalgScalar + PartialOrd + Send + Sync {
    /// The nearest number of this type.
    fn from_f64(value: f64) -> Self;
    /// The same number in f64.
    fn to_f64(self) -> f64;
    /// Below every other number: the maximum of none.
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
    /// How many channels or features it has.
    pub channels: usize,
    /// In pixels.
    pub height: usize,
    /// In pixels.
    pub width: usize,
    /// The numbers, channel by channel and row by row.
    pub data: Vec<T>,
}

/// A plan with its numbers in `T`, ready to run.
pub struct PlanEvaluator<'a, T> {
    plan: &'a ExportPlan,
    numbers: Vec<(Vec<T>, Vec<T>)>,
    last_reader: Vec<usize>,
}

impl<'a, T: Real> PlanEvaluator<'a, T> {
    /// Converts the plan's numbers to `T`.
    pub fn new(plan: &'a ExportPlan) -> Self {
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
            LayerOp::LayerNorm { weight, bias, .. } => (convert(weight), convert(bias)),
            LayerOp::Input
            | LayerOp::Relu
            | LayerOp::Relu6
            | LayerOp::Silu
            | LayerOp::HardSwish
            | LayerOp::HardSigmoid
            | LayerOp::Sigmoid
            | LayerOp::Gelu
            | LayerOp::MaxPool { .. }
            | LayerOp::AvgPool { .. }
            | LayerOp::GlobalAvgPool
            | LayerOp::Flatten
            | LayerOp::Add
            | LayerOp::Mul
            | LayerOp::Concat => (Vec::new(), Vec::new()),
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
                (LayerOp::LayerNorm { eps, .. }, Some(x)) => {
                    layer_norm(weight, bias, *eps, x.clone())
                }
                (LayerOp::Silu, Some(x)) => each(x.clone(), |x| x * sigmoid(x)),
                (LayerOp::HardSwish, Some(x)) => each(x.clone(), |x| x * hard_sigmoid(x)),
                (LayerOp::HardSigmoid, Some(x)) => each(x.clone(), hard_sigmoid),
                (LayerOp::Sigmoid, Some(x)) => each(x.clone(), sigmoid),
                (LayerOp::Gelu, Some(x)) => each(x.clone(), |x| {
                    x * 0.5 * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2))
                }),
                (LayerOp::AvgPool { kernel, ceil }, Some(x)) => average_windows(x, *kernel, *ceil),
                (LayerOp::Mul, Some(x)) => match source(1) {
                    Some(gate) => {
                        let zeros = vec![T::zero(); gate.data.len()];
                        normalize(&gate.data, &zeros, x.clone())
                    }
                    None => x.clone(),
                },
                (LayerOp::Concat, Some(x)) => {
                    let mut all = x.clone();
                    for more in (1..layer.inputs.len()).filter_map(source) {
                        all.channels += more.channels;
                        all.data.extend_from_slice(&more.data);
                    }
                    all
                }
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
