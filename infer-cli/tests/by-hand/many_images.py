#!/usr/bin/env python3
"""A folder of many images with one in a hundred broken: every good one classified, every bad one named, memory flat.

    many_images.py INFER-CLI FOLDER-OF-IMAGES [--count 10000] [--model MODEL]

Copies images into a temporary folder (again and again until there are enough), breaks every hundredth in one of four ways,
runs the program and samples its resident memory ten times a second. Linux only (/proc). Ends with 1 when something is
missing, or when memory in the last fifth is more than 5 % above that of the second fifth.
"""
import argparse
import itertools
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

BROKEN = [
    lambda data: data[: len(data) // 3],
    lambda data: b"",
    lambda data: b"this is text, whatever the name says\n" * 20,
    lambda data: data[:2] + bytes(len(data) - 2),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("images", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--model")
    options = parser.parse_args()
    sources = sorted(p for p in options.images.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not sources:
        sys.exit(f"expected images under {options.images}, got none")
    with tempfile.TemporaryDirectory() as folder:
        broken = set()
        for place, source in zip(range(options.count), itertools.cycle(sources)):
            path = pathlib.Path(folder, f"{place:06}.jpg")
            data = source.read_bytes()
            if place % 100 == 50:
                broken.add(str(path))
                data = BROKEN[place // 100 % len(BROKEN)](data)
            path.write_bytes(data)
        command = [options.program, folder, "--json", "-k", "1"]
        if options.model:
            command += ["--model", options.model]
        start = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        memory = []
        done = threading.Event()

        def sample():
            while not done.wait(0.1):
                try:
                    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
                    memory.append(int(status.split("VmRSS:")[1].split()[0]))
                except (OSError, IndexError):
                    return

        sampler = threading.Thread(target=sample)
        sampler.start()
        out, err = process.communicate()
        done.set()
        sampler.join()
        seconds = time.monotonic() - start
    answers = [json.loads(line) for line in out.splitlines()]
    failed = {answer["path"] for answer in answers if "error" in answer}
    named = {path for path in broken if any(path in line for line in err.splitlines())}
    fifth = max(len(memory) // 5, 1)
    early, late = statistics.median(memory[fifth : 2 * fifth] or memory), statistics.median(memory[-fifth:])
    print(f"{len(answers)} answers in {seconds:.1f} s, {len(failed)} failed, exit code {process.returncode}")
    print(f"resident memory: {early / 1024:.1f} MiB in the second fifth, {late / 1024:.1f} MiB in the last, "
          f"{max(memory) / 1024:.1f} MiB at most")
    problems = []
    if [a["path"] for a in answers] != sorted(a["path"] for a in answers) or len(answers) != options.count:
        problems.append(f"expected {options.count} answers in order")
    if failed != broken:
        problems.append(f"failed but good: {sorted(failed - broken)[:3]}; broken but answered: {sorted(broken - failed)[:3]}")
    if named != broken or len(err.splitlines()) != len(broken):
        problems.append(f"expected one line on stderr for each of {len(broken)} files, got {len(err.splitlines())} lines")
    if process.returncode != 1:
        problems.append(f"expected exit code 1, got {process.returncode}")
    if late > 1.05 * early:
        problems.append("memory grows")
    sys.exit("\n".join(problems) or 0)


if __name__ == "__main__":
    main()
