"""Writes corpus.zip: small classifiers quantized by ONNX Runtime's quantize_static in every way it has, with its answers.

pip install onnx onnxruntime numpy        (written with onnx 1.23.2, onnxruntime 1.32.0)
python inference/tests/quantized/generate.py

Networks and calibration images come from a fixed seed. Each case holds the quantized file and index.json the answers of
ONNX Runtime to the image that `image` below makes, computed twice: with its own optimizations (fused integer operators)
and without (every QuantizeLinear and DequantizeLinear as it stands). How far those two lie apart is ONNX Runtime's own
uncertainty about its file.
"""

import itertools
import json
import pathlib
import tempfile
import zipfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

HERE = pathlib.Path(__file__).parent
SIDE = 26
CLASSES = 10
ort.set_default_logger_severity(3)


def image():
    """The numbers that `image()` in quantized.rs makes."""
    state, out = 12345, []
    for _ in range(3 * SIDE * SIDE):
        state = (state * 1103515245 + 12345) % 2**31
        out.append(state / 2**30 - 1)
    return np.array(out, np.float32).reshape(1, 3, SIDE, SIDE)


class Network:
    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.nodes, self.constants, self.count = [], [], 0

    def constant(self, values):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def add(self, op, inputs, **attributes):
        self.count += 1
        name = f"v{self.count}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=f"{op}{self.count}", **attributes))
        return name

    def conv(self, x, channels, out, kernel=1, stride=1, groups=1, bias=True):
        fan = channels // groups * kernel * kernel
        weights = self.random.normal(size=(out, channels // groups, kernel, kernel)) * (2 / fan) ** 0.5
        # Channels of very different ranges, as trained networks have them.
        weights *= np.exp(self.random.normal(size=(out, 1, 1, 1)) * 0.5)
        inputs = [x, self.constant(weights.astype(np.float32))]
        if bias:
            inputs.append(self.constant((self.random.normal(size=out) * 0.2).astype(np.float32)))
        pad = kernel // 2
        return self.add("Conv", inputs, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, group=groups)

    def relu(self, x):
        return self.add("Relu", [x])

    def clip(self, x):
        low, high = self.constant(np.float32(0)), self.constant(np.float32(6))
        return self.add("Clip", [x, low, high])

    def finish(self, x, channels):
        pooled = self.add("GlobalAveragePool", [x])
        flat = self.add("Flatten", [pooled])
        weights = self.random.normal(size=(CLASSES, channels)).astype(np.float32)
        bias = self.random.normal(size=CLASSES).astype(np.float32)
        logits = self.add("Gemm", [flat, self.constant(weights), self.constant(bias)], transB=1)
        graph = helper.make_graph(
            self.nodes, "g",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
            [helper.make_tensor_value_info(logits, TensorProto.FLOAT, [1, CLASSES])],
            self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.checker.check_model(model)
        return model


def residual():
    n = Network(1)
    x = n.relu(n.conv("image", 3, 24, 7, 2))
    x = n.add("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    y = n.relu(n.conv(x, 24, 24, 1))
    y = n.relu(n.conv(y, 24, 24, 3))
    x = n.relu(n.add("Add", [n.conv(y, 24, 24, 1), x]))
    y = n.relu(n.conv(x, 24, 40, 3, 2))
    y = n.conv(y, 40, 72, 1)
    x = n.relu(n.add("Add", [y, n.conv(x, 24, 72, 1, 2, bias=False)]))
    return n.finish(x, 72)


def mobile():
    n = Network(2)
    x = n.clip(n.conv("image", 3, 20, 3, 2))
    x = n.clip(n.conv(x, 20, 20, 3, 1, 20))
    x = n.conv(x, 20, 18)
    y = n.clip(n.conv(x, 18, 70))
    y = n.clip(n.conv(y, 70, 70, 5, 1, 70))
    x = n.add("Add", [x, n.conv(y, 70, 18)])
    y = n.clip(n.conv(x, 18, 36))
    y = n.clip(n.conv(y, 36, 36, 3, 2, 36))
    return n.finish(n.conv(y, 36, 50), 50)


def branches():
    n = Network(3)
    x = n.relu(n.conv("image", 3, 16, 3, 2))
    a = n.relu(n.conv(x, 16, 12, 1))
    b = n.relu(n.conv(x, 16, 20, 3))
    x = n.add("Concat", [a, b], axis=1)
    x = n.add("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = n.relu(n.conv(x, 32, 32, 3, 1, 4))
    return n.finish(x, 32)


class Images(CalibrationDataReader):
    def __init__(self):
        random = np.random.default_rng(7)
        images = [random.uniform(-1, 1, (1, 3, SIDE, SIDE)).astype(np.float32) for _ in range(4)]
        self.rest = iter([{"image": one} for one in images])

    def get_next(self):
        return next(self.rest, None)


def answer(path, level):
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"image": image()})[0].ravel()


def main():
    cases = []
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(HERE / "corpus.zip", "w", zipfile.ZIP_DEFLATED) as out:
        folder = pathlib.Path(folder)
        for make in (residual, mobile, branches):
            float_path = folder / "float.onnx"
            onnx.save(make(), float_path)
            exact = answer(float_path, ort.GraphOptimizationLevel.ORT_ENABLE_ALL)
            ways = itertools.product(
                (QuantFormat.QDQ, QuantFormat.QOperator), (QuantType.QUInt8, QuantType.QInt8),
                (QuantType.QInt8, QuantType.QUInt8), (True, False), (False, True))
            for form, activation, weight, per_channel, symmetric in ways:
                # ONNX Runtime has no uint8 weights with int8 values, and no scale a channel for uint8.
                if weight == QuantType.QUInt8 and (activation == QuantType.QInt8 or per_channel):
                    continue
                name = "-".join([
                    make.__name__, "qdq" if form == QuantFormat.QDQ else "qoperator",
                    "u8" if activation == QuantType.QUInt8 else "s8", "u8" if weight == QuantType.QUInt8 else "s8",
                    "channel" if per_channel else "tensor", "symmetric" if symmetric else "asymmetric"])
                path = folder / f"{name}.onnx"
                quantize_static(
                    float_path, path, Images(), quant_format=form, per_channel=per_channel, activation_type=activation,
                    weight_type=weight, extra_options={
                        "ActivationSymmetric": symmetric, "WeightSymmetric": weight == QuantType.QInt8})
                fused = answer(path, ort.GraphOptimizationLevel.ORT_ENABLE_ALL)
                plain = answer(path, ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
                out.write(path, f"{name}.onnx")
                cases.append({"name": name, "fused": fused.tolist(), "plain": plain.tolist(), "float32": exact.tolist()})
                print(f"{name:50} fused-plain {np.abs(fused - plain).max():.4f} "
                      f"from float32 {np.abs(fused - exact).max():.4f} of {np.abs(exact).max():.2f}")
        out.writestr("index.json", json.dumps({"side": SIDE, "cases": cases}))


if __name__ == "__main__":
    main()
