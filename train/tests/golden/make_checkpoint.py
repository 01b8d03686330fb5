"""Makes checkpoint.pth: what a PyTorch training script saves after the third of the six SGD steps of make.py, for
tests/parity.rs to go on from. The losses of the other three are in parity.safetensors.

Needs what make.py needs. Run: python make_checkpoint.py
"""

import pathlib

import torch
import torch.nn.functional as F

import make

STEPS, BEST = 3, 71.25


def main():
    generator = torch.Generator().manual_seed(2)
    images = [torch.randn(make.BATCH, 3, make.SIDE, make.SIDE, generator=generator) for _ in range(2)]
    labels = [torch.randint(0, make.CLASSES, (make.BATCH,), generator=generator) for _ in range(2)]
    model = make.fresh().train()
    optimizer = torch.optim.SGD(model.parameters(), 0.02, momentum=0.9, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 1000)
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = 0.02
        optimizer.zero_grad()
        F.cross_entropy(model(images[step % 2]), labels[step % 2]).backward()
        optimizer.step()
        scheduler.step()
    path = pathlib.Path(__file__).with_name("checkpoint.pth")
    # As a script under DistributedDataParallel: the epoch just trained, counted from 0.
    torch.save({
        "epoch": STEPS - 1,
        "state_dict": {f"module.{name}": tensor for name, tensor in model.state_dict().items()},
        "best_acc": BEST,
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
    }, path)
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
