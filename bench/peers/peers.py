"""Python's runtimes on the same weights: VGG16's convolution stack, and Grad-CAM end to end with pytorch-grad-cam.

    python3 -m venv .venv && .venv/bin/pip install -r bench/peers/requirements.txt
    .venv/bin/python bench/peers/peers.py vgg16.h5 [--peers torch,tensorflow,...] [--modes pooled,dilated] [--threads 2] [--runs 3]

Each peer runs in its own process, so that peak memory is its own. One JSON line each: times in milliseconds, peak resident set in
bytes, and how far the output is from the first peer's, over its largest value (null where the output is another: grad-cam).
The input is that of run.js.
"""

import argparse
import importlib.metadata
import json
import multiprocessing
import os
import re
import resource
import subprocess
import tempfile
import time

import h5py
import numpy as np

SIDE = 224
PACKAGES = {
    "torch": "torch",
    "tensorflow": "tensorflow-cpu",
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
    "grad-cam": "grad-cam",
}


def read_layers(path):
    """(name, kernel, bias) of each layer that has weights, in the file's order; kernels (3, 3, cin, cout) and (in, out)."""
    with h5py.File(path, "r") as file:
        for layer in file.attrs["layer_names"]:
            names = file[layer].attrs["weight_names"]
            if len(names):
                kernel, bias = (file[layer][name][()] for name in names)
                yield layer.decode() if isinstance(layer, bytes) else layer, kernel, bias


def plan(path, mode):
    """Per convolution: name, kernel, bias, rate, and whether a 2x2 pool follows it."""
    convs = [(name, kernel, bias) for name, kernel, bias in read_layers(path) if kernel.ndim == 4]
    blocks = [int(re.match(r"block(\d+)_", name).group(1)) for name, _, _ in convs]
    for (name, kernel, bias), block, following in zip(convs, blocks, blocks[1:] + [None]):
        rate = 1 if mode == "pooled" else 2 ** (block - 1)
        yield name, kernel, bias, rate, mode == "pooled" and following not in (block, None)


def synthetic_input():
    """The input of run.js, (1, SIDE, SIDE, 3)."""
    y, x, c = np.meshgrid(np.arange(SIDE), np.arange(SIDE), np.arange(3), indexing="ij")
    return (64 * (np.sin(x / (7 + c)) + np.cos(y * (c + 1) / 11)))[None].astype(np.float32)


def torch_stack(path, mode):
    import torch

    modules = []
    for _, kernel, bias, rate, pool in plan(path, mode):
        conv = torch.nn.Conv2d(kernel.shape[2], kernel.shape[3], 3, padding=rate, dilation=rate)
        conv.weight.data = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
        conv.bias.data = torch.from_numpy(bias)
        modules += [conv, torch.nn.ReLU()] + ([torch.nn.MaxPool2d(2)] if pool else [])
    return torch.nn.Sequential(*modules)


def make_torch(path, mode, threads, x):
    import torch

    torch.set_num_threads(threads)
    stack = torch_stack(path, mode).eval().to(memory_format=torch.channels_last)
    nchw = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)

    def run():
        with torch.inference_mode():
            return stack(nchw)

    return run, lambda y: y.permute(0, 2, 3, 1).numpy()


def make_tensorflow(path, mode, threads, x):
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    layers = [(tf.constant(k), tf.constant(b), rate, pool) for _, k, b, rate, pool in plan(path, mode)]

    @tf.function
    def stack(y):
        for kernel, bias, rate, pool in layers:
            y = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(y, kernel, 1, "SAME", dilations=rate), bias))
            y = tf.nn.max_pool2d(y, 2, 2, "VALID") if pool else y
        return y

    given = tf.constant(x)
    return lambda: stack(given), lambda y: y.numpy()


def write_onnx(path, mode, folder):
    """The model that run.js gives to onnxruntime."""
    target = os.path.join(folder, "stack.onnx")
    subprocess.run(["node", os.path.join(os.path.dirname(__file__), "onnx.js"), path, mode, target], check=True)
    return target


def make_onnxruntime(path, mode, threads, x):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    with tempfile.TemporaryDirectory() as folder:
        model = write_onnx(path, mode, folder)
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    given = {"input": np.ascontiguousarray(x.transpose(0, 3, 1, 2))}
    return lambda: session.run(None, given)[0], lambda y: y.transpose(0, 2, 3, 1)


def make_openvino(path, mode, threads, x):
    import openvino

    core = openvino.Core()
    with tempfile.TemporaryDirectory() as folder:
        model = write_onnx(path, mode, folder)
        settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
        compiled = core.compile_model(core.read_model(model), "CPU", settings)
    given = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    return lambda: compiled([given])[0], lambda y: y.transpose(0, 2, 3, 1)


def make_grad_cam(path, mode, threads, x):
    """The whole network with its dense layers, and Grad-CAM of the top class at the last convolution."""
    import torch
    from pytorch_grad_cam import GradCAM

    torch.set_num_threads(threads)
    stack = torch_stack(path, mode)
    channels = stack[-2].out_channels
    dense = [(kernel, bias) for _, kernel, bias in read_layers(path) if kernel.ndim == 2]
    side = round((dense[0][0].shape[0] / channels) ** 0.5)
    head = []
    for i, (kernel, bias) in enumerate(dense):
        if i == 0:  # Keras flattens (row, column, channel), PyTorch (channel, row, column)
            kernel = kernel.reshape(side, side, channels, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
        linear = torch.nn.Linear(*kernel.shape)
        linear.weight.data = torch.from_numpy(kernel.T.copy())
        linear.bias.data = torch.from_numpy(bias)
        head += [linear] + ([torch.nn.ReLU()] if i < len(dense) - 1 else [])
    pool = torch.nn.MaxPool2d(2 if mode == "pooled" else 32)
    network = torch.nn.Sequential(stack, pool, torch.nn.Flatten(), *head).eval()
    nchw = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous()

    def run():
        with GradCAM(model=network, target_layers=[stack[-1]]) as cam:
            return cam(input_tensor=nchw, targets=None)

    return run, None


MAKERS = {
    "torch": make_torch,
    "onnxruntime": make_onnxruntime,
    "openvino": make_openvino,
    "tensorflow": make_tensorflow,
    "grad-cam": make_grad_cam,
}


def measure(name, path, mode, threads, runs, output, connection):
    """Runs in the peer's own process; sends its row, and saves its output to `output` where it has one."""
    run, to_nhwc = MAKERS[name](path, mode, threads, synthetic_input())
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        y = run()
        times.append(round(1000 * (time.perf_counter() - start)))
    if to_nhwc:
        np.save(output, to_nhwc(y))
    resident = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    version = importlib.metadata.version(PACKAGES[name])
    connection.send({"name": name, "version": version, "mode": mode, "threads": threads, "milliseconds": times, "residentBytes": resident})


def difference(expected, got):
    return float(np.abs(expected - got).max() / np.abs(expected).max())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("--peers", default=",".join(MAKERS))
    parser.add_argument("--modes", default="pooled,dilated")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        for mode in options.modes.split(","):
            first = None
            for name in options.peers.split(","):
                output = os.path.join(folder, f"{mode}.{name}.npy")
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(target=measure, args=(name, options.weights, mode, options.threads, options.runs, output, sender))
                process.start()
                sender.close()
                try:
                    row = receiver.recv()
                except EOFError:
                    row = {"name": name, "mode": mode, "error": "stopped before its end, see above"}
                process.join()
                row["differenceFromFirst"] = None
                if os.path.exists(output):
                    got = np.load(output)
                    first = got if first is None else first
                    row["differenceFromFirst"] = difference(first, got)
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
