"""Golden logits of torchvision and timm networks with procedural weights, so that no weights need to be stored.

Needs torch, torchvision, timm. Run in this folder: python generate.py > golden.json
The numbers of a tensor depend only on its place in the state dict and the element's index, see `numbers`;
`tests/common/checkpoints.rs` makes the same ones. A layer_scale of ConvNeXt takes the place after its block, where our graph
has it; torchvision's state dict has it before. The shortcut's convolution of ResNetV2 takes the place after the first norm.
"""

import json
import pathlib
import sys

import numpy as np
import timm
import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "model-core/tests/golden"))
import networks  # noqa: E402


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


CLASSES = 10
# Side of the image, then the networks. 72 pixels leave odd sides inside: 9 after four halvings. VGG wants its 224.
NETWORKS = {
    32: ["cifar_whitened_vgg"],
    64: ["resnet18", "resnet50", "tf_efficientnet_lite0"],
    72: [
        "resnet18d", "resnet50d", "efficientnet_lite1", "tf_efficientnet_lite2", "efficientnet_b0", "tf_efficientnet_b1",
        "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf", "densenet121",
        "convnext_tiny", "resnetv2_50",
    ],
    224: ["vgg11_bn"],
}  # fmt: skip


def logits(name, size):
    model = networks.build(name, num_classes=CLASSES)
    state = model.state_dict()
    keys = list(state)
    if name.startswith("convnext"):
        for key in [key for key in keys if key.endswith("layer_scale")]:
            keys.remove(key)
            last = max(place for place, other in enumerate(keys) if other.startswith(key.removesuffix("layer_scale")))
            keys.insert(last + 1, key)
    if name.startswith("resnetv2"):
        for key in [key for key in keys if key.endswith("downsample.conv.weight")]:
            keys.remove(key)
            keys.insert(keys.index(key.replace("downsample.conv.weight", "norm1.num_batches_tracked")) + 1, key)
    model.load_state_dict({key: numbers(place, key, state[key]) for place, key in enumerate(keys)})
    count = 3 * size * size
    noise = (splitmix64(np.arange(count, dtype=np.uint64)) >> np.uint64(40)).astype(np.float32) / np.float32(1 << 22)
    x = torch.from_numpy(noise - np.float32(2)).reshape(1, 3, size, size)
    with torch.no_grad():
        return model.double().eval()(x.double())[0].tolist()


def main():
    golden = {"classes": CLASSES, "torch": torch.__version__.split("+")[0], "timm": timm.__version__}
    golden["logits"] = {str(size): {name: logits(name, size) for name in names} for size, names in NETWORKS.items()}
    print(json.dumps(golden, indent=1))


if __name__ == "__main__":
    main()
