"""Writes tests/data/webdataset with the package `webdataset` 1.0, and reads a pack of ours with it.

    python make_webdataset.py                 the fixture: two training shards, one of validation
    python make_webdataset.py --read PACK     a folder that `train pack` wrote: counts samples, checks classes, decodes
"""
import io
import sys
from pathlib import Path

import webdataset as wds
from PIL import Image

CLASSES = ["ant", "bee", "cow"]


def write():
    folder = Path(__file__).parent / "webdataset"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*"):
        old.unlink()
    for split, rounds, shade in (("train", 2, 40), ("val", 1, 200)):
        with wds.ShardWriter(str(folder / f"{split}-%06d.tar"), maxcount=4, verbose=0) as sink:
            for number in range(rounds * len(CLASSES)):
                label = number % len(CLASSES)
                out = io.BytesIO()
                Image.new("RGB", (16, 16), (label * 80, shade, 90)).save(out, "JPEG", quality=95)
                sink.write({"__key__": f"{split}/sample{number:04d}", "jpg": out.getvalue(), "cls": label,
                            "json": {"width": 16, "height": 16}})
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES))


def read(folder):
    classes = (Path(folder) / "classes.txt").read_text().split("\n")[:-1]
    for split in ("train", "val"):
        shards = sorted(str(path) for path in Path(folder).glob(f"{split}-*.tar"))
        seen = [0] * len(classes)
        for image, label in wds.WebDataset(shards, shardshuffle=False).decode("pil").to_tuple("jpg", "cls"):
            assert image.mode == "RGB" and min(image.size) > 0
            seen[label] += 1
        print(f"{split}: {sum(seen)} samples in {len(shards)} shards, {dict(zip(classes, seen))}")


if __name__ == "__main__":
    read(sys.argv[2]) if sys.argv[1:2] == ["--read"] else write()
