import { classesOf } from '../graph/graph.js';
import type { Layout } from '../graph/levels.js';
import { view } from '../wasm/job.js';
import { activationJob } from '../wasm/ops/map.js';
import { softmaxJob } from '../wasm/ops/softmax.js';
import type { Runtime } from '../wasm/runtime.js';

/** What a head says of each row: (rows, classes). A single sigmoid output z is two classes, with -z and z. */
export interface HeadOutput {
  logits: Float32Array;
  probabilities: Float32Array;
}

/** Logits and probabilities of `count` rows of the network's own outputs at `x`; `y` is room for as many numbers. */
export async function headOutput(
  runtime: Runtime,
  layout: Layout,
  x: number,
  count: number,
  signal?: AbortSignal,
  y?: number,
): Promise<HeadOutput> {
  const { arena } = runtime;
  const { graph } = layout;
  const { c: columns } = graph.nodes[graph.logits].shape;
  const to = y ?? arena.alloc(4 * count * columns);
  const rows = (ptr: number) => view(ptr, 1, count, columns);
  const job =
    graph.head === 'softmax'
      ? softmaxJob({ x, y: to, rows: count, columns })
      : activationJob(rows(x), rows(to), { f: 'sigmoid' });
  await runtime.runAsync(job, signal);
  const copy = (ptr: number) => arena.f32(ptr, count * columns).slice();
  const [logits, probabilities] = [copy(x), copy(to)];
  if (classesOf(graph) === columns) return { logits, probabilities };
  const pairs = (values: Float32Array, other: (value: number) => number) =>
    Float32Array.from({ length: 2 * count }, (_, i) => (i % 2 ? values[i >> 1] : other(values[i >> 1])));
  return { logits: pairs(logits, (z) => -z), probabilities: pairs(probabilities, (p) => 1 - p) };
}
