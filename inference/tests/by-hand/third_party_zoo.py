#!/usr/bin/env python3
"""Other people's classifiers, exported by their own tools, run by infer-cli and held against ONNX Runtime class by class.

    python -m venv v && v/bin/pip install torch torchvision timm onnx onnxscript onnxruntime onnxconverter-common
    v/bin/python third_party_zoo.py make ZOO                    # writes ZOO/*.onnx, random weights, a fixed seed
    v/bin/python third_party_zoo.py vary ZOO                    # five other forms of four of them
    v/bin/python third_party_zoo.py compare ZOO INFER_CLI PHOTO # one line a model, and a summary

Weights are random with BatchNorm statistics of noise, so answers mean nothing; they only have to be the same. `compare`
feeds ONNX Runtime the very tensor that infer-cli says it fed (--save-preprocessed), and compares scores, class by class.
A model is right (largest difference of the logarithm of a probability <= 1e-3), refused (exit code 3, the reason is
printed), or wrong. Sound engines round the values of an int8 network otherwise, by a step here and there: there the bound
is a 64th of the largest logit, or twice the distance between ONNX Runtime with its optimizations and without. Where
ONNX Runtime computes in float16, whose numbers have 11 bits, it is a 2048th of the largest logit.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

TORCHVISION = ["alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet", "mnasnet0_5",
               "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf", "resnet18", "resnet50",
               "resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_1", "vgg11_bn", "swin_t", "swin_v2_t", "vit_b_32", "maxvit_t"]
TIMM = ["resnet18d", "resnet50d", "resnetv2_50x1_bit", "seresnet50", "ecaresnet26t", "efficientnet_lite0", "tf_efficientnet_lite0", "tf_efficientnet_b0",
        "efficientnet_b1", "mobilenetv3_small_100", "mobilenetv2_100", "mixnet_s", "ghostnet_100", "convnext_atto", "convnextv2_atto",
        "deit_tiny_patch16_224", "vit_tiny_patch16_224", "levit_128s", "eca_nfnet_l0", "regnety_002", "dla34", "hrnet_w18_small", "repvgg_a0",
        "rexnet_100", "mobileone_s0", "fastvit_t8", "poolformer_s12", "mixer_s32_224", "gmlp_ti16_224", "xcit_nano_12_p16_224",
        "cait_xxs24_224", "crossvit_tiny_240", "pit_ti_224", "coat_lite_tiny", "tnt_s_legacy_patch16_224", "edgenext_xx_small", "efficientformer_l1",
        "mobilevit_xxs", "nest_tiny", "inception_v3", "xception41", "vovnet39a", "selecsls42b", "cspresnet50", "darknet53", "skresnet18", "res2net50_26w_4s",
        "tinynet_e", "lcnet_050", "hardcorenas_a", "spnasnet_100", "fbnetc_100", "semnasnet_075", "visformer_tiny", "sequencer2d_s", "volo_d1_224"]

VARIED = ["tv_resnet18", "tv_mobilenet_v2", "tv_efficientnet_b0", "tm_deit_tiny_patch16_224"]


def make(folder):
    import torch
    import torchvision
    import timm

    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)

    def disturb(net):
        net.train()
        with torch.no_grad():
            for module in net.modules():
                if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                    if module.running_mean is not None:
                        module.running_mean.uniform_(-0.3, 0.3)
                        module.running_var.uniform_(0.5, 1.5)
                    if module.weight is not None:
                        module.weight.uniform_(0.5, 1.5)
                        module.bias.uniform_(-0.3, 0.3)
        return net.eval()

    def export(net, name, size, opset, dynamo):
        path = folder / f"{name}.onnx"
        if path.exists():
            return
        x = torch.randn(1, 3, size, size)
        try:
            if dynamo:
                torch.onnx.export(net, (x,), str(path), dynamo=True, verbose=False)
            else:
                torch.onnx.export(net, (x,), str(path), dynamo=False, opset_version=opset, input_names=["input"], output_names=["output"])
            print("made", name, flush=True)
        except Exception as error:
            path.unlink(missing_ok=True)
            print("not made", name, str(error).splitlines()[0][:120], flush=True)

    names = [("tv", name) for name in TORCHVISION] + [("tm", name) for name in TIMM]
    for place, (source, name) in enumerate(names):
        if all((folder / f"{source}_{name}{kind}.onnx").exists() for kind in ("_l", "_d")):
            continue
        try:
            net = torchvision.models.get_model(name, weights=None) if source == "tv" else timm.create_model(name, pretrained=False)
        except Exception as error:
            print("no", name, str(error).splitlines()[0][:120], flush=True)
            continue
        net = disturb(net)
        size = 224
        if source == "tm":
            size = net.default_cfg.get("input_size", (3, 224, 224))[-1]
        opset = [13, 17, 16][place % 3] if name not in ("swin_v2_t",) else 17
        export(net, f"{source}_{name}_l", size, opset, False)
        if place % 3 == 0:
            export(net, f"{source}_{name}_d", size, None, True)


def vary(folder):
    """What other tools make of such a file: ONNX Runtime's optimizer, float16 inside and throughout, both int8 forms."""
    import onnx
    import onnxruntime as ort
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
    from onnxruntime.transformers.float16 import convert_float_to_float16

    class Noise(CalibrationDataReader):
        def __init__(self):
            self.rest = iter([{"input": np.random.default_rng(seed).normal(size=(1, 3, 224, 224)).astype(np.float32)} for seed in range(3)])

        def get_next(self):
            return next(self.rest, None)

    def optimized(source, target):
        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = target
        ort.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])

    kinds = {
        "optimized": optimized,
        "half_inside": lambda source, target: onnx.save(convert_float_to_float16(onnx.load(source), keep_io_types=True), target),
        "half": lambda source, target: onnx.save(convert_float_to_float16(onnx.load(source)), target),
        "qdq": lambda source, target: quantize_static(source, target, Noise(), quant_format=QuantFormat.QDQ, per_channel=True),
        "qoperator": lambda source, target: quantize_static(source, target, Noise(), quant_format=QuantFormat.QOperator),
    }
    for name in VARIED:
        for kind, make_one in kinds.items():
            target = folder / f"{name}_{kind}.onnx"
            if target.exists():
                continue
            try:
                make_one(folder / f"{name}_l.onnx", str(target))
                print("made", target.stem, flush=True)
            except Exception as error:
                target.unlink(missing_ok=True)
                print("not made", target.stem, str(error).splitlines()[0][:120], flush=True)


def size_of(path):
    import onnx
    model = onnx.load(path, load_external_data=False)
    names = {t.name for t in model.graph.initializer}
    dims = [i for i in model.graph.input if i.name not in names][0].type.tensor_type.shape.dim
    sides = [d.dim_value for d in dims]
    return (sides[2], sides[3]) if sides[1] == 3 else (sides[1], sides[2])


def is_quantized(path):
    import onnx
    nodes = onnx.load(path, load_external_data=False).graph.node
    return any(node.op_type == "QuantizeLinear" or node.op_type.startswith("QLinear") for node in nodes)


def log_softmax(logits):
    return logits - logits.max() - np.log(np.exp(logits - logits.max()).sum())


def compare(folder, program, photo, engine="auto"):
    import onnxruntime as ort
    counts = {"right": 0, "refused": 0, "wrong": 0}
    by_engine = {}
    for path in sorted(folder.glob("*.onnx")):
        height, width = [side or 224 for side in size_of(path)]
        with tempfile.TemporaryDirectory() as scratch:
            command = [program, photo, "--model", str(path), "--preset", "imagenet", "--size", f"{height}x{width}", "--resize", f"{height}x{width}",
                       "--topk", "100000", "--json", "--save-preprocessed", scratch, "--engine", engine, "--verbose"]
            try:
                run = subprocess.run(command, capture_output=True, text=True, timeout=300)
            except subprocess.TimeoutExpired:
                counts["wrong"] += 1
                print(f"{'wrong':8} {path.stem}: no answer in 300 s", flush=True)
                continue
            if run.returncode != 0:
                counts["refused"] += 1
                print(f"{'refused':8} {path.stem}: {run.stderr.strip().splitlines()[-1][:300] if run.stderr.strip() else run.returncode}", flush=True)
                continue
            answer = json.loads(run.stdout)
            used = next((line.split("engine ")[1].split(",")[0] for line in run.stderr.splitlines() if "engine " in line and "threads" in line or "thread" in line and "engine " in line), "?")
            by_engine[used] = by_engine.get(used, 0) + 1
            tensor = np.load(next(pathlib.Path(scratch).glob("*.npy")))
            options = ort.SessionOptions()
            options.log_severity_level = 4
            session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            kind = {"tensor(float16)": np.float16, "tensor(double)": np.float64, "tensor(uint8)": np.uint8}.get(session.get_inputs()[0].type, np.float32)
            outputs = session.run(None, {session.get_inputs()[0].name: tensor.astype(kind)})
            # ONNX Runtime computes quantized operators by tables of its own; without optimizations, as the specification says.
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
            session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            outputs += session.run(None, {session.get_inputs()[0].name: tensor.astype(kind)})
            bound = 1e-3
            if session.get_inputs()[0].type == "tensor(float16)":
                bound = max(bound, np.abs(np.asarray(outputs[0], dtype=np.float64)).max() / 2048)
            if is_quantized(path):
                optimized, plain = [np.asarray(found[0], dtype=np.float64).reshape(-1) for found in (outputs[:1], outputs[-1:])]
                bound = max(bound, np.abs(plain).max() / 64, 2 * np.abs(log_softmax(optimized) - log_softmax(plain)).max())
            scores = np.array([p["probability"] for p in sorted(answer["predictions"], key=lambda p: p["index"])], dtype=np.float64)
            best = np.inf
            for output in outputs:
                output = np.asarray(output, dtype=np.float64).reshape(-1) if isinstance(output, np.ndarray) and output.dtype != object else np.zeros(0)
                if output.size != scores.size:
                    continue
                logits = output - output.max()
                for theirs in (np.exp(logits) / np.exp(logits).sum(), output):
                    if (theirs < -1e-6).any() or (theirs > 1 + 1e-6).any():
                        continue
                    if theirs is output and abs(output.sum() - 1) > 1e-2 and answer.get("answers") is None:
                        continue
                    seen = np.maximum(theirs, scores) > 1e-7
                    best = min(best, np.abs(np.log(np.maximum(theirs, 1e-12)) - np.log(np.maximum(scores, 1e-12)))[seen].max(initial=0))
            verdict = "right" if best <= bound else "wrong"
            counts[verdict] += 1
            notes = [line for line in run.stderr.splitlines() if "note" in line and "engine" not in line and "no labels" not in line and "images," not in line]
            of = f" of {bound:.1e}" if bound > 1e-3 else ""
            print(f"{verdict:8} {path.stem}: {best:.1e}{of} {used}{' | ' + ' | '.join(notes)[:200] if notes else ''}", flush=True)
    print(counts, by_engine)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(pathlib.Path(sys.argv[2]))
    elif sys.argv[1] == "vary":
        vary(pathlib.Path(sys.argv[2]))
    else:
        compare(pathlib.Path(sys.argv[2]), sys.argv[3], sys.argv[4], *sys.argv[5:])
