"""Writes decode/: small generated pictures in every storage we claim to read, and what PIL makes of them.

Run once: python image-data/tests/data/make_decode.py
Pillow 13.0.0 with libjpeg-turbo wrote the committed files. `expected.bin` holds, per line of `expected.txt`
(name, width, height), the RGB bytes of `Image.open(name).convert("RGB")`.
"""
import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent / "decode"
HERE.mkdir(exist_ok=True)


def picture(width, height):
    """Smooth color with an edge and a corner mark, so that turning and channel swaps show."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    r = 40 + 180 * x / (width - 1)
    g = 30 + 200 * y / (height - 1)
    b = 128 + 90 * np.sin(x / 5.0) * np.cos(y / 7.0)
    rgb = np.stack([r, g, b], -1)
    rgb[: height // 4, : width // 4] = [230, 20, 30]
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


def jpeg(array, mode=None, **options):
    out = io.BytesIO()
    Image.fromarray(array, mode).save(out, "JPEG", **options)
    return out.getvalue()


W, H = 45, 34  # no multiple of 8 or 16
rgb = picture(W, H)
image = Image.fromarray(rgb)
files = {}
files["rgb-444.jpg"] = jpeg(rgb, quality=92, subsampling=0)
files["rgb-422.jpg"] = jpeg(rgb, quality=90, subsampling=1)
files["rgb-420.jpg"] = jpeg(rgb, quality=90, subsampling=2)
files["progressive.jpg"] = jpeg(rgb, quality=90, subsampling=0, progressive=True)
files["gray.jpg"] = jpeg(np.asarray(image.convert("L")), quality=92)
files["restart.jpg"] = jpeg(rgb, quality=92, subsampling=0, restart_marker_blocks=3)
files["keep-rgb.jpg"] = jpeg(rgb, quality=92, keep_rgb=True)
cmyk = np.asarray(image.convert("CMYK")).copy()
cmyk[..., 3] = (np.arange(W) * 3)[None, :]
files["cmyk.jpg"] = jpeg(cmyk, "CMYK", quality=95, subsampling=0)
# YCCK: the same four planes under an Adobe marker that says transform 2. PIL stores 255 - v.
ycc = np.asarray(image.convert("YCbCr"))
k = np.full((H, W, 1), 200, np.uint8)
k[:, W // 2 :] = 255
stored = np.concatenate([ycc, k], -1)
data = bytearray(jpeg(255 - stored, "CMYK", quality=95, subsampling=0))
at = data.index(b"Adobe")
assert data[at + 11] == 0
data[at + 11] = 2
files["ycck.jpg"] = bytes(data)

for orientation in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    files[f"exif-{orientation}.jpg"] = jpeg(rgb, quality=92, subsampling=0, exif=exif)


def save(name, img, fmt, **options):
    out = io.BytesIO()
    img.save(out, fmt, **options)
    files[name] = out.getvalue()


save("rgb.png", image, "PNG")
files["png-named.jpeg"] = files["rgb.png"]
save("gray.png", image.convert("L"), "PNG")
save("palette.png", image.quantize(16), "PNG")
palette = image.quantize(16)
save("palette-alpha.png", palette, "PNG", transparency=3)
save("bilevel.png", image.convert("1"), "PNG")
rgba = np.concatenate([rgb, (np.arange(W)[None, :, None] * 5).repeat(H, 0).astype(np.uint8)], -1)
save("rgba.png", Image.fromarray(rgba), "PNG")
save("gray-alpha.png", Image.fromarray(rgba).convert("LA"), "PNG")


def png16(array):
    """PIL cannot write 48-bit PNG: big-endian samples, filter 0."""
    height, width, channels = array.shape
    raw = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    kind = {1: 0, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")


wide = rgb.astype(np.uint16) * 256 + np.uint16(200)  # rounding would show
files["rgb-16.png"] = png16(wide)
files["rgba-16.png"] = png16(np.concatenate([wide, np.full((H, W, 1), 65535, np.uint16)], -1))
save("lossless.webp", image, "WEBP", lossless=True)
save("lossy.webp", image, "WEBP", quality=90)
save("rgba.webp", Image.fromarray(rgba), "WEBP", lossless=True, exact=True)
save("first-frame.gif", image.quantize(64), "GIF", save_all=True, append_images=[image.rotate(180).quantize(64)])
save("rgb.bmp", image, "BMP")
save("palette.bmp", image.quantize(16), "BMP")
save("rgb.tiff", image, "TIFF")
save("lzw.tiff", image, "TIFF", compression="tiff_lzw")
save("rgb.ppm", image, "PPM")
save("gray.pgm", image.convert("L"), "PPM")
save("rgb.tga", image, "TGA")
save("rgb.qoi", image, "QOI")
save("icon.ico", image.convert("RGBA").crop((0, 0, 32, 32)), "ICO", sizes=[(32, 32)])



def display_p3():
    """A minimal ICC v2 matrix profile: Display P3 primaries (adapted to D50), gamma 2.2."""

    def s15(v):
        return struct.pack(">i", round(v * 65536))

    def xyz(*v):
        return b"XYZ \0\0\0\0" + b"".join(map(s15, v))

    text = b"generated for a test\0"
    tags = [
        (b"desc", b"desc\0\0\0\0" + struct.pack(">I", 3) + b"P3\0" + b"\0" * 78),
        (b"cprt", b"text\0\0\0\0" + text),
        (b"wtpt", xyz(0.9642, 1.0, 0.8249)),
        (b"rXYZ", xyz(0.51512, 0.24120, -0.00105)),
        (b"gXYZ", xyz(0.29198, 0.69225, 0.04189)),
        (b"bXYZ", xyz(0.15710, 0.06657, 0.78407)),
    ]
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256))
    tags += [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")]
    offset, directory, body = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, data in tags:
        data += b"\0" * (-len(data) % 4)
        directory += name + struct.pack(">II", offset + len(body), len(data))
        body += data
    header = struct.pack(">I4sI4s4s4s", offset + len(body), b"none", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    header += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + b"\0" * 28
    header += s15(0.9642) + s15(1.0) + s15(0.8249)
    return header.ljust(128, b"\0") + directory + body


from PIL import ImageCms

p3 = display_p3()
save("p3.png", image, "PNG", icc_profile=p3)
save("p3.jpg", image, "JPEG", quality=92, subsampling=0, icc_profile=p3)
references = [
    np.asarray(ImageCms.profileToProfile(
        Image.open(io.BytesIO(files[name])), ImageCms.ImageCmsProfile(io.BytesIO(p3)), ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC))
    for name in ("p3.png", "p3.jpg")
]
(HERE / "expected-p3.bin").write_bytes(zlib.compress(b"".join(r.tobytes() for r in references), 9))
print("lcms moves P3 pixels by up to", np.abs(references[0].astype(int) - rgb).max())

lines, pixels = [], []
for name in sorted(files):
    (HERE / name).write_bytes(files[name])
    opened = Image.open(io.BytesIO(files[name]))
    converted = opened.convert("RGB")
    lines.append(f"{name} {converted.width} {converted.height}\n")
    pixels.append(np.asarray(converted).tobytes())
(HERE / "expected.txt").write_text("".join(lines))
(HERE / "expected.bin").write_bytes(zlib.compress(b"".join(pixels), 9))
print(len(files), "files,", sum(map(len, files.values())), "bytes, expected", (HERE / "expected.bin").stat().st_size)

# What PIL does with damage, for the record.
whole = files["rgb-444.jpg"]
for cut in (2, 40):
    try:
        Image.open(io.BytesIO(whole[:-cut])).convert("RGB")
        print("PIL accepts a JPEG cut by", cut)
    except OSError as error:
        print("PIL refuses a JPEG cut by", cut, error)
