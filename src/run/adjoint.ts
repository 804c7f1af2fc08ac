import type { Precision } from '../base/types.js';
import type { NodeId } from '../graph/graph.js';
import {
  adjointJobs,
  adjointKernel,
  adjointKernelBytes,
  adjointWorkspaceBytes,
  type ConvKernel,
} from '../operators/convolution.js';
import type { Runtime } from '../wasm/runtime.js';
import type { PackedNetwork } from './packed-network.js';

/** The kernels that map the gradient at a convolution's output to that at its input, one a group, by the convolution's name. */
export type AdjointKernels = ReadonlyMap<string, readonly ConvKernel[]>;

/** Bytes that `adjointKernels` allocates and keeps, and those that it needs in passing. */
export function adjointBytes(
  network: PackedNetwork,
  nodes: readonly NodeId[],
  precision: Precision,
): { kept: number; workspace: number } {
  const kernels = missing(network, nodes, precision).flatMap((id) => network.packed[id].convs!);
  return {
    kept: kernels.reduce((sum, kernel) => sum + adjointKernelBytes(kernel, precision) + 64, 0),
    workspace: Math.max(0, ...kernels.map((kernel) => workspaceFor(kernel, precision))),
  };
}

/**
 * The adjoint kernels of some convolutions. The network keeps them: making them reads and writes all weights, which costs as much as the
 * pooled network's forward pass, and wasm memory that was touched is never given back anyway. To be called with nothing on the
 * arena but what is kept.
 */
export async function adjointKernels(
  runtime: Runtime,
  network: PackedNetwork,
  nodes: readonly NodeId[],
  precision: Precision,
  signal?: AbortSignal,
): Promise<AdjointKernels> {
  const { arena } = runtime;
  const start = arena.mark();
  try {
    const made = missing(network, nodes, precision).map((id) => {
      const from = network.packed[id].convs!;
      const to = from.map((one) => adjointKernel(one, precision, arena.alloc(adjointKernelBytes(one, precision))));
      return { name: network.graph.nodes[id].name, from, to };
    });
    const mark = arena.mark();
    const bytes = Math.max(0, ...made.flatMap(({ from }) => from.map((one) => workspaceFor(one, precision))));
    const workspace = { ptr: arena.alloc(bytes), bytes };
    for (const { from, to } of made)
      for (const [g, one] of from.entries())
        for (const job of adjointJobs(one, to[g], workspace)) await runtime.runAsync(job, signal);
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

/** Depthwise convolutions need none. */
const missing = (
  { adjoints, graph, packed }: PackedNetwork,
  nodes: readonly NodeId[],
  precision: Precision,
): NodeId[] => nodes.filter((id) => packed[id].convs && !adjoints.get(precision)?.has(graph.nodes[id].name));

const workspaceFor = (from: ConvKernel, precision: Precision): number =>
  adjointWorkspaceBytes(from, adjointKernel(from, precision, 0));
