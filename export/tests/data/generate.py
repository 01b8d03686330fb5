"""Golden logits of torchvision and timm networks with procedural weights, so that no weights need to be stored.

Needs torch, torchvision, timm. Run in this folder: python generate.py > golden.json
The numbers of a tensor depend only on its place in the state dict and the element's index, see `numbers`;
`tests/common/mod.rs` makes the same ones.
"""

import json

import numpy as np
import timm
import torch
import torchvision


def splitmix64(state):
    with np.errstate(over="ignore"):
        z = (state + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(place, count):
    """In -1..1, 24 bits."""
    state = np.uint64(place) * np.uint64(1 << 32) + np.arange(count, dtype=np.uint64)
    return ((splitmix64(state) >> np.uint64(40)).astype(np.float32) / np.float32(1 << 23)) - np.float32(1)


def numbers(place, name, tensor):
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    u = uniform(place, tensor.numel())
    if tensor.dim() > 1:
        values = u * np.float32((3.0 / (tensor.numel() // tensor.shape[0])) ** 0.5)
    elif name.endswith("running_var"):
        values = np.float32(1) + np.float32(0.5) * u
    elif name.endswith("running_mean") or name.endswith("bias"):
        values = np.float32(0.1) * u
    else:
        values = np.float32(0.75) + np.float32(0.25) * u
    return torch.from_numpy(values).reshape(tensor.shape)


def main():
    size, classes = 64, 10
    networks = {
        "resnet18": torchvision.models.resnet18(num_classes=classes),
        "resnet50": torchvision.models.resnet50(num_classes=classes),
        "tf_efficientnet_lite0": timm.create_model("tf_efficientnet_lite0", num_classes=classes),
    }
    count = 3 * size * size
    noise = (splitmix64(np.arange(count, dtype=np.uint64)) >> np.uint64(40)).astype(np.float32) / np.float32(1 << 22)
    x = torch.from_numpy(noise - np.float32(2)).reshape(1, 3, size, size)
    golden = {"size": size, "classes": classes, "torch": torch.__version__.split("+")[0], "logits": {}}
    for name, model in networks.items():
        state = model.state_dict()
        model.load_state_dict({key: numbers(place, key, value) for place, (key, value) in enumerate(state.items())})
        with torch.no_grad():
            golden["logits"][name] = model.double().eval()(x.double())[0].tolist()
    print(json.dumps(golden, indent=1))


main()
