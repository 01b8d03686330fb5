"""Writes the JPEGs of tests/data/jpeg: samplings, layouts of scans, restarts, and what Pillow (libjpeg-turbo) reads of them.

    python make_jpeg.py              the files that are committed
    python make_jpeg.py --all DIR    every combination, for a comparison by hand

Needs Pillow, numpy and `cjpeg`, `jpegtran` (Debian: libjpeg-turbo-progs). libjpeg refuses sampling ratios that are no whole
numbers, and MCUs of more than ten blocks; such files are not written.
"""
import io, itertools, subprocess, sys, tempfile, zlib
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent


def picture(width, height):
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    r = 128 + 100 * np.sin(x / 5.0) * np.cos(y / 7.0)
    g = 255 * x / width
    b = 255 * ((x // 9 + y // 6) % 2)
    return np.clip(np.stack([r, g, b], -1), 0, 255).astype(np.uint8)


def ppm(rgb):
    return b"P6 %d %d 255\n" % (rgb.shape[1], rgb.shape[0]) + rgb.tobytes()


# A layout is a script for `cjpeg -scans`; None is one scan of all components.
LAYOUTS = {
    "one": None,
    "apart": "0;\n1;\n2;\n",
    "reversed": "2;\n1;\n0;\n",
    "luma-chroma": "0;\n1 2;\n",
    "chroma-luma": "1 2;\n0;\n",
    "cb-rest": "1;\n0 2;\n",
    "progressive": "0 1 2: 0-0, 0, 1;\n0: 1-5, 0, 2;\n2: 1-63, 0, 1;\n1: 1-63, 0, 1;\n0: 6-63, 0, 2;\n"
    "0: 1-63, 2, 1;\n0 1 2: 0-0, 1, 0;\n2: 1-63, 1, 0;\n1: 1-63, 1, 0;\n0: 1-63, 1, 0;\n",
    "progressive-apart": "0: 0-0, 0, 0;\n2: 0-0, 0, 0;\n1: 0-0, 0, 0;\n0: 1-63, 0, 0;\n1: 1-63, 0, 0;\n2: 1-63, 0, 0;\n",
}


def sequences(layout):
    """The component groups of a layout's scans."""
    if layout is None:
        return [[0, 1, 2]]
    return [[int(c) for c in line.split(":")[0].split()] for line in layout.replace("\n", "").split(";") if line]


def encode(rgb, sampling, layout, restart):
    arguments = ["cjpeg", "-quality", "85", "-sample", ",".join("%dx%d" % s for s in sampling)]
    if restart:
        arguments += ["-restart", restart]
    with tempfile.NamedTemporaryFile("w") as script:
        if layout:
            script.write(layout)
            script.flush()
            arguments += ["-scans", script.name]
        done = subprocess.run(arguments, input=ppm(rgb), capture_output=True)
    return done.stdout if done.returncode == 0 else None


def readable(sampling, layout):
    h_max, v_max = max(h for h, _ in sampling), max(v for _, v in sampling)
    if any(h_max % h or v_max % v for h, v in sampling):
        return False
    return all(len(g) == 1 or sum(sampling[c][0] * sampling[c][1] for c in g) <= 10 for g in sequences(layout))


def combinations():
    factors = list(itertools.product([1, 2, 3, 4], [1, 2, 3, 4]))
    for luma in factors:
        for chroma in factors:
            for second in (chroma, (1, 1), (2, 1), (1, 2)):
                yield (luma, chroma, second)


def everything(folder):
    folder.mkdir(parents=True, exist_ok=True)
    written, sizes = 0, [(97, 75), (33, 50), (5, 3)]
    for number, sampling in enumerate(dict.fromkeys(combinations())):
        for name, layout in LAYOUTS.items():
            if not readable(sampling, layout):
                continue
            for restart in ("", "1", "3B"):
                data = encode(picture(*sizes[written % 3]), sampling, layout, restart)
                if data:
                    tag = "_".join("%d%d" % s for s in sampling)
                    (folder / f"{tag}-{name}-r{restart or 0}.jpg").write_bytes(data)
                    written += 1
    print(written, "files")


COMMITTED = [
    ("420-apart", ((2, 2), (1, 1), (1, 1)), "apart", "", (59, 43)),
    ("420-apart-restarts", ((2, 2), (1, 1), (1, 1)), "apart", "3B", (59, 43)),
    ("420-chroma-luma", ((2, 2), (1, 1), (1, 1)), "chroma-luma", "1", (37, 50)),
    ("420-progressive", ((2, 2), (1, 1), (1, 1)), "progressive", "", (59, 43)),
    ("420-progressive-apart", ((2, 2), (1, 1), (1, 1)), "progressive-apart", "3B", (37, 50)),
    ("422-reversed", ((2, 1), (1, 1), (1, 1)), "reversed", "", (59, 43)),
    ("440", ((1, 2), (1, 1), (1, 1)), "one", "", (37, 50)),
    ("441", ((1, 4), (1, 1), (1, 1)), "one", "1", (37, 50)),
    ("411", ((4, 1), (1, 1), (1, 1)), "luma-chroma", "", (59, 43)),
    ("410", ((4, 2), (1, 1), (1, 1)), "one", "", (59, 43)),
    ("3x1", ((3, 1), (1, 1), (1, 1)), "one", "", (59, 43)),
    ("3x3-apart", ((3, 3), (1, 1), (1, 1)), "apart", "", (37, 50)),
    ("4x4-apart", ((4, 4), (2, 1), (1, 2)), "apart", "3B", (59, 43)),
    ("chroma-finer", ((1, 1), (2, 2), (2, 2)), "one", "", (37, 50)),
    ("chroma-finer-apart", ((1, 1), (2, 2), (1, 2)), "apart", "1", (59, 43)),
    ("cb-finer", ((2, 1), (4, 2), (1, 1)), "cb-rest", "", (37, 50)),
    ("narrow-420", ((2, 2), (1, 1), (1, 1)), "one", "", (4, 3)),
    ("narrow-422", ((2, 1), (1, 1), (1, 1)), "apart", "", (3, 9)),
]


def committed():
    folder = HERE / "jpeg"
    folder.mkdir(exist_ok=True)
    files = {}
    for name, sampling, layout, restart, size in COMMITTED:
        files[name] = encode(picture(*size), sampling, LAYOUTS[layout], restart)
    whole = files["420-apart"]
    jpeg = io.BytesIO()
    Image.fromarray(picture(59, 43)).save(jpeg, "JPEG", quality=85, subsampling=2)
    plain = jpeg.getvalue()
    # Adobe's marker with transform 2 and three components, and with transform 1 and four.
    adobe = lambda transform: b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([transform])
    files["adobe-2-of-three"] = plain[:2] + adobe(2) + plain[20:]  # JFIF's 18 bytes go
    cmyk = io.BytesIO()
    Image.fromarray(picture(50, 41)).convert("CMYK").save(cmyk, "JPEG", quality=85)
    four = bytearray(cmyk.getvalue())
    four[four.index(b"Adobe") + 11] = 1
    files["adobe-1-of-four"] = bytes(four)
    # Fill bytes before markers are legal.
    files["fill-bytes"] = whole.replace(b"\xff\xda", b"\xff\xff\xff\xff\xda")
    # Faint noise at the finest steps: blocks whose last coefficient is set, so that no end-of-block code follows.
    noise = np.random.default_rng(1).integers(126, 131, (40, 56, 3), np.uint8)
    full = io.BytesIO()
    Image.fromarray(noise).save(full, "JPEG", quality=100, subsampling=2, optimize=True)
    files["full-blocks"] = full.getvalue()
    # Steps of 16 bits that fit 8.
    at = plain.index(b"\xff\xdb")
    steps = plain[at + 5 : at + 69]
    wide = b"\xff\xdb" + (131).to_bytes(2, "big") + b"\x10" + b"".join(b"\0" + bytes([s]) for s in steps)
    files["wide-steps"] = plain[:at] + wide + plain[at + 69 :]
    lines, pixels = [], []
    for name in sorted(files):
        assert files[name], name
        (folder / f"{name}.jpg").write_bytes(files[name])
        rgb = np.asarray(Image.open(io.BytesIO(files[name])).convert("RGB"))
        lines.append(f"{name}.jpg {rgb.shape[1]} {rgb.shape[0]}\n")
        pixels.append(rgb.tobytes())
    # Damaged ones, with what libjpeg shows of them.
    restarts = subprocess.run(["jpegtran", "-restart", "2B"], input=plain, capture_output=True, check=True).stdout
    middle = plain.index(b"\xff\xda") + 14
    half = middle + (len(plain) - middle) // 2
    third = restarts.index(b"\xff\xd2")
    damaged = {
        "half": plain[:half] + b"\xff\xd9",
        "half-restarts": restarts[: restarts.index(b"\xff\xd3")] + b"\xff\xd9",
        "lost-restart": restarts[: third - 40] + restarts[third + 2 :],
        "zeros": plain[:half] + b"\0" * 60 + plain[half + 60 :],
        "repeated-restart": restarts[:third] + b"\xff\xd1\x12\x34" + restarts[third:],
    }
    for name in sorted(damaged):
        (folder / f"damaged-{name}.jpg").write_bytes(damaged[name])
        rgb = np.asarray(Image.open(io.BytesIO(damaged[name])).convert("RGB"))
        lines.append(f"damaged-{name}.jpg {rgb.shape[1]} {rgb.shape[0]}\n")
        pixels.append(rgb.tobytes())
    (folder / "expected.txt").write_text("".join(lines))
    (folder / "expected.bin").write_bytes(zlib.compress(b"".join(pixels), 9))
    print(len(lines), "files, expected", (folder / "expected.bin").stat().st_size)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--all"]:
        everything(Path(sys.argv[2]))
    else:
        committed()
