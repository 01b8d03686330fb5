#!/usr/bin/env python3
"""Runs infer-cli.exe under wine as people on Windows would, and looks at what comes out.

    windows_check.py INFER_CLI.EXE      in the top folder of the repository

scripts/windows calls it. Every check prints a line; the first that fails ends it.
"""

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from pathlib import Path

PROGRAM = sys.argv[1]
SAMPLES = ["cat", "espresso", "rocket"]
TOP = Path.cwd()


def windows(path):
    """The path as Windows programs see it: wine shows the root as drive Z."""
    return "Z:" + str(Path(path).resolve()).replace("/", "\\")


def run(*arguments, cwd=TOP, code=0):
    """What the program wrote to stdout and to stderr."""
    done = subprocess.run(["wine", PROGRAM, *arguments], cwd=cwd, capture_output=True, timeout=300, check=False)
    out, err = (text.decode("utf-8").replace("\r\n", "\n") for text in (done.stdout, done.stderr))
    if done.returncode != code:
        raise SystemExit(f"{arguments}: expected exit code {code}, got {done.returncode}\n{out}{err}")
    return out, err


def answers(*arguments, **more):
    """The answers: the file's name and the best label."""
    lines = [json.loads(line) for line in run(*arguments, "--json", **more)[0].splitlines()]
    return [(re.split(r"[\\/]", line["path"])[-1], line["predictions"][0]["label"]) for line in lines]


def expect(got, expected, what):
    if got != expected:
        raise SystemExit(f"{what}: expected {expected!r}, got {got!r}")
    print(f"ok: {what}", flush=True)


def contains(text, part, what):
    if part not in text:
        raise SystemExit(f"{what}: expected {part!r} in {text!r}")
    print(f"ok: {what}", flush=True)


def same_as_linux(folder):
    photos = [f"models/samples/{name}.jpg" for name in SAMPLES]
    for model, more, same in [
        ("efficientnet-lite0", [], []),
        ("cifar10-resnet20-model-int8", ["-m", "models/cifar10-resnet20/model-int8.onnx"], ["--same-bits"]),
    ]:
        (folder / "answers").write_text(run(*photos, *more, "--json", "--topk", "5")[0])
        compare = [sys.executable, "scripts/cross/compare_answers.py", f"scripts/cross/answers/{model}.jsonl"]
        subprocess.run([*compare, str(folder / "answers"), *same], check=True)
    print("ok: the same answers as on Linux", flush=True)


def patterns(all_three):
    expect(answers(r"models\samples\*.jpg"), all_three, "a glob that cmd does not expand")
    expect(answers(r"Models\SAMPLES\*.JPG"), all_three, "upper and lower case are the same")
    expect(answers(windows("models/samples") + r"\*.jpg"), all_three, "a glob behind a drive")
    expect(answers(rf"\\?\{windows('models/samples')}\*.jpg"), all_three, r"a glob behind \\?\ ")
    expect(answers(rf"\\?\{windows('models/samples/cat.jpg')}"), all_three[:1], r"a file behind \\?\ ")
    out, err = run(rf"\\?\{windows('models/samples')}\none.jpg", code=1)
    if "no file matches" in out + err:
        raise SystemExit(f"a missing file was taken for a pattern: {out + err}")
    print(r"ok: a missing file behind \\?\ is missing, and no pattern", flush=True)


def names(folder, cat):
    odd = folder / "photos[2024]" / "Zoë 猫"
    odd.mkdir(parents=True)
    shutil.copy("models/samples/cat.jpg", odd / "a b.jpg")
    expect(answers(r"photos[2024]\Zoë 猫\*.jpg", cwd=folder), [("a b.jpg", cat)], "brackets, spaces and other letters")
    listed = "photos[2024]\\Zoë 猫\\a b.jpg\r\n"
    (folder / "utf16.txt").write_bytes(b"\xff\xfe" + listed.encode("utf-16-le"))
    (folder / "bom.txt").write_bytes(b"\xef\xbb\xbf" + listed.encode())
    for name in ("utf16.txt", "bom.txt"):
        expect(answers("--files-from", name, cwd=folder), [("a b.jpg", cat)], f"a list as {name}")


def long_paths(folder, cat):
    deep = folder
    while len(str(deep)) < 400:
        deep /= "a folder with a rather long name"
    deep.mkdir(parents=True)
    shutil.copy("models/samples/cat.jpg", deep / "cat.jpg")
    expect(answers(windows(deep / "cat.jpg")), [("cat.jpg", cat)], "a path of 400 letters")
    run(windows(deep / "cat.jpg"), "--explain", windows(deep / "why.png"))
    expect((deep / "why.png").read_bytes()[:4], b"\x89PNG", "a picture written there")


def replacing(folder):
    model = folder / "model.onnx"
    shutil.copy("models/cifar10-resnet20/model.onnx", model)
    data = folder / "data"
    for label, photo in [("cat", "cat"), ("airplane", "rocket")]:
        (data / label).mkdir(parents=True)
        for number in range(3):
            shutil.copy(f"models/samples/{photo}.jpg", data / label / f"{number}.jpg")
    before = model.read_bytes()
    run("calibrate", windows(data), "-m", windows(model))
    if model.read_bytes() == before:
        raise SystemExit("calibrate did not replace the model's file")
    photos, more = "cifar10-subset/train", "cifar10-subset/test"
    with tarfile.open("models/samples/cifar10-subset.tar.gz") as archive:
        wanted = re.compile(f"({photos}|{more})/(cat|airplane)/000[0-3].jpg")
        archive.extractall(folder, [member for member in archive if wanted.fullmatch(member.name)], filter="data")
    taught = folder / "taught.onnx"
    run("teach", windows(folder / photos), "-o", windows(taught))
    before = taught.read_bytes()
    run("teach", "--add", windows(folder / more), "-m", windows(taught), "-o", windows(taught))
    if len(taught.read_bytes()) <= len(before):
        raise SystemExit("teach --add did not replace the model's file")
    left = sorted(path.name for path in folder.iterdir() if path.name.endswith(".partial"))
    expect(left, [], "a model replaced in its place, and nothing left beside it")
    report = json.loads(run("evaluate", windows(data), "-m", windows(model), "--json")[0])
    expect(report["images"], 6, "evaluate counts six photos")


def sorting(folder):
    into = folder / "sorted"
    run("sort", windows("models/samples"), "--into", windows(into))
    found = sorted(path.name for path in into.rglob("*.jpg"))
    expect(found, ["cat.jpg", "espresso.jpg", "rocket.jpg"], "sorted into folders")
    run("sort", "--into", windows(into), "--undo")
    expect(list(into.rglob("*.jpg")), [], "and taken back")


def on_a_console(*arguments):
    """The program on a console of its own: its process and the console's other end."""
    child, console = pty.fork()
    if child == 0:
        os.execvp("wine", ["wine", PROGRAM, *arguments])
    return child, console


def read_until(console, pattern, seconds=120):
    text, end = b"", time.monotonic() + seconds
    while time.monotonic() < end:
        if not select.select([console], [], [], 1)[0]:
            continue
        try:
            text += os.read(console, 4096)
        except OSError:
            break
        # wine draws a console, so its orders for the cursor stand between the letters.
        text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", text)
        found = re.search(pattern, text)
        if found:
            return found
    raise SystemExit(f"expected {pattern!r}, got {text!r}")


def serving(cat):
    child, console = on_a_console("serve", "--port", "0")
    address = read_until(console, rb"listening on (http://[0-9.]+:[0-9]+)").group(1).decode()
    page = urllib.request.urlopen(address + "/", timeout=60).read().decode()
    contains(page, "<html", "the service's page")
    photo = Path("models/samples/cat.jpg").read_bytes()
    request = urllib.request.Request(address + "/api/classify?topk=1", data=photo)
    answer = json.loads(urllib.request.urlopen(request, timeout=60).read())
    contains(json.dumps(answer), cat, "the service's answer")
    os.write(console, b"\x03")
    expect(ended(child, console), 0, "Ctrl-C ends the service in order")


def interrupted(folder):
    many = folder / "many"
    many.mkdir()
    for number in range(500):
        os.link("models/samples/cat.jpg", many / f"{number}.jpg")
    child, console = on_a_console(windows(many), "--json", "--threads", "1")
    read_until(console, rb'"predictions"')
    os.write(console, b"\x03")
    expect(ended(child, console), 130, "Ctrl-C ends a long run with 130")


def ended(child, console):
    """The exit code; what the program still writes is read, or it would wait."""
    end = time.monotonic() + 60
    os.set_blocking(console, False)
    while time.monotonic() < end:
        try:
            os.read(console, 4096)
        except (BlockingIOError, OSError):
            time.sleep(0.05)
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
    os.kill(child, signal.SIGKILL)
    raise SystemExit("Ctrl-C did not end the program")


def main():
    all_three = answers(*[f"models/samples/{name}.jpg" for name in SAMPLES])
    expect([name for name, _ in all_three], [f"{name}.jpg" for name in SAMPLES], "three photos classified")
    cat = all_three[0][1]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        same_as_linux(folder)
        patterns(all_three)
        names(folder, cat)
        long_paths(folder, cat)
        replacing(folder)
        sorting(folder)
        serving(cat)
        interrupted(folder)
    print("all checks passed")


if __name__ == "__main__":
    main()
