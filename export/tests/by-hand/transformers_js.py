"""Holds what transformers_js.mjs wrote (logits.json) against the model itself in ONNX Runtime for Python.

  python transformers_js.py MODEL.onnx logits.json

MODEL.onnx is the export beside the folder, with its own name of the input; the bound is 1e-4 of max(1, largest logit).
"""

import json
import sys

import numpy as np
import onnxruntime as ort

path, logits = sys.argv[1:]
session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
shape = [1, 3, *session.get_inputs()[0].shape[2:]]
x = np.sin(np.arange(np.prod(shape), dtype=np.float64)).astype(np.float32).reshape(shape)
expected = session.run(None, {session.get_inputs()[0].name: x})[0].reshape(-1)
with open(logits) as file:
    difference = np.abs(np.array(json.load(file)) - expected).max() / max(1.0, np.abs(expected).max())
print(f"{'ok  ' if difference <= 1e-4 else 'FAIL'} transformers.js differs by {difference:.1e}, onnxruntime {ort.__version__}")
sys.exit(not difference <= 1e-4)
