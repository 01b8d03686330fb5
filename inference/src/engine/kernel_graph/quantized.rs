//! Quantized values: QuantizeLinear and DequantizeLinear on them, and operators that take and give them (QLinearConv of
//! ONNX, the others of ONNX Runtime's own domain), which are written out as DequantizeLinear, operator, QuantizeLinear.

use kernels::{Node, Quantization, ValueId, WeightData};
use model_core::onnx::{DataType, NodeProto};

use super::Builder;
use super::attributes::integer;
use super::constants::{Constant, sizes};

impl<'a> Builder<'a, '_> {
    /// How a node stores a tensor: its inputs `scale` and `scale + 1`.
    fn quantization(&self, node: &NodeProto, scale: usize) -> Result<Quantization, String> {
        let zero = self.constant(node, scale + 1);
        let is_signed = match zero.map(Constant::element) {
            None | Some(Some(DataType::Uint8)) => false,
            Some(Some(DataType::Int8)) => true,
            Some(other) => return Err(format!("stored as {other:?}")),
        };
        Ok(Quantization {
            scale: self.needed(node, scale)?.scalar()?,
            zero_point: zero.map_or(Ok(0.0), Constant::scalar)? as i32,
            is_signed,
        })
    }

    pub(super) fn quantize(&mut self, node: &NodeProto, input: ValueId) -> Result<ValueId, String> {
        let quantization = self.quantization(node, 1)?;
        self.push_quantize(input, quantization)
    }

    fn push_quantize(
        &mut self,
        input: ValueId,
        quantization: Quantization,
    ) -> Result<ValueId, String> {
        let value = self.push(Node::Quantize {
            input,
            quantization,
        })?;
        self.stored.insert(value, quantization);
        Ok(value)
    }

    pub(super) fn dequantize(
        &mut self,
        node: &NodeProto,
        input: ValueId,
    ) -> Result<ValueId, String> {
        let stated = self.quantization(node, 1)?;
        self.push_dequantize(input, stated)
    }

    fn push_dequantize(&mut self, input: ValueId, stated: Quantization) -> Result<ValueId, String> {
        if self.stored.get(&input) != Some(&stated) {
            return Err("it is read otherwise than it was stored".to_owned());
        }
        self.push(Node::Dequantize { input })
    }

    /// A stored input of a quantized operator, and its scale and zero point after it.
    fn stored_input(&mut self, node: &NodeProto, index: usize) -> Result<ValueId, String> {
        let name = node.input.get(index).map_or("", String::as_str);
        let value = self.value(name)?;
        let stated = self.quantization(node, index + 1)?;
        self.push_dequantize(value, stated)
    }

    /// Stores the result of a quantized operator; its scale is input `scale`.
    fn store_output(
        &mut self,
        node: &NodeProto,
        value: ValueId,
        scale: usize,
    ) -> Result<ValueId, String> {
        let quantization = self.quantization(node, scale)?;
        self.push_quantize(value, quantization)
    }

    /// The weights of a quantized operator, dequantized.
    fn operator_weights(&self, node: &NodeProto) -> Result<&'a Constant<'a>, String> {
        let name = node.output.first().map_or("", String::as_str);
        let found = self.constants.weights.get(name);
        found.ok_or_else(|| "weights that do not fit their scales".to_owned())
    }

    /// int32 biases, whose scale is that of the input times that of the weights.
    fn operator_bias(
        &self,
        node: &NodeProto,
        index: usize,
        input: usize,
    ) -> Result<Option<WeightData<'a>>, String> {
        if node.input.get(index).is_none_or(String::is_empty) {
            return Ok(None);
        }
        let values = self
            .needed(node, index)?
            .integers()
            .ok_or("biases that are not int32")?;
        let x = self.needed(node, input + 1)?.scalar()?;
        let scales: Vec<f32> = self
            .needed(node, input + 4)?
            .values()?
            .iter()
            .map(|w| x * w)
            .collect();
        Ok(Some(WeightData::Integers {
            values: values.into(),
            scales: scales.into(),
        }))
    }

    pub(super) fn qlinear_conv(&mut self, node: &NodeProto) -> Result<ValueId, String> {
        let input = self.stored_input(node, 0)?;
        let weights = self.operator_weights(node)?;
        let [out, _, height, width] = sizes(&weights.tensor)?[..] else {
            return Err(format!("weights of shape {:?}", weights.tensor.dims));
        };
        let window = self.window(node, input, Some([height, width]))?;
        let bias = self.operator_bias(node, 8, 0)?;
        let groups = usize::try_from(integer(node, "group", 1)).map_err(|_| "a negative group")?;
        let weights = weights.weights(0);
        let value = self.push(Node::Conv {
            input,
            weights,
            bias,
            out,
            groups,
            window,
        })?;
        self.store_output(node, value, 6)
    }

    /// `QLinearMatMul`, and ONNX Runtime's `QGemm` with a bias before the output's scale.
    pub(super) fn qlinear_product(&mut self, node: &NodeProto) -> Result<ValueId, String> {
        let is_gemm = node.op_type == "QGemm";
        if integer(node, "transA", 0) != 0 || super::attributes::float(node, "alpha", 1.0) != 1.0 {
            return Err("alpha or transA".to_owned());
        }
        let input = self.stored_input(node, 0)?;
        let bias = if is_gemm {
            self.operator_bias(node, 6, 0)?
        } else {
            None
        };
        let weights = self.operator_weights(node)?;
        let value = self.linear(
            input,
            weights,
            bias,
            is_gemm && integer(node, "transB", 0) != 0,
        )?;
        let scale = if is_gemm { 7 } else { 6 };
        if is_gemm && node.input.get(scale).is_none_or(String::is_empty) {
            return Ok(value);
        }
        self.store_output(node, value, scale)
    }

    pub(super) fn qlinear_add(&mut self, node: &NodeProto) -> Result<ValueId, String> {
        let (a, b) = (self.stored_input(node, 0)?, self.stored_input(node, 3)?);
        let value = self.push(Node::Add { a, b })?;
        self.store_output(node, value, 6)
    }

    pub(super) fn qlinear_mean(&mut self, node: &NodeProto) -> Result<ValueId, String> {
        if integer(node, "channels_last", 0) != 0 {
            return Err("channels_last".to_owned());
        }
        let input = self.stored_input(node, 0)?;
        let value = self.push(Node::GlobalAvgPool { input })?;
        self.store_output(node, value, 3)
    }
}
