"""Writes augment.txt and augment.bin: what PIL and torchvision make of one small picture, operation by operation.

Run once: python image-data/tests/data/make_augment.py   (Pillow 13.0.0, torchvision 0.28.0 wrote the committed files)

augment.txt: a line per case, `operation argument argument ...`; augment.bin: zlib of the input (37 x 29 RGB), then each
case's output. Every operation keeps the size.
"""
import zlib
from pathlib import Path

import numpy as np
from PIL import Image
from torchvision.transforms import InterpolationMode, functional as F
from torchvision.transforms.autoaugment import _apply_op

HERE = Path(__file__).parent
W, H = 37, 29
rng = np.random.default_rng(5)
y, x = np.mgrid[0:H, 0:W].astype(float)
smooth = np.stack([30 + 3.2 * x, 200 - 3.1 * y, 128 + 80 * np.sin(x / 4) * np.cos(y / 6)], -1)
noise = rng.integers(0, 256, (H, W, 3))
array = np.clip(np.where((x > 18)[..., None], smooth, noise), 0, 255).astype(np.uint8)
array[:6, :6] = 77  # gray: hue and saturation are undefined
array[24:, :8] = [250, 3, 3]
image = Image.fromarray(array)
N, B = InterpolationMode.NEAREST, InterpolationMode.BILINEAR
cases, outputs = [], []


def case(text, result):
    assert result.size == (W, H) and result.mode == "RGB"
    cases.append(text)
    outputs.append(np.asarray(result).tobytes())


for factor in (0.0, 0.1, 0.37, 0.9, 1.0, 1.1, 1.63, 1.99):
    case(f"brightness {factor}", F.adjust_brightness(image, factor))
    case(f"contrast {factor}", F.adjust_contrast(image, factor))
    case(f"saturation {factor}", F.adjust_saturation(image, factor))
    case(f"sharpness {factor}", F.adjust_sharpness(image, factor))
for factor in (-0.5, -0.317, -0.1, -0.001, 0.0, 0.003, 0.05, 0.25, 0.499, 0.5):
    case(f"hue {factor}", F.adjust_hue(image, factor))
for bits in (1, 2, 4, 7, 8):
    case(f"posterize {bits}", F.posterize(image, bits))
for threshold in (0.0, 17.0, 127.5, 178.5, 255.0):
    case(f"solarize {threshold}", F.solarize(image, threshold))
case("autocontrast", F.autocontrast(image))
case("equalize", F.equalize(image))
case("invert", F.invert(image))
for name, mode in (("nearest", N), ("bilinear", B)):
    for op, levels in (
        ("ShearX", (-0.99, -0.3, -0.09, 0.033, 0.3, 0.99)),
        ("ShearY", (-0.99, -0.3, 0.09, 0.45)),
        ("TranslateX", (-31.9, -7.0, 0.0, 5.5, 20.0)),
        ("TranslateY", (-31.9, -7.0, 0.0, 5.5, 28.0)),
        ("Rotate", (-135.0, -90.0, -30.0, -9.0, 0.0, 4.5, 9.0, 90.0, 133.7)),
    ):
        for level in levels:
            case(f"{op} {name} {level}", _apply_op(image, op, level, mode, None))

(HERE / "augment.txt").write_text("\n".join(cases) + "\n")
(HERE / "augment.bin").write_bytes(zlib.compress(array.tobytes() + b"".join(outputs), 9))
print(len(cases), "cases,", (HERE / "augment.bin").stat().st_size, "bytes")

# The whole color cube, coarsely, through HSV and back: a checksum is enough to pin every branch.
cube = np.stack(np.meshgrid(*[np.arange(0, 256, 5, dtype=np.uint8)] * 3, indexing="ij"), -1).reshape(52, -1, 3)
turned = np.asarray(F.adjust_hue(Image.fromarray(cube), 0.2))
print("crc32 of the 52^3 cube turned by 0.2:", hex(zlib.crc32(turned.tobytes())))

# Mean share of the area that RandomResizedCrop takes, for the distribution test in crop.rs.
import torch
from torchvision.transforms import RandomResizedCrop

blank = Image.new("RGB", (400, 300))
means = []
for seed in range(5):
    torch.manual_seed(seed)
    got = [RandomResizedCrop.get_params(blank, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(20000)]
    means.append(sum(h * w for _, _, h, w in got) / 20000 / 120000)
print("RandomResizedCrop mean area:", [round(m, 4) for m in means])
