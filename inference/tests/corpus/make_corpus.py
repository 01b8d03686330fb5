"""Makes the hand-written part of this corpus: small ONNX files that are wrong in one way each. Needs the package onnx."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

here = Path(__file__).parent
image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 16, 16])
logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 3])
NAMES = "{0: 'a', 1: 'b', 2: 'c'}"


def save(name, nodes, initializers=(), inputs=(image,), outputs=(logits,)):
    graph = helper.make_graph(list(nodes), name, list(inputs), list(outputs), list(initializers))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, {"names": NAMES, "imgsz": "[16, 16]", "task": "classify"})
    (here / f"{name}.onnx").write_bytes(model.SerializeToString())


def ints(name, values):
    return numpy_helper.from_array(np.array(values, dtype=np.int64), name)


def floats(name, shape):
    return numpy_helper.from_array(np.full(shape, 0.1, dtype=np.float32), name)


node = helper.make_node
mean = node("ReduceMean", ["image"], ["m"], axes=[2, 3], keepdims=0)
fc = node("MatMul", ["m", "w"], ["logits"])
save("circle", [node("Relu", ["b"], ["a"]), node("Relu", ["a"], ["b"]), node("Identity", ["a"], ["logits"])])
save("output_nobody_makes", [mean])
save("input_nobody_makes", [mean, fc])
save("unknown_operator", [node("Frobnicate", ["image"], ["logits"])])
save("no_inputs", [node("MatMul", ["w", "w"], ["logits"])], [floats("w", (3, 3))], inputs=())
save("two_images", [mean, fc], [floats("w", (3, 3))], inputs=(image, helper.make_tensor_value_info("b", 1, ["N", 3, 16, 16])))
save("bomb_constant", [node("ConstantOfShape", ["s"], ["c"]), mean, node("Add", ["m", "c"], ["logits"])], [ints("s", [1 << 30, 1 << 30])])
save("bomb_computed", [node("Mul", ["s", "s"], ["t"]), node("ConstantOfShape", ["t"], ["c"]), mean, node("Add", ["m", "c"], ["logits"])], [ints("s", [1 << 12, 2])])
save("bomb_tile", [node("Tile", ["image", "s"], ["t"]), node("ReduceMean", ["t"], ["m"], axes=[2, 3], keepdims=0), fc], [ints("s", [1, 1, 1 << 20, 1 << 20]), floats("w", (3, 3))])
save("bomb_pad", [node("Conv", ["image", "w"], ["c"], pads=[1 << 20] * 4), node("GlobalAveragePool", ["c"], ["g"]), node("Flatten", ["g"], ["logits"])], [floats("w", (3, 3, 3, 3))])
save("stride_zero", [node("Conv", ["image", "w"], ["c"], strides=[0, 0]), node("GlobalAveragePool", ["c"], ["g"]), node("Flatten", ["g"], ["logits"])], [floats("w", (3, 3, 3, 3))])
save("group_seven", [node("Conv", ["image", "w"], ["c"], group=7), node("GlobalAveragePool", ["c"], ["g"]), node("Flatten", ["g"], ["logits"])], [floats("w", (3, 3, 3, 3))])
save("kernel_larger_than_image", [node("Conv", ["image", "w"], ["c"]), node("GlobalAveragePool", ["c"], ["g"]), node("Flatten", ["g"], ["logits"])], [floats("w", (3, 3, 40, 40))])
save("reshape_minus_two", [mean, node("Reshape", ["m", "s"], ["r"]), node("MatMul", ["r", "w"], ["logits"])], [ints("s", [-2, -1]), floats("w", (3, 3))])
deep = [node("Relu", [f"r{i}" if i else "image"], [f"r{i + 1}"]) for i in range(5000)]
save("five_thousand_layers", deep + [node("ReduceMean", ["r5000"], ["m"], axes=[2, 3], keepdims=0), fc], [floats("w", (3, 3))])
