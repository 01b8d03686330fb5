"""Writes reading/turned.png and reading/transparent.png: one picture, 32 x 32, whose pixel (x, y) is (8x, 8y, 4(x + y)).

turned.png stores it turned by a quarter and says so in EXIF (orientation 6); transparent.png has alpha 0 in its right half.
Only Python's standard library is used.
"""

import pathlib
import struct
import zlib

SIDE = 32
OUT = pathlib.Path(__file__).parent / "reading"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(color_type: int, rows: list[bytes], exif: bytes | None = None) -> bytes:
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, color_type, 0, 0, 0)
    body = chunk(b"IHDR", header)
    if exif is not None:
        body += chunk(b"eXIf", exif)
    body += chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows), 9))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def color(x: int, y: int) -> bytes:
    return bytes([8 * x, 8 * y, 4 * (x + y)])


# Orientation 6: the stored picture is turned clockwise for viewing, so upright (x, y) is stored at (y, SIDE - 1 - x).
stored = {(y, SIDE - 1 - x): color(x, y) for x in range(SIDE) for y in range(SIDE)}
turned = [b"".join(stored[column, row] for column in range(SIDE)) for row in range(SIDE)]
exif = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
(OUT / "turned.png").write_bytes(png(2, turned, exif))
clear = [b"".join(color(x, y) + (b"\xff" if x < SIDE // 2 else b"\0") for x in range(SIDE)) for y in range(SIDE)]
(OUT / "transparent.png").write_bytes(png(6, clear))
