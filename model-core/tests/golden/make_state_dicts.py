"""Writes state_dicts.txt and state_dict_digests.tsv: every tensor of every architecture as torchvision and timm name and
shape it.

    pip install torch torchvision timm
    python make_state_dicts.py > state_dicts.txt
    python make_state_dicts.py digests > state_dict_digests.tsv

state_dicts.txt: a line `# NAME` opens an architecture; then one tensor a line in state_dict order: key, tab, shape joined
by `x`. state_dict_digests.tsv holds the larger families: name, number of tensors, SHA-256 of the same lines, sorted.
What neither of them has is in networks.py.
"""
import hashlib
import sys

import timm
import torch
import torchvision

import networks


def emit(name, model):
    print("#", name)
    for key, tensor in model.state_dict().items():
        print(f"{key}\t{'x'.join(map(str, tensor.shape))}")


TIMM = [f"resnet{depth}d" for depth in (18, 26, 34, 50, 101, 152)]
TIMM += [f"{origin}efficientnet_lite{size}" for origin in ("tf_", "") for size in range(1, 5)]
TIMM += [f"tf_efficientnet_b{size}" for size in range(5)]
TIMM += [f"resnetv2_{depth}" for depth in (50, 101, 152)]
TORCHVISION = [f"efficientnet_b{size}" for size in range(5)]
TORCHVISION += [f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")]
TORCHVISION += ["mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"]
TORCHVISION += [f"regnet_{kind}_{size}" for kind in "xy" for size in "400mf 800mf 1_6gf 3_2gf 8gf 16gf 32gf".split()]
TORCHVISION += [f"densenet{depth}" for depth in (121, 161, 169, 201)]
TORCHVISION += [f"convnext_{size}" for size in ("tiny", "small", "base", "large")]


def digests():
    builders = [(name, timm.create_model) for name in TIMM]
    builders += [(name, torchvision.models.get_model) for name in TORCHVISION]
    for name, build in builders:
        # RegNet computes its widths with tensors, which the meta device does not.
        with torch.device("cpu" if name.startswith("regnet") else "meta"):
            state = build(name).state_dict()
        if name.startswith("resnetv2"):
            # A convolution of one pixel in timm, a linear layer here.
            state["head.fc.weight"] = state["head.fc.weight"].flatten(1)
        lines = sorted(f"{key}\t{'x'.join(map(str, tensor.shape))}\n" for key, tensor in state.items())
        print(name, len(lines), hashlib.sha256("".join(lines).encode()).hexdigest(), sep="\t")


if sys.argv[1:] == ["digests"]:
    digests()
    sys.exit()

for name in ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet50_2", "resnext50_32x4d"]:
    emit(name, getattr(torchvision.models, name)(weights=None))
for name in ["cifar_resnet20", "cifar_resnet32", "cifar_resnet44", "cifar_resnet56", "cifar_whitened_vgg"]:
    emit(name, networks.build(name))
emit("tf_efficientnet_lite0", timm.create_model("tf_efficientnet_lite0"))
emit("efficientnet_lite0", timm.create_model("efficientnet_lite0"))
