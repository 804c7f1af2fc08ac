import { type ConvLayer, headCells, lastChannels, lastLayer } from '../graph/topology.js';
import { gemmJob, matrix } from '../wasm/ops/gemm.js';
import { softmaxJob } from '../wasm/ops/softmax.js';
import { densePoints, eachPoint, type Field, type Pause, type Points, phasesOf } from './field.js';
import type { Work } from './work.js';

/**
 * Ablation-CAM's weights (Desai and Ramaswamy 2020): alpha_k = (y - y without channel k) / |y|, the share of the score
 * that is lost; 0 where y is 0. Divided by y itself, as in pytorch-grad-cam, a negative score would turn the map upside
 * down. At the last layer only the dense layers run again, for each phase if it has a head of its own; before it, the
 * network behind the layer.
 */
export async function ablationWeights(work: Work, field: Field, layer: ConvLayer): Promise<Float64Array[]> {
  const { heads, mode } = work.request;
  const { period } = work.placeOf(layer);
  const parts = mode === 'atrous' && heads !== 'one' ? phasesOf(field, period) : phasesOf(field, period).slice(0, 1);
  const ablated = parts.map((points) => ablatedValue(points));
  if (layer !== lastLayer(work.network.topology)) {
    const { score } = await work.outcome();
    const alpha = new Float64Array(field.channels);
    for (let k = 0; k < field.channels; k++)
      alpha[k] = lostShare(score, await work.scoreWithout(layer, parts[0], k, ablated[0]));
    return [alpha];
  }
  const { whole, without } = await scoresWithout(work, parts, ablated);
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

/** The max pool in front of the dense layers, (cells, cells, channels), of one head's points of the last layer. */
async function pooledCells(points: Points, cells: number, pause: Pause): Promise<Float32Array> {
  const { field, period, row, column } = points;
  const { channels, activation, width } = field;
  const pooled = new Float32Array(cells * cells * channels).fill(-Infinity);
  const size = field.height / period / cells;
  await eachPoint(points, pause, (at) => {
    const point = at / channels;
    const y = Math.floor((Math.floor(point / width) - row) / period / size);
    const x = Math.floor(((point % width) - column) / period / size);
    const cell = (y * cells + x) * channels;
    for (let k = 0; k < channels; k++) pooled[cell + k] = Math.max(pooled[cell + k], activation[at + k]);
  });
  return pooled;
}

/**
 * The scores of the heads whose points of the last layer are `parts`, and those without each channel, which then holds `ablated`.
 * Of the first dense layer only a channel's own rows are multiplied again: z - (P_k - ablated) W_k.
 */
async function scoresWithout(
  work: Work,
  parts: readonly Points[],
  ablated: readonly number[],
): Promise<{ whole: Float64Array; without: Float64Array[] }> {
  const { runtime, network, pause } = work;
  const { signal } = work.request;
  const { arena } = runtime;
  const { topology, dense } = network;
  const [first] = dense;
  const [heads, channels] = [parts.length, lastChannels(topology)];
  const cells = first.in / channels;
  const pooled = new Float32Array(heads * first.in);
  for (const [i, points] of parts.entries())
    pooled.set(await pooledCells(points, headCells(topology), pause), i * first.in);
  const mark = arena.mark();
  try {
    const x = arena.alloc(4 * pooled.length);
    const part = arena.alloc(4 * heads * cells);
    const z = arena.alloc(4 * heads * first.out);
    const product = arena.alloc(4 * heads * first.out);
    arena.f32(x, pooled.length).set(pooled);
    const w = matrix(first.kernel, first.in, first.out);
    const job = gemmJob(matrix(x, heads, first.in), w, matrix(z, heads, first.out), { bias: first.bias });
    await runtime.runAsync(job, signal);
    const all = arena.f32(z, heads * first.out).slice();
    const whole = await scores(work, z, heads);

    const without: Float64Array[] = [];
    for (let k = 0; k < channels; k++) {
      const excess = arena.f32(part, heads * cells);
      for (let i = 0; i < excess.length; i++) excess[i] = pooled[i * channels + k] - ablated[Math.floor(i / cells)];
      const rows = {
        ptr: first.kernel + 4 * k * first.out,
        rows: cells,
        cols: first.out,
        row: channels * first.out,
        col: 1,
      };
      await runtime.runAsync(gemmJob(matrix(part, heads, cells), rows, matrix(product, heads, first.out)), signal);
      const [target, lost] = [arena.f32(z, all.length), arena.f32(product, all.length)];
      for (let i = 0; i < all.length; i++) target[i] = all[i] - lost[i];
      without.push(await scores(work, z, heads));
      work.advance();
      await pause();
    }
    return { whole, without };
  } finally {
    arena.release(mark);
  }
}

/** The score of each head, from what the first dense layer gives before its ReLU, (heads, out) at `z`, which is overwritten. */
async function scores(work: Work, z: number, heads: number): Promise<Float64Array> {
  const { runtime, network } = work;
  const { subject, signal } = work.request;
  const { arena } = runtime;
  const mark = arena.mark();
  let [from, layer] = [z, network.dense[0]];
  for (const next of network.dense.slice(1)) {
    const hidden = arena.f32(from, heads * layer.out);
    for (let i = 0; i < hidden.length; i++) hidden[i] = Math.max(hidden[i], 0);
    const to = arena.alloc(4 * heads * next.out);
    const b = matrix(next.kernel, next.in, next.out);
    await runtime.runAsync(
      gemmJob(matrix(from, heads, next.in), b, matrix(to, heads, next.out), { bias: next.bias }),
      signal,
    );
    [from, layer] = [to, next];
  }
  const probabilities = arena.alloc(4 * heads * layer.out);
  await runtime.runAsync(softmaxJob({ x: from, y: probabilities, rows: heads, columns: layer.out }), signal);
  const [logits, p] = [from, probabilities].map((ptr) => arena.f32(ptr, heads * layer.out).slice());
  arena.release(mark);
  return Float64Array.from({ length: heads }, (_, head) => {
    const row = [head * layer.out, (head + 1) * layer.out] as const;
    return subject.score(logits.subarray(...row), p.subarray(...row)).value;
  });
}
