"""Sidecars that `infer-cli sort --xmp` writes, read back by exiftool (Debian: libimage-exiftool-perl).

    python3 xmp_read_by_exiftool.py INFER_CLI PHOTO

The photo must be one that the model inside the program is sure of (models/samples/cat.jpg). A new sidecar, and one that
exiftool itself wrote before with keywords, a rating and a field of a namespace of its own: exiftool must find all that
was there, and the keyword in each of the three lists.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

cli, photo = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
LISTS = ["Subject", "HierarchicalSubject", "TagsList"]


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def fields(sidecar):
    found = json.loads(run("exiftool", "-json", "-struct", "-XMP:all", str(sidecar)))[0]
    for name in LISTS:
        value = found.get(name, [])
        found[name] = value if isinstance(value, list) else [value]
    return found


with tempfile.TemporaryDirectory() as place:
    folder = pathlib.Path(place)
    for name in ["new.jpg", "old.jpg"]:
        shutil.copy(photo, folder / name)
    old = folder / "old.jpg.xmp"
    run("exiftool", "-q", "-XMP-dc:Subject=Grandma & I", "-XMP-xmp:Rating=5", "-XMP-dc:Title=a <title>",
        "-XMP-lr:HierarchicalSubject=People|Ann", "-XMP-crs:Exposure2012=+0.50", "-o", str(old))
    before = fields(old)
    print(run(str(cli), "sort", str(folder), "--xmp", "--model", "embedded"), end="")
    after, new = fields(old), fields(folder / "new.jpg.xmp")
    for name, value in before.items():
        kept = set(value) <= set(after[name]) if name in LISTS else after[name] == value
        assert name == "SourceFile" or kept, (name, value, after[name])
    word = new["Subject"][-1]
    for found in (new, after):
        assert word in found["Subject"], found
        assert any(path.split("|")[-1] == word for path in found["HierarchicalSubject"]), found
        assert any(path.split("/")[-1] == word for path in found["TagsList"]), found
    assert "Grandma & I" in after["HierarchicalSubject"] and "People/Ann" in after["TagsList"], after
    warnings = run("exiftool", "-validate", "-warning", "-a", str(old), str(folder / "new.jpg.xmp"))
    print(warnings, end="")
    bytes_before = old.read_bytes()
    run(str(cli), "sort", str(folder), "--xmp", "--undo")
    assert not (folder / "new.jpg.xmp").exists() and old.read_bytes() != bytes_before
    assert fields(old) == before
print(f"all kept; '{word}' is in all three lists")
