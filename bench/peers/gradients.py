"""PyTorch's forward and backward of one block of convolutions, for bench/gradients.js: takes its sizes as JSON on the command line,

    python bench/peers/gradients.py '{"side": 28, "channels": [256, 512, 512, 512], "rate": 1, "pool": true, "threads": 2}'

says on a line which memory format it takes (`format` in the JSON, else the faster of both in one run each), then for every line
that it reads runs once and prints the milliseconds of forward and backward, which gives dx, dw and db of all layers.
"""

import json
import sys
import time

import torch

FORMATS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}


class Block:
    def __init__(self, spec, memory_format):
        channels = spec["channels"]
        rate = spec["rate"]
        modules = []
        for cin, cout in zip(channels, channels[1:]):
            modules += [torch.nn.Conv2d(cin, cout, 3, padding=rate, dilation=rate), torch.nn.ReLU()]
        if spec["pool"]:
            modules.append(torch.nn.MaxPool2d(2))
        self.stack = torch.nn.Sequential(*modules).to(memory_format=memory_format)
        side = spec["side"]
        out = side // 2 if spec["pool"] else side
        generator = torch.Generator().manual_seed(1)
        x = torch.rand(1, channels[0], side, side, generator=generator)
        dy = torch.rand(1, channels[-1], out, out, generator=generator) - 0.5
        self.x = x.contiguous(memory_format=memory_format).requires_grad_(True)
        self.dy = dy.contiguous(memory_format=memory_format)

    def run(self):
        self.stack.zero_grad(set_to_none=True)
        self.x.grad = None
        start = time.perf_counter()
        y = self.stack(self.x)
        middle = time.perf_counter()
        y.backward(self.dy)
        end = time.perf_counter()
        return 1000 * (middle - start), 1000 * (end - middle)


def main():
    spec = json.loads(sys.argv[1])
    torch.set_num_threads(spec["threads"])
    name = spec.get("format")
    if name is None:
        times = {candidate: Block(spec, memory_format).run()[1] for candidate, memory_format in FORMATS.items()}
        name = min(times, key=times.get)
    block = Block(spec, FORMATS[name])
    print(json.dumps({"format": name, "version": torch.__version__}), flush=True)
    for _ in sys.stdin:
        print(*block.run(), flush=True)


if __name__ == "__main__":
    main()
