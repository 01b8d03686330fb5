"""Writes state_dicts.txt and state_dict_digests.tsv: every tensor of every architecture as torchvision and timm name and
shape it.

    pip install torch torchvision timm
    python make_state_dicts.py > state_dicts.txt
    python make_state_dicts.py digests > state_dict_digests.tsv

state_dicts.txt: a line `# NAME` opens an architecture; then one tensor a line in state_dict order: key, tab, shape joined
by `x`. state_dict_digests.tsv holds the larger families: name, number of tensors, SHA-256 of the same lines, sorted.
The CIFAR ResNets are put together here from torchvision's BasicBlock, as He et al. 2015, section 4.2, with
projection shortcuts.
"""
import hashlib
import sys

import timm
import torch
import torchvision
from torchvision.models.resnet import BasicBlock, ResNet


class CifarResNet(ResNet):
    def __init__(self, n):
        super().__init__(BasicBlock, [n, n, n, n])
        self.inplanes = 16
        self.conv1 = torch.nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(16)
        self.layer1 = self._make_layer(BasicBlock, 16, n)
        self.layer2 = self._make_layer(BasicBlock, 32, n, stride=2)
        self.layer3 = self._make_layer(BasicBlock, 64, n, stride=2)
        del self.layer4
        self.fc = torch.nn.Linear(64, 10)


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
for depth in (20, 32, 44, 56):
    emit(f"cifar_resnet{depth}", CifarResNet((depth - 2) // 6))
emit("tf_efficientnet_lite0", timm.create_model("tf_efficientnet_lite0"))
emit("efficientnet_lite0", timm.create_model("efficientnet_lite0"))
