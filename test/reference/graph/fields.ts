import type { NodeId } from '../../../src/graph/graph.js';
import type { Evaluation, GradientsOfScore, Seed } from './evaluate.js';
import { lattice } from './levels.js';
import type { PlainScore } from './score.js';
import { ORIGIN, type PlainMap, type Shift } from './types.js';

/** Maps of all shifts of an output stride in one: point i of the q-th shift lies at row i r + q, columns likewise. */
export interface PlainField extends PlainMap {
  /** The shifts, in order, of rows and of columns; r of them each. One, and that 0, but in atrous mode. */
  readonly shifts: readonly [readonly number[], readonly number[]];
  /** Which of them is 0. */
  readonly own: Shift;
}

/** The shifts of a node at an output stride; one alone where there are no others. */
export function shiftsOf(
  { levels }: Evaluation,
  id: NodeId,
  outputStride: number,
): Pick<PlainField, 'shifts' | 'own'> & { readonly all: readonly Shift[] } {
  const { shifts, own } = levels
    ? lattice(levels, levels.strideOf[id], outputStride)
    : { shifts: [[0], [0]] as const, own: ORIGIN };
  return { shifts, own, all: shifts[0].flatMap((row) => shifts[1].map((column): Shift => [row, column])) };
}

/** What `read` gives for a node at each shift, in one field; by default the node's map. */
export function fieldOf(
  evaluation: Evaluation,
  id: NodeId,
  outputStride = 1,
  read: (shift: Shift) => ArrayLike<number> = (shift) => evaluation.map(id, shift).data,
  c = evaluation.graph.nodes[id].shape.c,
): PlainField {
  const { h, w } = evaluation.graph.nodes[id].shape;
  const { shifts, own } = shiftsOf(evaluation, id, outputStride);
  const [rows, columns] = [shifts[0].length, shifts[1].length];
  const data = new Float64Array(h * rows * w * columns * c);
  for (const [q, row] of shifts[0].entries())
    for (const [p, column] of shifts[1].entries()) {
      const map = read([row, column]);
      for (let i = 0; i < h; i++)
        for (let j = 0; j < w; j++)
          for (let k = 0; k < c; k++)
            data[((i * rows + q) * w * columns + (j * columns + p)) * c + k] = map[(i * w + j) * c + k];
    }
  return { h: h * rows, w: w * columns, c, data, shifts, own };
}

/** The points (start + step i) of a map, rows and columns: a phase of a field, or a field at a wider output stride. */
export function every(map: PlainMap, start: Shift, step: Shift): PlainMap {
  const [h, w] = [Math.ceil((map.h - start[0]) / step[0]), Math.ceil((map.w - start[1]) / step[1])];
  const { c } = map;
  const data = new Float64Array(h * w * c);
  for (let i = 0; i < h; i++)
    for (let j = 0; j < w; j++) {
      const from = ((start[0] + step[0] * i) * map.w + start[1] + step[1] * j) * c;
      data.set(map.data.subarray(from, from + c), (i * w + j) * c);
    }
  return { h, w, c, data };
}

/** Whose score: the network's own, each phase's own, or the mean over all phases. */
export type PlainHeads = 'one' | 'each' | 'mean';

/** Where the score's gradient comes in: at the own logits, or, with heads `mean`, a share of it at those of every shift. */
export function seedsOf(
  evaluation: Evaluation,
  score: PlainScore,
  heads: 'one' | 'mean' = 'one',
  outputStride = 1,
): Seed[] {
  const id = evaluation.graph.logits;
  const all = heads === 'mean' ? shiftsOf(evaluation, id, outputStride).all : [ORIGIN];
  return all.map((shift) => {
    const { gradient } = score(evaluation.logits(shift));
    return { id, shift, gradient: gradient.map((d) => d / all.length) };
  });
}

/** The score, with heads `mean` the mean over all shifts of the output stride. */
export function scoreOf(
  evaluation: Evaluation,
  score: PlainScore,
  heads: 'one' | 'mean' = 'one',
  outputStride = 1,
): number {
  const all = heads === 'mean' ? shiftsOf(evaluation, evaluation.graph.logits, outputStride).all : [ORIGIN];
  return all.reduce((sum, shift) => sum + score(evaluation.logits(shift)).value / all.length, 0);
}

/**
 * The gradient at a node's map of every shift. With heads `one` it is 0 but at the own shift; with `each`, for nodes of the logits' own
 * level alone, that of the shift's own score.
 */
export function gradientField(
  evaluation: Evaluation,
  id: NodeId,
  score: PlainScore,
  { heads = 'one', outputStride = 1 }: { heads?: PlainHeads; outputStride?: number } = {},
): PlainField {
  if (heads === 'each') return fieldOf(evaluation, id, outputStride, ownGradients(evaluation, id, score));
  const gradients = evaluation.backward(seedsOf(evaluation, score, heads, outputStride), { until: id });
  return fieldOf(evaluation, id, outputStride, (shift) => gradients.map(id, shift));
}

/** The gradient at a node's map of the score of its own shift. */
function ownGradients(evaluation: Evaluation, id: NodeId, score: PlainScore): (shift: Shift) => Float64Array {
  const { graph, levels } = evaluation;
  if (levels && levels.strideOf[id] !== levels.strideOf[graph.logits])
    throw new Error(`${graph.nodes[id].name}: heads 'each' are defined at the level of the logits alone`);
  return (shift) => {
    const { gradient } = score(evaluation.logits(shift));
    const gradients: GradientsOfScore = evaluation.backward([{ id: graph.logits, shift, gradient }], { until: id });
    return gradients.map(id, shift);
  };
}

/** Grad-CAM's raw map, one channel: no ReLU, no scaling. */
export interface PlainCam extends PlainField {
  /** The weight of each channel; empty with heads `each`, where every phase has its own. */
  readonly alpha: Float64Array;
}

/**
 * Grad-CAM of a layer: sum over k of alpha_k A_k at all points. alpha_k is the mean over the layer's points of dscore / dA_k: with heads
 * `one` for all shifts the own one's, with `each` each shift's. With `mean` it is that of the mean score, summed over the shifts.
 */
export function gradCam(
  evaluation: Evaluation,
  id: NodeId,
  score: PlainScore,
  options: { heads?: PlainHeads; outputStride?: number } = {},
): PlainCam {
  const { heads = 'one', outputStride = 1 } = options;
  const { h, w, c } = evaluation.graph.nodes[id].shape;
  const raw = (alpha: Float64Array) => (shift: Shift) => weighted(evaluation.map(id, shift), alpha);
  if (heads === 'each') {
    const gradient = ownGradients(evaluation, id, score);
    const read = (shift: Shift) => raw(sums(gradient(shift), c, h * w))(shift);
    return { ...fieldOf(evaluation, id, outputStride, read, 1), alpha: new Float64Array(0) };
  }
  const alpha = sums(gradientField(evaluation, id, score, options).data, c, h * w);
  return { ...fieldOf(evaluation, id, outputStride, raw(alpha), 1), alpha };
}

/** The sum over all points of each channel, over `points`. */
function sums(data: Float64Array, c: number, points: number): Float64Array {
  const result = new Float64Array(c);
  for (let at = 0; at < data.length; at++) result[at % c] += data[at];
  return result.map((sum) => sum / points);
}

/** At each point the sum of its channels, weighted. */
function weighted({ data, h, w, c }: PlainMap, alpha: Float64Array): Float64Array {
  const y = new Float64Array(h * w);
  for (let at = 0; at < data.length; at++) y[Math.floor(at / c)] += alpha[at % c] * data[at];
  return y;
}
