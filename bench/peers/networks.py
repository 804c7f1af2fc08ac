"""
Writes networks with random weights as ONNX, for bench/families.js, and as state dictionaries, for grad_cam.py:

    python3 bench/peers/networks.py FOLDER [NAME ...]

They are torchvision's, and two families that it has not: MobileNetV1 (1.0 and 0.25), and EfficientNet-Lite0, which is
EfficientNet-B0 without squeeze-and-excite and with ReLU6. Each file says its own input (1, 3, 224, 224) and its logits.
Statistics of batch normalization are measured on noise, so that activations neither vanish nor explode. Versions: requirements.txt.
"""
import sys
from collections import OrderedDict
from pathlib import Path

import torch
import torchvision
from torch import nn

NAMES = (
    'vgg16 resnet18 resnet50 mobilenet_v1 mobilenet_v1_025 mobilenet_v2 mobilenet_v3_small '
    'efficientnet_lite0 efficientnet_b0 squeezenet1_0 densenet121'.split()
)


def mobilenet_v1(width=1.0):
    """The network of Howard et al. 2017: a strided stem, then pairs of a depthwise 3x3 and a 1x1 convolution."""

    def conv(cin, cout, size, stride, groups=1):
        return [
            nn.Conv2d(cin, cout, size, stride, size // 2, groups=groups, bias=False),
            nn.BatchNorm2d(cout),
            nn.ReLU6(inplace=True),
        ]

    pairs = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + 5 * [(512, 1)] + [(1024, 2), (1024, 1)]
    channels = int(32 * width)
    layers = conv(3, channels, 3, 2)
    for full, stride in pairs:
        cout = int(full * width)
        layers += conv(channels, channels, 3, stride, channels) + conv(channels, cout, 1, 1)
        channels = cout
    features = nn.Sequential(*layers)
    parts = dict(features=features, pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), classifier=nn.Linear(channels, 1000))
    return nn.Sequential(OrderedDict(parts))


def efficientnet_lite0():
    def change(module):
        for name, child in module.named_children():
            if isinstance(child, torchvision.ops.SqueezeExcitation):
                setattr(module, name, nn.Identity())
            elif isinstance(child, nn.SiLU):
                setattr(module, name, nn.ReLU6(inplace=True))
            else:
                change(child)

    model = torchvision.models.efficientnet_b0(weights=None)
    change(model)
    return model


OWN = {
    'mobilenet_v1': mobilenet_v1,
    'mobilenet_v1_025': lambda: mobilenet_v1(0.25),
    'efficientnet_lite0': efficientnet_lite0,
}


def build(name):
    """A network of NAMES, or any of torchvision's, with random weights."""
    return OWN[name]() if name in OWN else getattr(torchvision.models, name)(weights=None)


def main(folder, names):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or NAMES:
        torch.manual_seed(1)
        model = build(name)
        norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
        if norms:
            for norm in norms:
                norm.momentum = None
            with torch.no_grad():
                model.train()(torch.randn(4, 3, 224, 224))
        model.eval()
        torch.save(model.state_dict(), folder / f'{name}.pth')
        target = folder / f'{name}.onnx'
        torch.onnx.export(
            model,
            (torch.zeros(1, 3, 224, 224),),
            target,
            dynamo=False,
            opset_version=17,
            input_names=['input'],
            output_names=['logits'],
        )
        print(target)


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2:])
