"""What resizing before training changes: photos against what `train pack` makes of them, seen by a network.

    pip install onnxruntime pillow numpy
    python presized.py TRAIN PHOTOS MODEL.onnx [--qualities 75,90,92,95] [--crops 5]

TRAIN is the program, PHOTOS has class folders named by label ids, MODEL.onnx is a classifier of 224 pixels whose manifest
holds those ids. Two questions: how often is the network right on the middle of the photo (256 pixels, then 224), as in
validation; and on random crops (8 to 100 % of the area, as in training), the same part of the photo and of its pack. Beside
them the mean difference of the crops' pixels, in levels of 255. Pillow decodes and resizes: no code of ours but the pack.
"""

import argparse
import io
import json
import pathlib
import random
import subprocess
import tarfile
import tempfile

import numpy
import onnxruntime
from PIL import Image

SIDE = 224


def middle(image):
    scale = 256 / min(image.size)
    image = image.resize([round(side * scale) for side in image.size], Image.BICUBIC)
    left, top = (image.width - SIDE) // 2, (image.height - SIDE) // 2
    return image.crop((left, top, left + SIDE, top + SIDE))


def part(image, share):
    """The part with these edges, as shares of the sides."""
    box = [edge * side for edge, side in zip(share, image.size * 2)]
    return image.resize((SIDE, SIDE), Image.BICUBIC, box=box)


def shares(number, size):
    """A random crop as torchvision's RandomResizedCrop draws it: left, top, right, bottom of 1."""
    chance = random.Random(number)
    width, height = size
    for _ in range(100):
        area = width * height * chance.uniform(0.08, 1)
        ratio = numpy.exp(chance.uniform(numpy.log(3 / 4), numpy.log(4 / 3)))
        w, h = (area * ratio) ** 0.5, (area / ratio) ** 0.5
        if w <= width and h <= height:
            left, top = chance.uniform(0, width - w), chance.uniform(0, height - h)
            return left / width, top / height, (left + w) / width, (top + h) / height
    return 0, 0, 1, 1


def packed(train, photos, quality):
    """Class and picture of every photo, by the name of its file: from a pack of this quality."""
    with tempfile.TemporaryDirectory() as folder:
        command = [train, "pack", photos, "--output", f"{folder}/pack", "--quality", str(quality)]
        subprocess.run(command, check=True, capture_output=True)
        images = []
        for path in sorted(pathlib.Path(folder, "pack").glob("*.tar")):
            with tarfile.open(path) as shard:
                for member in shard:
                    if member.name.endswith(".jpg"):
                        number = int(pathlib.PurePath(member.name).stem)
                        images.append((number, Image.open(io.BytesIO(shard.extractfile(member).read())).convert("RGB")))
        return dict(images)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train")
    parser.add_argument("photos")
    parser.add_argument("model")
    parser.add_argument("--qualities", default="75,90,92,95")
    parser.add_argument("--crops", type=int, default=5)
    args = parser.parse_args()
    session = onnxruntime.InferenceSession(args.model, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    manifest = json.loads(next(text for text in metadata.values() if text.startswith('{"format_version"')))
    ids = [label.get("id") for label in manifest["labels"]]
    reading = manifest["preprocessing"]
    mean, std = (numpy.array(reading[key], numpy.float32).reshape(3, 1, 1) for key in ("mean", "std"))
    name = session.get_inputs()[0].name

    def best(image):
        pixels = numpy.asarray(image, numpy.float32).transpose(2, 0, 1) / 255
        return int(session.run(None, {name: ((pixels - mean) / std)[None]})[0].argmax())

    # The order of a pack: folders and files by name.
    paths = sorted(pathlib.Path(args.photos).glob("*/*"))
    photos = {number: Image.open(path).convert("RGB") for number, path in enumerate(paths)}
    right = {number: ids.index(path.parent.name) for number, path in enumerate(paths)}
    sets = {"the photos": photos}
    sets |= {f"packed, quality {q}": packed(args.train, args.photos, int(q)) for q in args.qualities.split(",")}
    print(f"{len(photos)} photos, {args.crops} random crops of each")
    crops = [(number, index) for number in photos for index in range(args.crops)]
    drawn = {place: shares(place[0] * 1000 + place[1], photos[place[0]].size) for place in crops}
    seen = {}
    for what, images in sets.items():
        assert images.keys() == photos.keys(), what
        center = [best(middle(images[number])) for number in photos]
        random_parts = {place: part(images[place[0]], drawn[place]) for place in crops}
        answers = [best(random_parts[place]) for place in crops]
        seen.setdefault("parts", random_parts)
        seen.setdefault("center", center)
        seen.setdefault("answers", answers)
        difference = numpy.mean([
            numpy.abs(numpy.asarray(random_parts[p], numpy.int16) - numpy.asarray(seen["parts"][p], numpy.int16)).mean()
            for p in crops
        ])  # fmt: skip
        of = lambda answers, truths: 100 * numpy.mean([a == t for a, t in zip(answers, truths)])
        print(
            f"{what:20} middle {of(center, [right[n] for n in photos]):5.1f} % (as on the photo {of(center, seen['center']):5.1f} %), "
            f"random crops {of(answers, [right[n] for n, _ in crops]):5.1f} % (as on the photo {of(answers, seen['answers']):5.1f} %), "
            f"pixels differ by {difference:.2f}"
        )


if __name__ == "__main__":
    main()
