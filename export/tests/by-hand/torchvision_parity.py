"""Exports every network we know, with random weights and non-trivial statistics, and compares.

Needs torch, torchvision, timm, onnx, onnxruntime; OpenCV (cv2) and OpenVINO are compared where they are installed.

  python torchvision_parity.py path/to/export-onnx [ARCH ... | all]

Without a name the ResNets are compared; `all` adds the other families, to the largest: two hours on two cores, and
2 GB of memory. The networks for CIFAR are in model-core/tests/golden/networks.py; those with blur are torchvision's with the
filter before each convolution that has a step, as FFCV's `apply_blurpool` wraps them.

The ResNets' statistics are those that a few batches of noise give in training mode, then disturbed: they belong to the
weights, so activations keep a normal scale, and they are nowhere 0 and 1. The other families get the numbers of
../data/generate.py: with statistics of noise the EfficientNets' logits grow to 1e6, and rounding with them. Each model goes through the official checker
with full shape inference, ONNX Runtime, tract (export-onnx itself), OpenVINO, OpenCV, and ONNX's reference evaluator.
The bound is 1e-4, absolute. Two columns say what part is rounding: PyTorch's float32 and ONNX Runtime's answers
against PyTorch's float64.
"""

import copy
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnx.reference
import onnxruntime as ort
import torch
import torchvision

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "data"))
import generate  # noqa: E402
from generate import networks  # noqa: E402

try:
    import cv2
except ImportError:
    cv2 = None
try:
    import openvino
except ImportError:
    openvino = None

NAMES = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet50_2", "resnext50_32x4d"]
FAMILIES = [
    "resnet18d", "resnet26d", "resnet34d", "resnet50d", "resnet101d", "resnet152d",
    "resnetv2_50", "resnetv2_101", "resnetv2_152",
    *(f"cifar_resnet{depth}" for depth in (20, 32, 44, 56)), "cifar_whitened_vgg", "resnet18_blurpool", "resnet50_blurpool",
    *(f"efficientnet_lite{size}" for size in range(5)), *(f"tf_efficientnet_lite{size}" for size in range(5)),
    *(f"efficientnet_b{size}" for size in range(5)), *(f"tf_efficientnet_b{size}" for size in range(5)),
    "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small",
    *(f"regnet_{kind}_{size}" for kind in "xy" for size in ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf")),
    "densenet121", "densenet161", "densenet169", "densenet201",
    "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn",
    "convnext_tiny", "convnext_small", "convnext_base", "convnext_large",
]  # fmt: skip


class BlurredConv(torch.nn.Conv2d):
    """A convolution that reads the low-pass of its input; it owns no other tensors than the plain one."""

    def forward(self, x):
        side = torch.tensor([1.0, 2.0, 1.0], dtype=x.dtype)
        kernel = (side[:, None] * side / 16).expand(x.shape[1], 1, 3, 3)
        return super().forward(torch.nn.functional.conv2d(x, kernel, padding=1, groups=x.shape[1]))


def build(name):
    if name.endswith("_blurpool"):
        model = torchvision.models.get_model(name.removesuffix("_blurpool"), weights=None)
        for module in model.modules():
            if isinstance(module, torch.nn.Conv2d) and module.stride != (1, 1) and module.in_channels >= 16:
                module.__class__ = BlurredConv
        return model
    return networks.build(name)


@torch.no_grad()
def randomise(model, seed):
    generator = torch.Generator().manual_seed(seed)
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.weight.copy_(torch.rand(norm.num_features, generator=generator) * 0.5 + 0.5)
        norm.bias.copy_(torch.randn(norm.num_features, generator=generator) * 0.1)
        norm.reset_running_stats()
        norm.momentum = None  # the mean over batches
    # In trained ResNets a block adds little to its shortcut. With weights near 1 the deeper networks amplify rounding: PyTorch's own
    # float32 then differs from its float64 by 6e-4 in resnet152, and the bound would judge PyTorch.
    for block in model.modules():
        if isinstance(block, (torchvision.models.resnet.BasicBlock, torchvision.models.resnet.Bottleneck)):
            last = block.bn3 if hasattr(block, "bn3") else block.bn2
            last.weight.copy_(torch.rand(last.num_features, generator=generator) * 0.2 + 0.1)
    model.train()
    for _ in range(2):
        model(torch.randn(8, 3, 96, 96, generator=generator))
    for norm in norms:
        deviation = norm.running_var.sqrt()
        norm.running_mean += deviation * torch.randn(norm.num_features, generator=generator) * 0.1
        norm.running_var *= torch.rand(norm.num_features, generator=generator) * 0.2 + 0.9
    return model.eval()


def main():
    tool, *names = sys.argv[1:]
    failed = False
    for name in NAMES + FAMILIES if names == ["all"] else names or NAMES:
        torch.manual_seed(1)
        model = build(name)
        if name in NAMES:
            model = randomise(model, 2)
        else:
            state = model.state_dict()
            model.load_state_dict({key: generate.numbers(place, key, state[key]) for place, key in enumerate(state)})
            model.eval()
        with tempfile.TemporaryDirectory() as folder:
            checkpoint, path = f"{folder}/{name}.pth", f"{folder}/{name}.onnx"
            torch.save(model.state_dict(), checkpoint)
            command = [tool, "--checkpoint", checkpoint, "--arch", name, "--output", path, "--engines", "tract"]
            if name.startswith("cifar"):
                pathlib.Path(f"{folder}/labels.txt").write_text("".join(f"thing {place}\n" for place in range(10)))
                command += ["--labels", f"{folder}/labels.txt"]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                print(name, done.stdout, done.stderr)
                failed = True
                continue
            tract = float(re.search(r"tract\s+\d+ synthetic\s+(\S+)", done.stdout).group(1))
            seconds = re.search(r"time\s+(.*)", done.stdout).group(1)
            proto = onnx.load(path)
            onnx.checker.check_model(proto, full_check=True)
            side = proto.graph.input[0].type.tensor_type.shape.dim[2].dim_value
            x = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(3))
            with torch.no_grad():
                expected = model(x).numpy()
                exact = copy.deepcopy(model).double()(x.double()).numpy()
            x = x.numpy()
            found = {"ort": ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"input": x})[0]}
            if cv2:
                net = cv2.dnn.readNetFromONNX(path)
                net.setInput(x[:1])
                found["opencv"] = np.concatenate([net.forward()])
            if openvino:
                core = openvino.Core()
                settings = {"INFERENCE_PRECISION_HINT": "f32"}
                found["openvino"] = next(iter(core.compile_model(path, "CPU", settings)([x]).values()))
            if name in ("resnet18", "resnet34", "resnet50"):
                found["reference"] = onnx.reference.ReferenceEvaluator(proto).run(None, {"input": x[:1]})[0]
            rounding = [float(np.abs(got - exact).max()) for got in (expected, found["ort"])]
            line = [
                f"{name:18} largest |logit| {np.abs(expected).max():7.2f}",
                f"against float64: torch {rounding[0]:.1e} ort {rounding[1]:.1e} tract {tract:.1e}; against torch:",
            ]
            failed |= not tract <= 1e-4
            for engine, got in found.items():
                difference = float(np.abs(got - expected[: len(got)]).max())
                failed |= not difference <= 1e-4
                line.append(f"{engine} {difference:.1e}")
            print(" ".join(line), f"({seconds})", flush=True)
    sys.exit(failed)


main()
