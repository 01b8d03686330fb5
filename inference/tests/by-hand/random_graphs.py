#!/usr/bin/env python3
"""Random networks, run in each engine and held against ONNX Runtime.

    python -m venv v && v/bin/pip install numpy onnx==1.23.2 onnxruntime==1.32.0
    v/bin/python random_graphs.py INFER_CLI PHOTO [COUNT [ENGINE ...]] [--seed N]
    v/bin/python random_graphs.py write GRAPHS.zip [COUNT] [--seed N] [--spoil EVERY]

The networks are those of ../trust/generate.py (convolutions with every border, norms, activations, residuals, squeezes,
pools, quantized values), by other seeds than the stored corpus has; every second one is drawn from `plain`, which holds
what our own kernels compute. ONNX Runtime runs with its graph optimizations off. What it does not run itself is drawn
again.

The first form runs the program, engine by engine. ONNX Runtime gets the very tensor that infer-cli says it fed. A
network is right (largest difference of the logarithm of a probability <= 1e-3), refused (exit code 3), or wrong. Each
engine gets COUNT networks; `kernels` is asked only for the plain ones, so twice as many are drawn for it. `onnxruntime`
takes the library of ORT_DYLIB_PATH.

The second form writes networks and answers for src/engine/paths.rs, which runs them on every path, each instruction set
of the kernels included, in one process. The bound is 2e-4 of max(1, the number). A network whose quantized values ONNX
Runtime itself rounds otherwise with its optimizations on is drawn again. COUNT more networks are plain ones that
`quantize_static` made int8, in a way drawn for each. Two sound engines round those otherwise, by one step here and there:
their answer is that of ONNX Runtime's integer operators, and the bound is a 64th of the largest number, or twice the
distance from what it says without its optimizations, where that is more.

`--spoil 50` makes one number of every 50th answer wrong, by five times the bound: as many must be found, on every path.
"""

import collections
import itertools
import json
import logging
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "trust"))
import generate  # noqa: E402

SEED = 40001  # where none is given
SIDES = [(16, 16), (15, 13), (24, 17), (9, 9), (12, 7), (33, 11)]


def plain(n, x):
    """Convolutions, ReLU, clamps, sums, pools: a network of our own kernels."""
    rng, channels, size = n.rng, 3, list(n.size)
    pick = lambda *options: options[rng.integers(len(options))]

    def activation(x):
        kind = pick("Relu", "Clip", "none")
        return {"Relu": lambda: n.op("Relu", x), "Clip": lambda: n.op("Clip", x, n.const(0.0), n.const(6.0)), "none": lambda: x}[kind]()

    for _ in range(rng.integers(2, 7)):
        kind = pick("conv", "conv", "grouped", "depthwise", "residual", "pool")
        if kind in ("conv", "grouped"):
            k, s = int(pick(1, 3, 5, 7)), int(pick(1, 1, 2))
            dilation = int(pick(1, 1, 2))
            before, after = int(rng.integers(0, k)), int(rng.integers(0, k))
            out, groups = int(pick(4, 8, 12, 16)), 1
            if kind == "grouped" and channels % 4 == 0:
                groups = 4
            reach = (k - 1) * dilation + 1
            new = [(side + before + after - reach) // s + 1 for side in size]
            if min(side + before + after - reach for side in size) < 0:
                continue
            bias = bool(rng.random() < 0.5)
            pads = [before, before, after, after]
            x = n.conv(x, channels, out, k, group=groups, bias=bias, strides=[s, s], pads=pads, dilations=[dilation] * 2)
            channels, size = out, new
            if rng.random() < 0.4:
                x = generate.batch_norm(n, x, channels)
            x = activation(x)
        elif kind == "depthwise":
            x = activation(n.conv(x, channels, channels, 3, group=channels, pads=[1] * 4))
        elif kind == "residual":
            y = n.conv(activation(n.conv(x, channels, channels, 3, pads=[1] * 4)), channels, channels, 1)
            x = activation(n.op("Add", y, x))
        elif min(size) >= 3:
            s = int(pick(1, 2))
            x = n.op("MaxPool", x, kernel_shape=[3, 3], strides=[s, s], pads=[1] * 4)
            size = [(side + 2 - 3) // s + 1 for side in size]
    x = n.op("Flatten", n.op("GlobalAveragePool", x), axis=1)
    return n.op("Gemm", x, n.random(7, channels), n.random(7), transB=1)


def answer(program, photo, path, size, engine, scratch):
    side = f"{size[0]}x{size[1]}"
    command = [program, photo, "--model", str(path), "--preset", "imagenet", "--size", side, "--resize", side, "--topk", "100000", "--json",
               "--network-output", "logits", "--save-preprocessed", scratch, "--engine", engine]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if run.returncode != 0:
        return None, run.stderr.strip().splitlines()[-1]
    predictions = sorted(json.loads(run.stdout)["predictions"], key=lambda p: p["index"])
    return np.array([p["probability"] for p in predictions], dtype=np.float64), None


def networks(seed):
    """Place, size, model and session of ONNX Runtime, without end."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    for place in itertools.count():
        size = SIDES[place % len(SIDES)]
        net = generate.Net(np.random.default_rng([seed, place]), *size)
        model = net.model((plain if place % 2 else generate.random_graph)(net, "x"))
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        try:
            session.run(None, {"x": np.zeros((1, 3, *size), np.float32)})
        except ort.capi.onnxruntime_pybind11_state.InvalidArgument:
            continue
        yield place, size, model, session


def option(rest, name, default):
    """Takes `name N` out of the arguments."""
    if name not in rest:
        return default
    at = rest.index(name)
    value = int(rest[at + 1])
    del rest[at : at + 2]
    return value


class Noise(CalibrationDataReader):
    def __init__(self, rng, size):
        self.rest = iter([{"x": rng.uniform(-1, 1, (1, 3, *size)).astype(np.float32)} for _ in range(3)])

    def get_next(self):
        return next(self.rest, None)


def quantized(place, seed, size, model, scratch):
    """The network in int8, in one of the ways of `quantize_static`."""
    rng = np.random.default_rng([seed, place, 8])
    form = (QuantFormat.QDQ, QuantFormat.QOperator)[rng.integers(2)]
    values = (QuantType.QUInt8, QuantType.QInt8)[rng.integers(2)]
    per_channel, symmetric = bool(rng.integers(2)), bool(rng.integers(2))
    source, target = scratch / "float.onnx", scratch / "int8.onnx"
    onnx.save(model, source)
    quantize_static(
        source, target, Noise(rng, size), quant_format=form, per_channel=per_channel, activation_type=values,
        weight_type=QuantType.QInt8, extra_options={"ActivationSymmetric": symmetric, "WeightSymmetric": True})  # fmt: skip
    return onnx.load(target)


def answers(model, x):
    """ONNX Runtime's, with its optimizations and without."""
    found = []
    for level in (ort.GraphOptimizationLevel.ORT_ENABLE_ALL, ort.GraphOptimizationLevel.ORT_DISABLE_ALL):
        options = ort.SessionOptions()
        options.graph_optimization_level = level
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        found.append(session.run(None, {"x": x})[0])
    return found


def write(target, count, seed, spoil):
    logging.disable(logging.WARNING)  # quantize_static's advice, five lines a network
    index, doubtful, int8 = [], 0, 0
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive, tempfile.TemporaryDirectory() as scratch:

        def put(name, size, model, y, tolerance, step):
            if spoil and len(index) % spoil == 0:
                name += "_spoiled"
                y[0, 0] += 5 * max(step, tolerance * max(1.0, abs(y[0, 0])))
            archive.writestr(f"{name}.onnx", model.SerializeToString())
            archive.writestr(f"{name}.f32", y.astype("<f4").tobytes())
            index.append({"name": name, "height": size[0], "width": size[1], "tolerance": tolerance, "step": float(step)})

        for place, size, model, _ in networks(seed):
            if len(index) - int8 >= count and int8 >= count:
                break
            x = generate.inputs(3 * size[0] * size[1]).reshape(1, 3, *size)
            fused, plain_answer = answers(model, x)
            if not np.isfinite(plain_answer).all():
                continue
            if len(index) - int8 < count:
                if (np.abs(fused - plain_answer) > 1e-4 * np.maximum(1, np.abs(plain_answer))).any():
                    doubtful += 1
                    continue
                put(f"random_{place}", size, model, plain_answer, 2e-4, 0)
            if place % 2 and int8 < count:
                model = quantized(place, seed, size, model, pathlib.Path(scratch))
                fused, plain_answer = answers(model, x)
                bound = max(np.abs(fused).max() / 64, 2 * np.abs(fused - plain_answer).max())
                put(f"int8_{place}", size, model, fused, 2e-4, bound)
                int8 += 1
        archive.writestr("index.json", json.dumps({"onnxruntime": ort.__version__, "seed": seed, "cases": index}))
    print(f"{len(index)} networks, {int8} in int8, {doubtful} drawn again, seed {seed}, onnxruntime {ort.__version__}")


def main():
    program, photo, *rest = sys.argv[1:]
    seed, spoil = option(rest, "--seed", SEED), option(rest, "--spoil", 0)
    count = int(rest[0]) if rest else 2000
    if program == "write":
        return write(photo, count, seed, spoil)
    engines = rest[1:] or ["auto", "tract"]
    counts = {engine: collections.Counter() for engine in engines}
    asked = collections.Counter()
    for place, size, model, session in networks(seed):
        if all(asked[engine] >= count for engine in engines):
            break
        wanted = [engine for engine in engines if asked[engine] < count and (place % 2 or engine != "kernels")]
        asked.update(wanted)
        with tempfile.TemporaryDirectory() as scratch:
            path = pathlib.Path(scratch) / f"random_{place}.onnx"
            path.write_bytes(model.SerializeToString())
            for engine in wanted:
                got, refusal = answer(program, photo, path, size, engine, scratch)
                if got is None:
                    counts[engine]["refused"] += 1
                    print(f"refused  {place} {engine}: {refusal[:200]}", flush=True)
                    continue
                x = np.load(next(pathlib.Path(scratch).glob("*.npy")))
                logits = session.run(None, {"x": x})[0].astype(np.float64).reshape(-1)
                theirs = np.exp(logits - logits.max())
                theirs /= theirs.sum()
                seen = np.maximum(theirs, got) > 1e-6
                difference = np.abs(np.log(np.maximum(theirs, 1e-12)) - np.log(np.maximum(got, 1e-12)))[seen].max()
                verdict = "right" if difference <= 1e-3 else "wrong"
                counts[engine][verdict] += 1
                if verdict == "wrong":
                    print(f"wrong    {place} {engine}: {difference:.1e}", flush=True)
    for engine, counted in counts.items():
        print(f"{engine}, seed {seed}: {dict(counted)}, onnxruntime {ort.__version__}")


if __name__ == "__main__":
    main()
