#!/usr/bin/env python3
"""Makes the photos of the screenshots: screenshot_photos.py FOLDER. Needs pillow, numpy and scikit-image (its pictures).

All are crops of pictures that may be published (CC0): Chelsea the cat, the espresso, the rocket, the camera man, the brick wall.
Sources: models/samples/README.md and scikit-image's own list.
"""

import importlib.util
import pathlib
import sys

import numpy
from PIL import Image, ImageEnhance

data = pathlib.Path(importlib.util.find_spec("skimage").origin).parent / "data"
out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
random = numpy.random.default_rng(7)

SOURCES = [
    ("chelsea.png", "cat"),
    ("coffee.png", "espresso"),
    ("rocket.jpg", "launch"),
    ("camera.png", "cameraman"),
    ("coffee.png", "espresso"),
    ("brick.png", "wall"),
    ("chelsea.png", "cat"),
]
for n in range(49):
    source, name = SOURCES[n % len(SOURCES)]
    picture = Image.open(data / source).convert("RGB")
    if n >= len(SOURCES):
        part = random.uniform(0.55, 0.92)
        width, height = int(picture.width * part), int(picture.height * part)
        left = int(random.integers(0, picture.width - width + 1))
        top = int(random.integers(0, picture.height - height + 1))
        picture = picture.crop((left, top, left + width, top + height))
        picture = ImageEnhance.Brightness(picture).enhance(random.uniform(0.85, 1.15))
        if random.random() < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    picture.save(out / f"{n + 1:02} {name}.jpg", quality=90)
(out / "50 notes.jpg").write_text("no picture\n")
