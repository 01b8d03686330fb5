"""Writes devkit/meta.mat and devkit/meta-plain.mat: the shape of ILSVRC2012's meta.mat with six invented synsets.

Run once: python image-data/tests/data/make_devkit.py   (scipy wrote the committed files)
"""
from pathlib import Path

import numpy as np
from scipy.io import savemat

HERE = Path(__file__).parent / "devkit"
HERE.mkdir(exist_ok=True)
# ILSVRC2012_ID -> WNID, not in sorted order; 5 and 6 are inner nodes, as the real ids above 1000 are.
wnids = ["n00000030", "n00000010", "n00000040", "n00000020", "n00000001", "n00000002"]
kind = [("ILSVRC2012_ID", object), ("WNID", object), ("words", object), ("gloss", object),
        ("num_children", object), ("children", object), ("wordnet_height", object), ("num_train_images", object)]
rows = []
for i, wnid in enumerate(wnids, 1):
    inner = i > 4
    rows.append((np.array([[i]], np.uint8 if i % 2 else np.float64), wnid, f"thing {i}", "an invented thing",
                 np.array([[2 if inner else 0]], np.uint8), np.array([[1, 2]] if inner else [[]], np.uint8),
                 np.array([[1 if inner else 0]], np.uint8), np.array([[1300]], np.uint16)))
synsets = np.array(rows, dtype=kind).reshape(-1, 1)
savemat(HERE / "meta.mat", {"other": np.arange(5.0), "synsets": synsets}, do_compression=True)
savemat(HERE / "meta-plain.mat", {"synsets": synsets}, do_compression=False)
for file in sorted(HERE.iterdir()):
    print(file.name, file.stat().st_size)
