#!/usr/bin/env python3
"""Breaks training runs of two processes on purpose, with the default settings, and prints what it saw.

    failures.py TRAIN kill [--times 20] [--seed 1]   SIGKILL to a random process at a random moment, then --resume (on 1, 2 or 3
                                            processes) to the end; compared with a run that nobody touched
    failures.py TRAIN freeze                SIGSTOP to a process, with and without the launcher: seconds until the others end

TRAIN is the `train` binary. Python's standard library only; Linux. Exit code 1 when anything is not as it should be.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

STEPS = 200
GLOBAL_BATCH = 12
PLACES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


def flags(out, processes):
    return [
        "--arch", "cifar_resnet20", "--recipe", "cifar10-resnet20", "--device", "cpu", "--threads", "1", "--workers", "1",
        "--precision", "fp32", "--lr", "0.001", "--set", "optimizer.reference_batch=null", "--set", "sync_batch_norm=true",
        "--batch-size", str(GLOBAL_BATCH // processes), "--synthetic", str(STEPS * GLOBAL_BATCH), "--epochs", "1",
        "--set", "checkpoints.save_every_steps=5", "--output", out,
    ]


def start(arguments, log, **variables):
    environment = {k: v for k, v in os.environ.items() if k not in PLACES} | variables
    return subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment)


def ranks_of(launcher):
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                values = dict(v.split("=", 1) for v in file.read().decode(errors="replace").split("\0") if "=" in v)
        except OSError:
            continue
        if values.get("TRAIN_LAUNCHER_PID") == str(launcher):
            found[int(values["RANK"])] = int(pid)
    return found


def saved_step(out):
    """The step of the saved state; 0 where there is none."""
    try:
        with open(f"{out}/checkpoints/last.state.safetensors", "rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    except FileNotFoundError:
        return 0
    for value in header["__metadata__"].values():
        try:
            step = json.loads(value)["step"]
        except (ValueError, KeyError, TypeError):
            continue
        return step
    sys.exit("no progress in the saved state's metadata")


def wait_for_step(process, out, step):
    while saved_step(out) < step:
        if process.poll() is not None:
            return False
        time.sleep(0.005)
    return True


def last_record(out):
    with open(f"{out}/metrics.jsonl") as file:
        return json.loads(file.readlines()[-1])


def text_of(log):
    log.flush()
    with open(log.name, errors="replace") as file:
        return file.read()


def kill(train, folder, times, seed):
    whole = f"{folder}/whole"
    with open(f"{folder}/whole.log", "w") as log:
        if start([train, *flags(whole, 2), "--num-processes", "2"], log).wait() != 0:
            sys.exit(text_of(log))
    expected = last_record(whole)
    draw = random.Random(seed)
    bad = 0
    for number in range(times):
        out = f"{folder}/run-{number}"
        rank, step, processes = draw.randrange(2), draw.randrange(STEPS - 20), draw.choice([1, 2, 3])
        with open(f"{folder}/run-{number}.log", "w+") as log:
            process = start([train, *flags(out, 2), "--num-processes", "2"], log)
            if not wait_for_step(process, out, step // 5 * 5):
                sys.exit("ended before it was killed:\n" + text_of(log))
            time.sleep(draw.random() * 0.2)
            began = time.monotonic()
            os.kill(ranks_of(process.pid)[rank], signal.SIGKILL)
            code = process.wait(timeout=60)
            secs = time.monotonic() - began
            orphans = ranks_of(process.pid)
            named = [line for line in text_of(log).splitlines() if line.startswith(f"rank {rank} (process")]
            saved = saved_step(out)
            # Without the two flags one process would take 6 images twice, and BatchNorm's statistics would come from 6 images, not 12.
            resume = [train, "--resume", "--num-processes", str(processes), "--output", out,
                      "--batch-size", str(GLOBAL_BATCH // processes), "--accumulate", "1"]
            end = start(resume, log).wait(timeout=600)
            if end != 0:
                print(text_of(log))
        record = last_record(out) if end == 0 else {}
        difference = abs(record.get("train_loss", 0) / expected["train_loss"] - 1)
        good = (
            code == 137 and not orphans and len(named) == 1 and end == 0 and record["step"] == STEPS
            and record["train_images"] == expected["train_images"] and record["val_images"] == expected["val_images"]
            and difference < 1e-2
        )
        bad += not good
        print(
            f"{number + 1:2}: {'ok ' if good else 'BAD'} code {code} after {secs:4.1f} s; saved at step {saved}, resumed on "
            f"{processes}: code {end}, train loss differs by {difference:.1e}; {named[0] if named else 'nobody named'}",
            flush=True,
        )
        shutil.rmtree(out)
    print(f"{times - bad} of {times} as they should be")
    return bad == 0


def freeze(train, folder):
    good = True
    for case, rank in [("launcher", 1), ("launcher", 0), ("variables", 1), ("variables", 0)]:
        out = f"{folder}/{case}-{rank}"
        with open(f"{out}.log", "w+") as log:
            if case == "launcher":
                processes = [start([train, *flags(out, 2), "--num-processes", "2"], log)]
            else:
                port = str(20000 + os.getpid() % 12000)
                processes = [
                    start([train, *flags(out, 2)], log, RANK=str(r), WORLD_SIZE="2", LOCAL_RANK="0",
                          MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
                    for r in range(2)
                ]
            if not wait_for_step(processes[0], out, 5):
                sys.exit("ended early:\n" + text_of(log))
            frozen = ranks_of(processes[0].pid)[rank] if case == "launcher" else processes[rank].pid
            began = time.monotonic()
            os.kill(frozen, signal.SIGSTOP)
            # With the launcher, the frozen one ends as well; without it, only its own machine's people can end it.
            waited = processes[0] if case == "launcher" else processes[1 - rank]
            try:
                code = waited.wait(timeout=120)
            except subprocess.TimeoutExpired:
                code = None
            secs = time.monotonic() - began
            os.kill(frozen, signal.SIGKILL) if case == "variables" else None
            [process.kill() for process in processes if process.poll() is None]
            [process.wait() for process in processes]
            text = text_of(log)
        fine = code not in (None, 0) and secs < 60
        good &= fine
        print(f"{case}, rank {rank} frozen: {'ok ' if fine else 'BAD'} the others ended with code {code} after {secs:.1f} s")
        said = [line for line in text.splitlines() if "rank" in line and ("error" in line or "ended" in line or "killed" in line)]
        print("   " + "\n   ".join(said), flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train")
    parser.add_argument("what", choices=["kill", "freeze"])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        train = os.path.abspath(args.train)
        good = kill(train, folder, args.times, args.seed) if args.what == "kill" else freeze(train, folder)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
