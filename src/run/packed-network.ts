import { throwIfAborted } from '../base/errors.js';
import { sizeFrom } from '../base/shape.js';
import type { Precision } from '../base/types.js';
import { convLayers, readTopology, type Topology } from '../graph/topology.js';
import { biasOf, type ConvKernel, convKernel, convKernelBytes, packKernelJob } from '../operators/convolution.js';
import { expandFloat16Jobs } from '../wasm/ops/float16.js';
import type { Runtime } from '../wasm/runtime.js';
import { convWeights, type NetworkWeights, type Tensor } from '../weights/types.js';

/** A dense layer in the wasm memory: kernel (in, out) row by row, bias (out). */
export interface PackedDense {
  readonly in: number;
  readonly out: number;
  readonly kernel: number;
  readonly bias: number;
}

/** A network whose weights lie in the wasm memory in the order the kernels read them. */
export interface PackedNetwork {
  readonly topology: Topology;
  readonly precision: Precision;
  readonly convs: ReadonlyMap<string, ConvKernel>;
  readonly dense: readonly PackedDense[];
  /** Adjoint kernels by layer, made when a gradient first needs them (src/run/adjoint.ts). */
  readonly adjoints: Map<Precision, ReadonlyMap<string, ConvKernel>>;
}

/**
 * Reads the tensors one by one, straight to their place; only a convolution kernel stands twice for a moment, before it is
 * packed. All memory is reserved first, so that a network that does not fit fails before anything is read.
 */
export async function packNetwork(
  runtime: Runtime,
  weights: NetworkWeights,
  precision: Precision,
  { signal, onProgress }: { signal?: AbortSignal; onProgress?: (done: number) => void } = {},
): Promise<PackedNetwork> {
  const { arena } = runtime;
  const topology = readTopology(weights);
  const layers = convLayers(topology);
  const convTensors = convWeights(weights);
  const staging = 4 * Math.max(...layers.map(({ cin, cout }) => 9 * cin * cout));
  const total = layers.reduce((sum, layer) => sum + convKernelBytes(layer, precision), 0);
  const dense = topology.dense.reduce((sum, layer) => sum + 4 * (layer.in + 1) * layer.out, 0);
  arena.reserve(total + dense + staging + 64 * (2 * layers.length + 2 * topology.dense.length + 1));

  const kernels = layers.map((layer) => convKernel(layer, precision, arena.alloc(convKernelBytes(layer, precision))));
  const heads = topology.dense.map(
    (layer): PackedDense => ({
      in: layer.in,
      out: layer.out,
      kernel: arena.alloc(4 * layer.in * layer.out),
      bias: arena.alloc(4 * layer.out),
    }),
  );

  let done = 0;
  const onBlock = async (elements: number) => {
    done += elements;
    onProgress?.(done / weights.parameters);
    await runtime.yieldIfDue();
    throwIfAborted(signal);
  };
  const read = async ({ shape, copyInto, copyHalves }: Tensor, ptr: number) => {
    throwIfAborted(signal);
    const elements = sizeFrom(shape);
    if (!copyHalves) return copyInto(arena.f32(ptr, elements), onBlock);
    await copyHalves(arena.u16(ptr + 2 * elements, elements), onBlock);
    for (const job of expandFloat16Jobs(ptr, elements)) await runtime.runAsync(job, signal);
  };

  const mark = arena.mark();
  const source = arena.alloc(staging);
  for (const [i, conv] of kernels.entries()) {
    const { kernel, bias } = convTensors[i];
    await read(kernel, source);
    await runtime.runAsync(packKernelJob(source, conv), signal);
    await read(bias, biasOf(conv));
  }
  arena.release(mark);
  for (const [i, layer] of heads.entries()) {
    await read(weights.dense[i].kernel, layer.kernel);
    await read(weights.dense[i].bias, layer.bias);
  }
  const convs = new Map(layers.map((layer, i) => [layer.name, kernels[i]]));
  return { topology, precision, convs, dense: heads, adjoints: new Map() };
}
