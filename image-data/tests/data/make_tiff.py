"""Writes tiff/: one small generated picture in every storage of TIFF that we claim to read, and Pillow's pixels.

Run once: python image-data/tests/data/make_tiff.py
Pillow 13.0.0 (libtiff 4.7) wrote the committed files. `expected.bin` holds, per line of `expected.txt` (name, width,
height), the RGB bytes of `Image.open(name).convert("RGB")`, or what the comment beside a file says where Pillow cannot
tell: it clips deep grays at 255 and does not read everything.
"""
import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent / "tiff"
HERE.mkdir(exist_ok=True)
W, H = 45, 34

y, x = np.mgrid[0:H, 0:W].astype(np.float64)
rgb = np.stack([40 + 180 * x / (W - 1), 30 + 200 * y / (H - 1), 128 + 90 * np.sin(x / 5.0) * np.cos(y / 7.0)], -1)
rgb[: H // 4, : W // 4] = [230, 20, 30]
rgb = np.clip(np.rint(rgb), 0, 255).astype(np.uint8)
image = Image.fromarray(rgb)
gray = np.asarray(image.convert("L"))
files, expected = {}, {}


def tiff(data, tags, big_endian=False, width=W, height=H):
    """A one-directory TIFF by hand: `tags` is {tag: (type, [values])}, `data` the strips or tiles."""
    end = ">" if big_endian else "<"
    codes = {1: "B", 2: "B", 3: "H", 4: "I", 5: "II", 7: "B", 12: "d", 11: "f"}
    chunks = data if isinstance(data, list) else [data]
    out = bytearray((b"MM" if big_endian else b"II") + struct.pack(end + "HI", 42, 0))
    offsets = []
    for chunk in chunks:
        offsets.append(len(out))
        out += chunk + b"\0" * (len(chunk) % 2)
    where = (324, 325) if 322 in tags else (273, 279)
    entries = {256: (3, [width]), 257: (3, [height]), **tags}
    entries[where[0]] = (4, offsets)
    entries[where[1]] = (4, [len(chunk) for chunk in chunks])
    directory = bytearray(struct.pack(end + "H", len(entries)))
    extra = bytearray()
    at = len(out)
    extra_at = at + 2 + 12 * len(entries) + 4
    for tag in sorted(entries):
        kind, values = entries[tag]
        body = b"".join(struct.pack(end + codes[kind], *(v if isinstance(v, tuple) else (v,))) for v in values)
        directory += struct.pack(end + "HHI", tag, kind, len(values))
        if len(body) <= 4:
            directory += body.ljust(4, b"\0")
        else:
            directory += struct.pack(end + "I", extra_at + len(extra))
            extra += body + b"\0" * (len(body) % 2)
    out += directory + struct.pack(end + "I", 0) + extra
    out[4:8] = struct.pack(end + "I", at)
    return bytes(out)


def by_hand(name, data, tags, want=None, **options):
    files[name] = tiff(data, tags, **options)
    if want is not None:
        expected[name] = want.astype(np.uint8)


def save(name, img, want=None, **options):
    out = io.BytesIO()
    img.save(out, "TIFF", **options)
    files[name] = out.getvalue()
    if want is not None:
        expected[name] = want.astype(np.uint8)


def differences(array, step):
    """Predictor 2: each sample minus the one `step` before it."""
    flat = array.reshape(H, -1).copy()
    flat[:, step:] = flat[:, step:] - flat[:, :-step]
    return flat


def packed(values, bits):
    """Samples of fewer than 8 bits, rows on whole bytes."""
    planes = (values[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(planes.reshape(H, -1), axis=1).tobytes()


L = {262: (3, [1]), 277: (3, [1])}
RGB = {262: (3, [2]), 277: (3, [3]), 258: (3, [8, 8, 8])}
DEFLATE = {259: (3, [8])}

# Compressions.
for name, how in [("deflate", "tiff_adobe_deflate"), ("lzw-rgb", "tiff_lzw"), ("packbits", "packbits")]:
    save(f"{name}.tif", image, compression=how)
save("jpeg-ycbcr.tif", image, compression="jpeg", quality=90)
save("jpeg-gray.tif", image.convert("L"), compression="jpeg", quality=90)
bilevel = image.convert("1")
for name, how in [("rle", "tiff_ccitt"), ("group3", "group3"), ("group4", "group4")]:
    save(f"{name}.tif", bilevel, compression=how)
save("group3-2d.tif", bilevel, compression="group3", tiffinfo={292: 1})
save("lzma.tif", image, compression="lzma")
save("zstandard-predictor2.tif", image, compression="zstd", tiffinfo={317: 2})
save("tiles.tif", image, compression="tiff_adobe_deflate", tiffinfo={322: 16, 323: 16})

# Depths of gray.
for bits in (1, 2, 4):
    values = gray >> (8 - bits)
    by_hand(f"gray-{bits}.tif", packed(values, bits), {**L, 258: (3, [bits])})
    by_hand(f"gray-{bits}-inverted.tif", packed(values, bits), {**L, 262: (3, [0]), 258: (3, [bits])})
twelve = gray.astype(np.uint16) * 16 + 5
deep = gray[..., None].repeat(3, -1)  # the high byte, which Pillow clips away
by_hand("gray-12.tif", packed(twelve, 12), {**L, 258: (3, [12])}, want=deep)
sixteen = gray.astype(np.uint16) * 256 + 77
by_hand("gray-16-big.tif", sixteen.astype(">u2").tobytes(), {**L, 258: (3, [16])}, want=deep, big_endian=True)
by_hand("gray-16-inverted.tif", (65535 - sixteen).astype("<u2").tobytes(), {**L, 262: (3, [0]), 258: (3, [16])}, want=deep)
signed = {**L, 258: (3, [16]), 339: (3, [2])}
by_hand("gray-s16.tif", gray.astype("<i2").tobytes(), signed)
by_hand("gray-32.tif", gray.astype("<u4").tobytes(), {**L, 258: (3, [32])})
# Floating point from 0 to 1: white is 1. Pillow makes it black.
fraction = (gray / 255.0).astype("<f4")
unit = (fraction.astype(np.float32) * np.float32(255)).astype(np.uint8)[..., None].repeat(3, -1)
floating = {**L, 258: (3, [32]), 339: (3, [3])}
by_hand("gray-float.tif", fraction.tobytes(), floating, want=unit)
by_hand("gray-float-255.tif", gray.astype("<f4").tobytes(), floating)
by_hand("gray-double.tif", (gray / 255.0).astype("<f8").tobytes(), {**floating, 258: (3, [64])}, want=unit)
half = (gray / 255.0).astype("<f2")
halves = (half.astype(np.float32) * np.float32(255)).astype(np.uint8)[..., None].repeat(3, -1)
by_hand("gray-half.tif", half.tobytes(), {**floating, 258: (3, [16])}, want=halves)
# Predictor 3: bytes of a row by significance, then differences.
rows = fraction.astype(">f4").view(np.uint8).reshape(H, W, 4).transpose(0, 2, 1).reshape(H, -1)
by_hand("float-predictor3.tif", zlib.compress(differences(rows, 1).tobytes()), {**floating, **DEFLATE, 317: (3, [3])}, want=unit)

# Color and more samples.
with_extra = np.concatenate([rgb, np.full((H, W, 1), 99, np.uint8)], -1)
EXTRA = {262: (3, [2]), 277: (3, [4]), 258: (3, [8] * 4), 338: (3, [0])}
by_hand("extra.tif", zlib.compress(with_extra.tobytes()), {**EXTRA, **DEFLATE})
by_hand("extra-predictor2.tif", zlib.compress(differences(with_extra, 4).tobytes()), {**EXTRA, **DEFLATE, 317: (3, [2])})
wide = rgb.astype("<u2") * 257
DEEP = {262: (3, [2]), 277: (3, [3]), 258: (3, [16] * 3)}
by_hand("rgb-16-predictor2.tif", zlib.compress(differences(wide, 3).astype("<u2").tobytes()), {**DEEP, **DEFLATE, 317: (3, [2])})
by_hand("planes.tif", [rgb[..., c].tobytes() for c in range(3)], {**RGB, 284: (3, [2])})
alpha = (np.arange(W)[None, :, None] * 5).repeat(H, 0).astype(np.uint8)
rgba = np.concatenate([rgb, alpha], -1)
save("straight.tif", Image.fromarray(rgba))
multiplied = np.concatenate([(rgb.astype(int) * alpha // 255).astype(np.uint8), alpha], -1)
by_hand("associated.tif", multiplied.tobytes(), {**EXTRA, 338: (3, [1])})
save("gray-alpha.tif", Image.fromarray(rgba).convert("LA"))
save("jpeg-alpha.tif", Image.fromarray(rgba), compression="jpeg", quality=90)
save("jpeg-gray-alpha.tif", Image.fromarray(rgba).convert("LA"), compression="jpeg", quality=90)
save("jpeg-inks.tif", image.convert("CMYK"), compression="jpeg", quality=90)
save("palette.tif", image.quantize(16))
save("cmyk.tif", image.convert("CMYK"))
save("ycbcr.tif", image.convert("YCbCr"))
# 2 x 2 luma for one Cb and one Cr. Chroma is constant in each block, so repeating it is exact.
ycc = np.asarray(image.resize((W // 2 + 1, H // 2), Image.BOX).convert("YCbCr"))
tall = np.pad(np.asarray(image.convert("YCbCr"))[..., 0], ((0, 0), (0, 1)), mode="edge")
blocks = bytearray()
for by in range(H // 2):
    for bx in range(W // 2 + 1):
        blocks += bytes(tall[2 * by : 2 * by + 2, 2 * bx : 2 * bx + 2].reshape(-1)) + bytes(ycc[by, bx, 1:])
chroma = ycc[..., 1:].repeat(2, 0).repeat(2, 1)[:, :W]
whole = np.concatenate([tall[:, :W, None], chroma], -1)
YCC = {262: (3, [6]), 277: (3, [3]), 258: (3, [8] * 3), 530: (3, [2, 2])}
by_hand("ycbcr-420.tif", bytes(blocks), YCC, want=np.asarray(Image.fromarray(whole, "YCbCr").convert("RGB")))
# The withdrawn compression 6: a whole JPEG behind the header, its colors named by the TIFF's tags. libtiff repeats chroma.
jpeg = io.BytesIO()
image.save(jpeg, "JPEG", quality=90, subsampling="4:2:0")
OLD = {**YCC, 259: (3, [6]), 513: (4, [8]), 514: (4, [len(jpeg.getvalue())])}
by_hand("old-jpeg.tif", jpeg.getvalue(), OLD)
video = [(15, 1), (235, 1), (128, 1), (240, 1), (128, 1), (240, 1)]
by_hand("old-jpeg-video.tif", jpeg.getvalue(), {**OLD, 532: (5, video)})
by_hand("fill-order.tif", np.packbits(np.unpackbits(rgb.reshape(-1, 1), axis=1)[:, ::-1], axis=1).tobytes(), {**RGB, 266: (3, [2])})
for orientation in range(1, 9):
    by_hand(f"turned-{orientation}.tif", zlib.compress(rgb.tobytes()), {**RGB, **DEFLATE, 274: (3, [orientation])})

whole_file, listing = b"", []
for name, data in sorted(files.items()):
    (HERE / name).write_bytes(data)
    if name not in expected:
        expected[name] = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    height, width, _ = expected[name].shape
    listing.append(f"{name} {width} {height}")
    whole_file += expected[name].tobytes()
(HERE / "expected.bin").write_bytes(zlib.compress(whole_file, 9))
(HERE / "expected.txt").write_text("\n".join(listing) + "\n")
print(len(files), "files,", sum(map(len, files.values())), "bytes")
