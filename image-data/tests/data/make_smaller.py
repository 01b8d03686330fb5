#!/usr/bin/env python3
"""Makes tests/data/jpeg/smaller.bin: JPEGs of the tests as libjpeg decodes them at a half, a quarter and an eighth.

    pip install pillow==13.0.0 && python make_smaller.py

Pillow's draft mode asks libjpeg for it. libjpeg's 4 x 4 transform also takes some of the higher frequencies, and other
samplings are interpolated elsewhere, so ours are near these pixels and not the same.
"""

import pathlib
import zlib

from PIL import Image

NAMES = ["3x1", "411", "420-apart-restarts", "420-progressive", "422-reversed", "440", "adobe-1-of-four", "chroma-finer"]


def main() -> None:
    folder = pathlib.Path(__file__).parent / "jpeg"
    pixels, lines = b"", []
    for name in NAMES:
        for by in (2, 4, 8):
            image = Image.open(folder / f"{name}.jpg")
            size = tuple(-(-side // by) for side in image.size)
            image.draft(None, tuple(side // by for side in image.size))
            image.load()
            assert image.size == size, (name, by, image.size)
            pixels += image.convert("RGB").tobytes()
            lines.append(f"{name}.jpg {by} {size[0]} {size[1]}\n")
    (folder / "smaller.bin").write_bytes(zlib.compress(pixels, 9))
    (folder / "smaller.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
