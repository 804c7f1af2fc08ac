import { throwIfAborted } from '../base/errors.js';
import { sizeFrom } from '../base/shape.js';
import type { Precision } from '../base/types.js';
import { type Graph, weightShapes } from '../graph/graph.js';
import { type Layout, layoutOf } from '../graph/levels.js';
import type { ConvKernel } from '../operators/convolution.js';
import type { Load, PackedNode } from '../operators/operator.js';
import { operatorOf } from '../operators/table.js';
import { expandFloat16Jobs } from '../wasm/ops/float16.js';
import type { Runtime } from '../wasm/runtime.js';
import type { NetworkWeights, Tensor } from '../weights/types.js';

/** A network whose weights lie in the wasm memory in the order the kernels read them. */
export interface PackedNetwork {
  readonly graph: Graph;
  readonly layout: Layout;
  readonly precision: Precision;
  /** By node. */
  readonly packed: readonly PackedNode[];
  /** Adjoint kernels of convolutions by name, made when a gradient first needs them (src/run/adjoint.ts). */
  readonly adjoints: Map<Precision, ReadonlyMap<string, readonly ConvKernel[]>>;
}

const EMPTY: PackedNode = { at: {} };

/**
 * Reads the tensors one by one, straight to their place; only a kernel that has to be brought into order stands twice for a moment. All
 * memory is reserved first, so that a network that does not fit fails before anything is read.
 */
export async function packNetwork(
  runtime: Runtime,
  { graph, tensors, parameters }: Pick<NetworkWeights, 'graph' | 'tensors' | 'parameters'>,
  precision: Precision,
  { signal, onProgress }: { signal?: AbortSignal; onProgress?: (done: number) => void } = {},
): Promise<PackedNetwork> {
  const { arena } = runtime;
  const pack = (alloc: (bytes: number) => number) =>
    graph.nodes.map((node) => operatorOf(node).pack?.({ graph, node }, precision, alloc));
  let bytes = 0;
  const planned = pack((size) => {
    bytes += size + 64;
    return 0;
  });
  const bytesOf = ({ part, spare = 0 }: Load, id: number) =>
    4 * sizeFrom(weightShapes(graph, graph.nodes[id])[part]) + spare + 64;
  const staging = Math.max(
    0,
    ...planned.flatMap((packing, id) =>
      (packing?.loads ?? []).filter(({ jobs }) => jobs).map((load) => bytesOf(load, id)),
    ),
  );
  arena.reserve(bytes + staging + 64);
  const packings = pack((size) => arena.alloc(size));

  let done = 0;
  const onBlock = async (elements: number) => {
    done += elements;
    onProgress?.(done / parameters);
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
  for (const [id, packing] of packings.entries()) {
    for (const [part, values] of Object.entries(packing?.constants ?? {}))
      arena.i32(packing!.packed.at[part], values.length).set(values);
    for (const { part, to, jobs } of packing?.loads ?? []) {
      await read(tensors.get(`${graph.nodes[id].name}.${part}`)!, to ?? source);
      for (const job of jobs?.(source) ?? []) await runtime.runAsync(job, signal);
    }
  }
  arena.release(mark);
  const packed = packings.map((packing) => packing?.packed ?? EMPTY);
  return { graph, layout: layoutOf(graph), precision, packed, adjoints: new Map() };
}
