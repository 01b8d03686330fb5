#!/usr/bin/env python3
"""Process start to first label: wall time and peak memory, for the embedded model and any others, alternating.

    cold_start.py INFER-CLI PHOTO [--model MODEL]... [--runs 21] [--python PYTHON] [-- OPTIONS OF INFER-CLI]

Prints medians. With --python, a Python that has onnxruntime, numpy and Pillow, the same is done there with each model.
Run it on a quiet machine; Linux and macOS (wait4).
"""
import argparse
import os
import statistics
import subprocess
import sys
import time

REFERENCE = """
import sys, numpy as np, onnxruntime as ort
from PIL import Image
session = ort.InferenceSession(sys.argv[1])
image = Image.open(sys.argv[2]).convert("RGB")
scale = 256 / min(image.size)
image = image.resize([round(side * scale) for side in image.size], Image.BILINEAR)
left, top = (image.width - 224) // 2, (image.height - 224) // 2
pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32) / 255
pixels = (pixels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
print(session.run(None, {session.get_inputs()[0].name: pixels.transpose(2, 0, 1)[None].astype(np.float32)})[0].argmax())
"""


def once(command):
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    if status:
        sys.exit(f"failed: {' '.join(command)}")
    scale = 1 if sys.platform == "darwin" else 1024
    return seconds * 1000, usage.ru_utime * 1000 + usage.ru_stime * 1000, usage.ru_maxrss * scale / 1e6


def main():
    own, _, more = " ".join(sys.argv[1:]).partition(" -- ")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("photo")
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--runs", type=int, default=21)
    parser.add_argument("--python")
    options = parser.parse_args(own.split())
    cases = {}
    for model in ["embedded"] + options.model:
        cases[f"infer-cli {model}"] = [options.program, options.photo, "-q", "-k", "1", "--model", model] + more.split()
        if options.python and model != "embedded":
            cases[f"python {model}"] = [options.python, "-c", REFERENCE, model, options.photo]
    figures = {name: [] for name in cases}
    for turn in range(options.runs + 1):
        for name, command in cases.items():
            figure = once(command)
            if turn:  # the first fills the page cache
                figures[name].append(figure)
    print(f"medians of {options.runs}      wall ms   cpu ms   peak MB")
    for name, all_runs in figures.items():
        wall, cpu, peak = (statistics.median(column) for column in zip(*all_runs))
        print(f"{name[-40:]:40} {wall:8.0f} {cpu:8.0f} {peak:8.0f}")


if __name__ == "__main__":
    main()
