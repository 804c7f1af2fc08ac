"""
Grad-CAM of torchvision's networks by pytorch-grad-cam, and a ResNet's maps at every pixel by PyTorch alone:

    python3 bench/peers/networks.py FOLDER resnet50
    python3 bench/peers/grad_cam.py FOLDER/resnet50.pth [--threads 2] [--runs 3] [--full]

`--full`: strides and pools' strides are replaced by dilation, so that layer4 has a point for each pixel, as `atrous` with
output stride 1 computes it; timed is the forward pass and the weighted sum of channels, without a gradient. A JSON line
with times in milliseconds and the peak resident set in bytes, as bench/gradcam.js prints it. Versions: requirements.txt.
"""
import argparse
import json
import resource
import time
from pathlib import Path

import torch
import torchvision

SIDE = 224


def load(path):
    model = getattr(torchvision.models, Path(path).stem)(weights=None)
    model.load_state_dict(torch.load(path, weights_only=True))
    return model.eval()


def body(model):
    """The modules of a ResNet up to its last map."""
    names = 'conv1 bn1 relu maxpool layer1 layer2 layer3 layer4'.split()
    return torch.nn.Sequential(*(getattr(model, name) for name in names))


def dilate(model):
    """Replaces every stride of a ResNet by dilation of what comes behind it: points of the same windows, one a pixel."""
    rate = 1

    def change(module, rate):
        module.stride, module.dilation = 1, rate
        module.padding = tuple(rate * p for p in module.padding) if isinstance(module.padding, tuple) else rate * module.padding

    stride = model.conv1.stride[0]
    change(model.conv1, rate)
    rate *= stride
    pool = model.maxpool
    pad = torch.nn.ConstantPad2d(rate * pool.padding, float('-inf'))  # a pool itself pads by half its size at most
    model.maxpool = torch.nn.Sequential(pad, torch.nn.MaxPool2d(pool.kernel_size, 1, 0, rate))
    rate *= pool.stride
    for layer in (model.layer1, model.layer2, model.layer3, model.layer4):
        for block in layer:
            own = rate
            for conv in (block.conv1, block.conv2, getattr(block, 'conv3', None)):
                if conv is None:
                    continue
                step = conv.stride[0]
                change(conv, own)
                own *= step
            if block.downsample is not None:
                change(block.downsample[0], rate)
            rate = own
    return model


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
    if options.full:
        network = body(dilate(model))
        alpha = torch.randn(1, model.fc.in_features, 1, 1)

        def run():
            with torch.inference_mode():
                return (network(x) * alpha).sum(1)
    else:
        from pytorch_grad_cam import GradCAM

        def run():
            with GradCAM(model=model, target_layers=[model.layer4[-1]]) as cam:
                return cam(input_tensor=x, targets=None)

    times = []
    for _ in range(options.runs):
        start = time.perf_counter()
        run()
        times.append(round(1000 * (time.perf_counter() - start)))
    resident = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    name = 'PyTorch, strides replaced by dilation, no gradient' if options.full else 'pytorch-grad-cam'
    mode = {'mode': 'every pixel'} if options.full else {'mode': 'pooled'}
    print(json.dumps({'name': name, **mode, 'threads': options.threads, 'milliseconds': times, 'residentBytes': resident}))


if __name__ == '__main__':
    main()
