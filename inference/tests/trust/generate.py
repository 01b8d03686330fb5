#!/usr/bin/env python3
"""Writes corpus.zip: small networks by operator and attribute, and what ONNX Runtime answers for each.

    python -m venv v && v/bin/pip install numpy onnx==1.23.2 onnxruntime==1.32.0
    v/bin/python inference/tests/trust/generate.py

The seed is fixed, so the same versions write the same networks. Every network takes `x` [1, 3, H, W] of float32 and
gives `y` [1, K]. The input is not stored: `inputs()` below and `input()` in src/engine/corpus.rs compute the same numbers.
ONNX Runtime runs with its graph optimizations off: each operator computes what the specification says of it.

It is long because it is a list: one entry for each operator and attribute, with the helpers that they share.
"""

import io
import json
import pathlib
import zipfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper as h, numpy_helper

HERE = pathlib.Path(__file__).parent
SEED = 20261126
RANDOM_GRAPHS = 260


def inputs(count):
    """Numbers from -1 to 1, by a linear congruential generator that is easy to repeat anywhere."""
    state, out = 12345, []
    for _ in range(count):
        state = (state * 1103515245 + 12345) % (1 << 31)
        out.append(state / (1 << 30) - 1.0)
    return np.array(out, dtype=np.float32)


class Net:
    """Collects nodes and constants; a value is a name."""

    def __init__(self, rng, height=9, width=9, opset=17):
        self.rng, self.opset, self.size = rng, opset, (height, width)
        self.nodes, self.constants, self.count = [], [], 0

    def fresh(self):
        self.count += 1
        return f"v{self.count}"

    def const(self, values, dtype=np.float32):
        name = self.fresh()
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name

    def random(self, *shape, scale=0.5):
        # A few bits each, so that the archive stays small.
        return self.const(np.round(self.rng.uniform(-scale, scale, shape) * 64) / 64)

    def op(self, kind, *args, outputs=1, domain="", **attributes):
        names = [self.fresh() for _ in range(outputs)]
        self.nodes.append(h.make_node(kind, list(args), names, name=f"{kind}_{self.count}", domain=domain, **attributes))
        return names[0] if outputs == 1 else names

    def conv(self, x, cin, cout, k=3, **attributes):
        group = attributes.get("group", 1)
        kh, kw = (k, k) if isinstance(k, int) else k
        bias = attributes.pop("bias", True)
        args = [x, self.random(cout, cin // group, kh, kw)] + ([self.random(cout)] if bias else [])
        return self.op("Conv", *args, **attributes)

    def model(self, y, flat=True):
        if flat:
            y = self.op("Reshape", y, self.const([1, -1], np.int64))
        self.nodes[-1].output[list(self.nodes[-1].output).index(y)] = "y"
        height, width = self.size
        graph = h.make_graph(
            self.nodes, "trust",
            [h.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, height, width])],
            [h.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            self.constants)
        domains = {node.domain for node in self.nodes} - {""}
        opsets = [h.make_opsetid("", self.opset)] + [h.make_opsetid(d, 1) for d in sorted(domains)]
        ir = {11: 6, 13: 7, 17: 8, 18: 8, 20: 9, 21: 10, 22: 10}[self.opset]
        return h.make_model(graph, opset_imports=opsets, ir_version=ir, producer_name="trust")


CASES = []


def case(name, tolerance=1e-4, **options):
    """Registers a function from a net and its input to the network's last value."""
    def register(build):
        CASES.append((name, tolerance, options, build))
        return build
    return register


def one(name, kind, tolerance=1e-4, size=(9, 9), opset=17, extra=lambda n: [], **attributes):
    case(name, tolerance, height=size[0], width=size[1], opset=opset)(
        lambda n, x: n.op(kind, x, *extra(n), **attributes))


def convolutions():
    for pad in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        for stride in (1, 2, 3):
            for size in ((9, 9), (8, 10)):
                for k in (1, 2, 3, 5):
                    case(f"conv_{pad}_s{stride}_k{k}_{size[0]}x{size[1]}", height=size[0], width=size[1])(
                        lambda n, x, pad=pad, stride=stride, k=k: n.conv(x, 3, 4, k, auto_pad=pad, strides=[stride] * 2))
    for pads in ([0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 1, 0], [2, 0, 0, 2]):
        for stride in ([1, 1], [2, 2], [1, 2]):
            case(f"conv_pads{''.join(map(str, pads))}_s{''.join(map(str, stride))}")(
                lambda n, x, pads=pads, stride=stride: n.conv(x, 3, 4, 3, pads=pads, strides=stride))
    case("conv_dilated")(lambda n, x: n.conv(x, 3, 4, 3, dilations=[2, 2], pads=[2, 2, 2, 2]))
    case("conv_dilated_same")(lambda n, x: n.conv(x, 3, 4, 3, dilations=[2, 2], auto_pad="SAME_UPPER"))
    case("conv_dilated_uneven")(lambda n, x: n.conv(x, 3, 4, (3, 1), dilations=[2, 1]))
    case("conv_depthwise")(lambda n, x: n.conv(x, 3, 3, 3, group=3, pads=[1, 1, 1, 1]))
    case("conv_depthwise_wide")(lambda n, x: n.conv(x, 3, 6, 3, group=3, pads=[1, 1, 1, 1]))
    case("conv_grouped")(lambda n, x: n.conv(n.conv(x, 3, 8, 1), 8, 6, 3, group=2))
    case("conv_no_bias")(lambda n, x: n.conv(x, 3, 4, 3, bias=False))
    case("conv_uneven_kernel")(lambda n, x: n.conv(x, 3, 4, (1, 3), pads=[0, 1, 0, 1]))
    case("conv_kernel_shape_said")(lambda n, x: n.conv(x, 3, 4, 3, kernel_shape=[3, 3]))
    case("conv_1d")(lambda n, x: n.op("Conv", n.op("Reshape", x, n.const([1, 3, 81], np.int64)), n.random(4, 3, 3)))
    case("conv_computed_weight")(lambda n, x: n.op("Conv", x, n.op("Mul", n.random(4, 3, 3, 3), n.random(4, 1, 1, 1))))
    for stride in (1, 2):
        for pads in ([0] * 4, [1] * 4):
            case(f"conv_transpose_s{stride}_p{pads[0]}")(
                lambda n, x, stride=stride, pads=pads: n.op("ConvTranspose", x, n.random(3, 4, 3, 3), strides=[stride] * 2, pads=pads))
    case("conv_transpose_output_padding")(
        lambda n, x: n.op("ConvTranspose", x, n.random(3, 4, 3, 3), strides=[2, 2], output_padding=[1, 1]))
    # What follows a convolution may be fused into it.
    for pad in ({"auto_pad": "SAME_UPPER"}, {"auto_pad": "SAME_LOWER"}, {"pads": [1, 1, 1, 1]}, {}):
        for first in (1, 2):
            for size in ((9, 9), (8, 8), (10, 7)):
                label = pad.get("auto_pad", "pads" if pad else "none")
                case(f"conv_{label}_s{first}_then_1x1_s2_{size[0]}x{size[1]}", height=size[0], width=size[1])(
                    lambda n, x, pad=pad, first=first: n.conv(
                        n.conv(x, 3, 4, 3, strides=[first] * 2, **pad), 4, 5, 1, strides=[2, 2]))
        case(f"conv_{label}_batch_norm_relu_then_1x1_s2")(lambda n, x, pad=pad: n.conv(n.op("Relu", batch_norm(
            n, n.conv(x, 3, 4, 3, **pad), 4)), 4, 5, 1, strides=[2, 2]))
        case(f"conv_{label}_silu_then_1x1_s2")(lambda n, x, pad=pad: n.conv(silu(n, n.conv(x, 3, 4, 3, **pad)), 4, 5, 1, strides=[2, 2]))
        case(f"conv_{label}_then_slice_steps")(lambda n, x, pad=pad: slice_steps(n, n.conv(x, 3, 4, 3, **pad)))
        case(f"conv_{label}_then_pool_1x1_s2")(lambda n, x, pad=pad: n.op(
            "MaxPool", n.conv(x, 3, 4, 3, **pad), kernel_shape=[1, 1], strides=[2, 2]))


def slice_steps(n, x):
    return n.op("Slice", x, n.const([0, 0], np.int64), n.const([100, 100], np.int64), n.const([2, 3], np.int64), n.const([2, 2], np.int64))


def silu(n, x):
    return n.op("Mul", x, n.op("Sigmoid", x))


def batch_norm(n, x, channels, **attributes):
    return n.op("BatchNormalization", x, n.random(channels), n.random(channels), n.random(channels),
                n.const(n.rng.uniform(0.5, 1.5, channels)), **attributes)


def pools():
    for kind in ("MaxPool", "AveragePool"):
        for k, stride, pads, ceil in ((2, 2, 0, 0), (3, 2, 1, 0), (3, 1, 1, 0), (2, 2, 0, 1), (3, 2, 0, 1), (3, 2, 1, 1)):
            for size in ((9, 9), (8, 10)):
                for include in ((0, 1) if kind == "AveragePool" else (None,)):
                    attributes = {"kernel_shape": [k, k], "strides": [stride] * 2, "pads": [pads] * 4}
                    if ceil:
                        attributes["ceil_mode"] = 1
                    if include is not None:
                        attributes["count_include_pad"] = include
                    one(f"{kind}_k{k}_s{stride}_p{pads}_ceil{ceil}_include{include}_{size[0]}x{size[1]}", kind, size=size, **attributes)
        for pad in ("SAME_UPPER", "SAME_LOWER", "VALID"):
            for size in ((9, 9), (8, 10)):
                one(f"{kind}_{pad}_{size[0]}x{size[1]}", kind, size=size, kernel_shape=[3, 3], strides=[2, 2], auto_pad=pad)
        one(f"{kind}_SAME_UPPER_include", "AveragePool", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER", count_include_pad=1)
        one(f"{kind}_uneven_pads", kind, kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1])
    one("MaxPool_dilated", "MaxPool", kernel_shape=[2, 2], dilations=[2, 2], strides=[1, 1])
    one("MaxPool_no_strides", "MaxPool", kernel_shape=[2, 2])
    one("AveragePool_no_strides", "AveragePool", kernel_shape=[2, 2])
    for kind in ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"):
        one(kind, kind)
    one("LpPool", "LpPool", kernel_shape=[2, 2], strides=[2, 2])


def norms():
    case("batch_norm")(lambda n, x: batch_norm(n, x, 3))
    case("batch_norm_eps")(lambda n, x: batch_norm(n, x, 3, epsilon=1e-3))
    case("batch_norm_after_conv")(lambda n, x: batch_norm(n, n.conv(x, 3, 4, 3), 4))
    case("batch_norm_training_0")(lambda n, x: batch_norm(n, x, 3, training_mode=0, momentum=0.9))
    one("instance_norm", "InstanceNormalization", extra=lambda n: [n.random(3), n.random(3)])
    case("lrn")(lambda n, x: n.op("LRN", x, size=3))
    one("lp_norm", "LpNormalization", axis=1, p=2)
    one("lp_norm_1", "LpNormalization", axis=-1, p=1)
    one("mean_variance", "MeanVarianceNormalization")
    for axis in (-1, 3, 1):
        shape = {-1: (9,), 3: (9,), 1: (3, 9, 9)}[axis]
        one(f"layer_norm_{axis}", "LayerNormalization", axis=axis, epsilon=1e-6, extra=lambda n, s=shape: [n.random(*s), n.random(*s)])
    one("layer_norm_no_bias", "LayerNormalization", extra=lambda n: [n.random(9)])
    one("group_norm_21", "GroupNormalization", opset=21, num_groups=3, extra=lambda n: [n.random(3), n.random(3)])

    @case("layer_norm_decomposed")
    def _(n, x):
        mean = n.op("ReduceMean", x, axes=[-1])
        centered = n.op("Sub", x, mean)
        variance = n.op("ReduceMean", n.op("Pow", centered, n.const(2.0)), axes=[-1])
        scaled = n.op("Div", centered, n.op("Sqrt", n.op("Add", variance, n.const(1e-5))))
        return n.op("Add", n.op("Mul", scaled, n.random(9)), n.random(9))

    @case("weight_standardization")
    def _(n, x):
        # timm's ScaledStdConv2d and StdConv2d: a batch norm in training form over the weights.
        w = n.op("Reshape", n.random(4, 3, 3, 3), n.const([1, 4, -1], np.int64))
        y = n.op("BatchNormalization", w, n.const(np.ones(4)), n.const(np.zeros(4)), n.const(np.zeros(4)), n.const(np.ones(4)),
                 outputs=3, training_mode=1, epsilon=1e-6)
        return n.op("Conv", x, n.op("Reshape", y[0], n.const([4, 3, 3, 3], np.int64)))


def activations():
    for kind in ("Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Erf", "Exp", "Abs", "Neg", "Floor", "Ceil", "Sin", "Cos", "Identity", "Sign"):
        one(kind.lower(), kind)
    one("round", "Round")
    for kind, attributes in (("LeakyRelu", {}), ("LeakyRelu", {"alpha": 0.2}), ("Elu", {}), ("Elu", {"alpha": 0.5}), ("Selu", {}), ("Celu", {}),
                             ("HardSigmoid", {}), ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}), ("ThresholdedRelu", {"alpha": 0.3}),
                             ("HardSwish", {}), ("Shrink", {"lambd": 0.3}), ("Shrink", {"lambd": 0.3, "bias": 0.1})):
        label = "_".join(f"{k}{v:.2f}" for k, v in attributes.items())
        one(f"{kind}_{label}", kind, **attributes)
    one("mish", "Mish", opset=18)
    one("gelu", "Gelu", opset=20)
    one("gelu_tanh", "Gelu", opset=20, approximate="tanh")
    one("prelu", "PRelu", extra=lambda n: [n.random(3, 1, 1)])
    one("prelu_one", "PRelu", extra=lambda n: [n.random(1)])
    case("silu")(silu)
    case("hard_swish_by_hand")(lambda n, x: n.op("Mul", x, n.op("Div", n.op(
        "Clip", n.op("Add", x, n.const(0.5)), n.const(0.0), n.const(1.0)), n.const(1.0))))
    case("gelu_by_hand")(lambda n, x: n.op("Mul", n.op("Mul", x, n.op("Add", n.op("Erf", n.op("Div", x, n.const(1.4142135))), n.const(1.0))), n.const(0.5)))
    case("clip_both")(lambda n, x: n.op("Clip", x, n.const(-0.5), n.const(0.25)))
    case("clip_low")(lambda n, x: n.op("Clip", x, n.const(-0.5)))
    case("clip_high")(lambda n, x: n.op("Clip", x, "", n.const(0.5)))
    case("clip_crossed")(lambda n, x: n.op("Clip", x, n.const(0.5), n.const(-0.5)))
    for axis in (-1, 1, 2, 3):
        one(f"softmax_{axis}", "Softmax", axis=axis)
        one(f"log_softmax_{axis}", "LogSoftmax", axis=axis)
    one("softmax_default", "Softmax")
    one("softmax_11", "Softmax", opset=11)
    one("softmax_11_axis2", "Softmax", opset=11, axis=2)
    one("log_softmax_11", "LogSoftmax", opset=11)
    one("hardmax", "Hardmax", axis=1)
    for k in (4, 7, 16):
        case(f"softmax_row_{k}")(lambda n, x, k=k: n.op("Softmax", n.op("MatMul", n.op("Reshape", x, n.const([1, 243], np.int64)), n.random(243, k)), axis=1))


def arithmetic():
    for kind in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "PRelu"):
        for name, shape in (("scalar", ()), ("channel", (3, 1, 1)), ("row", (9,)), ("full", (1, 3, 9, 9)), ("batch_channel", (1, 3, 1, 1))):
            case(f"{kind}_constant_{name}")(lambda n, x, kind=kind, shape=shape: n.op(
                kind, n.op("Abs", x) if kind == "Pow" else x, n.const(n.rng.uniform(0.5, 1.5, shape))))
        if kind not in ("PRelu", "Pow"):
            case(f"{kind}_constant_first")(lambda n, x, kind=kind: n.op(kind, n.const(n.rng.uniform(0.5, 1.5, (3, 1, 1))), n.op("Add", x, n.const(3.0))))
            case(f"{kind}_two")(lambda n, x, kind=kind: n.op(kind, n.conv(x, 3, 3, 1), n.op("Add", n.conv(x, 3, 3, 1), n.const(5.0))))
            case(f"{kind}_broadcast_two")(lambda n, x, kind=kind: n.op(kind, x, n.op("Add", n.op("GlobalAveragePool", x), n.const(2.0))))
    for kind in ("Sqrt", "Log", "Reciprocal"):
        case(kind.lower())(lambda n, x, kind=kind: n.op(kind, n.op("Add", n.op("Abs", x), n.const(0.5))))
    for kind in ("Sum", "Mean", "Max", "Min"):
        case(f"{kind}_three")(lambda n, x, kind=kind: n.op(kind, x, n.conv(x, 3, 3, 1), n.op("Neg", x)))
    for kind in ("Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Equal"):
        case(f"where_{kind.lower()}")(lambda n, x, kind=kind: n.op("Where", n.op(kind, x, n.const(0.1)), x, n.op("Neg", x)))
    case("where_not")(lambda n, x: n.op("Where", n.op("Not", n.op("Greater", x, n.const(0.1))), x, n.const(0.0)))
    case("where_and_or")(lambda n, x: n.op("Where", n.op("Or", n.op("And", n.op("Greater", x, n.const(0.1)), n.op("Less", x, n.const(0.5))),
                                                         n.op("Less", x, n.const(-0.5))), x, n.const(0.0)))
    case("cast_there_and_back")(lambda n, x: n.op("Cast", n.op("Cast", n.op("Mul", x, n.const(10.0)), to=TensorProto.INT64), to=TensorProto.FLOAT))
    case("cast_int32")(lambda n, x: n.op("Cast", n.op("Cast", n.op("Mul", x, n.const(10.0)), to=TensorProto.INT32), to=TensorProto.FLOAT))
    case("cast_bool")(lambda n, x: n.op("Cast", n.op("Cast", n.op("Relu", x), to=TensorProto.BOOL), to=TensorProto.FLOAT))
    case("cast_double")(lambda n, x: n.op("Cast", n.op("Mul", n.op("Cast", x, to=TensorProto.DOUBLE), n.const(0.1, np.float64)), to=TensorProto.FLOAT))
    case("cast_half", tolerance=2e-3)(lambda n, x: n.op("Cast", n.op("Mul", n.op("Cast", x, to=TensorProto.FLOAT16), n.const(0.7, np.float16)), to=TensorProto.FLOAT))
    case("mod")(lambda n, x: n.op("Mod", x, n.const(0.3), fmod=1))


def products():
    flat = lambda n, x: n.op("Flatten", x, axis=1)
    for trans_b in (0, 1):
        for bias in ("row", "full", "one", None):
            shape = {"row": (5,), "full": (1, 5), "one": (1,), None: None}[bias]
            case(f"gemm_b{trans_b}_{bias}")(lambda n, x, t=trans_b, s=shape: n.op(
                "Gemm", flat(n, x), n.random(*((5, 243) if t else (243, 5))), *([n.random(*s)] if s else []), transB=t))
    case("gemm_alpha_beta")(lambda n, x: n.op("Gemm", flat(n, x), n.random(243, 5), n.random(5), alpha=0.5, beta=2.0))
    case("gemm_trans_a")(lambda n, x: n.op("Gemm", n.op("Transpose", flat(n, x), perm=[1, 0]), n.random(243, 5), transA=1))
    case("matmul_2d")(lambda n, x: n.op("MatMul", flat(n, x), n.random(243, 5)))
    case("matmul_4d")(lambda n, x: n.op("MatMul", x, n.random(9, 5)))
    case("matmul_batched_constant")(lambda n, x: n.op("MatMul", x, n.random(1, 3, 9, 5)))
    case("matmul_constant_first")(lambda n, x: n.op("MatMul", n.random(5, 9), x))
    case("matmul_two")(lambda n, x: n.op("MatMul", x, n.op("Transpose", x, perm=[0, 1, 3, 2])))
    case("matmul_vector")(lambda n, x: n.op("MatMul", x, n.random(9)))
    case("einsum_qk")(lambda n, x: n.op("Einsum", x, x, equation="bhqd,bhkd->bhqk"))
    case("einsum_linear")(lambda n, x: n.op("Einsum", x, n.random(9, 4), equation="bchw,wd->bchd"))

    @case("attention")
    def _(n, x):
        tokens = n.op("Transpose", n.op("Reshape", n.conv(x, 3, 8, 3, strides=[3, 3]), n.const([1, 8, 9], np.int64)), perm=[0, 2, 1])
        return attention(n, tokens, 9, 8, 2)

    @case("attention_added_mask")
    def _(n, x):
        tokens = n.op("Transpose", n.op("Reshape", n.conv(x, 3, 8, 3, strides=[3, 3]), n.const([1, 8, 9], np.int64)), perm=[0, 2, 1])
        return attention(n, tokens, 9, 8, 2, mask=True)


def attention(n, tokens, count, width, heads, mask=False):
    qkv = n.op("Add", n.op("MatMul", tokens, n.random(width, 3 * width)), n.random(3 * width))
    qkv = n.op("Transpose", n.op("Reshape", qkv, n.const([1, count, 3, heads, width // heads], np.int64)), perm=[2, 0, 3, 1, 4])
    parts = [n.op("Gather", qkv, n.const(i, np.int64), axis=0) for i in range(3)]
    scores = n.op("MatMul", n.op("Mul", parts[0], n.const((width // heads) ** -0.5)), n.op("Transpose", parts[1], perm=[0, 1, 3, 2]))
    if mask:
        scores = n.op("Add", scores, n.random(1, heads, count, count))
    mixed = n.op("MatMul", n.op("Softmax", scores, axis=-1), parts[2])
    mixed = n.op("Reshape", n.op("Transpose", mixed, perm=[0, 2, 1, 3]), n.const([1, count, width], np.int64))
    return n.op("Add", n.op("MatMul", mixed, n.random(width, width)), tokens)


def shapes():
    for axis in (0, 1, 2, 3, -1):
        one(f"flatten_{axis}", "Flatten", axis=axis)
    for name, shape in (("zero", [0, -1]), ("all", [1, 3, 81]), ("five", [1, 3, 3, 3, 9]), ("minus", [-1, 27])):
        case(f"reshape_{name}")(lambda n, x, s=shape: n.op("Reshape", x, n.const(s, np.int64)))
    for perm in ([0, 2, 3, 1], [0, 3, 1, 2], [0, 1, 3, 2], [0, 2, 1, 3]):
        one(f"transpose_{''.join(map(str, perm))}", "Transpose", perm=perm)
    one("transpose_default", "Transpose")
    case("squeeze_11", opset=11)(lambda n, x: n.op("Squeeze", n.op("GlobalAveragePool", x), axes=[2, 3]))
    case("squeeze_13")(lambda n, x: n.op("Squeeze", n.op("GlobalAveragePool", x), n.const([2, 3], np.int64)))
    case("unsqueeze_11", opset=11)(lambda n, x: n.op("Unsqueeze", x, axes=[2]))
    case("unsqueeze_13")(lambda n, x: n.op("Unsqueeze", x, n.const([-1], np.int64)))
    for axis in (1, 2, -1):
        case(f"concat_{axis}")(lambda n, x, a=axis: n.op("Concat", x, n.op("Neg", x), axis=a))
    case("concat_constant")(lambda n, x: n.op("Concat", n.random(1, 2, 9, 9), x, axis=1))
    case("split_sizes")(lambda n, x: n.op("Mul", *n.op("Split", n.conv(x, 3, 4, 1), n.const([2, 2], np.int64), outputs=2, axis=1)))
    case("split_equal")(lambda n, x: n.op("Sub", *n.op("Split", n.conv(x, 3, 4, 1), outputs=2, axis=1)))
    case("split_11", opset=11)(lambda n, x: n.op("Sub", *n.op("Split", n.conv(x, 3, 4, 1), outputs=2, axis=1, split=[2, 2])))
    case("split_18", opset=18)(lambda n, x: n.op("Sub", *n.op("Split", n.conv(x, 3, 4, 1), outputs=2, axis=1, num_outputs=2)))
    for name, (s, e, a, t) in (("plain", ([1], [5], [2], None)), ("negative", ([-4], [-1], [3], None)), ("steps", ([0], [9], [2], [2])),
                               ("backwards", ([-1], [-100], [3], [-1])), ("two", ([0, 1], [8, 9], [2, 3], [1, 1])), ("channels", ([1], [100], [1], None))):
        case(f"slice_{name}")(lambda n, x, s=s, e=e, a=a, t=t: n.op("Slice", x, *[n.const(v, np.int64) for v in (s, e, a, t) if v is not None]))
    for axis in (0, 1, 3):
        case(f"gather_{axis}")(lambda n, x, a=axis: n.op("Gather", x, n.const([0] if a == 0 else [2, 0], np.int64), axis=a))
    case("gather_scalar")(lambda n, x: n.op("Gather", x, n.const(1, np.int64), axis=1))
    case("gather_negative")(lambda n, x: n.op("Gather", x, n.const(-1, np.int64), axis=2))
    case("gather_elements")(lambda n, x: n.op("GatherElements", x, n.const(n.rng.integers(0, 9, (1, 3, 9, 9)), np.int64), axis=3))
    case("gather_nd")(lambda n, x: n.op("GatherND", x, n.const([[0, 1, 2], [0, 2, 3]], np.int64)))
    for mode in ("constant", "reflect", "edge"):
        case(f"pad_{mode}")(lambda n, x, m=mode: n.op("Pad", x, n.const([0, 0, 1, 2, 0, 0, 2, 1], np.int64), *([n.const(0.3)] if m == "constant" else []), mode=m))
    case("pad_default")(lambda n, x: n.op("Pad", x, n.const([0, 0, 1, 1, 0, 0, 1, 1], np.int64)))
    case("pad_then_conv")(lambda n, x: n.conv(n.op("Pad", x, n.const([0, 0, 0, 0, 0, 0, 1, 1], np.int64)), 3, 4, 3, strides=[2, 2]))
    case("pad_value_then_conv")(lambda n, x: n.conv(n.op("Pad", x, n.const([0, 0, 1, 1, 0, 0, 1, 1], np.int64), n.const(0.5)), 3, 4, 3))
    case("pad_then_max_pool")(lambda n, x: n.op("MaxPool", n.op("Pad", x, n.const([0, 0, 1, 1, 0, 0, 1, 1], np.int64)), kernel_shape=[3, 3], strides=[2, 2]))
    case("pad_then_average_pool")(lambda n, x: n.op("AveragePool", n.op("Pad", x, n.const([0, 0, 1, 1, 0, 0, 1, 1], np.int64)), kernel_shape=[3, 3], strides=[2, 2]))
    case("expand")(lambda n, x: n.op("Expand", n.op("GlobalAveragePool", x), n.const([1, 3, 4, 4], np.int64)))
    case("tile")(lambda n, x: n.op("Tile", x, n.const([1, 1, 2, 1], np.int64)))
    case("shape_reshape")(lambda n, x: n.op("Reshape", x, n.op("Concat", n.op("Gather", n.op("Shape", x), n.const([0], np.int64), axis=0), n.const([-1], np.int64), axis=0)))
    case("constant_of_shape")(lambda n, x: n.op("Add", x, n.op("ConstantOfShape", n.op("Shape", x))))
    case("size_div")(lambda n, x: n.op("Div", x, n.op("Cast", n.op("Size", x), to=TensorProto.FLOAT)))
    case("depth_to_space")(lambda n, x: n.op("DepthToSpace", n.conv(x, 3, 8, 1), blocksize=2))
    case("depth_to_space_crd")(lambda n, x: n.op("DepthToSpace", n.conv(x, 3, 8, 1), blocksize=2, mode="CRD"))
    case("space_to_depth", height=8, width=8)(lambda n, x: n.op("SpaceToDepth", x, blocksize=2))
    case("channel_shuffle")(lambda n, x: n.op("Reshape", n.op("Transpose", n.op("Reshape", n.conv(x, 3, 6, 1), n.const([1, 2, 3, 9, 9], np.int64)), perm=[0, 2, 1, 3, 4]), n.const([1, 6, 9, 9], np.int64)))
    case("one_hot")(lambda n, x: n.op("OneHot", n.op("ArgMax", x, axis=1, keepdims=0), n.const(3, np.int64), n.const([0.0, 1.0])))
    case("arg_min")(lambda n, x: n.op("Cast", n.op("ArgMin", x, axis=2), to=TensorProto.FLOAT))
    case("top_k")(lambda n, x: n.op("TopK", n.op("Flatten", x), n.const([5], np.int64), outputs=2)[0])
    case("cum_sum")(lambda n, x: n.op("CumSum", x, n.const(2, np.int64)))
    case("trilu")(lambda n, x: n.op("Trilu", x, upper=1))
    case("window_partition")(lambda n, x: n.op("Reshape", n.op("Transpose", n.op("Reshape", x, n.const([1, 3, 3, 3, 3, 3], np.int64)), perm=[0, 2, 4, 3, 5, 1]), n.const([9, 9, 3], np.int64)))
    case("roll")(lambda n, x: n.op("Concat", n.op("Slice", x, n.const([4], np.int64), n.const([1000], np.int64), n.const([2], np.int64)),
                                   n.op("Slice", x, n.const([0], np.int64), n.const([4], np.int64), n.const([2], np.int64)), axis=2))


def reductions():
    for kind in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceL1", "ReduceProd", "ReduceSumSquare", "ReduceLogSumExp"):
        for axes in ([2, 3], [1], [-1], None):
            for keep in (0, 1):
                name = f"{kind}_{'all' if axes is None else ''.join(map(str, axes))}_keep{keep}"
                if kind == "ReduceSum":
                    case(name)(lambda n, x, k=kind, a=axes, keep=keep: n.op(k, x, *([n.const(a, np.int64)] if a else []), keepdims=keep))
                else:
                    attributes = {"axes": axes} if axes else {}
                    one(name, kind, keepdims=keep, **attributes)
    for kind in ("ReduceMean", "ReduceMax", "ReduceL2"):
        case(f"{kind}_18", opset=18)(lambda n, x, k=kind: n.op(k, x, n.const([2, 3], np.int64), keepdims=0))


def resizes():
    for mode in ("nearest", "linear", "cubic"):
        for transform in ("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"):
            for scale in (2.0, 0.5, 1.7):
                # Odd sides, where half of them is no whole number.
                height, width = (9, 11) if transform == "align_corners" else (8, 10)
                case(f"resize_{mode}_{transform}_{scale}", tolerance=2e-4, height=height, width=width)(lambda n, x, m=mode, t=transform, s=scale: n.op(
                    "Resize", x, "", n.const([1, 1, s, s]), mode=m, coordinate_transformation_mode=t))
    for nearest in ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil"):
        case(f"resize_nearest_{nearest}")(lambda n, x, r=nearest: n.op(
            "Resize", x, "", n.const([1, 1, 2, 2]), mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode=r))
    case("resize_sizes_align_corners")(lambda n, x: n.op(
        "Resize", x, "", "", n.const([1, 3, 5, 6], np.int64), mode="linear", coordinate_transformation_mode="align_corners"))
    case("resize_sizes")(lambda n, x: n.op("Resize", x, "", "", n.const([1, 3, 5, 6], np.int64), mode="linear"))


def quantized():
    step = 0.02

    def q(n, x, scale=step, zero=128, kind=np.uint8):
        return n.op("QuantizeLinear", x, n.const(scale), n.const(zero, kind))

    def dq(n, x, scale=step, zero=128, kind=np.uint8):
        return n.op("DequantizeLinear", x, n.const(scale), n.const(zero, kind))

    def both(n, x, **kw):
        return dq(n, q(n, x, **kw), **kw)

    signed = dict(zero=0, kind=np.int8)
    case("qdq", tolerance=step)(both)
    case("qdq_i8", tolerance=step)(lambda n, x: both(n, x, **signed))
    for label, kw in (("u8", {}), ("i8", signed)):
        after = dict(scale=1 / 255, zero=0) if label == "u8" else dict(scale=1 / 127, **signed)
        for kind in ("Softmax", "LogSoftmax", "Sigmoid", "Relu", "Tanh", "HardSwish", "Erf", "LeakyRelu", "HardSigmoid"):
            attributes = {"axis": 1} if "Softmax" in kind else {}
            last = dict(kw, scale=0.05) if kind == "LogSoftmax" else (dict(after) if kind in ("Softmax", "Sigmoid") else kw)
            case(f"qdq_{kind}_{label}", tolerance=last.get("scale", step) * 1.01)(
                lambda n, x, k=kind, a=attributes, kw=kw, last=last: both(n, n.op(k, both(n, x, **kw), **a), **last))
        case(f"qdq_relu_softmax_{label}", tolerance=1.01 / 127)(
            lambda n, x, kw=kw, after=after: both(n, n.op("Softmax", n.op("Relu", both(n, x, **kw)), axis=-1), **after))
        case(f"qdq_layer_norm_{label}", tolerance=0.021)(lambda n, x, kw=kw: both(
            n, n.op("LayerNormalization", both(n, x, **kw), n.random(9), n.random(9)), **kw))
        case(f"qdq_softmax_rank2_{label}", tolerance=1.01 / 127)(lambda n, x, kw=kw, after=after: both(n, n.op(
            "Softmax", both(n, n.op("MatMul", n.op("Flatten", x), n.random(243, 10)), **kw), axis=-1), **after))
        for kind, args in (("MaxPool", dict(kernel_shape=[2, 2], strides=[2, 2])), ("AveragePool", dict(kernel_shape=[2, 2], strides=[2, 2])),
                           ("GlobalAveragePool", {}), ("Flatten", {}), ("Transpose", dict(perm=[0, 2, 3, 1])), ("LpNormalization", dict(axis=1, p=2)),
                           ("ReduceMean", dict(axes=[2, 3]))):
            case(f"qdq_{kind}_{label}", tolerance=step * 1.01)(lambda n, x, k=kind, a=args, kw=kw: both(n, n.op(k, both(n, x, **kw), **a), **kw))
        case(f"qdq_concat_{label}", tolerance=step * 1.01)(lambda n, x, kw=kw: both(n, n.op("Concat", both(n, x, **kw), both(n, n.op("Neg", x), **kw), axis=1), **kw))
        case(f"qdq_add_{label}", tolerance=step * 1.01)(lambda n, x, kw=kw: both(n, n.op("Add", both(n, x, **kw), both(n, n.conv(x, 3, 3, 1), **kw)), **kw))
        case(f"qdq_mul_{label}", tolerance=step * 1.01)(lambda n, x, kw=kw: both(n, n.op("Mul", both(n, x, **kw), both(n, n.op("Sigmoid", x), **kw)), **kw))
        case(f"qdq_cum_sum_{label}", tolerance=step * 1.01)(lambda n, x, kw=kw: both(n, n.op("CumSum", both(n, x, **kw), n.const(2, np.int64)), **kw))
    case("qdq_mixed_u8_i8", tolerance=step * 1.01)(lambda n, x: both(n, n.op("Sigmoid", both(n, x)), **signed))
    case("qdq_mixed_i8_u8", tolerance=step * 1.01)(lambda n, x: both(n, n.op("Sigmoid", both(n, x, **signed)), scale=1 / 255, zero=0))
    case("qdq_other_scale", tolerance=0.051)(lambda n, x: both(n, both(n, x), scale=0.05))

    def conv_int8(n, x, per_channel, **kw):
        w = np.round(n.rng.uniform(-100, 100, (4, 3, 3, 3))).astype(np.int8)
        scale = n.rng.uniform(0.001, 0.01, 4).astype(np.float32) if per_channel else np.float32(0.005)
        zero = np.zeros(4, np.int8) if per_channel else np.int8(0)
        attributes = {"axis": 0} if per_channel else {}
        weight = n.op("DequantizeLinear", n.const(w, np.int8), n.const(scale), n.const(zero, np.int8), **attributes)
        return n.op("Conv", both(n, x), weight, n.random(4), pads=[1, 1, 1, 1], **kw)

    for per_channel in (False, True):
        case(f"qdq_conv_channel{int(per_channel)}", tolerance=0.041)(lambda n, x, p=per_channel: both(n, conv_int8(n, x, p), scale=0.04))
        case(f"qdq_conv_relu_channel{int(per_channel)}", tolerance=0.041)(lambda n, x, p=per_channel: both(n, n.op("Relu", conv_int8(n, x, p)), scale=0.04, zero=0))
    case("qdq_bias_int32", tolerance=0.041)(lambda n, x: both(n, n.op(
        "Conv", both(n, x), n.op("DequantizeLinear", n.const(n.rng.integers(-100, 100, (4, 3, 3, 3)), np.int8), n.const(0.005), n.const(0, np.int8)),
        n.op("DequantizeLinear", n.const(n.rng.integers(-1000, 1000, 4), np.int32), n.const(0.0001))), scale=0.04))
    case("dequantize_only")(lambda n, x: n.op("Add", x, n.op("DequantizeLinear", n.const(n.rng.integers(-100, 100, (3, 1, 1)), np.int8), n.const(0.01), n.const(3, np.int8))))
    case("dynamic_quantize", tolerance=2e-2)(lambda n, x: dynamic(n, x))

    def dynamic(n, x):
        values, scale, zero = n.op("DynamicQuantizeLinear", x, outputs=3)
        return n.op("Mul", n.op("Cast", n.op("Sub", n.op("Cast", values, to=TensorProto.INT32), n.op("Cast", zero, to=TensorProto.INT32)), to=TensorProto.FLOAT), scale)

    # The QOperator form.
    def qlinear_conv(n, x, kind=np.uint8, zero=128):
        w = n.const(n.rng.integers(-100, 100, (4, 3, 3, 3)), np.int8)
        y = n.op("QLinearConv", q(n, x, zero=zero, kind=kind), n.const(step), n.const(zero, kind), w, n.const(0.005), n.const(0, np.int8),
                 n.const(0.04), n.const(zero, kind), n.const(n.rng.integers(-1000, 1000, 4), np.int32), pads=[1, 1, 1, 1])
        return y

    case("qlinear_conv", tolerance=0.041)(lambda n, x: dq(n, qlinear_conv(n, x), scale=0.04))
    case("qlinear_conv_i8", tolerance=0.041)(lambda n, x: dq(n, qlinear_conv(n, x, np.int8, 0), scale=0.04, **signed))

    @case("qlinear_conv_per_channel", tolerance=0.041)
    def _(n, x):
        y = n.op("QLinearConv", q(n, x), n.const(step), n.const(128, np.uint8), n.const(n.rng.integers(-100, 100, (4, 3, 3, 3)), np.int8),
                 n.const(n.rng.uniform(0.001, 0.01, 4)), n.const(np.zeros(4), np.int8), n.const(0.04), n.const(128, np.uint8), strides=[2, 2])
        return dq(n, y, scale=0.04)

    @case("qlinear_mat_mul", tolerance=0.051)
    def _(n, x):
        y = n.op("QLinearMatMul", q(n, n.op("Flatten", x)), n.const(step), n.const(128, np.uint8), n.const(n.rng.integers(-100, 100, (243, 6)), np.int8),
                 n.const(0.002), n.const(0, np.int8), n.const(0.05), n.const(128, np.uint8))
        return dq(n, y, scale=0.05)

    ms = "com.microsoft"

    def scalars(n, scale=step, zero=128):
        return [n.const(scale), n.const(zero, np.uint8)]

    case("qlinear_add", tolerance=0.041)(lambda n, x: dq(n, n.op("QLinearAdd", q(n, x), *scalars(n), q(n, n.op("Neg", x)), *scalars(n), *scalars(n, 0.04), domain=ms), scale=0.04))
    case("qlinear_mul", tolerance=0.021)(lambda n, x: dq(n, n.op("QLinearMul", q(n, x), *scalars(n), q(n, n.op("Neg", x)), *scalars(n), *scalars(n), domain=ms)))
    case("qlinear_global_average_pool", tolerance=0.021)(lambda n, x: dq(n, n.op("QLinearGlobalAveragePool", q(n, x), *scalars(n), *scalars(n), domain=ms, channels_last=0)))
    case("qlinear_average_pool", tolerance=0.021)(lambda n, x: dq(n, n.op("QLinearAveragePool", q(n, x), *scalars(n), *scalars(n), domain=ms, kernel_shape=[2, 2], strides=[2, 2])))
    case("qlinear_concat", tolerance=0.041)(lambda n, x: dq(n, n.op("QLinearConcat", *scalars(n, 0.04), q(n, x), *scalars(n), q(n, n.op("Neg", x)), *scalars(n), domain=ms, axis=1), scale=0.04))
    case("qlinear_leaky_relu", tolerance=0.021)(lambda n, x: dq(n, n.op("QLinearLeakyRelu", q(n, x), *scalars(n), *scalars(n), domain=ms, alpha=0.1)))
    case("qlinear_sigmoid", tolerance=0.0041)(lambda n, x: dq(n, n.op("QLinearSigmoid", q(n, x), *scalars(n), *scalars(n, 1 / 255, 0), domain=ms), scale=1 / 255, zero=0))
    case("qlinear_softmax", tolerance=0.0041)(lambda n, x: dq(n, n.op("QLinearSoftmax", q(n, n.op("Flatten", x)), *scalars(n), *scalars(n, 1 / 255, 0), domain=ms, opset=13, axis=-1), scale=1 / 255, zero=0))
    case("qgemm", tolerance=0.051)(lambda n, x: dq(n, n.op(
        "QGemm", q(n, n.op("Flatten", x)), *scalars(n), n.const(n.rng.integers(-100, 100, (6, 243)), np.int8), n.const(0.002), n.const(0, np.int8),
        n.const(n.rng.integers(-1000, 1000, 6), np.int32), *scalars(n, 0.05), domain=ms, transB=1), scale=0.05))
    case("conv_integer", tolerance=1e-3)(lambda n, x: n.op("Mul", n.op("Cast", n.op(
        "ConvInteger", q(n, x), n.const(n.rng.integers(-100, 100, (4, 3, 3, 3)), np.int8), n.const(128, np.uint8), n.const(0, np.int8)), to=TensorProto.FLOAT), n.const(1e-4)))
    case("mat_mul_integer", tolerance=1e-3)(lambda n, x: n.op("Mul", n.op("Cast", n.op(
        "MatMulInteger", q(n, n.op("Flatten", x)), n.const(n.rng.integers(-100, 100, (243, 6)), np.int8), n.const(128, np.uint8), n.const(0, np.int8)), to=TensorProto.FLOAT), n.const(1e-4)))
    # What ONNX Runtime's optimizer writes.
    case("fused_conv")(lambda n, x: n.op("FusedConv", x, n.random(4, 3, 3, 3), n.random(4), domain=ms, activation="Relu", pads=[1, 1, 1, 1]))
    case("fused_conv_clip")(lambda n, x: n.op("FusedConv", x, n.random(4, 3, 3, 3), n.random(4), domain=ms, activation="Clip", activation_params=[0.0, 0.5]))
    case("fused_gemm")(lambda n, x: n.op("FusedGemm", n.op("Flatten", x), n.random(243, 6), n.random(6), domain=ms, activation="Relu"))
    case("fused_mat_mul")(lambda n, x: n.op("FusedMatMul", x, x, domain=ms, transB=1, alpha=0.5))
    case("ms_gelu")(lambda n, x: n.op("Gelu", x, domain=ms))
    case("ms_bias_gelu")(lambda n, x: n.op("BiasGelu", x, n.random(9), domain=ms))
    case("ms_quick_gelu")(lambda n, x: n.op("QuickGelu", x, domain=ms, alpha=1.702))
    case("ms_fast_gelu")(lambda n, x: n.op("FastGelu", x, domain=ms), )
    case("skip_layer_norm")(lambda n, x: n.op("SkipLayerNormalization", n.op("Reshape", x, n.const([1, 27, 9], np.int64)),
                                              n.op("Neg", n.op("Reshape", n.conv(x, 3, 3, 1), n.const([1, 27, 9], np.int64))), n.random(9), n.random(9), domain=ms))


def random_graph(n, x):
    """A network as people make them: convolutions with every border, norms, activations, residuals, squeezes, pools."""
    rng = n.rng
    pick = lambda *options: options[rng.integers(len(options))]
    channels, size = 3, list(n.size)

    def activation(x):
        kind = pick("Relu", "Clip", "silu", "LeakyRelu", "HardSwish", "Sigmoid", "none", "Elu", "gelu")
        if kind == "Clip":
            return n.op("Clip", x, n.const(0.0), n.const(6.0))
        if kind == "silu":
            return silu(n, x)
        if kind == "gelu":
            return n.op("Mul", n.op("Mul", x, n.op("Add", n.op("Erf", n.op("Mul", x, n.const(0.70710677))), n.const(1.0))), n.const(0.5))
        return x if kind == "none" else n.op(kind, x)

    def norm(x, c):
        return batch_norm(n, x, c) if rng.random() < 0.5 else x

    for _ in range(rng.integers(2, 6)):
        kind = pick("conv", "conv", "conv", "pool", "residual", "squeeze", "depthwise", "concat", "nhwc", "qdq", "shuffle", "one")
        if kind in ("conv", "one"):
            k = 1 if kind == "one" else int(pick(1, 2, 3, 5))
            stride = [int(pick(1, 1, 2)), int(pick(1, 1, 2))]
            if rng.random() < 0.7:
                stride = [stride[0]] * 2
            dilation = 2 if k == 3 and stride == [1, 1] and rng.random() < 0.2 else 1
            reach = (k - 1) * dilation + 1
            border = pick("SAME_UPPER", "SAME_LOWER", "VALID", "pads", "uneven")
            out = int(pick(4, 6, 8))
            attributes = {"strides": stride, "dilations": [dilation] * 2}
            if border.startswith("SAME"):
                attributes["auto_pad"] = border
                new = [-(-s // t) for s, t in zip(size, stride)]
            else:
                pads = {"VALID": [0] * 4, "pads": [reach // 2] * 4, "uneven": [0, 0, reach - 1, reach - 1]}[border]
                new = [(s + pads[i] + pads[i + 2] - reach) // t + 1 for i, (s, t) in enumerate(zip(size, stride))]
                if min(s + pads[i] + pads[i + 2] - reach for i, s in enumerate(size)) < 0:
                    continue
                if border == "VALID":
                    attributes["auto_pad"] = "VALID"
                else:
                    attributes["pads"] = pads
            x = activation(norm(n.conv(x, channels, out, k, bias=bool(rng.random() < 0.5), **attributes), out))
            channels, size = out, new
        elif kind == "pool" and min(size) >= 3:
            which, k, s = pick("MaxPool", "AveragePool"), int(pick(2, 3)), int(pick(1, 2))
            p = int(rng.integers(0, 2)) if k == 3 else 0
            attributes = {"kernel_shape": [k, k], "strides": [s, s], "pads": [p] * 4}
            if which == "AveragePool":
                attributes["count_include_pad"] = int(rng.integers(0, 2))
            x = n.op(which, x, **attributes)
            size = [(v + 2 * p - k) // s + 1 for v in size]
        elif kind == "residual":
            x = activation(n.op("Add", norm(n.conv(activation(n.conv(x, channels, channels, 3, pads=[1] * 4)), channels, channels, 1), channels), x))
        elif kind == "squeeze":
            pooled = n.op(*([ "GlobalAveragePool", x])) if rng.random() < 0.5 else n.op("ReduceMean", x, axes=[2, 3], keepdims=1)
            gate = n.op(pick("Sigmoid", "HardSigmoid"), n.conv(n.op("Relu", n.conv(pooled, channels, 2, 1)), 2, channels, 1))
            x = n.op("Mul", x, gate)
        elif kind == "depthwise":
            k = int(pick(3, 5))
            x = activation(n.conv(x, channels, channels, k, group=channels, auto_pad=pick("SAME_UPPER", "SAME_LOWER")))
        elif kind == "concat":
            x = n.op("Concat", x, n.conv(x, channels, 3, 3, pads=[1] * 4), axis=1)
            channels += 3
        elif kind == "nhwc":
            y = n.op("MatMul", n.op("Transpose", x, perm=[0, 2, 3, 1]), n.random(channels, channels))
            x = n.op("Transpose", activation(y), perm=[0, 3, 1, 2])
        elif kind == "qdq":
            x = n.op("DequantizeLinear", n.op("QuantizeLinear", x, n.const(2.0 ** -6), n.const(100, np.uint8)), n.const(2.0 ** -6), n.const(100, np.uint8))
        elif kind == "shuffle" and channels % 2 == 0:
            y = n.op("Reshape", x, n.const([1, 2, channels // 2, size[0], size[1]], np.int64))
            x = n.op("Reshape", n.op("Transpose", y, perm=[0, 2, 1, 3, 4]), n.const([1, channels, size[0], size[1]], np.int64))
    head = pick("gap", "mean", "flatten")
    if head == "gap":
        x, count = n.op("Flatten", n.op("GlobalAveragePool", x), axis=1), channels
    elif head == "mean":
        x, count = n.op("ReduceMean", x, axes=[2, 3], keepdims=0), channels
    else:
        x, count = n.op("Flatten", x, axis=1), channels * size[0] * size[1]
    x = n.op("Gemm", x, n.random(7, count), n.random(7), transB=1)
    last = pick("none", "none", "Softmax", "LogSoftmax", "Sigmoid")
    return x if last == "none" else n.op(last, x, **({"axis": 1} if "Softmax" in last else {}))


def defaults_written_out():
    """Exporters write attributes that say what is meant anyway."""
    plain = dict(auto_pad="NOTSET", dilations=[1, 1], strides=[1, 1])
    case("written_conv")(lambda n, x: n.conv(x, 3, 4, 3, group=1, kernel_shape=[3, 3], pads=[1] * 4, **plain))
    case("written_conv_transpose")(lambda n, x: n.op("ConvTranspose", x, n.random(3, 4, 3, 3), group=1, pads=[0] * 4, output_padding=[0, 0], **plain))
    case("written_max_pool")(lambda n, x: n.op("MaxPool", x, kernel_shape=[2, 2], pads=[0] * 4, ceil_mode=0, storage_order=0, **plain))
    case("written_average_pool")(lambda n, x: n.op(
        "AveragePool", x, kernel_shape=[2, 2], pads=[0] * 4, ceil_mode=0, count_include_pad=0, auto_pad="NOTSET", strides=[1, 1]))
    case("written_gemm")(lambda n, x: n.op("Gemm", n.op("Flatten", x), n.random(5, 243), n.random(5), alpha=1.0, beta=1.0, transA=0, transB=1))
    for zero in (0, 1):
        case(f"written_reshape_{zero}")(lambda n, x, z=zero: n.op("Reshape", x, n.const([1, -1, 9], np.int64), allowzero=z))
    case("written_resize", opset=18)(lambda n, x: n.op(
        "Resize", x, "", n.const([1, 1, 2, 2]), mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric", antialias=0,
        exclude_outside=0, keep_aspect_ratio_policy="stretch"))
    case("written_linear_resize")(lambda n, x: n.op(
        "Resize", x, "", n.const([1, 1, 2, 2]), mode="linear", nearest_mode="floor", coordinate_transformation_mode="half_pixel", cubic_coeff_a=-0.75))
    case("written_arg_max")(lambda n, x: n.op("Cast", n.op("ArgMax", x, axis=1, keepdims=1, select_last_index=0), to=TensorProto.FLOAT))
    case("written_top_k")(lambda n, x: n.op("TopK", n.op("Flatten", x), n.const([5], np.int64), outputs=2, axis=-1, largest=1, sorted=1)[0])
    case("written_cum_sum")(lambda n, x: n.op("CumSum", x, n.const(2, np.int64), exclusive=0, reverse=0))
    case("written_trilu")(lambda n, x: n.op("Trilu", x, upper=0))
    case("written_gelu", opset=20)(lambda n, x: n.op("Gelu", x, approximate="none"))
    case("written_depth_to_space")(lambda n, x: n.op("DepthToSpace", n.conv(x, 3, 8, 1), blocksize=2, mode="DCR"))
    case("written_reduce_18", opset=18)(lambda n, x: n.op("ReduceMean", x, n.const([-1, -2], np.int64), keepdims=1, noop_with_empty_axes=0))
    case("written_batch_norm")(lambda n, x: batch_norm(n, x, 3, training_mode=0, momentum=0.9, epsilon=1e-5))


def stumbled_over():
    """Sound networks that tract once gave up on; last, so that no other network gets other numbers."""

    @case("weight_standardization_by_statistics")
    def _(n, x):
        w = n.op("Reshape", n.random(4, 3, 3, 3), n.const([1, 4, -1], np.int64))
        mean = n.op("ReduceMean", w, axes=[0, 2], keepdims=0)
        centered = n.op("Sub", w, n.op("Reshape", mean, n.const([1, 4, 1], np.int64)))
        variance = n.op("ReduceMean", n.op("Mul", centered, centered), axes=[0, 2], keepdims=0)
        y = n.op("BatchNormalization", w, n.const(np.ones(4)), n.const(np.zeros(4)), mean, variance, epsilon=1e-8)
        return n.op("Conv", x, n.op("Reshape", y, n.const([4, 3, 3, 3], np.int64)))

    @case("slice_steps_of_tokens")
    def _(n, x):
        tokens = n.op("Transpose", n.op("Reshape", n.conv(x, 3, 8, 1), n.const([1, 8, 81], np.int64)), perm=[0, 2, 1])
        places = n.op("Reshape", tokens, n.const([1, 9, 9, 8], np.int64))
        kept = n.op("Slice", places, *[n.const(v, np.int64) for v in ([0, 0], [999, 999], [1, 2], [2, 2])])
        return n.op("MatMul", n.op("Reshape", kept, n.const([1, -1, 8], np.int64)), n.random(8, 4))


def main():
    for group in (convolutions, pools, norms, activations, arithmetic, products, shapes, reductions, resizes, quantized):
        group()
    for index in range(RANDOM_GRAPHS):
        side = [(16, 16), (15, 13), (9, 9), (12, 7)][index % 4]
        case(f"random_{index:03}", tolerance=2e-4, height=side[0], width=side[1])(random_graph)
    defaults_written_out()
    stumbled_over()
    names = [name for name, *_ in CASES]
    assert len(set(names)) == len(names), [n for n in names if names.count(n) > 1]
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    index, skipped = [], []
    target = HERE / "corpus.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        def put(name, data):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED, 9)
        for place, (name, tolerance, size, build) in enumerate(CASES):
            net = Net(np.random.default_rng([SEED, place]), **size)
            model = net.model(build(net, "x"))
            try:
                session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
                x = inputs(3 * net.size[0] * net.size[1]).reshape(1, 3, *net.size)
                (y,) = session.run(None, {"x": x})
            except Exception as error:  # ONNX Runtime has no such operator or type on a CPU
                skipped.append((name, str(error).splitlines()[0][:150]))
                continue
            if not np.isfinite(y).all():
                skipped.append((name, "not finite"))
                continue
            put(f"{name}.onnx", model.SerializeToString())
            put(f"{name}.f32", y.astype("<f4").tobytes())
            index.append({"name": name, "height": net.size[0], "width": net.size[1], "tolerance": tolerance})
        put("index.json", json.dumps({"onnxruntime": ort.__version__, "seed": SEED, "cases": index}, indent=0))
    print(len(index), "cases", target.stat().st_size, "bytes; skipped:")
    for name, why in skipped:
        print("  ", name, why)


if __name__ == "__main__":
    main()
