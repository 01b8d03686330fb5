//! A quantized network as ONNX in QDQ form: every stored tensor between QuantizeLinear and DequantizeLinear, which
//! engines fuse into integer operators and others simply compute.

use anyhow::{Result, bail};
use model_core::onnx::{AttributeProto, ModelProto, TensorProto};

use super::scheme::{Affine, QuantizedNetwork, QuantizedWeights};
use crate::builder::GraphBuilder;
use crate::emit::{self, EmitConfig, INPUT};
use crate::plan::LayerOp;

/// The int8 model: float image in, float logits out.
///
/// # Errors
/// An opset that cannot be written.
pub fn qdq_model(network: &QuantizedNetwork<'_>, config: &EmitConfig) -> Result<ModelProto> {
    let plan = network.plan;
    let sizes = emit::sizes(plan, config.size);
    let mut builder = GraphBuilder::new(config);
    // What a layer gives before and after it was stored; readers of float layers take the same.
    let mut outputs: Vec<String> = Vec::with_capacity(plan.layers.len());
    for (index, layer) in plan.layers.iter().enumerate() {
        let inputs: Vec<&str> = layer
            .inputs
            .iter()
            .map(|input| outputs[*input].as_str())
            .collect();
        let name = layer.name.as_str();
        let raw = match (&layer.op, &network.weights[index]) {
            (LayerOp::Input, _) => INPUT.to_string(),
            (LayerOp::Relu | LayerOp::Relu6, _) if network.absorbed[index] => inputs[0].to_string(),
            (LayerOp::Conv(conv), stored) => {
                let dims = conv.geometry.weight_shape();
                let attributes = emit::conv_attributes(&conv.geometry, sizes[layer.inputs[0]]);
                let (weight, bias) = weights(
                    &mut builder,
                    name,
                    &dims,
                    stored.as_ref(),
                    &conv.weight,
                    &conv.bias,
                );
                builder.node("Conv", name, &[inputs[0], &weight, &bias], attributes)
            }
            (LayerOp::Linear(linear), stored) => {
                let dims = [linear.geometry.out_features, linear.geometry.in_features];
                let (weight, bias) = weights(
                    &mut builder,
                    name,
                    &dims,
                    stored.as_ref(),
                    &linear.weight,
                    &linear.bias,
                );
                builder.node(
                    "Gemm",
                    name,
                    &[inputs[0], &weight, &bias],
                    emit::gemm_attributes(),
                )
            }
            _ => emit::simple_layer(&mut builder, layer, &inputs, sizes[layer.inputs[0]])?,
        };
        outputs.push(match &network.activations[index] {
            Some(affine) => store(&mut builder, name, &raw, affine),
            None => raw,
        });
    }
    let Some(logits) = outputs.pop() else {
        bail!("an empty network")
    };
    emit::finish(
        builder,
        emit::image_input(config.size),
        &logits,
        plan.num_classes,
        config,
    )
}

/// `QuantizeLinear` and `DequantizeLinear` after `value`.
fn store(builder: &mut GraphBuilder, name: &str, value: &str, affine: &Affine) -> String {
    let scale = builder.constant(TensorProto::floats(
        &format!("{name}.scale"),
        &[],
        &[affine.scale],
    ));
    let zero_name = format!("{name}.zero_point");
    let zero = builder.constant(if affine.stored.0 < 0 {
        TensorProto::int8(&zero_name, &[], &[affine.zero_point as i8])
    } else {
        TensorProto::uint8(&zero_name, &[], &[affine.zero_point as u8])
    });
    let stored = builder.node(
        "QuantizeLinear",
        &format!("{name}.quantize"),
        &[value, &scale, &zero],
        Vec::new(),
    );
    builder.node(
        "DequantizeLinear",
        &format!("{name}.dequantize"),
        &[&stored, &scale, &zero],
        Vec::new(),
    )
}

/// Weight and bias as float tensors: plain, or dequantized from int8 and int32.
fn weights(
    builder: &mut GraphBuilder,
    name: &str,
    dims: &[usize],
    stored: Option<&QuantizedWeights>,
    weight: &[f64],
    bias: &[f64],
) -> (String, String) {
    let (weight_name, bias_name) = (format!("{name}.weight"), format!("{name}.bias"));
    let channels = bias.len();
    let Some(stored) = stored else {
        let floats = |values: &[f64]| values.iter().map(|value| *value as f32).collect::<Vec<_>>();
        let weight = builder.constant(TensorProto::floats(&weight_name, dims, &floats(weight)));
        let bias = builder.constant(TensorProto::floats(&bias_name, &[channels], &floats(bias)));
        return (weight, bias);
    };
    let axis = || vec![AttributeProto::int("axis", 0)];
    let values = builder.constant(TensorProto::int8(
        &format!("{weight_name}.int8"),
        dims,
        &stored.values,
    ));
    let scales = builder.constant(TensorProto::floats(
        &format!("{weight_name}.scale"),
        &[channels],
        &stored.scales,
    ));
    let zeros = builder.constant(TensorProto::int8(
        &format!("{weight_name}.zero_point"),
        &[channels],
        &vec![0; channels],
    ));
    let weight = builder.node(
        "DequantizeLinear",
        &weight_name,
        &[&values, &scales, &zeros],
        axis(),
    );
    let values = builder.constant(TensorProto::int32(
        &format!("{bias_name}.int32"),
        &[channels],
        &stored.bias,
    ));
    let scales = builder.constant(TensorProto::floats(
        &format!("{bias_name}.scale"),
        &[channels],
        &stored.bias_scales,
    ));
    let zeros = builder.constant(TensorProto::int32(
        &format!("{bias_name}.zero_point"),
        &[channels],
        &vec![0; channels],
    ));
    let bias = builder.node(
        "DequantizeLinear",
        &bias_name,
        &[&values, &scales, &zeros],
        axis(),
    );
    (weight, bias)
}
