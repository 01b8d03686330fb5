"""Makes parity.safetensors: what torchvision and torch.optim compute, for tests/parity.rs to compare with.

Needs torch, torchvision, timm, numpy, safetensors. Run: python make.py
resnet_tiny is torchvision's ResNet with bottlenecks, depths 1-1-1-1, a stem of 8 channels and widths 8, 16, 24, 32.
"""

import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from timm.optim import Lamb
from torch import nn
from torchvision.models.resnet import Bottleneck, ResNet

# 8 images of 65 pixels leave BatchNorm 72 values a channel at the end. With 4 of 33 pixels it sees 16, and with SGD at rate
# 0.05 an activation sits on a kink at the fourth step: `kink.py` shows that one rounding of PyTorch's own initial weights
# decides which of two curves it takes, 3 % apart at the sixth.
CLASSES, BATCH, SIDE, STEPS = 5, 8, 65, 6
torch.set_num_threads(1)


class TinyResNet(ResNet):
    def __init__(self):
        nn.Module.__init__(self)
        self._norm_layer = nn.BatchNorm2d
        self.inplanes, self.dilation, self.groups, self.base_width = 8, 1, 1, 64
        self.conv1 = nn.Conv2d(3, 8, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        for index, width in enumerate((8, 16, 24, 32)):
            layer = self._make_layer(Bottleneck, width, 1, stride=1 if index == 0 else 2)
            setattr(self, f"layer{index + 1}", layer)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(32 * Bottleneck.expansion, CLASSES)


def fresh(seed=2):
    torch.manual_seed(seed)
    model = TinyResNet()
    with torch.no_grad():
        for parameter in model.parameters():
            # Away from 0 and 1, so that a forgotten term shows; rounded, so that the file stays small.
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


def groups(model, decay):
    """Weights decay, BatchNorm and biases do not."""
    parts = {True: [], False: []}
    for parameter in model.parameters():
        parts[parameter.ndim > 1].append(parameter)
    return [{"params": parts[True], "weight_decay": decay}, {"params": parts[False], "weight_decay": 0.0}]


def curve(make, images, labels, clip=None):
    model = fresh().train()
    optimizer = make(model)
    losses = []
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images[step % 2]), labels[step % 2])
        loss.backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses), model.fc.weight.detach().clone()


def main():
    # With seed 1 one activation sits on a kink: there PyTorch's own channels_last gradient differs by 0.6 % from its fp64.
    generator = torch.Generator().manual_seed(2)
    images = [torch.randn(BATCH, 3, SIDE, SIDE, generator=generator) for _ in range(2)]
    labels = [torch.randint(0, CLASSES, (BATCH,), generator=generator) for _ in range(2)]
    out = {f"images.{i}": image for i, image in enumerate(images)}
    out |= {f"labels.{i}": label for i, label in enumerate(labels)}

    model = fresh()
    out |= {f"initial.{name}": t.clone() for name, t in model.state_dict().items() if t.is_floating_point()}
    model.train()
    logits = model(images[0])
    loss = F.cross_entropy(logits, labels[0], label_smoothing=0.1)
    loss.backward()
    out["logits"], out["loss"] = logits.detach(), loss.detach()
    for name in ("conv1.weight", "bn1.weight", "layer2.0.conv2.weight", "layer4.0.bn3.bias", "fc.weight", "fc.bias"):
        out[f"grad.{name}"] = dict(model.named_parameters())[name].grad.clone()
    out["running_var"] = model.layer3[0].bn2.running_var.clone()
    out["running_mean"] = model.layer3[0].bn2.running_mean.clone()
    model.eval()
    out["eval_logits"] = model(images[0]).detach()

    for name, make, clip in (
        ("sgd", lambda m: torch.optim.SGD(m.parameters(), 0.02, momentum=0.9, weight_decay=0.01), None),
        ("nesterov", lambda m: torch.optim.SGD(groups(m, 0.01), 0.02, momentum=0.9, nesterov=True), 0.5),
        ("adamw", lambda m: torch.optim.AdamW(groups(m, 0.1), 0.001), None),
        ("lamb", lambda m: Lamb(groups(m, 0.02), 0.002, eps=1e-6, max_grad_norm=None), None),
    ):
        out[f"{name}.losses"], out[f"{name}.fc"] = curve(make, images, labels, clip)

    path = pathlib.Path(__file__).with_name("parity.safetensors")
    save_file({name: tensor.contiguous() for name, tensor in out.items()}, path)
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
