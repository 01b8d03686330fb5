"""Opens what export-onnx wrote with the tools its metadata is meant for, and compares what they make of it.

Needs ultralytics, timm, transformers, onnx, numpy, Pillow.

  python metadata_read_by_others.py MODEL.onnx IMAGE [FOLDER_WITH_SIDE_FILES]

ultralytics reads names, size and task from the model; timm builds its evaluation transform from `pretrained_cfg`;
transformers reads config.json and preprocessor_config.json (`export-onnx --side-files`). timm's and transformers'
tensors of IMAGE are compared with the transform that our own metadata describes, computed here with Pillow.
"""

import json
import sys

import numpy as np
import onnx
from PIL import Image


def own_tensor(manifest, image):
    p = manifest["preprocessing"]
    (ch, cw), short = p["crop"], p["resize"]["short_side"]
    kernel = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}[p["interpolation"]]
    w, h = image.size
    size = (short, int(short * h / w)) if w <= h else (int(short * w / h), short)
    image = image.resize(size, kernel)
    left, top = round((size[0] - cw) / 2), round((size[1] - ch) / 2)
    pixels = np.asarray(image.crop((left, top, left + cw, top + ch)), np.float32) / p["pixel_max"]
    mean, std = np.array(p["mean"], np.float32), np.array(p["std"], np.float32)
    return ((pixels - mean) / std).transpose(2, 0, 1)


def check(what, holds, detail=""):
    print(f"{'ok  ' if holds else 'FAIL'} {what} {detail}", flush=True)
    return not holds


def main():
    path, photo, *folder = sys.argv[1:]
    metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    manifest = json.loads(metadata["resnet50_toolkit.manifest"])
    labels = [label["name"] for label in manifest["labels"]]
    image = Image.open(photo).convert("RGB")
    ours = own_tensor(manifest, image)
    failed = False

    import timm.data

    config = timm.data.resolve_data_config(pretrained_cfg=json.loads(metadata["pretrained_cfg"]))
    tensor = timm.data.create_transform(**config)(image).numpy()
    difference = np.abs(tensor - ours).max()
    failed |= check("timm: tensor", difference < 1e-5, f"differs by {difference:.1e}")

    from ultralytics import YOLO

    model = YOLO(path, task="classify")
    # With an open batch ultralytics takes the size from its caller, also for models of its own; it still reads ours.
    result = model.predict(photo, imgsz=manifest["preprocessing"]["crop"][0], verbose=False, device="cpu")[0]
    failed |= check("ultralytics: names", [model.names[i] for i in range(len(labels))] == labels)
    size = list(model.predictor.model.imgsz)
    failed |= check("ultralytics: size", size == manifest["preprocessing"]["crop"], f"{size}")
    print(f"     ultralytics runs it (with its own preprocessing): {model.names[result.probs.top1]}")

    if folder:
        from transformers import AutoConfig, AutoImageProcessor, CLIPImageProcessor

        read = AutoConfig.from_pretrained(folder[0])
        failed |= check("transformers: id2label", [read.id2label[i] for i in range(len(labels))] == labels)
        for processor in (AutoImageProcessor, CLIPImageProcessor):
            processor = processor.from_pretrained(folder[0])
            tensor = processor(image, return_tensors="pt")["pixel_values"][0].numpy()
            difference = np.abs(tensor - ours).max() if tensor.shape == ours.shape else np.inf
            # The fast processors of transformers resize with torch, half a level from Pillow.
            failed |= check(f"transformers: tensor of {type(processor).__name__}", difference < 0.02, f"differs by {difference:.1e}")
    sys.exit(failed)


main()
