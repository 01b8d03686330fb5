"""The networks that torchvision and timm do not have, in PyTorch: for the scripts that write golden numbers.

`build(name, **options)` makes any network of ours: torchvision's where it has the name, else timm's, else one of these.
"""

import timm
import torch
import torchvision
from torch import nn
from torchvision.models.resnet import BasicBlock


class CifarResNet(torchvision.models.ResNet):
    """He et al. 2015, section 4.2, with projection shortcuts."""

    def __init__(self, depth, num_classes=10):
        count = (depth - 2) // 6
        super().__init__(BasicBlock, [count] * 4, num_classes=num_classes)
        self.inplanes = 16
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.maxpool = nn.Identity()
        self.layer1 = self._make_layer(BasicBlock, 16, count)
        self.layer2 = self._make_layer(BasicBlock, 32, count, stride=2)
        self.layer3 = self._make_layer(BasicBlock, 64, count, stride=2)
        del self.layer4
        self.fc = nn.Linear(64, num_classes)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class WhitenedVgg(nn.Module):
    """`model-core/src/arch/whitened_vgg.rs`: after airbench94 (Jordan 2024)."""

    def __init__(self, num_classes=10, widths=(96, 320, 320), depth=2):
        super().__init__()
        channels = 24
        self.whiten = nn.Conv2d(3, channels, 2)
        self.stages = nn.ModuleList()
        for width in widths:
            stage = nn.Module()
            for place in range(1, depth + 1):
                setattr(stage, f"conv{place}", nn.Conv2d(channels, width, 3, padding=1, bias=False))
                setattr(stage, f"norm{place}", nn.BatchNorm2d(width))
                channels = width
            self.stages.append(stage)
        self.head = nn.Linear(channels, num_classes)
        self.depth = depth

    def forward(self, x):
        x = nn.functional.silu(self.whiten(x))
        for stage in self.stages:
            for place in range(1, self.depth + 1):
                x = getattr(stage, f"conv{place}")(x)
                if place == 1:
                    x = torch.max_pool2d(x, 2)
                x = nn.functional.silu(getattr(stage, f"norm{place}")(x))
        return self.head(torch.max_pool2d(x, 3).flatten(1))


def build(name, **options):
    if name.startswith("cifar_resnet"):
        return CifarResNet(int(name.removeprefix("cifar_resnet")), **options)
    if name == "cifar_whitened_vgg":
        return WhitenedVgg(**options)
    # EfficientNets and ResNet-Ds that torchvision lacks are timm's.
    if name in torchvision.models.list_models():
        return torchvision.models.get_model(name, weights=None, **options)
    return timm.create_model(name, **options)
