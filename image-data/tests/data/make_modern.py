#!/usr/bin/env python3
"""Makes the JPEG XL, JPEG 2000, HEIC and AVIF files of tests/modern.rs, and what Pillow reads from them:
make_modern.py. Needs pillow 13 (with AVIF), pillow-jxl-plugin, pillow-heif, cjxl and djxl.

Each picture.EXT has its pixels beside it as picture.EXT.png, made by Pillow and its plugins from the same file.
"""

import io
import pathlib
import subprocess
import tempfile

import numpy
import pillow_heif
import pillow_jxl  # noqa: F401  (registers JPEG XL)
from PIL import Image, ImageCms

pillow_heif.register_heif_opener()
here = pathlib.Path(__file__).parent
out = here / "modern"
out.mkdir(exist_ok=True)

cat = Image.open(here / "../../../models/samples/cat.jpg").convert("RGB").resize((72, 48), Image.Resampling.LANCZOS)
gray = cat.convert("L")
fade = numpy.tile(numpy.linspace(0, 255, 72).astype("uint8"), (48, 1))
glass = cat.copy()
glass.putalpha(Image.fromarray(fade))


def keep(name, image, **options):
    path = out / name
    image.save(path, **options)
    with Image.open(path) as read:
        read.load()
        read.convert("RGBA" if read.mode in ("RGBA", "LA") else "RGB").save(out / (name + ".png"), optimize=True)


keep("lossless.jxl", cat, lossless=True)
keep("lossy.jxl", cat, quality=90)
keep("gray.jxl", gray, lossless=True)
keep("glass.jxl", glass, lossless=True)
# A color profile, beside colors as stored and beside XYB. The plugin writes none: this takes libjxl's cjxl and djxl 0.7
# (Debian: libjxl-tools). What is to come out is what LittleCMS makes of the pixels that djxl gives.
with tempfile.TemporaryDirectory() as folder:
    for name, distance in (("p3-lossless.jxl", "0"), ("p3-lossy.jxl", "0.3")):
        shown = pathlib.Path(folder) / "shown.png"
        subprocess.run(["cjxl", "-d", distance, here / "decode" / "p3.png", out / name], check=True)
        subprocess.run(["djxl", out / name, shown], check=True)
        with Image.open(shown) as wide:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(wide.info["icc_profile"]))
            seen = ImageCms.profileToProfile(
                wide.convert("RGB"), profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        seen.save(out / (name + ".png"), optimize=True)
keep("lossless.jp2", cat, irreversible=False)
keep("lossy.jp2", cat, irreversible=True, quality_mode="dB", quality_layers=[40])
keep("gray.jp2", gray)
keep("glass.jp2", glass)
keep("bare.j2k", cat)
# Four channels of which nothing is said, with and without boxes around the codestream.
keep("unsaid.j2k", glass)
# Four inks: Pillow writes them as the channels of a picture with transparency, and the boxes are made to say CMYK (12).
inks = io.BytesIO()
Image.merge("RGBA", cat.convert("CMYK").split()).save(inks, "JPEG2000", irreversible=False)


def boxes(data, at, end):
    while at < end:
        length = int.from_bytes(data[at : at + 4], "big") or end - at
        yield data[at + 4 : at + 8], data[at : at + length], at
        at += length


def without_definition(data, colors):
    """A JP2 without the box that says what channels are, and with `colors` as the number of its color space."""
    said = b""
    for kind, box, at in boxes(data, 0, len(data)):
        if kind == b"jp2h":
            inside = b"".join(
                one[:11] + colors.to_bytes(4, "big") if name == b"colr" else one
                for name, one, _ in boxes(box, 8, len(box))
                if name != b"cdef"
            )
            box = (8 + len(inside)).to_bytes(4, "big") + kind + inside
        said += box
    return said


(out / "unsaid.jp2").write_bytes(without_definition((out / "glass.jp2").read_bytes(), 16))
with Image.open(out / "unsaid.jp2") as read:
    assert read.mode == "RGBA"
    read.save(out / "unsaid.jp2.png", optimize=True)
(out / "inks.jp2").write_bytes(without_definition(inks.getvalue(), 12))
with Image.open(out / "inks.jp2") as read:
    assert read.mode == "CMYK"
    read.convert("RGB").save(out / "inks.jp2.png", optimize=True)
# One bit a pixel, which the other pictures' decoders do not read.
keep("bits.tga", cat.convert("1"))
keep("picture.heic", cat, quality=90)
# Without subsampling: decoders agree about everything but how coarse colors are spread over pixels.
keep("picture.avif", cat, quality=90, subsampling="4:4:4")
# A phone that was held upright: the container says how to turn the picture (irot), and EXIF says it once more.
exif = Image.Exif()
exif[0x0112] = 6
keep("turned.heic", cat, quality=90, exif=exif.tobytes())
