#!/usr/bin/env python3
"""Other people's classifiers, exported by their own tools, run by infer-cli and held against ONNX Runtime class by class.

    python -m venv v && v/bin/pip install torch torchvision timm onnx onnxscript onnxruntime onnxconverter-common
    v/bin/python third_party_zoo.py make ZOO                    # writes ZOO/*.onnx, random weights, a fixed seed
    v/bin/python third_party_zoo.py vary ZOO                    # five other forms of four of them
    v/bin/pip install pytorchcv transformers                    # for the next line
    v/bin/python third_party_zoo.py others ZOO                  # networks of these two packages
    v/bin/python third_party_zoo.py compare ZOO INFER_CLI PHOTO # one line a model, and a summary

Weights are random, so answers mean nothing; they only have to be the same. BatchNorm statistics are those of smooth
noise, a fifth off, and the head is scaled: an answer that hardly depends on the picture would show no mistake.
`compare` feeds ONNX Runtime the very tensor that infer-cli says it fed (--save-preprocessed), and compares scores,
class by class. A model is right (largest difference of the logarithm of a probability <= 1e-3), refused (exit code 3,
the reason is printed), or wrong. Sound engines round the values of an int8 network otherwise, by a step here and
there: there the bound is a 64th of the largest logit, or twice the distance between ONNX Runtime with its
optimizations and without. Where ONNX Runtime computes in float16, whose numbers have 11 bits, it is a 2048th of the
largest logit. No engine can be nearer to ONNX Runtime than ONNX Runtime is to itself when each number of the tensor
changes by a millionth (int8: a hundred thousandth): what is beyond its bound and within twice that distance is called
unclear, neither right nor wrong. A bound above 1e-3 is printed.
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

PYTORCHCV = ["bninception", "preresnet18", "senet16", "ibn_resnet50", "airnet50_1x64d_r2", "bagnet9", "dpn68",
             "channelnet", "resattnet56", "sknet50", "diracnet18v2", "shufflenet_g3_wd4", "menet108_8x1_g3",
             "mobilenet_w1", "igcv3_wd4", "proxylessnas_cpu", "fbnet_cb", "xception", "mixnet_s", "peleenet",
             "octresnet10_ad2", "condensenet74_c4_g4", "pyramidnet110_a48_cifar10", "sparsenet121", "hardnet39ds",
             "scnet50", "resnesta18", "dicenet_wd5", "zfnet", "fractalnet_cifar10", "nasnet_4a1056", "msdnet22",
             "fishnet99", "irevnet301", "hrnet_w18_small_v1"]
WIDE = {"hidden_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 192}
DEEP = {"depths": [1, 1, 2, 1], "hidden_sizes": [32, 48, 64, 96]}
WINDOWS = {"embed_dim": 48, "depths": [1, 1, 2, 1], "num_heads": [2, 2, 4, 4]}
TRANSFORMERS = {
    "ResNet": DEEP | {"embedding_size": 32}, "ViT": WIDE, "DeiT": WIDE, "Beit": WIDE, "Data2VecVision": WIDE,
    "ViTMSN": WIDE, "IJepa": WIDE, "Swin": WINDOWS, "Swinv2": WINDOWS | {"image_size": 256, "window_size": 8},
    "DonutSwin": WINDOWS,
    "ConvNext": DEEP, "ConvNextV2": DEEP, "PoolFormer": DEEP, "MobileNetV1": {"depth_multiplier": 0.5},
    "MobileNetV2": {"depth_multiplier": 0.5}, "MobileViT": {}, "MobileViTV2": {"width_multiplier": 0.5},
    "RegNet": DEEP | {"embedding_size": 16, "groups_width": 16}, "Levit": {}, "TextNet": {}, "HGNetV2": {},
    "EfficientNet": {"width_coefficient": 0.5, "depth_coefficient": 0.5, "image_size": 224, "hidden_dim": 640},
    "SwiftFormer": {"depths": [1, 1, 2, 1], "embed_dims": [24, 32, 64, 96]},
    "Hiera": {"embed_dim": 48, "depths": [1, 1, 2, 1]},
    "Dinov2": {"hidden_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4}, "PvtV2": {"depths": [1, 1, 1, 1]},
    "FocalNet": {"embed_dim": 48, "depths": [1, 1, 2, 1]}, "Pvt": {"depths": [1, 1, 1, 1]},
    "Segformer": {"depths": [1, 1, 1, 1], "hidden_sizes": [16, 32, 80, 128]},
    "Bit": {"depths": [1, 1, 2, 1], "hidden_sizes": [64, 128, 192, 256], "embedding_size": 64, "num_groups": 16},
}

VARIED = ["tv_resnet18", "tv_mobilenet_v2", "tv_efficientnet_b0", "tm_deit_tiny_patch16_224"]


def disturb(net, size):
    """Random statistics and scales under which the answer depends on the picture, and differs between classes."""
    import torch

    batch_norm = torch.nn.modules.batchnorm._BatchNorm
    norms = [m for m in net.modules() if isinstance(m, batch_norm) and m.running_mean is not None]
    noise = [torch.randn(1, 3, side, side) + torch.randn(1, 3, 1, 1) for side in (2, 3, 5, 8, 13, 21, 34, 55)]
    pictures = torch.cat([torch.nn.functional.interpolate(one, size=(size, size), mode="bilinear") for one in noise])
    net.eval()
    with torch.no_grad():
        for module in net.modules():
            scaled = isinstance(module, (batch_norm, torch.nn.LayerNorm, torch.nn.GroupNorm))
            if scaled and module.weight is not None:
                module.weight.uniform_(0.5, 1.5)
                if module.bias is not None:
                    module.bias.uniform_(-0.3, 0.3)
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
            norm.train()
        net(pictures)
        net.eval()
        for norm in norms:
            # Few pictures may agree in a channel; divided by so small a difference, all rounding would be seen.
            norm.running_var.clamp_(min=max(float(norm.running_var.mean()) / 10, 1e-6))
            spread = norm.running_var.sqrt()
            norm.running_mean.add_(spread * torch.empty_like(spread).uniform_(-0.2, 0.2))
            norm.running_var.mul_(torch.empty_like(spread).uniform_(0.7, 1.4))
        logits = net(pictures)
        linear = [m for m in net.modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))]
        for head in [m for m in linear if len(m.weight) == logits.shape[-1]][-1:]:
            # Some begin with a head of zeros.
            if logits.std() < 1e-6:
                head.weight.normal_(std=0.02)
                logits = net(pictures)
            head.weight.mul_(3 / logits.std())
    return net


def export(net, path, size, opset, dynamo):
    import torch

    if path.exists():
        return
    x = torch.randn(1, 3, size, size)
    try:
        if dynamo:
            torch.onnx.export(net, (x,), str(path), dynamo=True, verbose=False)
        else:
            names = {"input_names": ["input"], "output_names": ["output"]}
            torch.onnx.export(net, (x,), str(path), dynamo=False, opset_version=opset, **names)
        print("made", path.stem, flush=True)
    except Exception as error:
        path.unlink(missing_ok=True)
        print("not made", path.stem, str(error).splitlines()[0][:120], flush=True)


def make(folder):
    import torch
    import torchvision
    import timm

    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    names = [("tv", name) for name in TORCHVISION] + [("tm", name) for name in TIMM]
    for place, (source, name) in enumerate(names):
        if all((folder / f"{source}_{name}{kind}.onnx").exists() for kind in ("_l", "_d")):
            continue
        try:
            net = torchvision.models.get_model(name, weights=None) if source == "tv" else timm.create_model(name, pretrained=False)
        except Exception as error:
            print("no", name, str(error).splitlines()[0][:120], flush=True)
            continue
        size = 224
        if source == "tm":
            size = net.default_cfg.get("input_size", (3, 224, 224))[-1]
        disturb(net, size)
        opset = [13, 17, 16][place % 3] if name not in ("swin_v2_t",) else 17
        export(net, folder / f"{source}_{name}_l.onnx", size, opset, False)
        if place % 3 == 0:
            export(net, folder / f"{source}_{name}_d.onnx", size, None, True)


def others(folder):
    """Small networks of two other packages: an older exporter's file each, the newer one's of every third."""
    import pytorchcv.model_provider
    import torch
    import transformers

    class Scores(torch.nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, pixels):
            return self.net(pixel_values=pixels).logits

    def of_transformers(name):
        config = getattr(transformers, name + "Config")(**TRANSFORMERS[name], num_labels=200)
        size = getattr(config, "image_size", 224)
        net = Scores(getattr(transformers, name + "ForImageClassification")(config))
        return net, size if isinstance(size, int) else size[0]

    def of_pytorchcv(name):
        net = pytorchcv.model_provider.get_model(name, pretrained=False)
        return net, net.in_size[0]

    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    makers = [("hf", name, of_transformers) for name in TRANSFORMERS]
    makers += [("cv", name, of_pytorchcv) for name in PYTORCHCV]
    for place, (source, name, maker) in enumerate(makers):
        try:
            net, size = maker(name)
            disturb(net, size)
        except Exception as error:
            print("no", name, str(error).splitlines()[0][:120], flush=True)
            continue
        export(net, folder / f"{source}_{name}_l.onnx", size, [14, 17, 18][place % 3], False)
        if place % 3 == 0:
            export(net, folder / f"{source}_{name}_d.onnx", size, None, True)


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


def logarithms(scores):
    """Logarithms of probabilities from 1e-7 up; scores that sum to 1 are probabilities already."""
    if scores.min() >= 0 and abs(scores.sum() - 1) < 1e-2:
        return np.log(np.maximum(scores, 1e-7))
    return np.maximum(log_softmax(scores), np.log(1e-7))


def compare(folder, program, photo, engine="auto"):
    import onnxruntime as ort
    counts = {"right": 0, "refused": 0, "unclear": 0, "wrong": 0}
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
            nudge = 1e-5 if is_quantized(path) else 1e-6
            nudged = tensor * (1 + nudge * np.random.default_rng(0).normal(size=tensor.shape))
            moved = session.run(None, {session.get_inputs()[0].name: nudged.astype(kind)})
            own = [np.asarray(found[-len(moved)], dtype=np.float64).reshape(-1) for found in (outputs, moved)]
            own = np.abs(logarithms(own[0]) - logarithms(own[1])).max()
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
            verdict = "right" if best <= bound else "unclear" if best <= 2 * own else "wrong"
            counts[verdict] += 1
            notes = [line for line in run.stderr.splitlines() if "note" in line and "engine" not in line and "no labels" not in line and "images," not in line]
            of = f" of {bound:.1e}" if bound > 1e-3 else ""
            # An answer that is all but sure shows little of the network.
            of += f" over {(scores > 1e-7).sum()} of {scores.size} classes"
            print(f"{verdict:8} {path.stem}: {best:.1e}{of} {used}{' | ' + ' | '.join(notes)[:200] if notes else ''}", flush=True)
    print(counts, by_engine)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(pathlib.Path(sys.argv[2]))
    elif sys.argv[1] == "vary":
        vary(pathlib.Path(sys.argv[2]))
    elif sys.argv[1] == "others":
        others(pathlib.Path(sys.argv[2]))
    else:
        compare(pathlib.Path(sys.argv[2]), sys.argv[3], sys.argv[4], *sys.argv[5:])
