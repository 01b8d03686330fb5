"""One ONNX file in our kernels, ONNX Runtime and OpenVINO, in one run: the median time of one image, by threads.

pip install onnxruntime openvino numpy
python engines.py MODEL.onnx --infer-cli target/release/infer-cli [--precision float32|bf16] [--threads 1,2]
                  [--rounds 5] [--runs 30] [--preset imagenet]

Rounds alternate between the engines, so that whatever else the machine does meets all of them. A figure is the median of
the rounds' medians. Ours is the stage `run` of `infer-cli bench`. `--precision` asks ours and OpenVINO for these numbers;
ONNX Runtime computes a file as it is. Nothing else should run.
"""

import argparse
import json
import statistics
import subprocess
import time

import numpy as np
import onnxruntime
import openvino


def ours(args, threads):
    command = [args.infer_cli, "bench", "--json", "--quiet", "--model", args.model, "--engines", "kernels",
               "--precision", args.precision, "--threads", str(threads), "--thread-counts", str(threads),
               "--runs", str(args.runs)]
    if args.preset:
        command += ["--preset", args.preset]
    document = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    [figures] = document["engines"]
    stages = {stage["stage"]: stage["p50_millis"] for stage in figures["stages"]}
    return stages["run"], f"{figures['engine_note']}, loads in {stages['load model']:.0f} ms"


def timed(run, runs):
    for _ in range(5):
        run()
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        run()
        times.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(times)


def onnx_runtime(args, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(args.model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    image = np.random.default_rng(1).normal(size=(1, 3, 224, 224)).astype(np.float32)
    return timed(lambda: session.run(None, {name: image}), args.runs), onnxruntime.__version__


def open_vino(args, threads):
    core = openvino.Core()
    hints = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
             "INFERENCE_PRECISION_HINT": {"float32": "f32", "bf16": "bf16"}[args.precision]}
    model = core.read_model(args.model)
    model.reshape([1, 3, 224, 224])
    request = core.compile_model(model, "CPU", hints).create_infer_request()
    image = np.random.default_rng(1).normal(size=(1, 3, 224, 224)).astype(np.float32)
    return timed(lambda: request.infer([image]), args.runs), openvino.__version__.split("-")[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--infer-cli", required=True)
    parser.add_argument("--precision", choices=["float32", "bf16"], default="float32")
    parser.add_argument("--threads", type=lambda text: [int(n) for n in text.split(",")], default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--preset")
    args = parser.parse_args()
    cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    print(f"{args.model}, {args.precision}, {cpu}, {time.strftime('%Y-%m-%d')}")
    engines = [("kernels", ours), ("ONNX Runtime", onnx_runtime), ("OpenVINO", open_vino)]
    for threads in args.threads:
        times = {name: [] for name, _ in engines}
        notes = {}
        for _ in range(args.rounds):
            for name, measure in engines:
                millis, notes[name] = measure(args, threads)
                times[name].append(millis)
        first = statistics.median(times["kernels"])
        for name, _ in engines:
            middle = statistics.median(times[name])
            print(f"  {threads} threads  {name:13} {middle:7.2f} ms ({min(times[name]):.2f} to {max(times[name]):.2f}), "
                  f"ours is {first / middle:.2f} of it  [{notes[name]}]")


if __name__ == "__main__":
    main()
