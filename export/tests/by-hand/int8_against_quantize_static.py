"""Accuracy of our int8 model beside ONNX Runtime's quantize_static, on the same photos in one run.

Needs onnxruntime, onnx, numpy, Pillow. Photos lie in class folders named by label id (WordNet).

  python int8_against_quantize_static.py FLOAT.onnx CALIBRATION_DIR EVALUATION_DIR INT8.onnx [INT8.onnx ...]
"""

import json
import pathlib
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image


def load(folder, manifest):
    p = manifest["preprocessing"]
    short, (ch, cw) = p["resize"]["short_side"], p["crop"]
    kernel = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}[p["interpolation"]]
    mean, std = np.array(p["mean"], np.float32), np.array(p["std"], np.float32)
    ids = [label.get("id") or label["name"] for label in manifest["labels"]]
    inputs, truth = [], []
    for path in sorted(pathlib.Path(folder).glob("*/*")):
        image = Image.open(path).convert("RGB")
        w, h = image.size
        size = (short, int(short * h / w)) if w <= h else (int(short * w / h), short)
        image = image.resize(size, kernel)
        left, top = round((size[0] - cw) / 2), round((size[1] - ch) / 2)
        pixels = np.asarray(image.crop((left, top, left + cw, top + ch)), np.float32)
        inputs.append(((pixels / 255 - mean) / std).transpose(2, 0, 1)[None])
        truth.append(ids.index(path.parent.name))
    return inputs, np.array(truth)


class Reader(CalibrationDataReader):
    def __init__(self, inputs):
        self.inputs = iter(inputs)

    def get_next(self):
        value = next(self.inputs, None)
        return None if value is None else {"input": value}


def run(path, inputs):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"input": x})[0] for x in inputs])


def main():
    float_model, calibration_dir, evaluation_dir, *ours = sys.argv[1:]
    metadata = {entry.key: entry.value for entry in onnx.load(float_model).metadata_props}
    manifest = json.loads(metadata["resnet50_toolkit.manifest"])
    calibration, _ = load(calibration_dir, manifest)
    evaluation, truth = load(evaluation_dir, manifest)
    exact = run(float_model, evaluation)

    def show(name, logits):
        order = np.argsort(-logits, axis=1)
        top1 = (order[:, 0] == truth).mean() * 100
        top5 = (order[:, :5] == truth[:, None]).any(axis=1).mean() * 100
        agree = (order[:, 0] == exact.argmax(axis=1)).mean() * 100
        rms = np.sqrt(((logits - exact) ** 2).mean())
        print(f"{name:44} top-1 {top1:6.2f}  top-5 {top5:6.2f}  agrees {agree:5.1f} %  rms of logits {rms:.4f}", flush=True)

    print(f"{len(calibration)} calibration photos, {len(evaluation)} evaluation photos, onnxruntime {ort.__version__}")
    show("float32", exact)
    for path in ours:
        show(f"ours: {pathlib.Path(path).name}", run(path, evaluation))
    with tempfile.TemporaryDirectory() as folder:
        prepared = f"{folder}/prepared.onnx"
        quant_pre_process(float_model, prepared)
        methods = [CalibrationMethod.MinMax, CalibrationMethod.Percentile, CalibrationMethod.Entropy]
        for method in methods:
            target = f"{folder}/{method.name}.onnx"
            quantize_static(
                prepared, target, Reader(calibration), quant_format=QuantFormat.QDQ, per_channel=True,
                activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, calibrate_method=method,
            )
            show(f"quantize_static {method.name}", run(target, evaluation))


main()
