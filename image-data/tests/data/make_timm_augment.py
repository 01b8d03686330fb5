"""Writes timm.txt and timm.bin: what timm's RandAugment operations make of the picture in augment.bin.

Run once, with Pillow and nothing else: python image-data/tests/data/make_timm_augment.py   (Pillow 13.0.0 wrote the files)

The calls are those of timm/data/auto_augment.py (shear_x, translate_x_rel, rotate, solarize_add, ...), with ImageNet's mean
as fillcolor. timm.txt: a line per case, `operation interpolation argument`; timm.bin: zlib of each case's output.
"""

import zlib
from pathlib import Path

from PIL import Image, ImageEnhance, ImageOps

HERE = Path(__file__).parent
W, H = 37, 29
FILL = (124, 116, 104)
pixels = zlib.decompress((HERE / "augment.bin").read_bytes())[: W * H * 3]
image = Image.frombytes("RGB", (W, H), pixels)
cases, outputs = [], []


def case(text, result):
    assert result.size == (W, H) and result.mode == "RGB"
    cases.append(text)
    outputs.append(result.tobytes())


def affine(matrix, resample):
    return image.transform(image.size, Image.Transform.AFFINE, matrix, resample=resample, fillcolor=FILL)


for name, mode in (("bilinear", Image.Resampling.BILINEAR), ("bicubic", Image.Resampling.BICUBIC)):
    for factor in (-0.3, -0.18, 0.07, 0.3):
        case(f"shear_x {name} {factor}", affine((1, factor, 0, 0, 1, 0), mode))
        case(f"shear_y {name} {factor}", affine((1, 0, 0, factor, 1, 0), mode))
    for share in (-0.45, -0.27, 0.0, 0.13, 0.45):
        case(f"translate_x {name} {share}", affine((1, 0, share * W, 0, 1, 0), mode))
        case(f"translate_y {name} {share}", affine((1, 0, 0, 0, 1, share * H), mode))
    for degrees in (-30.0, -18.0, 0.0, 7.5, 30.0):
        case(f"rotate {name} {degrees}", image.rotate(degrees, resample=mode, fillcolor=FILL))
for add in (0, 66, 110):
    lut = [min(255, i + add) if i < 128 else i for i in range(256)]
    case(f"solarize_add nearest {add}", image.point(lut * 3))
for threshold in (256, 103, 0):
    case(f"solarize nearest {threshold}", ImageOps.solarize(image, threshold))
for bits in (1, 2, 4):
    case(f"posterize nearest {bits}", ImageOps.posterize(image, bits))
for factor in (0.1, 0.46, 1.54, 1.9):
    case(f"color nearest {factor}", ImageEnhance.Color(image).enhance(factor))
    case(f"contrast nearest {factor}", ImageEnhance.Contrast(image).enhance(factor))
    case(f"brightness nearest {factor}", ImageEnhance.Brightness(image).enhance(factor))
    case(f"sharpness nearest {factor}", ImageEnhance.Sharpness(image).enhance(factor))
case("invert nearest 0", ImageOps.invert(image))

(HERE / "timm.txt").write_text("\n".join(cases) + "\n")
(HERE / "timm.bin").write_bytes(zlib.compress(b"".join(outputs), 9))
print(len(cases), "cases,", (HERE / "timm.bin").stat().st_size, "bytes")
