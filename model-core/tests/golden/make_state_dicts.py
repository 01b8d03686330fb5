"""Writes state_dicts.txt: every tensor of every architecture as torchvision and timm name and shape it.

    pip install torch torchvision timm
    python make_state_dicts.py > state_dicts.txt

A line `# NAME` opens an architecture; then one tensor a line in state_dict order: key, tab, shape joined by `x`.
The CIFAR ResNets are put together here from torchvision's BasicBlock, as He et al. 2015, section 4.2, with
projection shortcuts.
"""
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


for name in ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet50_2", "resnext50_32x4d"]:
    emit(name, getattr(torchvision.models, name)(weights=None))
for depth in (20, 32, 44, 56):
    emit(f"cifar_resnet{depth}", CifarResNet((depth - 2) // 6))
emit("tf_efficientnet_lite0", timm.create_model("tf_efficientnet_lite0"))
emit("efficientnet_lite0", timm.create_model("efficientnet_lite0"))
