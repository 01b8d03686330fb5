"""Makes the small checkpoints that the tests of `weights` read. Needs torch and safetensors.

Run in this folder: python generate.py
"""

import argparse
import collections
import os

import safetensors.torch
import torch


def numbers(*shape, dtype=torch.float32):
    count = 1
    for size in shape:
        count *= size
    return (torch.arange(count, dtype=torch.float32) / 4 - 1).reshape(shape).to(dtype)


# One tensor of each number type, a transposed view, a scalar counter and two views of one storage.
shared = numbers(6)
state = collections.OrderedDict(
    [
        ("a.weight", numbers(2, 3)),
        ("a.bias", numbers(2, dtype=torch.float64)),
        ("t.weight", numbers(2, 3).t()),
        ("half", numbers(4, dtype=torch.float16)),
        ("bfloat", numbers(4, dtype=torch.bfloat16)),
        ("counter", torch.tensor(7)),
        ("first", shared[:2]),
        ("last", shared[4:]),
    ]
)
nested = {
    "arch": "resnet_tiny",
    "epoch": 3,
    "args": argparse.Namespace(lr=0.1),
    "model": collections.OrderedDict(("module." + name, tensor) for name, tensor in state.items()),
    "model_ema": collections.OrderedDict(
        [("n_averaged", torch.tensor(2))] + [("module." + name, tensor + 1) for name, tensor in state.items()]
    ),
    "optimizer": {"state": {0: {"momentum_buffer": numbers(2)}}, "param_groups": [{"lr": 0.1}]},
}
torch.save(state, "zip.pth")
torch.save(state, "legacy.pth", _use_new_zipfile_serialization=False)
torch.save(nested, "nested.pth")
contiguous = {name: tensor.clone().contiguous() for name, tensor in state.items()}
safetensors.torch.save_file(contiguous, "plain.safetensors", metadata={"note": "kept"})


class Attack:
    def __reduce__(self):
        return os.system, ("false",)


torch.save({"a.weight": numbers(2), "b": Attack()}, "attack.pth")
