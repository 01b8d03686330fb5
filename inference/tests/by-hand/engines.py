"""Our kernels, ONNX Runtime and OpenVINO on one architecture, in one run: the median time of one image, by threads.

pip install onnxruntime openvino numpy
cargo bench -p kernels --bench networks --no-run                # says where the program is
python engines.py BENCH "resnet int8 amx" MODEL.onnx [--precision f32|bf16] [--rounds 3]

BENCH runs our kernels on random weights: its words choose architecture, numbers and instructions. MODEL.onnx is a file of
the same architecture and numbers for the two others. Rounds alternate between the engines, so that whatever else the
machine does meets all of them; a figure is the median of the rounds' medians of 20 runs. `--precision` is what OpenVINO is
asked for; ONNX Runtime computes a file as it is. Nothing else should run; `chrt -f 50 python engines.py ...` keeps others
away as far as the system can.
"""

import argparse
import re
import statistics
import subprocess
import sys
import time

RUNS = 20


def timed(run):
    for _ in range(3):
        run()
    times = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        run()
        times.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(times)


def one(model, engine, precision, threads):
    """Measures one engine; runs in a process of its own, so that no engine's threads disturb another."""
    import numpy as np

    image = np.random.default_rng(1).normal(size=(1, 3, 224, 224)).astype(np.float32)
    if engine == "ONNX Runtime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return timed(lambda: session.run(None, {name: image}))
    import openvino

    core = openvino.Core()
    hints = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    network = core.read_model(model)
    network.reshape([1, 3, 224, 224])
    request = core.compile_model(network, "CPU", hints).create_infer_request()
    return timed(lambda: request.infer([image]))


def main():
    if sys.argv[1:2] == ["--one"]:
        model, engine, precision, threads = sys.argv[2:6]
        print(one(model, engine, precision, int(threads)))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench")
    parser.add_argument("words")
    parser.add_argument("model")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    times = {}
    for _ in range(args.rounds):
        command = [args.bench, str(RUNS), *args.words.split()]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        for threads, millis in re.findall(r"(\d+) threads: median ([\d.]+)", said):
            times.setdefault((int(threads), "ours"), []).append(float(millis))
        for engine in ("ONNX Runtime", "OpenVINO"):
            for threads in sorted({threads for threads, _ in times}):
                command = [sys.executable, __file__, "--one", args.model, engine, args.precision, str(threads)]
                millis = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])
                times.setdefault((threads, engine), []).append(millis)
    cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    print(f"{args.words}, {args.model}, {cpu}, {time.strftime('%Y-%m-%d')}")
    for (threads, engine), all_millis in sorted(times.items()):
        middle, ours = statistics.median(all_millis), statistics.median(times[threads, "ours"])
        print(f"  {threads} threads  {engine:13} {middle:7.2f} ms ({min(all_millis):.2f} to {max(all_millis):.2f}), "
              f"ours / it = {ours / middle:.2f}")


if __name__ == "__main__":
    main()
