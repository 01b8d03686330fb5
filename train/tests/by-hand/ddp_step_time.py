#!/usr/bin/env python3
"""Time of a training step on two processes over Gloo: `train` against PyTorch's DistributedDataParallel, by turns.

    ddp_step_time.py TRAIN [--arch resnet18] [--side 64] [--batch 16] [--steps 20] [--rounds 5] [--precision fp32]

TRAIN is the release binary. Needs torch and torchvision (the same libtorch as TRAIN's, to be fair). Both sides: the same
network with 1000 classes, the same batch, SGD with momentum, one libtorch thread a process, denormals flushed. Of each run the
first pass of STEPS steps is warm-up and the second is timed; what is printed is the median over rounds. `train` makes up its
images and counts its hits within the step; PyTorch gets one ready batch and only steps. PyTorch is measured twice: as
DistributedDataParallel comes ("default"), and with what its manual recommends for speed ("tuned": channels_last,
gradient_as_bucket_view, no broadcast of buffers, fused SGD).
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time


def worker(args):
    import torch
    import torchvision
    from torch.nn.parallel import DistributedDataParallel

    tuned = args.worker == "tuned"
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.distributed.init_process_group("gloo")
    torch.manual_seed(0)
    network = getattr(torchvision.models, args.arch)()
    images = torch.randn(args.batch, 3, args.side, args.side)
    labels = torch.randint(1000, (args.batch,))
    if tuned:
        network = network.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    network = DistributedDataParallel(network, gradient_as_bucket_view=tuned, broadcast_buffers=not tuned)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.001, momentum=0.9, weight_decay=1e-4, fused=True if tuned else None)
    for _ in range(2):
        torch.distributed.barrier()
        start = time.perf_counter()
        for _ in range(args.steps):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=args.precision == "bf16"):
                logits = network(images)
            torch.nn.functional.cross_entropy(logits.float(), labels).backward()
            optimizer.step()
        torch.distributed.barrier()
        seconds = time.perf_counter() - start
    if torch.distributed.get_rank() == 0:
        print(f"milliseconds {1000 * seconds / args.steps}")
    torch.distributed.destroy_process_group()


def pytorch(args, variant):
    command = [
        sys.executable, os.path.abspath(__file__), args.train, "--worker", variant, "--arch", args.arch, "--side", str(args.side),
        "--batch", str(args.batch), "--steps", str(args.steps), "--precision", args.precision,
    ]
    port = str(20000 + os.getpid() % 12000)
    ranks = []
    for rank in range(2):
        variables = {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
        ranks.append(subprocess.Popen(command, env=os.environ | variables, stdout=subprocess.PIPE, text=True))
    output = [rank.communicate()[0] for rank in ranks][0]
    if any(rank.returncode for rank in ranks):
        sys.exit("PyTorch's side failed")
    return float(re.search(r"milliseconds (\S+)", output).group(1))


def ours(args, folder):
    side = str(args.side)
    command = [
        args.train, "--recipe", "resnet50-imagenet", "--arch", args.arch, "--device", "cpu", "--num-processes", "2",
        "--threads", "1", "--workers", "1", "--precision", args.precision, "--batch-size", str(args.batch), "--image-size", side,
        "--set", f"preprocessing.resize={{short_side: {side}}}", "--set", f"preprocessing.crop=[{side}, {side}]", "--lr", "0.001",
        "--synthetic", str(2 * args.batch * args.steps), "--epochs", "2", "--set", "evaluation.every_epochs=2",
        "--output", folder, "--overwrite",
    ]
    done = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    with open(f"{folder}/metrics.jsonl") as file:
        record = json.loads(file.readlines()[-1])
    with open(f"{folder}/train.log") as file:
        overlap = re.findall(r"a sampled step: .*", file.read())
    return 1000 * record["train_secs"] / args.steps, overlap[-1] if overlap else "no overlap measured"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train")
    parser.add_argument("--arch", default="resnet18")
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.train = os.path.abspath(args.train)
    if args.worker:
        return worker(args)
    times = {"train": [], "default": [], "tuned": []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(args.rounds):
            milliseconds, overlap = ours(args, f"{folder}/run")
            times["train"].append(milliseconds)
            for variant in ("default", "tuned"):
                times[variant].append(pytorch(args, variant))
            row = ", ".join(f"{side} {values[-1]:.1f} ms" for side, values in times.items())
            print(f"round {number + 1}: {row}; {overlap}", flush=True)
    medians = {side: statistics.median(values) for side, values in times.items()}
    print(f"{args.arch}, {args.side} px, batch {args.batch}, {args.precision}, 2 processes, load {os.getloadavg()[0]:.1f}:")
    for side, median in medians.items():
        least, most = min(times[side]), max(times[side])
        print(f"  {side:8} median {median:7.1f} ms ({least:.1f} to {most:.1f}), train / this = {medians['train'] / median:.3f}")


if __name__ == "__main__":
    main()
