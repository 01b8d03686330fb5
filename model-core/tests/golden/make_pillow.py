"""Writes pillow.tsv: what Pillow and torchvision's evaluation transform make of procedural images.

    pip install 'pillow<13' torch torchvision
    python make_pillow.py > pillow.tsv

Pixels come from a hash of their index, so no picture has to be stored; results are compared by SHA-256 of all
bytes. Pillow 13 began to run the vertical pass first for some shapes (31 x 64 to 32 x 32, 200 x 1500 to 32 x 240), which
moves single bytes by one; the published weights and accuracies rest on the older order, horizontal first, kept here.

Columns of `resize`: source width, height, target width, height, filter, digest. Columns of `eval`: source
width, height, resize, crop height, crop width, filter, digest of the u8 crop, digest of the normalized f32 tensor [3, H, W] little-endian.
"""
import hashlib
import itertools

import numpy
import PIL
from PIL import Image
from torchvision import transforms
from torchvision.transforms.functional import InterpolationMode

FILTERS = {
    "bilinear": (Image.Resampling.BILINEAR, InterpolationMode.BILINEAR),
    "bicubic": (Image.Resampling.BICUBIC, InterpolationMode.BICUBIC),
}


def picture(width, height):
    index = numpy.arange(width * height * 3, dtype=numpy.uint64)
    seed = numpy.uint64(width * 65_537 + height)
    mixed = (index + seed) * numpy.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> numpy.uint64(29)
    mixed *= numpy.uint64(0xBF58476D1CE4E5B9)
    pixels = (mixed >> numpy.uint64(56)).astype(numpy.uint8)
    # every third image is high in contrast, where clipping shows
    if (width + height) % 3 == 0:
        pixels = numpy.where(pixels > 127, 255, 0).astype(numpy.uint8)
    return Image.fromarray(pixels.reshape(height, width, 3), "RGB")


def sha(data):
    return hashlib.sha256(data).hexdigest()


print(f"# Pillow {PIL.__version__}")
sizes = [(1, 1), (1, 7), (7, 1), (2, 3), (5, 5), (16, 9), (31, 64), (100, 75), (257, 129), (640, 480)]
targets = [(1, 1), (2, 2), (3, 8), (8, 3), (32, 32), (75, 100), (224, 224), (256, 171)]
for (w, h), (tw, th), name in itertools.product(sizes, targets, FILTERS):
    out = picture(w, h).resize((tw, th), FILTERS[name][0])
    print("resize", w, h, tw, th, name, sha(out.tobytes()), sep="\t")

photos = [(1, 1), (1, 40), (40, 1), (3, 2), (223, 225), (224, 224), (225, 226), (256, 256), (256, 300), (300, 256),
          (333, 500), (500, 333), (500, 375), (375, 500), (500, 376), (640, 427), (1023, 769), (200, 1500)]
recipes = [(256, (224, 224), "bilinear"), (256, (224, 224), "bicubic"), (232, (224, 224), "bilinear"),
           (32, (32, 32), "bilinear"), (235, (224, 224), "bicubic"), (64, (97, 33), "bilinear")]
for (w, h), (short, crop, name) in itertools.product(photos, recipes):
    geometry = transforms.Compose([transforms.Resize(short, FILTERS[name][1]), transforms.CenterCrop(crop)])
    numbers = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    seen = geometry(picture(w, h))
    tensor = numbers(seen).contiguous().numpy().astype("<f4")
    print("eval", w, h, short, crop[0], crop[1], name, sha(seen.tobytes()), sha(tensor.tobytes()), sep="\t")
