"""Makes what this folder holds from public sources, byte for byte.

    pip install pillow scikit-image
    python make_samples.py CIFAR10_FOLDER      # CIFAR10_FOLDER/{train,test}/CLASS/NNNN.jpg, all 60,000 images

The photos are scikit-image's: CC0 (cat, coffee, rocket). The CIFAR-10 subset is the first 500 training and first 100 test images
of each class (Krizhevsky 2009), as JPEG files in a tar whose entries carry no time and no owner.
"""
import gzip
import io
import pathlib
import sys
import tarfile

import skimage
from PIL import Image

here = pathlib.Path(__file__).parent
pictures = pathlib.Path(skimage.__file__).parent / "data"
for source, name in [("chelsea.png", "cat.jpg"), ("coffee.png", "espresso.jpg"), ("rocket.jpg", "rocket.jpg")]:
    Image.open(pictures / source).convert("RGB").save(here / name, quality=90)

cifar = pathlib.Path(sys.argv[1])
buffer = io.BytesIO()
with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
    for split, count in [("train", 500), ("test", 100)]:
        for label in sorted(path.name for path in (cifar / split).iterdir()):
            for file in sorted((cifar / split / label).iterdir())[:count]:
                entry = tarfile.TarInfo(f"cifar10-subset/{split}/{label}/{file.name}")
                entry.size = file.stat().st_size
                entry.mode = 0o644
                tar.addfile(entry, file.open("rb"))
with open(here / "cifar10-subset.tar.gz", "wb") as out:
    with gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0, compresslevel=9) as packed:
        packed.write(buffer.getvalue())
