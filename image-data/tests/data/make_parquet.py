#!/usr/bin/env python3
"""Makes tests/data/parquet: the same eight images in files of every packing, as pyarrow writes them.

    pip install pyarrow==22.0.0 pillow==12.0.0 && python make_parquet.py

Pages are small, so that each file has several: `zstd-v2` has pages of version 2, `dictionary` a dictionary page of
images, `nulls` a row without an image.
"""

import io
import json
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

CLASSES = ["ant", "bee"]


def image(seed: int) -> bytes:
    pixels = bytes((x * x * 5 + y * seed * x + c * 40 + seed * 17) % 256 for y in range(20) for x in range(24) for c in range(3))
    out = io.BytesIO()
    Image.frombytes("RGB", (24, 20), pixels).save(out, "PNG")
    return out.getvalue()


def table(without: int | None = None) -> pa.Table:
    cells = [{"bytes": None if i == without else image(i), "path": f"{i}.png"} for i in range(8)]
    schema = pa.schema(
        [
            ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            ("label", pa.int64()),
        ],
        metadata={
            "huggingface": json.dumps(
                {"info": {"features": {"label": {"names": CLASSES, "_type": "ClassLabel"}, "image": {"_type": "Image"}}}}
            )
        },
    )
    return pa.table({"image": cells, "label": [i % 2 for i in range(8)]}, schema=schema)


def main() -> None:
    out = pathlib.Path(__file__).parent / "parquet"
    out.mkdir(exist_ok=True)
    # Without statistics, which would repeat whole images in the page headers.
    small = {"data_page_size": 900, "write_batch_size": 1, "row_group_size": 5, "use_dictionary": False}
    small["write_statistics"] = False
    for name, options in {
        "plain": {"compression": "none"},
        "snappy": {"compression": "snappy"},
        "zstd": {"compression": "zstd"},
        "zstd-v2": {"compression": "zstd", "data_page_version": "2.0"},
        "gzip": {"compression": "gzip"},
        "brotli": {"compression": "brotli"},
        "lz4": {"compression": "lz4"},
        "dictionary": {"compression": "zstd", "use_dictionary": True},
    }.items():
        pq.write_table(table(), out / f"{name}.parquet", **{**small, **options})
    pq.write_table(table(without=3), out / "nulls.parquet", **small, compression="zstd", data_page_version="2.0")


if __name__ == "__main__":
    main()
