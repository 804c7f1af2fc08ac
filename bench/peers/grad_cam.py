"""
Grad-CAM of torchvision's networks by pytorch-grad-cam, and a network's maps at every pixel by PyTorch alone:

    python3 bench/peers/networks.py FOLDER [NAME ...]
    python3 bench/peers/grad_cam.py FOLDER/resnet50.pth [--threads 2] [--runs 3] [--full]

`--full`: strides of convolutions and pools are replaced by dilation of all that comes behind them, so that the explained layer
has a point for each pixel, as `atrous` with output stride 1 computes it; timed is the forward pass up to that layer and the
weighted sum of its channels, without a gradient. Means of squeeze-and-excite are of the whole map, where `atrous` has one for
each phase. A JSON line with times in milliseconds and the peak resident set in bytes, as bench/gradcam.js prints it;
`apart`: how far the points of the undilated network are from its own, as a share of the largest. Versions: requirements.txt.
"""
import argparse
import json
import math
import resource
import time
from pathlib import Path

import torch
from torch import nn

from networks import build

SIDE = 224
LONG = 10_000  # milliseconds of a run that is not repeated, as in bench/gradcam.js


def load(path):
    model = build(Path(path).stem)
    model.load_state_dict(torch.load(path, weights_only=True))
    return model.eval()


def body(model):
    """The modules of a network up to its last map, which Grad-CAM explains."""
    if hasattr(model, 'layer4'):
        names = 'conv1 bn1 relu maxpool layer1 layer2 layer3 layer4'.split()
        return nn.Sequential(*(getattr(model, name) for name in names))
    name = type(model).__name__
    if name == 'VGG':
        return model.features[:-1]  # without the last pool
    if name == 'SqueezeNet':
        return nn.Sequential(model.features, *model.classifier[:3])
    return model.features


class DilatedPool(nn.Module):
    """A pool of stride 1 whose taps are `rate` apart: PyTorch's mean pool has no dilation, its max pool pads by half its size at most."""

    def __init__(self, pool, rate):
        super().__init__()
        self.size, self.rate, self.largest = pool.kernel_size, rate, isinstance(pool, nn.MaxPool2d)
        before = rate * pool.padding
        behind = before + (rate * (pool.stride - 1) if pool.ceil_mode else 0)
        if before and not self.largest:
            raise ValueError('a padded mean pool: not needed by any of the networks')
        self.pad = nn.ConstantPad2d((before, behind, before, behind), float('-inf')) if behind else nn.Identity()

    def forward(self, x):
        x = self.pad(x)
        if self.largest:
            return nn.functional.max_pool2d(x, self.size, 1, 0, self.rate)
        h, w = (side - self.rate * (self.size - 1) for side in x.shape[2:])
        starts = [self.rate * i for i in range(self.size)]
        return sum(x[:, :, i : i + h, j : j + w] for i in starts for j in starts) / self.size**2


def rates_of(network):
    """By how much the map that a module reads is smaller than the input, a power of two: what its dilation becomes."""
    rates = {}

    def note(module, inputs):
        side = inputs[0].shape[2]
        if side > 1:  # what reads a vector stays as it is
            rates[module] = 2 ** round(math.log2(SIDE / side))

    kinds = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
    hooks = [module.register_forward_pre_hook(note) for module in network.modules() if isinstance(module, kinds)]
    with torch.inference_mode():
        y = network(torch.zeros(1, 3, SIDE, SIDE))
    for hook in hooks:
        hook.remove()
    return rates, y.shape[1]


def dilate(network, rates):
    """Replaces every stride by dilation of what comes behind it: points of the same windows, one a pixel."""
    for parent in list(network.modules()):
        for name, module in list(parent.named_children()):
            if module not in rates:
                continue
            rate = rates[module]
            if isinstance(module, nn.Conv2d):
                module.stride = (1, 1)
                module.dilation = (rate, rate)
                module.padding = tuple(rate * p for p in module.padding)
            else:
                setattr(parent, name, DilatedPool(module, rate))


def full(model, x):
    """A run of the dilated network, and how far it is from the undilated one where both have points."""
    network = body(model)
    rates, channels = rates_of(network)
    with torch.inference_mode():
        own = network(x)
    dilate(network, rates)
    alpha = torch.randn(1, channels, 1, 1)

    def run():
        with torch.inference_mode():
            return (network(x) * alpha).sum(1)

    def apart(raw):
        expected = (own * alpha).sum(1)
        stride = 2 ** round(math.log2(SIDE / own.shape[2]))
        points = raw[:, ::stride, ::stride][:, : own.shape[2], : own.shape[3]]
        return float((points - expected).abs().max() / expected.abs().max())

    return run, apart


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('weights')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--full', action='store_true')
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = load(options.weights)
    torch.manual_seed(1)
    x = torch.randn(1, 3, SIDE, SIDE)
    apart = None
    if options.full:
        run, apart = full(model, x)
    else:
        from pytorch_grad_cam import GradCAM

        def run():
            with GradCAM(model=model, target_layers=[body(model)[-1]]) as cam:
                return cam(input_tensor=x, targets=None)

    times = []
    for _ in range(options.runs):
        start = time.perf_counter()
        result = run()
        times.append(round(1000 * (time.perf_counter() - start)))
        if times[-1] > LONG:
            break
    resident = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    row = {
        'name': 'PyTorch, strides replaced by dilation, no gradient' if options.full else 'pytorch-grad-cam',
        'network': Path(options.weights).stem,
        'mode': 'every pixel' if options.full else 'pooled',
        'threads': options.threads,
        'milliseconds': times,
        'residentBytes': resident,
    }
    print(json.dumps({**row, 'apart': apart(result)} if apart else row), flush=True)


if __name__ == '__main__':
    main()
