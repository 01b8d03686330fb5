"""Our training step against PyTorch's, taken in turns in one run: `train bench --on-request` and, here, torchvision's
model with torch.optim.SGD. Prints the medians and ours / theirs; below 1 we are faster.

Needs torch (the same version as the binary's libtorch), torchvision. Build first: cargo build --release -p train
    python train/benches/step_time.py                       # resnet18 and resnet50, fp32 and bf16, batch 16 at 224 pixels
    python train/benches/step_time.py --arch resnet50 --precision bf16 --batch 32 --threads 2 --steps 15 --fused
Theirs: forward, loss, backward, SGD step on floats that already lie on the device. Ours is the trainer's whole step: it
also normalizes bytes, looks for non-finite gradients and counts hits. `--fused` gives theirs SGD(fused=True); the default
is PyTorch's own default. Both sides take the same memory format, channels_last unless --contiguous.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import time

import torch
import torch.nn.functional as F
import torchvision

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


class Theirs:
    def __init__(self, arch, precision, args):
        model = getattr(torchvision.models, arch)().train()
        images = torch.randn(args.batch, 3, args.side, args.side)
        if not args.contiguous:
            model = model.to(memory_format=torch.channels_last)
            images = images.contiguous(memory_format=torch.channels_last)
        self.model, self.images, self.precision = model, images, precision
        self.labels = torch.randint(0, 1000, (args.batch,))
        fused = True if args.fused else None
        self.optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, weight_decay=1e-4, fused=fused)

    def millis(self):
        start = time.perf_counter()
        self.optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16"):
            logits = self.model(self.images)
            loss = F.cross_entropy(logits, self.labels)
        loss.backward()
        self.optimizer.step()
        return 1e3 * (time.perf_counter() - start)


class Ours:
    def __init__(self, arch, precision, args):
        command = [args.train, "bench", "--on-request", "--arch", arch, "--precision", precision, "--device", "cpu"]
        command += ["--batch-size", args.batch, "--image-size", args.side, "--threads", args.threads]
        command += ["--channels-last", "false" if args.contiguous else "true"]
        self.process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert self.process.stdout.readline() == "ready\n", "train bench did not start"

    def millis(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        assert self.process.wait() == 0


def compare(arch, precision, args):
    theirs, ours = Theirs(arch, precision, args), Ours(arch, precision, args)
    for _ in range(args.warmup):
        theirs.millis(), ours.millis()
    pairs = [(ours.millis(), theirs.millis()) for _ in range(args.steps)]
    ours.close()
    a, b = (statistics.median(side) for side in zip(*pairs))
    return {
        "arch": arch, "precision": precision, "batch": args.batch, "side": args.side, "threads": args.threads,
        "channels_last": not args.contiguous, "their_sgd": "fused" if args.fused else "default", "steps": args.steps,
        "ours_ms": round(a, 1), "theirs_ms": round(b, 1), "ratio": round(a / b, 3),
        "ratio_of_pairs": round(statistics.median(x / y for x, y in pairs), 3),
        "ratio_of_least": round(min(x for x, _ in pairs) / min(y for _, y in pairs), 3),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", nargs="+", default=["resnet18", "resnet50"])
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16"], choices=["fp32", "bf16"])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=11)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--fused", action="store_true")
    parser.add_argument("--contiguous", action="store_true")
    parser.add_argument("--train", default=TARGET / "release" / "train", help="our binary")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"torch {torch.__version__}", flush=True)
    for arch in args.arch:
        for precision in args.precision:
            print(json.dumps(compare(arch, precision, args)), flush=True)


main()
