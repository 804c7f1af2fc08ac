import type { NodeId } from '../graph/graph.js';
import type { operatorOf } from '../operators/table.js';
import type { headOutput } from '../run/head-output.js';
import type { view } from '../wasm/job.js';
import type { gemmJob, matrix } from '../wasm/ops/gemm.js';
import { densePoints, type Field, ownPhaseOf, type Points, phasesOf } from './field.js';
import { type Front, frontOf } from './front.js';
import { frontValues } from './front-values.js';
import type { Work } from './work.js';

/** What this module, loaded when needed, uses of the engine: it has no copy of it. */
export interface Engine {
  readonly operatorOf: typeof operatorOf;
  readonly headOutput: typeof headOutput;
  readonly view: typeof view;
  readonly gemmJob: typeof gemmJob;
  readonly matrix: typeof matrix;
}

/**
 * Ablation-CAM's weights (Desai and Ramaswamy 2020): alpha_k = (y - y without channel k) / |y|, the share of the score that is
 * lost; 0 where y is 0. Divided by y itself, as in pytorch-grad-cam, a negative score would turn the map upside down. In front of the
 * head only the dense layers run again, for each phase if it has a head of its own; before it, the network behind the layer.
 */
export async function ablationWeights(
  work: Work,
  field: Field,
  layer: NodeId,
  engine: Engine,
): Promise<Float64Array[]> {
  const { heads, mode } = work.request;
  const place = work.placeOf(layer);
  const [row, column] = ownPhaseOf(place);
  const phases = phasesOf(field, place.period);
  const own = phases[row * place.period + column];
  const parts = mode === 'atrous' && heads !== 'one' ? phases : [own];
  const ablated = parts.map((points) => ablatedValue(points));
  const front = frontOf(work.network.layout, layer);
  if (!front) {
    const { score } = await work.outcome();
    const alpha = new Float64Array(field.channels);
    for (let k = 0; k < field.channels; k++)
      alpha[k] = lostShare(score, await work.scoreWithout(layer, own, k, ablated[0]));
    return [alpha];
  }
  const { whole, without } = await scoresWithout(work, front, parts, ablated, engine);
  const total = (scores: Float64Array) => scores.reduce((a, b) => a + b, 0);
  if (heads === 'mean') return [Float64Array.from(without, (scores) => lostShare(total(whole), total(scores)))];
  return parts.map((_, head) => Float64Array.from(without, (scores) => lostShare(whole[head], scores[head])));
}

const lostShare = (y: number, without: number): number => (y === 0 ? 0 : (y - without) / Math.abs(y));

/**
 * What an ablated channel holds: 0 where the smallest activation is 0, as it is behind a ReLU almost always, else a value far
 * below it, as in pytorch-grad-cam.
 */
function ablatedValue(points: Points): number {
  const least = densePoints(points).reduce((a, b) => Math.min(a, b), Infinity);
  return least === 0 ? 0 : least - 1e7;
}

/**
 * The scores of the heads whose points of the layer in front of the head are `parts`, and those without each channel, which then holds
 * `ablated`. Of the first dense layer only a channel's own rows are multiplied again: z - (P_k - ablated) W_k.
 */
async function scoresWithout(
  work: Work,
  front: Front,
  parts: readonly Points[],
  ablated: readonly number[],
  engine: Engine,
): Promise<{ whole: Float64Array; without: Float64Array[] }> {
  const { runtime, network, pause } = work;
  const { gemmJob, matrix } = engine;
  const { signal, mode } = work.request;
  const { arena } = runtime;
  const { kernel, bias } = network.packed[front.dense].at;
  const out = network.graph.nodes[front.dense].shape.c;
  const [heads, { channels }] = [parts.length, parts[0].field];
  const cells = front.h * front.w;
  const inputs = cells * channels;
  const pooled = new Float32Array(heads * inputs);
  for (const [i, points] of parts.entries())
    pooled.set(await frontValues(points, front, mode === 'dilated', pause), i * inputs);
  const mark = arena.mark();
  try {
    const x = arena.alloc(4 * pooled.length);
    const part = arena.alloc(4 * heads * cells);
    const z = arena.alloc(4 * heads * out);
    const product = arena.alloc(4 * heads * out);
    arena.f32(x, pooled.length).set(pooled);
    const w = matrix(kernel, inputs, out);
    await runtime.runAsync(gemmJob(matrix(x, heads, inputs), w, matrix(z, heads, out), { bias }), signal);
    const all = arena.f32(z, heads * out).slice();
    const whole = await scores(work, front, z, heads, engine);

    const without: Float64Array[] = [];
    for (let k = 0; k < channels; k++) {
      const excess = arena.f32(part, heads * cells);
      for (let i = 0; i < excess.length; i++) excess[i] = pooled[i * channels + k] - ablated[Math.floor(i / cells)];
      const rows = { ptr: kernel + 4 * k * out, rows: cells, cols: out, row: channels * out, col: 1 };
      await runtime.runAsync(gemmJob(matrix(part, heads, cells), rows, matrix(product, heads, out)), signal);
      const [target, lost] = [arena.f32(z, all.length), arena.f32(product, all.length)];
      for (let i = 0; i < all.length; i++) target[i] = all[i] - lost[i];
      without.push(await scores(work, front, z, heads, engine));
      work.advance();
      await pause();
    }
    return { whole, without };
  } finally {
    arena.release(mark);
  }
}

/** The score of each head, from what the first dense layer gives before its activation, (heads, out) at `z`, which is overwritten. */
async function scores(
  work: Work,
  { rest }: Front,
  z: number,
  heads: number,
  { operatorOf, headOutput, view }: Engine,
): Promise<Float64Array> {
  const { runtime, network } = work;
  const { subject, signal } = work.request;
  const { arena } = runtime;
  const { nodes } = network.graph;
  const mark = arena.mark();
  let from = z;
  for (const id of rest) {
    const node = nodes[id];
    const x = view(from, 1, heads, nodes[node.from[0]].shape.c);
    const y = node.op === 'activation' ? x : view(arena.alloc(4 * heads * node.shape.c), 1, heads, node.shape.c);
    const call = { node, x: [x], y, rate: 1, packed: network.packed[id], workspace: { ptr: 0, bytes: 0 } };
    for (const job of operatorOf(node).forward(call)) await runtime.runAsync(job, signal);
    from = y.ptr;
  }
  const { logits, probabilities } = await headOutput(runtime, network.layout, from, heads, signal);
  arena.release(mark);
  const classes = logits.length / heads;
  return Float64Array.from({ length: heads }, (_, head) => {
    const row = [head * classes, (head + 1) * classes] as const;
    return subject.score(logits.subarray(...row), probabilities.subarray(...row)).value;
  });
}
