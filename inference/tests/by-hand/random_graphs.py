#!/usr/bin/env python3
"""Random networks, run by infer-cli in each engine and held against ONNX Runtime class by class.

    python -m venv v && v/bin/pip install numpy onnx==1.23.2 onnxruntime==1.32.0
    v/bin/python random_graphs.py INFER_CLI PHOTO [COUNT [ENGINE ...]] [--seed N]

The networks are those of ../trust/generate.py (convolutions with every border, norms, activations, residuals, squeezes,
pools, quantized values), by other seeds than the stored corpus has; every second one is drawn from `plain`, which holds
what our own kernels compute. ONNX Runtime gets the very tensor that infer-cli says it fed, with its graph optimizations
off. A network is right (largest difference of the logarithm of a probability <= 1e-3), refused (exit code 3), or wrong;
those that ONNX Runtime itself does not run are drawn again. Each engine gets COUNT networks; `kernels` is asked only for
the plain ones, so twice as many are drawn for it. `onnxruntime` takes the library of ORT_DYLIB_PATH.
"""

import collections
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime as ort

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


def main():
    program, photo, *rest = sys.argv[1:]
    seed = SEED
    if "--seed" in rest:
        at = rest.index("--seed")
        seed = int(rest[at + 1])
        del rest[at : at + 2]
    count = int(rest[0]) if rest else 2000
    engines = rest[1:] or ["auto", "tract"]
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    counts = {engine: collections.Counter() for engine in engines}
    place = -1
    asked = collections.Counter()
    while any(asked[engine] < count for engine in engines):
        place += 1
        wanted = [engine for engine in engines if asked[engine] < count and (place % 2 or engine != "kernels")]
        if not wanted:
            continue
        size = SIDES[place % len(SIDES)]
        net = generate.Net(np.random.default_rng([seed, place]), *size)
        model = net.model((plain if place % 2 else generate.random_graph)(net, "x"))
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        try:
            session.run(None, {"x": np.zeros((1, 3, *size), np.float32)})
        except ort.capi.onnxruntime_pybind11_state.InvalidArgument:
            continue
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
