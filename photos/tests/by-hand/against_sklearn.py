"""`infer-cli teach` against scikit-learn's LogisticRegressionCV on the same features: accuracy on unseen photos, the estimate
that teaching gives of it, and time.

pip install numpy onnx onnxruntime scikit-learn
python against_sklearn.py INFER_CLI FOLDER [--backbone models/efficientnet-lite0/model.onnx] [--photos 10,50] [--draws 5]
                          [--test 200] [--sklearn-up-to 50]

FOLDER holds one folder a class (CIFAR-10's `train/`, for example). Every draw teaches with so many photos of each class;
the `--test` photos of each class that no draw uses are the unseen ones. Features are what the backbone's last layer reads,
computed by ONNX Runtime from the tensors that `infer-cli --save-preprocessed` writes. scikit-learn searches 5 strengths in 5
folds, and is left out above `--sklearn-up-to` photos a class.
"""

import argparse
import json
import random
import statistics
import subprocess
import tempfile
import time
import warnings
from pathlib import Path


def call(*arguments):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{arguments}: {done.stderr}")
    return done.stdout


def linked(files, folder):
    """A folder of class folders that holds links to the files, given by class."""
    for name, paths in files.items():
        (folder / name).mkdir(parents=True)
        for path in paths:
            (folder / name / path.name).symlink_to(path)
    return folder


def features_of(infer, backbone, paths):
    """One row a photo: what the last layer of the backbone reads."""
    import numpy as np
    import onnx
    import onnxruntime

    model = onnx.load(backbone)
    last = [node for node in model.graph.node if node.op_type == "Gemm"][-1]
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info(last.input[0], onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    rows = []
    for start in range(0, len(paths), 200):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            (folder / "in").mkdir()
            for number, path in enumerate(paths[start:start + 200]):
                (folder / "in" / f"{number:04}.jpg").symlink_to(path)
            call(infer, folder / "in", "-m", backbone, "--json", "--quiet", "--save-preprocessed", folder / "out")
            tensors = sorted((folder / "out").glob("*.npy"))
            if len(tensors) != len(paths[start:start + 200]):
                raise SystemExit(f"expected a tensor of every photo, got {len(tensors)}")
            for tensor in tensors:
                x = np.load(tensor).reshape(1, 3, *np.load(tensor).shape[-2:])
                rows.append(session.run(None, {session.get_inputs()[0].name: x})[0].reshape(-1))
    return np.stack(rows)


def sklearn_accuracy(train, test):
    from sklearn.linear_model import LogisticRegressionCV

    warnings.simplefilter("ignore")
    begun = time.perf_counter()
    fitted = LogisticRegressionCV(Cs=5, cv=5, max_iter=1000).fit(*train)
    return 100 * fitted.score(*test), time.perf_counter() - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("infer")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--backbone", default="models/efficientnet-lite0/model.onnx")
    parser.add_argument("--photos", default="10,50")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--test", type=int, default=200)
    parser.add_argument("--sklearn-up-to", type=int, default=50)
    arguments = parser.parse_args()
    infer = arguments.infer
    classes = {c.name: sorted(p.resolve() for p in c.iterdir()) for c in sorted(arguments.folder.iterdir())}
    for paths in classes.values():
        random.Random(0).shuffle(paths)
    unseen = {name: paths[:arguments.test] for name, paths in classes.items()}
    index = {path: number for number, path in enumerate(sorted(p for paths in classes.values() for p in paths))}
    cache = {}

    def data(files):
        import numpy as np

        paths = [(path, label) for label, paths in enumerate(files.values()) for path in paths]
        missing = [path for path, _ in paths if index[path] not in cache]
        if missing:
            for path, row in zip(missing, features_of(infer, arguments.backbone, missing)):
                cache[index[path]] = row
        return np.stack([cache[index[path]] for path, _ in paths]), [label for _, label in paths]

    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        test = linked(unseen, work / "test")
        for count in map(int, arguments.photos.split(",")):
            ours, theirs, estimates, seconds, their_seconds = [], [], [], [], []
            for draw in range(arguments.draws):
                pick = random.Random(f"{count} {draw}")
                files = {name: pick.sample(paths[arguments.test:], count) for name, paths in classes.items()}
                train = linked(files, work / f"{count}-{draw}")
                model = work / "taught.onnx"
                begun = time.perf_counter()
                report = json.loads(call(infer, "teach", train, "--output", model, "--refuse", "0", "-m", arguments.backbone, "--json", "--quiet"))
                seconds.append(time.perf_counter() - begun)
                estimates.append(report["accuracy_percent"])
                measured = json.loads(call(infer, "evaluate", test, "-m", model, "--json", "--quiet"))
                ours.append(measured["top1_percent"])
                if count <= arguments.sklearn_up_to:
                    accuracy, took = sklearn_accuracy(data(files), data(unseen))
                    theirs.append(accuracy)
                    their_seconds.append(took)
            gaps = [estimate - accuracy for estimate, accuracy in zip(estimates, ours)]
            show = lambda values: ", ".join(f"{value:.1f}" for value in values)
            print(f"{count} photos a class, {arguments.draws} draws, {len(classes) * arguments.test} unseen")
            print(f"  ours          {statistics.mean(ours):.1f} % ({show(ours)}); whole call {statistics.median(seconds):.2f} s")
            if theirs:
                print(f"  scikit-learn  {statistics.mean(theirs):.1f} % ({show(theirs)}); fit alone {statistics.median(their_seconds):.2f} s")
            spread = statistics.stdev(gaps) if len(gaps) > 1 else 0.0
            print(f"  estimate less accuracy: {statistics.mean(gaps):+.1f} points, spread {spread:.1f} ({show(gaps)})", flush=True)


main()
