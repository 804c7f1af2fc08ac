import type { Activation } from '../../graph/graph.js';
import {
  CLIP,
  ELU,
  EXP_BYTES,
  GELU,
  GELU_TANH,
  HARD_SIGMOID,
  HARD_SWISH,
  LEAKY_RELU,
  PRELU,
  RELU,
  SIGMOID,
  SILU,
  SOFTPLUS,
  SUM_CHANNELS,
  TANH,
} from '../assembly.js';
import { at, type Clip, type Job, job, type View, view } from '../job.js';
import { splitRows } from './split.js';

/**
 * Kernels that work number by number, or point by point. Maps are views and may be slices of channels or phases; unless
 * said otherwise all views of a job have one size, and its outputs are overwritten or, with `accumulate`, added to.
 * Each number comes out the same wherever it stands and however many channels there are.
 */

/** What a number of work costs more than reading and writing it, for the size of tasks. */
const COST = { activation: 4, layerNorm: 4 };

const NO_CLIP: Clip = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };

const sizeOf = ({ h, w, c }: View) => ({ h, w, c });

/** Rows of a task, and tasks. */
const split = ({ h, w, c }: View, cost = 1) => splitRows(h, w * c * cost);

const SELU = { scale: 1.0507009873554805, alpha: 1.6732632423543772 };

/** Number and parameters of an activation in assembly/functions.ts. */
function curve(activation: Activation): { kind: number; a: number; b: number } {
  const is = (kind: number, a = 0, b = 0) => ({ kind, a, b });
  switch (activation.f) {
    case 'relu':
      return is(RELU);
    case 'clip':
      return is(CLIP, activation.low, activation.high);
    case 'leaky-relu':
      return is(LEAKY_RELU, activation.slope);
    case 'prelu':
      return is(PRELU);
    case 'elu':
      return is(ELU, activation.alpha, 1);
    case 'selu':
      return is(ELU, SELU.scale * SELU.alpha, SELU.scale);
    case 'sigmoid':
      return is(SIGMOID);
    case 'tanh':
      return is(TANH);
    case 'silu':
      return is(SILU);
    case 'hard-sigmoid':
      return is(HARD_SIGMOID, activation.slope, activation.offset);
    case 'hard-swish':
      return is(HARD_SWISH);
    case 'gelu':
      return is(activation.approximate ? GELU_TANH : GELU);
    case 'softplus':
      return is(SOFTPLUS);
  }
}

/** y = the activation of x. `slope`: address of a PReLU's slopes (c). `y` may be `x`. */
export function activationJob(x: View, y: View, activation: Activation, slope = 0): Job {
  const { rows, tasks } = split(x, COST.activation);
  const maps = { ...at('x', x), ...at('y', y), ...sizeOf(x) };
  return job('activation', { ...maps, ...curve(activation), slope, rows }, tasks, EXP_BYTES);
}

/**
 * dx = dy times the activation's derivative at x, its input. Of ReLU, clip, and leaky ReLU and PReLU with positive
 * slopes the output tells the derivative too, so `x` may be that. `dx` may be `dy` or `x`.
 */
export function activationBackwardJob(
  x: View,
  dy: View,
  dx: View,
  activation: Activation,
  {
    slope = 0,
    accumulate = false,
    guided = false,
  }: {
    /** Address of a PReLU's slopes (c). */
    slope?: number;
    accumulate?: boolean;
    /** Whether only positive dy count. */
    guided?: boolean;
  } = {},
): Job {
  const { rows, tasks } = split(x, COST.activation);
  const maps = { ...at('x', x), ...at('dy', dy), ...at('dx', dx), ...sizeOf(x) };
  const how = { ...curve(activation), slope, guided, accumulate, rows };
  return job('activationBackward', { ...maps, ...how }, tasks, EXP_BYTES);
}

/** The gradient of a PReLU at its slopes, `target` (c): the sum of dy x where x is negative. x is the PReLU's input. */
export const preluWeightGradientJobs = (x: View, dy: View, target: number, accumulate: boolean): Job[] => [
  sumJob(dy, x, view(target, 1, 1, x.c), 1, { negative: true, accumulate }),
];

/** y = clip(x scale + shift), scale and shift being addresses of numbers by channel (c). `y` may be `x`. */
export function affineJob(
  x: View,
  { scale, shift }: { scale: number; shift: number },
  y: View,
  { clip = NO_CLIP }: { clip?: Clip } = {},
): Job {
  const { rows, tasks } = split(x);
  const { low, high } = clip;
  return job('affine', { ...at('x', x), ...at('y', y), ...sizeOf(x), scale, shift, low, high, rows }, tasks);
}

/** dx = dy scale: the gradient of `affineJob` without its clip. `dx` may be `dy`. */
export const affineBackwardJob = (dy: View, scale: number, dx: View, o: { accumulate?: boolean } = {}): Job =>
  multiplyJob(dy, view(scale, 1, 1, dy.c), dx, { ...o, rate: 1 });

/** The gradients of `affineJob` at scale and shift: the sums of dy x and of dy. */
export function affineWeightGradientJobs(
  x: View,
  dy: View,
  { scale, shift }: { scale: number; shift: number },
  accumulate: boolean,
): Job[] {
  return [
    spreadSumJob(dy, x, view(scale, 1, 1, x.c), 1, accumulate),
    spreadSumJob(dy, undefined, view(shift, 1, 1, x.c), 1, accumulate),
  ];
}

/** How two maps are combined. */
interface Combination {
  /**
   * b is a map of rate x rate vectors, of which (row mod rate, column mod rate) meets each point of a; without, b is as
   * large as a.
   */
  rate?: number;
  accumulate?: boolean;
}

/** y = clip(a + b). `y` may be `a`, and `b` where it is not spread. */
export const addJob = (a: View, b: View, y: View, o: Combination & { clip?: Clip } = {}): Job =>
  combineJob('addMaps', a, b, y, o);

/** y = a b. `y` may be `a`, and `b` where it is not spread. */
export const multiplyJob = (a: View, b: View, y: View, o: Combination = {}): Job =>
  combineJob('multiplyMaps', a, b, y, o);

function combineJob(
  kernel: 'addMaps' | 'multiplyMaps',
  a: View,
  b: View,
  y: View,
  { rate = 0, clip = NO_CLIP, accumulate = false }: Combination & { clip?: Clip },
): Job {
  const { rows, tasks } = split(a);
  const maps = { ...at('a', a), ...at('b', b), ...at('y', y), ...sizeOf(a) };
  const { low, high } = clip;
  return job(kernel, { ...maps, rate, low, high, accumulate, rows }, tasks);
}

/**
 * y(q, p) = the sum of a, or of a b, over the points (i rate + q, j rate + p): the gradient of a vector that was spread
 * over a map. y is rate x rate. The sum is that of the phase alone, to the bit, whatever the rate.
 */
export const spreadSumJob = (a: View, b: View | undefined, y: View, rate: number, accumulate: boolean): Job =>
  sumJob(a, b, y, rate, { negative: false, accumulate });

function sumJob(
  a: View,
  b: View | undefined,
  y: View,
  rate: number,
  how: { negative: boolean; accumulate: boolean },
): Job {
  const other = b ? at('b', b) : { b: 0, bRow: 0, bPix: 0 };
  const fields = { ...at('a', a), ...other, ...at('y', y), ...sizeOf(a), rate, ...how };
  return job('spreadSum', fields, rate * Math.ceil(a.c / SUM_CHANNELS), 8 * rate * SUM_CHANNELS);
}

/** Scale and shift are addresses of numbers by channel (c); 0: ones and zeros. */
interface LayerNorm {
  readonly scale: number;
  readonly shift: number;
  /** Added to the variance. */
  readonly epsilon: number;
}

/**
 * y = each point less the mean of its channels, over their standard deviation; then scale and shift. `y` may be `x`.
 */
export function layerNormJob(x: View, norm: LayerNorm, y: View): Job {
  const { rows, tasks } = split(x, COST.layerNorm);
  return job('layerNorm', { ...at('x', x), ...at('y', y), ...sizeOf(x), ...norm, rows }, tasks);
}

/** The gradient of `layerNormJob` at x, its input. `dx` may be `dy`. */
export function layerNormBackwardJob(
  x: View,
  { scale, epsilon }: Pick<LayerNorm, 'scale' | 'epsilon'>,
  dy: View,
  dx: View,
  accumulate: boolean,
): Job {
  const { rows, tasks } = split(x, COST.layerNorm);
  const maps = { ...at('x', x), ...at('dy', dy), ...at('dx', dx), ...sizeOf(x) };
  return job('layerNormBackward', { ...maps, scale, epsilon, accumulate, rows }, tasks);
}

/** Bytes of the workspace that `layerNormWeightGradientJobs` needs: the normalized map. */
export const layerNormWorkspaceBytes = ({ h, w, c }: Pick<View, 'h' | 'w' | 'c'>): number => 4 * h * w * c;

/** The jobs of the gradients of `layerNormJob` at scale and shift, to be run one after the other. */
export function layerNormWeightGradientJobs(
  x: View,
  dy: View,
  { epsilon }: Pick<LayerNorm, 'epsilon'>,
  target: { scale: number; shift: number },
  accumulate: boolean,
  workspace: { ptr: number },
): Job[] {
  const normal = view(workspace.ptr, x.h, x.w, x.c);
  return [
    layerNormJob(x, { scale: 0, shift: 0, epsilon }, normal),
    ...affineWeightGradientJobs(normal, dy, target, accumulate),
  ];
}

/** y = x. */
export function copyJob(x: View, y: View, { accumulate = false }: { accumulate?: boolean } = {}): Job {
  const { rows, tasks } = split(x);
  return job('copyMap', { ...at('x', x), ...at('y', y), ...sizeOf(x), accumulate, rows }, tasks);
}

/**
 * Channel k of y = channel order[k] of x, or 0 where that is -1. `order`: address of int32 (y.c). x and y do not
 * overlap.
 */
export const channelsJob = (x: View, order: number, y: View): Job => takeJob('takeChannels', x, order, y, false);

/** The gradient of `channelsJob` at its input: channel order[k] of dx gets channel k of dy. */
export const channelsBackwardJob = (dy: View, order: number, dx: View, accumulate: boolean): Job =>
  takeJob('takeChannelsBackward', dx, order, dy, accumulate);

function takeJob(
  kernel: 'takeChannels' | 'takeChannelsBackward',
  x: View,
  order: number,
  y: View,
  accumulate: boolean,
): Job {
  const { rows, tasks } = splitRows(x.h, x.w * (x.c + y.c));
  const maps = { ...at('x', x), ...at('y', y), h: x.h, w: x.w, cin: x.c, cout: y.c };
  return job(kernel, { ...maps, order, accumulate, rows }, tasks);
}
