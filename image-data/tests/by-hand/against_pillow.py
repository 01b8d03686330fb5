"""Compares our pixels with Pillow's on folders of pictures, whoever made them.

    cargo build -p image-data --example against_pillow
    python image-data/tests/by-hand/against_pillow.py target/debug/examples/against_pillow FOLDER... [--ext tif,tiff]

Says for how many files both agree (within 8 levels; lossless formats exactly), names those that differ, and those that
only one of the two reads. Needs Pillow and NumPy.
"""
import argparse
import collections
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

warnings.simplefilter("ignore")
Image.MAX_IMAGE_PIXELS = 64 << 20  # what is twice as large is an error for Pillow, and over the limit for us

parser = argparse.ArgumentParser()
parser.add_argument("binary")
parser.add_argument("folders", nargs="+")
parser.add_argument("--ext", default="")
parser.add_argument("--show", type=int, default=60)
arguments = parser.parse_args()
wanted = {"." + e for e in arguments.ext.split(",") if e}

files = sorted(
    str(path)
    for folder in arguments.folders
    for path in (Path(folder).rglob("*") if Path(folder).is_dir() else [Path(folder)])
    if path.is_file() and (not wanted or path.suffix.lower() in wanted) and "\n" not in str(path)
)


def pillow(name):
    """Mode, and the pixels as torchvision's loader takes them."""
    image = Image.open(name)
    image.load()
    mode = image.mode
    if mode == "La":  # Pillow converts it to nothing; of RGB it divides the colors by their opacity as this does
        gray, alpha = np.asarray(image).astype(int)[..., 0], np.asarray(image)[..., 1]
        gray = np.minimum(gray * 255 // np.maximum(alpha, 1), 255) * (alpha > 0)
        return mode, gray[..., None].repeat(3, -1)
    return mode, np.asarray(image.convert("RGB"))


counts = collections.Counter()
lines = []
with tempfile.TemporaryDirectory() as out:
    run = subprocess.run([arguments.binary, out], input="\n".join(files), text=True, capture_output=True)
    answers = [line.split("\t") for line in run.stdout.splitlines()]
    if len(answers) != len(files):
        sys.exit(f"{len(answers)} answers to {len(files)} files: {run.stderr[-500:]}")
    for number, (name, answer) in enumerate(zip(files, answers)):
        try:
            mode, theirs = pillow(name)
        except Exception as error:  # Pillow's errors are of every kind
            theirs, why = None, f"{type(error).__name__}: {error}"[:80]
        if answer[1] == "error":
            counts["neither" if theirs is None else "only Pillow"] += 1
            if theirs is not None:
                lines.append(f"only Pillow ({mode}): {name}: {answer[2]}")
            continue
        if theirs is None:
            counts["only we"] += 1
            if answer[4]:
                counts["only we, noted as damaged"] += 1
            continue
        ours = np.fromfile(f"{out}/{number}.rgb", np.uint8).reshape(int(answer[3]), int(answer[2]), 3)
        counts["both"] += 1
        if ours.shape != theirs.shape:
            counts["other size"] += 1
            lines.append(f"size: {name}: {ours.shape} {theirs.shape}")
            continue
        gap = np.abs(ours.astype(int) - theirs)
        if gap.max() <= 8:
            counts["within 8"] += 1
            counts["equal"] += gap.max() == 0
        elif mode[0] in "IF":
            counts["deep grays, which Pillow clips at 255"] += 1
        elif answer[4]:
            counts["differ, noted as damaged"] += 1
        else:
            counts["differ"] += 1
            lines.append(f"differ: {name}: {gap.max()} levels, mean {gap.mean():.2f}, {mode}")
print(len(files), "files:", dict(counts))
for line in lines[: arguments.show]:
    print(line)
