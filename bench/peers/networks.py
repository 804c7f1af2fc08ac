"""
Writes torchvision's networks with random weights as ONNX, for bench/families.js, and as state dictionaries, for grad_cam.py:

    python3 bench/peers/networks.py FOLDER [NAME ...]

Each file says its own input (1, 3, 224, 224) and its logits. Statistics of batch normalization are measured on noise,
so that activations neither vanish nor explode. Versions: requirements.txt.
"""
import sys
from pathlib import Path

import torch
import torchvision

NAMES = (
    'vgg16 resnet18 resnet50 mobilenet_v2 mobilenet_v3_small efficientnet_b0 squeezenet1_0 densenet121'.split()
)


def main(folder, names):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or NAMES:
        torch.manual_seed(1)
        model = getattr(torchvision.models, name)(weights=None)
        norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
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
