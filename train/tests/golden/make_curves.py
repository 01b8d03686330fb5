"""Makes curves.json: 50 training steps of ResNet-18 and ResNet-50 by torchvision and torch.optim, for tests/curves.rs.

Needs torch 2.13, torchvision, numpy. Run: python make_curves.py (minutes).
Weights and batches come from an integer hash that the test computes as well, to the bit, so only curves are stored.
`spread` is how far PyTorch parts from itself: the largest relative distance of the curve so far when the same steps are
computed in float64, without oneDNN, or in channels_last. It is what floating point explains.
The last BatchNorm of each block starts at 0 (zero_init_residual). With torchvision's default, 1, the same network is so
sensitive that PyTorch's own channels_last curve parts by 1e-4 at the sixth step and by 20 % at the fiftieth (resnet18,
rate 0.001): such a curve proves nothing.
"""

import contextlib
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
import torchvision

CLASSES, BATCH, SIDE, STEPS = 10, 8, 64, 50
RATE, MOMENTUM, DECAY = 0.005, 0.9, 1e-4
OVERFLOWS = {3: "inf", 4: "nan", 20: "inf"}
torch.set_num_threads(1)


def mix(x):
    """lowbias32 (Wellons 2018) on uint32."""
    x = np.asarray(x, dtype=np.uint32)
    with np.errstate(over="ignore"):
        x = (x ^ (x >> 16)) * np.uint32(0x7FEB352D)
        x = (x ^ (x >> 15)) * np.uint32(0x846CA68B)
        return x ^ (x >> 16)


def stream(name):
    """FNV-1a, mixed."""
    h = 0x811C9DC5
    for byte in name.encode():
        h = ((h ^ byte) * 0x01000193) & 0xFFFFFFFF
    return mix(h)


def numbers(name, count):
    return mix(stream(name) ^ np.arange(count, dtype=np.uint32))


def uniform(name, shape, bound):
    """f32 in [-bound, bound): 24 bits of the hash, one rounding."""
    bits = numbers(name, int(np.prod(shape))) >> 8
    return (bits.astype(np.float32) / np.float32(1 << 23) - np.float32(1)).reshape(shape) * np.float32(bound)


def build(arch):
    model = getattr(torchvision.models, arch)(num_classes=CLASSES, zero_init_residual=True).train()
    for name, parameter in model.named_parameters():
        shape = tuple(parameter.shape)
        if parameter.ndim == 4:
            values = uniform(name, shape, np.sqrt(6.0 / (shape[0] * shape[2] * shape[3])))
        elif name.startswith("fc."):
            values = uniform(name, shape, 1.0 / np.sqrt(model.fc.in_features))
        else:
            continue
        parameter.data.copy_(torch.from_numpy(values))
    return model


def batch(step):
    """Bytes: a pattern of the class in blocks of 8 x 8 pixels, and noise; then p / 128 - 1, which is exact."""
    labels = numbers(f"labels {step}", BATCH) % CLASSES
    y, x = np.mgrid[0:SIDE, 0:SIDE] // 8
    images = []
    for index, label in enumerate(labels):
        pattern = numbers(f"pattern {label}", 3 * (SIDE // 8) ** 2) >> 25
        noise = (numbers(f"noise {step} {index}", 3 * SIDE * SIDE) >> 25).reshape(SIDE, SIDE, 3)
        blocks = pattern.reshape(SIDE // 8, SIDE // 8, 3)[y, x]
        images.append(blocks + noise)
    pixels = torch.from_numpy(np.stack(images).astype(np.float32)).permute(0, 3, 1, 2).contiguous()
    return pixels / 128 - 1, torch.from_numpy(labels.astype(np.int64))


def curve(arch, double=False, channels_last=False, overflows=None):
    model = build(arch)
    if double:
        model = model.double()
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), RATE, momentum=MOMENTUM, weight_decay=DECAY)
    scaler = torch.amp.GradScaler("cpu", enabled=overflows is not None)
    losses, scales = [], []
    for step in range(STEPS):
        images, labels = batch(step)
        images = images.double() if double else images
        images = images.contiguous(memory_format=torch.channels_last) if channels_last else images
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        scaler.scale(loss).backward()
        if overflows and step in overflows:
            model.conv1.weight.grad[0, 0, 0, 0] = float(overflows[step])
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
        scales.append(scaler.get_scale())
    return losses, scales


def spread(reference, others):
    worst, out = 0.0, []
    for step, expected in enumerate(reference):
        worst = max([worst] + [abs(other[step] - expected) / abs(expected) for other in others])
        out.append(float(f"{worst:.3g}"))
    return out


def without_onednn():
    return torch.backends.mkldnn.flags(enabled=False)


def main():
    out = {"torch": torch.__version__, "rate": RATE, "momentum": MOMENTUM, "weight_decay": DECAY}
    for arch in ("resnet18", "resnet50"):
        reference, _ = curve(arch)
        others = []
        for options, context in (({"double": True}, contextlib.nullcontext), ({}, without_onednn),
                                 ({"channels_last": True}, contextlib.nullcontext)):
            with context():
                others.append(curve(arch, **options)[0])
            print(arch, options, spread(reference, others[-1:])[::7], flush=True)
        out[arch] = {"losses": reference, "spread": spread(reference, others)}
        if arch == "resnet18":
            losses, scales = curve(arch, overflows=OVERFLOWS)
            with without_onednn():
                other, _ = curve(arch, overflows=OVERFLOWS)
            double, _ = curve(arch, overflows=OVERFLOWS, double=True)
            nhwc, _ = curve(arch, overflows=OVERFLOWS, channels_last=True)
            out["overflow"] = {"steps": {str(k): v for k, v in OVERFLOWS.items()}, "losses": losses, "scales": scales,
                               "spread": spread(losses, [other, double, nhwc])}
    path = pathlib.Path(__file__).with_name("curves.json")
    path.write_text(json.dumps(out, indent=1) + "\n")
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
