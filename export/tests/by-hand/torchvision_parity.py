"""Exports every torchvision ResNet we know, with random weights and non-trivial BatchNorm statistics, and compares.

Needs torch, torchvision, onnx, onnxruntime; OpenCV (cv2) and OpenVINO are compared where they are installed.

  python torchvision_parity.py path/to/export-onnx [ARCH ...]

Each model goes through: the official checker with full shape inference, ONNX Runtime, tract (export-onnx itself),
and, for the smallest, ONNX's reference evaluator. The bound is 1e-4 times the largest |logit|, at least 1e-4.
"""

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

try:
    import cv2
except ImportError:
    cv2 = None
try:
    import openvino
except ImportError:
    openvino = None

NAMES = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet50_2", "resnext50_32x4d"]


def randomise(model, seed):
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.copy_(torch.randn(module.num_features, generator=generator) * 0.1)
            module.running_var.copy_(torch.rand(module.num_features, generator=generator) + 0.5)
            module.weight.data.copy_(torch.rand(module.num_features, generator=generator) * 0.5 + 0.5)
            module.bias.data.copy_(torch.randn(module.num_features, generator=generator) * 0.1)
    return model.eval()


def main():
    tool, *names = sys.argv[1:]
    failed = False
    for name in names or NAMES:
        torch.manual_seed(1)
        model = randomise(torchvision.models.get_model(name, weights=None), 2)
        with tempfile.TemporaryDirectory() as folder:
            checkpoint, path = f"{folder}/{name}.pth", f"{folder}/{name}.onnx"
            torch.save(model.state_dict(), checkpoint)
            command = [tool, "--checkpoint", checkpoint, "--arch", name, "--output", path, "--engines", "tract"]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                print(name, done.stdout, done.stderr)
                failed = True
                continue
            tract = float(re.search(r"tract\s+\d+ synthetic\s+(\S+)", done.stdout).group(1))
            seconds = re.search(r"model (\S+) s, proof (\S+) s", done.stdout).groups()
            proto = onnx.load(path)
            onnx.checker.check_model(proto, full_check=True)
            x = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(3))
            with torch.no_grad():
                expected = model(x).numpy()
            x = x.numpy()
            found = {"ort": ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"input": x})[0]}
            if cv2:
                net = cv2.dnn.readNetFromONNX(path)
                net.setInput(x[:1])
                found["opencv"] = np.concatenate([net.forward()])
            if openvino:
                core = openvino.Core()
                exact = {"INFERENCE_PRECISION_HINT": "f32"}
                found["openvino"] = next(iter(core.compile_model(path, "CPU", exact)([x]).values()))
            if name == "resnet18":
                found["reference"] = onnx.reference.ReferenceEvaluator(proto).run(None, {"input": x[:1]})[0]
            bound = 1e-4 * max(1.0, float(np.abs(expected).max()))
            line = [f"{name:18} largest |logit| {np.abs(expected).max():7.2f}  tract {tract:.1e}"]
            for engine, got in found.items():
                difference = float(np.abs(got - expected[: len(got)]).max())
                failed |= not difference <= bound
                line.append(f"{engine} {difference:.1e}")
            print("  ".join(line), f" model {seconds[0]} s, proof {seconds[1]} s", flush=True)
    sys.exit(failed)


main()
