import type { Precision } from '../base/types.js';
import type { ConvLayer } from '../graph/topology.js';
import {
  adjointJobs,
  adjointKernel,
  adjointKernelBytes,
  adjointWorkspaceBytes,
  type ConvKernel,
} from '../operators/convolution.js';
import type { Runtime } from '../wasm/runtime.js';
import type { PackedNetwork } from './packed-network.js';

/** The kernels that map the gradient at a convolution's output to that at its input, by layer. */
export type AdjointKernels = ReadonlyMap<string, ConvKernel>;

/** Bytes that `adjointKernels` allocates and keeps, and those that it needs in passing. */
export function adjointBytes(
  network: PackedNetwork,
  layers: readonly ConvLayer[],
  precision: Precision,
): { kept: number; workspace: number } {
  const kernels = missing(network, layers, precision).map((layer) => network.convs.get(layer.name)!);
  return {
    kept: kernels.reduce((sum, kernel) => sum + adjointKernelBytes(kernel, precision) + 64, 0),
    workspace: Math.max(0, ...kernels.map((kernel) => workspaceFor(kernel, precision))),
  };
}

/**
 * The adjoint kernels of some layers. The network keeps them: making them reads and writes all weights, which costs as much as the
 * pooled network's forward pass, and wasm memory that was touched is never given back anyway. To be called with nothing on the
 * arena but what is kept.
 */
export async function adjointKernels(
  runtime: Runtime,
  network: PackedNetwork,
  layers: readonly ConvLayer[],
  precision: Precision,
  signal?: AbortSignal,
): Promise<AdjointKernels> {
  const { arena } = runtime;
  const start = arena.mark();
  try {
    const made = missing(network, layers, precision).map((layer) => {
      const from = network.convs.get(layer.name)!;
      const to = adjointKernel(from, precision, arena.alloc(adjointKernelBytes(from, precision)));
      return { name: layer.name, from, to };
    });
    const mark = arena.mark();
    const bytes = Math.max(0, ...made.map(({ from }) => workspaceFor(from, precision)));
    const workspace = { ptr: arena.alloc(bytes), bytes };
    for (const { from, to } of made)
      for (const job of adjointJobs(from, to, workspace)) await runtime.runAsync(job, signal);
    arena.release(mark);
    const kept = new Map([
      ...(network.adjoints.get(precision) ?? []),
      ...made.map(({ name, to }) => [name, to] as const),
    ]);
    network.adjoints.set(precision, kept);
    return kept;
  } catch (error) {
    arena.release(start);
    throw error;
  }
}

const missing = ({ adjoints }: PackedNetwork, layers: readonly ConvLayer[], precision: Precision): ConvLayer[] =>
  layers.filter((layer) => !adjoints.get(precision)?.has(layer.name));

const workspaceFor = (from: ConvKernel, precision: Precision): number =>
  adjointWorkspaceBytes(from, adjointKernel(from, precision, 0));
