import { type Job, job, type View, view } from '../job.js';

/** Floats that a task of an elementwise pass touches: about 20 microseconds, and within a core's own cache. */
const FLOATS_PER_TASK = 2 ** 14;

/**
 * A batch of maps in the wasm memory, float32: (pictures, h + gap, w, c). The rows behind each picture are zero, so that all pictures
 * are one tall map to a 3x3 convolution whose dilation is at most `gap`, and none sees its neighbour. c is a multiple of 4.
 */
export interface Batch {
  readonly ptr: number;
  readonly pictures: number;
  readonly h: number;
  readonly w: number;
  readonly c: number;
  readonly gap: number;
}

/** Floats of a batch, the rows between its pictures included. */
export const batchFloats = ({ pictures, h, w, c, gap }: Omit<Batch, 'ptr'>): number => pictures * (h + gap) * w * c;

/** The batch as one tall map. */
export const tall = ({ ptr, pictures, h, w, c, gap }: Batch): View => ({
  ptr,
  h: pictures * (h + gap),
  w,
  c,
  row: w * c,
  pix: c,
});

/** The pictures of a batch, one by one. */
export const pictureViews = ({ ptr, pictures, h, w, c, gap }: Batch): View[] =>
  Array.from({ length: pictures }, (_, i) => view(ptr + 4 * i * (h + gap) * w * c, h, w, c));

/** Parameters and tables of a normalization: addresses of `c` float32 each, but `affine` (6, c) and `running` (2, c). */
export interface Normalization {
  readonly gamma: number;
  readonly beta: number;
  readonly dgamma: number;
  readonly dbeta: number;
  readonly running: number;
  readonly affine: number;
  /** `momentsFloats` float32 of scratch. */
  readonly moments: number;
}

/** Added to a variance before its root is taken; the same number as where weights are folded. */
export const EPSILON = 1e-5;
/** Share of the batch's statistics in the running ones. */
const MOMENTUM = 0.1;

const rowsOf = (h: number, rowFloats: number): number =>
  Math.max(1, Math.min(h, Math.floor(FLOATS_PER_TASK / rowFloats)));

/** Rows of a task, and tasks of a picture. */
function pieces({ h, w, c }: Pick<Batch, 'h' | 'w' | 'c'>): { rows: number; each: number } {
  const rows = rowsOf(h, w * c);
  return { rows, each: Math.ceil(h / rows) };
}

/** float32 that the moments of a batch need. */
export const momentsFloats = (z: Batch): number => 2 * z.c * z.pictures * pieces(z).each;

function elementwise(
  kernel: 'batchMoments' | 'batchRelu' | 'batchGradientSums' | 'batchGradient',
  { ptr: z, pictures, h, w, c, gap }: Batch,
  y: number,
  { affine, moments }: Normalization,
): Job {
  const { rows, each } = pieces({ h, w, c });
  return job(kernel, { z, y, affine, moments, pictures, h, w, c, gap, rows }, pictures * each, 64);
}

function finish(
  kernel: 'batchNormalizer' | 'batchGradientFinish',
  z: Batch,
  n: Normalization,
  training: boolean,
  momentum = MOMENTUM,
): Job {
  const { rows, each } = pieces(z);
  const fields = {
    moments: n.moments,
    affine: n.affine,
    gamma: n.gamma,
    beta: n.beta,
    running: n.running,
    dgamma: n.dgamma,
    dbeta: n.dbeta,
    c: z.c,
    tasks: z.pictures * each,
    pixels: rows * z.w,
    lastPixels: (z.h - (each - 1) * rows) * z.w,
    each,
    momentum,
    epsilon: EPSILON,
    training,
  };
  return job(kernel, fields, z.c);
}

/**
 * The jobs that make `affine` of a layer: from the batch's statistics, which also move the running ones by their share `momentum`, or,
 * where not `training`, from the running ones.
 */
export function normalizerJobs(z: Batch, n: Normalization, training: boolean, momentum = MOMENTUM): Job[] {
  const last = finish('batchNormalizer', z, n, training, momentum);
  return training ? [elementwise('batchMoments', z, 0, n), last] : [last];
}

/** y = relu(scale z + shift); y is a batch of z's shape. */
export const batchReluJob = (z: Batch, y: number, n: Normalization): Job => elementwise('batchRelu', z, y, n);

/** The jobs that turn dy, the gradient behind the ReLU, into the gradient at z, and write dgamma and dbeta. */
export function normalizerGradientJobs(z: Batch, dy: number, n: Normalization, training: boolean): Job[] {
  return [
    elementwise('batchGradientSums', z, dy, n),
    finish('batchGradientFinish', z, n, training),
    elementwise('batchGradient', z, dy, n),
  ];
}

function pool(
  kernel: 'batchPool' | 'batchPoolBackward',
  { ptr: z, pictures, h, w, c, gap }: Batch,
  dx: number,
  y: number,
  { affine }: Normalization,
): Job {
  const rows = rowsOf(h / 2, 2 * w * c);
  return job(kernel, { z, dx, y, affine, h, w, c, gap, rows }, pictures * Math.ceil(h / 2 / rows));
}

/** y (half as high and wide) = the 2x2 max pool of relu(scale z + shift). */
export const batchPoolJob = (z: Batch, y: number, n: Normalization): Job => pool('batchPool', z, 0, y, n);

/** dx (as z) = the gradient of the pool at its input, from dy at its output. */
export const batchPoolBackwardJob = (z: Batch, dy: number, dx: number, n: Normalization): Job =>
  pool('batchPoolBackward', z, dx, dy, n);
