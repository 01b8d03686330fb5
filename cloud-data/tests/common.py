"""What the tests of all object stores share: the data set, `train`, and what it said. Not a test itself."""

import json
import os
import pathlib
import shutil
import subprocess
import tarfile

TRAIN = os.environ["TRAIN"]
WORK = pathlib.Path(os.environ["WORK"])
REPOSITORY = pathlib.Path(os.environ["REPOSITORY"])
DATA = WORK / "set"


def run(*args, cache=None, expected=0, **env):
    """Runs `train`, fails on another exit code, returns what it printed on both streams."""
    command = [TRAIN, *map(str, args)]
    if cache is not None:
        command += ["--data-cache", str(WORK / cache)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env}, timeout=600)
    text = done.stdout + done.stderr
    if done.returncode != expected:
        raise AssertionError(f"{command}: exit code {done.returncode}, expected {expected}\n{text}")
    return text


def report(text):
    """The report of `train check --json`: the outermost braces of what was printed."""
    value = json.loads(text[text.index("{") : text.rindex("}") + 1])
    value.pop("seconds", None)
    return json.dumps(value, sort_keys=True)


def losses(output):
    lines = (WORK / output / "metrics.jsonl").read_text().splitlines()
    return [(line.get("train_loss"), line.get("val_loss")) for line in map(json.loads, lines)]


def make_data():
    """A part of the project's sample images, as class folders in `DATA`: these servers are slow."""
    with tarfile.open(REPOSITORY / "models/samples/cifar10-subset.tar.gz") as archive:
        archive.extractall(WORK / "all", filter="data")
    for split, count in (("train", 16), ("test", 4)):
        for folder in sorted((WORK / "all" / "cifar10-subset" / split).iterdir()):
            place = DATA / split / folder.name
            place.mkdir(parents=True)
            for path in sorted(folder.iterdir())[:count]:
                shutil.copy(path, place)


def train(data, output, *more, batch=32, **options):
    """Three steps of two epochs; the same numbers wherever the data lies."""
    return run(
        "--data", data, "--arch", "cifar_resnet20", "--epochs", 2, "--batch-size", batch, "--precision", "fp32",
        "--max-steps", 3, "--device", "cpu", "--output", WORK / output, *more, **options,
    )
