"""Exports networks `--to timm=DIR`, and lets timm and transformers load the folders and answer.

Needs torch, torchvision, timm, transformers, onnxruntime, safetensors.

  python hub_folders.py path/to/export-onnx [ARCH ...]

Each network is torchvision's (or timm's) own with the numbers of ../data/generate.py. What it answers to noise is held
against timm.create_model('local-dir:DIR', pretrained=True), against transformers' TimmWrapperForImageClassification, and
against the ONNX file in ONNX Runtime; the bound is 1e-4 of max(1, largest logit). timm's transform of a picture is held
against the processor that transformers builds from the folder.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime as ort
import timm
import torch
import torchvision
import transformers
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "data"))
import generate  # noqa: E402

NAMES = [
    "resnet18", "resnet50", "wide_resnet50_2", "resnext50_32x4d", "resnet18d", "resnet50d", "resnetv2_50",
    "efficientnet_lite0", "tf_efficientnet_lite1", "efficientnet_b0", "efficientnet_b1", "tf_efficientnet_b0",
    "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small",
    *(f"regnet_{kind}_{size}" for kind in "xy" for size in ("400mf", "800mf", "1_6gf", "3_2gf", "8gf")),
    "densenet121", "densenet161", "vgg11", "vgg11_bn", "convnext_tiny", "convnext_small",
]  # fmt: skip
CLASSES = 10


def build(name):
    of_torchvision = name in torchvision.models.list_models()
    model = (torchvision.models.get_model if of_torchvision else timm.create_model)(name, num_classes=CLASSES)
    state = model.state_dict()
    model.load_state_dict({key: generate.numbers(place, key, state[key]) for place, key in enumerate(state)})
    return model.eval()


def picture(side):
    noise = np.random.default_rng(5).integers(0, 256, (side + 41, side + 90, 3), dtype=np.uint8)
    return Image.fromarray(noise)


@torch.no_grad()
def main():
    tool, *names = sys.argv[1:]
    print(f"torch {torch.__version__}, timm {timm.__version__}, transformers {transformers.__version__}, onnxruntime {ort.__version__}")
    failed = False
    for name in names or NAMES:
        model = build(name)
        with tempfile.TemporaryDirectory() as scratch:
            scratch = pathlib.Path(scratch)
            folder, onnx = scratch / "hub", scratch / "model.onnx"
            torch.save(model.state_dict(), scratch / "weights.pth")
            (scratch / "labels.txt").write_text("".join(f"thing {i}\n" for i in range(CLASSES)))
            command = [tool, "--checkpoint", scratch / "weights.pth", "--arch", name, "--labels", scratch / "labels.txt",
                       "--output", onnx, "--engines", "tract", "--license", "MIT", "--to", f"timm={folder}"]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                print(f"FAIL {name}: {done.stderr.strip()}", flush=True)
                failed = True
                continue
            side = json.loads((folder / "config.json").read_text())["pretrained_cfg"]["input_size"][1]
            x = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(3))
            expected = model(x)
            theirs = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
            wrapper, info = transformers.TimmWrapperForImageClassification.from_pretrained(folder, output_loading_info=True)
            missing = sorted(info["missing_keys"]) + sorted(info["unexpected_keys"]) + sorted(info["mismatched_keys"])
            session = ort.InferenceSession(str(onnx), providers=["CPUExecutionProvider"])
            found = {
                "timm": theirs(x),
                "transformers": wrapper.eval()(pixel_values=x).logits,
                "onnx": torch.from_numpy(session.run(None, {"input": x.numpy()})[0]),
            }
            config = timm.data.resolve_model_data_config(theirs)
            image = picture(side)
            ours = timm.data.create_transform(**config)(image)
            processor = transformers.models.timm_wrapper.TimmWrapperImageProcessor.from_pretrained(folder)
            found_pixels = processor(image, return_tensors="pt")["pixel_values"][0]
            scale = max(1.0, float(expected.abs().max()))
            differences = {who: float((got - expected).abs().max()) / scale for who, got in found.items()}
            labels = [wrapper.config.id2label[i] for i in range(CLASSES)]
            right = (
                all(difference <= 1e-4 for difference in differences.values())
                and not missing
                and labels == [f"thing {i}" for i in range(CLASSES)]
                and torch.equal(ours, found_pixels)
            )
            failed |= not right
            listed = " ".join(f"{who} {difference:.1e}" for who, difference in differences.items())
            print(f"{'ok  ' if right else 'FAIL'} {name:22} {theirs.pretrained_cfg['architecture']:24} {side} {listed} {missing}", flush=True)
    sys.exit(failed)


main()
