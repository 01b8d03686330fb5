"""Makes curves.json: the first training steps of ResNet-18 and ResNet-50 by torchvision and torch.optim, for tests/curves.rs.

Needs torch 2.13, torchvision, numpy. Run: python make_curves.py (ten minutes on one core).
Weights and batches come from an integer hash that the test computes as well, to the bit, so only curves are stored.

`losses` is computed in float64, whose rounding (1e-16) no step of these makes visible: the same numbers on every CPU.

`rounding` is how far float32 may part from it: not what one machine's float32 kernels happened to do, but the response
of the float64 computation to float32's rounding errors, put in by hand. Each operation of the step, forward, backward and
update, computes in float64 and then gets a random error of the size that float32 arithmetic gives it:

- One rounding of a number v is v * e, e uniform in [-u, u], u = 2^-24: variance (u v)^2 / 3. Roundings are independent
  (the model of Higham and Mary, "A new approach to probabilistic rounding error analysis", 2019).
- A sum s of K terms t_i, added one after the other: the k-th rounding is that of the partial sum s_k, so the variance is
  u^2 / 3 * sum_k s_k^2. In an order that knows nothing of the terms, E[s_k^2] <= k/K * sum t_i^2 + (k/K)^2 * s^2, hence
      variance <= u^2 / 3 * (K/2 * sum t_i^2 + K/3 * s^2).
  Vector lanes, blocks and trees make shorter chains and smaller errors: one after the other is the worst that a kernel
  does. Convolutions, their gradients, the linear layer, BatchNorm's means and variances are such sums.

`rounding[step]` is the root mean square of the loss's distance over DRAWS computations, relative, and its maximum up to
that step. The test allows thirty of them: by Chebyshev's inequality a distance of any distribution with that mean square
is larger in fewer than one of 900 cases. TF32 (u = 2^-11) or bf16 (u = 2^-9) in one of the operations is thousands of them.

Only the first steps are compared. BatchNorm on eight images of 2 x 2 values and the kinks of ReLU and max pooling multiply
any error, so that after twenty steps of ResNet-18 (six of ResNet-50) one rounding decides the third digit of the loss.

The last BatchNorm of each block starts at 0 (zero_init_residual). With torchvision's default, 1, the same network is so
sensitive that PyTorch's own channels_last curve parts by 1e-4 at the sixth step and by 20 % at the fiftieth (resnet18,
rate 0.001): such a curve proves nothing.
"""

import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from torch.utils._python_dispatch import TorchDispatchMode

CLASSES, BATCH, SIDE, DRAWS = 10, 8, 64, 4
STEPS = {"resnet18": 12, "resnet50": 6}
RATE, MOMENTUM, DECAY = 0.005, 0.9, 1e-4
OVERFLOWS = {3: "inf", 4: "nan", 7: "inf"}
UNIT = 2.0**-24
aten = torch.ops.aten


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
    return model.double()


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
    pixels = torch.from_numpy(np.stack(images).astype(np.float64)).permute(0, 3, 1, 2).contiguous()
    return pixels / 128 - 1, torch.from_numpy(labels.astype(np.int64))


def square(x):
    return x.float() ** 2


class Float32Rounding(TorchDispatchMode):
    """Adds to the float64 result of every operation the error that float32 would have made, as the head says."""

    def __init__(self, draw):
        super().__init__()
        self.generator = torch.Generator().manual_seed(draw)

    def noise(self, like):
        # The size of an error needs no float64.
        return torch.randn(like.shape, generator=self.generator)

    def add(self, tensor, deviation):
        tensor.add_(self.noise(tensor) * deviation)

    def once(self, tensor, roundings=1):
        """`roundings` roundings of every number of a tensor."""
        self.add(tensor, tensor.abs() * (UNIT * (roundings / 3) ** 0.5))

    def sums(self, total, squares, count):
        """The deviation of sums of `count` terms whose squares add up to `squares`."""
        return UNIT * (count / 6 * squares + count / 9 * total**2).clamp_min(0).sqrt()

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        named = named or {}
        out = function(*arguments, **named)
        if function is aten.convolution.default:
            x, w, _, *rest = arguments
            squares = function(square(x), square(w), None, *rest)
            self.add(out, self.sums(out, squares, w[0].numel()))
        elif function is aten.convolution_backward.default:
            g, x, w, *rest = arguments
            squares = function(square(g), square(x), square(w), *rest)
            places = g.numel() // g.shape[1]
            for gradient, sum_of_squares, count in ((out[0], squares[0], w.numel() // w.shape[1]), (out[1], squares[1], places)):
                if gradient is not None:
                    self.add(gradient, self.sums(gradient, sum_of_squares, count))
        elif function in (aten.native_batch_norm.default, aten._native_batch_norm_legit.default, aten.cudnn_batch_norm.default):
            self.batch_norm(out, arguments)
        elif function is aten.native_batch_norm_backward.default:
            self.batch_norm_backward(out, arguments)
        elif function is aten.mm.default:
            a, b = arguments
            self.add(out, self.sums(out, (a**2) @ (b**2), a.shape[1]))
        elif function is aten.addmm.default:
            bias, a, b = arguments
            self.add(out, self.sums(out, (a**2) @ (b**2) + bias**2, a.shape[1] + 1))
        elif function in (aten.mean.dim, aten.sum.dim_IntList):
            x, dims = arguments[0], arguments[1]
            count = x.numel() // max(out.numel(), 1)
            total = x.sum(dims, keepdim=arguments[2] if len(arguments) > 2 else False)
            squares = (x**2).sum(dims, keepdim=arguments[2] if len(arguments) > 2 else False)
            scale = 1 / count if function is aten.mean.dim else 1
            self.add(out, self.sums(total, squares, count) * scale)
        elif function in (aten._log_softmax.default, aten._log_softmax_backward_data.default):
            # exp, a sum of ten, a logarithm or a product, a difference
            self.once(out, 4 + CLASSES)
        elif function in ARITHMETIC:
            if out.dtype == torch.float64:
                self.once(out)
        elif function not in EXACT and function.namespace == "aten":
            raise SystemExit(f"no rounding is known of {function}")
        return out

    def batch_norm(self, out, arguments):
        x, weight = arguments[0], arguments[1]
        y, count = out[0], x.numel() // x.shape[1]
        over = (0, 2, 3)
        column = lambda v: v.view(1, -1, 1, 1)
        mean, mean_square = x.mean(over), (x**2).mean(over)
        invstd = 1 / (mean_square - mean**2 + 1e-5).sqrt()
        z4 = (((x - column(mean)) * column(invstd)) ** 4).mean(over)
        shift = self.sums(mean * count, mean_square * count, count) / count * invstd * weight
        stretch = self.sums(torch.full_like(mean, count), z4 * count, count) / count / 2
        y.add_(column(self.noise(shift) * shift) + y * column(self.noise(stretch) * stretch))
        self.once(y, 4)

    def batch_norm_backward(self, out, arguments):
        g, x, weight, mean, invstd = (arguments[i] for i in (0, 1, 2, 5, 6))
        over, count = (0, 2, 3), x.numel() // x.shape[1]
        column = lambda v: v.view(1, -1, 1, 1)
        xhat = (x - column(mean)) * column(invstd)
        product = g * xhat
        bias_error = self.noise(mean) * self.sums(g.sum(over), (g**2).sum(over), count)
        weight_error = self.noise(mean) * self.sums(product.sum(over), (product**2).sum(over), count)
        scale = column(invstd * weight)
        out[0].sub_(scale * (column(bias_error) + xhat * column(weight_error)) / count)
        self.add(out[0], (scale * g).abs() * (UNIT * 2))
        out[1].add_(weight_error)
        out[2].add_(bias_error)


# One rounding a number: sums of two, products, the update of the weights.
ARITHMETIC = {aten.add.Tensor, aten.add_.Tensor, aten.mul.Tensor, aten.mul_.Tensor, aten.div.Scalar, aten.div.Tensor, aten.div_.Scalar,
              aten.mul.Scalar, aten.sub.Tensor}
# Copies, choices and shapes round nothing. (A loss is read in float64: its own last rounding is the test's, not the curve's.)
EXACT = {aten.relu.default, aten.relu_.default, aten.threshold_backward.default, aten.max_pool2d_with_indices.default,
         aten.max_pool2d_with_indices_backward.default, aten.view.default, aten.detach.default, aten.t.default, aten.expand.default,
         aten.nll_loss_forward.default, aten.nll_loss_backward.default, aten.ones_like.default, aten._unsafe_view.default,
         aten.clone.default, aten.copy_.default, aten.empty_like.default, aten.zeros_like.default, aten._to_copy.default,
         aten.reshape.default, aten.squeeze.dims, aten.unsqueeze.default, aten.empty.memory_format, aten.new_empty.default,
         aten._local_scalar_dense.default, aten.lift_fresh.default, aten.scalar_tensor.default, aten.alias.default}


def curve(arch, overflows=None, rounding=None):
    model = build(arch)
    options = {"momentum": MOMENTUM, "weight_decay": DECAY, "foreach": False}
    optimizer = torch.optim.SGD(model.parameters(), RATE, **options)
    scaler = torch.amp.GradScaler("cpu", enabled=overflows is not None)
    losses, scales = [], []
    for step in range(STEPS[arch]):
        images, labels = batch(step)
        optimizer.zero_grad()
        with rounding or torch.enable_grad():
            loss = F.cross_entropy(model(images), labels)
            scaler.scale(loss).backward()
            if overflows and step in overflows:
                model.conv1.weight.grad[0, 0, 0, 0] = float(overflows[step])
            scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
        scales.append(scaler.get_scale())
    return losses, scales


def rounding(arch, reference):
    """Root mean square over the draws of the relative distance at each step, and its maximum so far."""
    squares = np.zeros(STEPS[arch])
    for draw in range(DRAWS):
        losses, _ = curve(arch, rounding=Float32Rounding(draw))
        distance = np.abs(np.array(losses) - reference) / np.abs(reference)
        print(arch, "draw", draw, [f"{d:.1e}" for d in distance], flush=True)
        squares += distance**2
    return [float(f"{value:.3g}") for value in np.maximum.accumulate(np.sqrt(squares / DRAWS))]


def main():
    out = {"torch": torch.__version__, "rate": RATE, "momentum": MOMENTUM, "weight_decay": DECAY}
    for arch in ("resnet18", "resnet50"):
        losses, _ = curve(arch)
        out[arch] = {"losses": losses, "rounding": rounding(arch, np.array(losses))}
        print(arch, [f"{r:.1e}" for r in out[arch]["rounding"]], flush=True)
    losses, scales = curve("resnet18", overflows=OVERFLOWS)
    # Three steps fewer: what float32 does to it is what it does to the curve without overflows, or less.
    out["overflow"] = {"steps": {str(k): v for k, v in OVERFLOWS.items()}, "losses": losses, "scales": scales,
                       "rounding": out["resnet18"]["rounding"]}
    path = pathlib.Path(__file__).with_name("curves.json")
    path.write_text(json.dumps(out, indent=1) + "\n")
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
