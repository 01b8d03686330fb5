"""Images a second from JPEG files to random-resized, flipped squares: ours, NVIDIA DALI on the CPU, torchvision; one run, sides in turns.

    cargo bench -p image-data --bench throughput --no-run        builds ours and prints the program's path
    python against.py FOLDER --ours PROGRAM [--dali PYTHON] [--torchvision PYTHON] [--threads 1] [--rounds 5] [--side 224]

FOLDER holds one folder per class. PYTHON is an interpreter that has the package; without one the side is left out. Ours is
the loader: it reads the files and fills batches of 50 images of bytes, as DALI does, from a warm page cache. torchvision
has its files in memory and makes no batch. With `--threads N` the processes are held to N cores; torchvision uses N
processes. Each side goes over the files three times a round. Medians are printed, and the ratio to ours.
"""
import argparse, json, os, statistics, subprocess, sys, time
from pathlib import Path


def files_of(folder):
    return sorted(str(p) for p in Path(folder).glob("*/*") if p.is_file())


def dali(folder, side, threads, passes):
    from nvidia.dali import fn, pipeline_def, types

    files = files_of(folder)
    batch = 50

    @pipeline_def(batch_size=batch, num_threads=threads, device_id=None, seed=1)
    def pipe():
        jpegs, labels = fn.readers.file(files=files, random_shuffle=False, name="reader")
        images = fn.decoders.image_random_crop(jpegs, device="cpu", output_type=types.RGB, random_area=[0.08, 1.0],
                                               random_aspect_ratio=[3 / 4, 4 / 3])
        images = fn.resize(images, resize_x=side, resize_y=side, interp_type=types.INTERP_LINEAR, antialias=True)
        return fn.flip(images, horizontal=fn.random.coin_flip()), labels

    p = pipe()
    p.build()
    runs = max(1, len(files) // batch)
    for _ in range(runs):
        p.run()
    began = time.perf_counter()
    for _ in range(runs * passes):
        p.run()
    return runs * passes * batch / (time.perf_counter() - began)


def torchvision_share(arguments):
    import io
    import torch
    from PIL import Image
    from torchvision import transforms

    blobs, side, passes, core = arguments
    os.sched_setaffinity(0, {core})
    torch.set_num_threads(1)
    transform = transforms.Compose([transforms.RandomResizedCrop(side), transforms.RandomHorizontalFlip(), transforms.PILToTensor()])
    for blob in blobs[:5]:
        transform(Image.open(io.BytesIO(blob)).convert("RGB"))
    began = time.perf_counter()
    for _ in range(passes):
        for blob in blobs:
            transform(Image.open(io.BytesIO(blob)).convert("RGB"))
    return len(blobs) * passes / (time.perf_counter() - began)


def torchvision(folder, side, threads, passes):
    import multiprocessing

    blobs = [Path(f).read_bytes() for f in files_of(folder)]
    if threads == 1:
        return torchvision_share((blobs, side, passes, 0))
    with multiprocessing.get_context("fork").Pool(threads) as pool:
        return sum(pool.map(torchvision_share, [(blobs[i::threads], side, passes, i) for i in range(threads)]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--ours")
    parser.add_argument("--dali")
    parser.add_argument("--torchvision")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    given = parser.parse_args()
    os.sched_setaffinity(0, set(range(given.threads)))
    if given.inside:
        side = {"dali": dali, "torchvision": torchvision}[given.inside]
        print(json.dumps(side(given.folder, given.side, given.threads, 3)))
        return
    commands = {}
    if given.ours:
        commands["ours"] = [given.ours, given.folder, str(given.side), "loader", str(given.threads)]
    for name in ("dali", "torchvision"):
        python = getattr(given, name)
        if python:
            commands[name] = [python, __file__, given.folder, "--inside", name, "--threads", str(given.threads), "--side", str(given.side)]
    rates = {name: [] for name in commands}
    for _ in range(given.rounds):
        for name, command in commands.items():
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{name}: {done.stderr[-800:]}")
            last = done.stdout.strip().splitlines()[-1]
            rates[name].append(float(last.split()[-2]) if name == "ours" else json.loads(last))
    for name, values in rates.items():
        median = statistics.median(values)
        ratio = statistics.median(rates["ours"]) / median if "ours" in rates else float("nan")
        print(f"{name:12} {median:7.0f} images/s on {given.threads} thread(s), {min(values):.0f} to {max(values):.0f}; ours is {ratio:.2f} times that")


if __name__ == "__main__":
    main()
