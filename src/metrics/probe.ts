import type { CallOptions, ImageInput, Network } from '../api.js';
import { AtrousCamError } from '../base/errors.js';
import { checkOptions } from '../base/options.js';
import type { Mode, Normalization, Rect, RgbImage, Score } from '../base/types.js';

/** What the metrics need of a network; that of `load` has it, here and in a worker. */
export type Predictor = Pick<Network, 'labels' | 'inputSize' | 'preprocessing' | 'preprocess' | 'predict'>;

/** Whose score of what is asked for. */
export interface ProbeOptions extends Pick<CallOptions, 'preprocessing' | 'signal'> {
  /** A class index, a label, or `top` (the default): the pooled network's top class, in every mode. */
  target?: 'top' | number | string;
  /** Default `probability`, the softmax's, as in the papers. */
  score?: Score;
  /** Of the network that judges the changed pictures. Default `pooled`, which says what `atrous` says. */
  mode?: Mode;
  /** Ends the call, and all later calls of the probe, with the error ABORTED. */
  signal?: AbortSignal;
}

/** A picture, and the score that a network gives to one class in changed copies of it. */
export interface Probe {
  /** The explained class. */
  readonly target: { readonly index: number; readonly label: string };
  /** Side of the input in pixels. */
  readonly side: number;
  /** The unchanged input, (side, side, 3), normalised: 0 is the data set's mean colour. */
  readonly tensor: Float32Array;
  /** Its score. */
  readonly score: number;
  /** What one standard deviation of photographs is in the tensor's unit: 1 in `torch`, 58 of 255 levels in `caffe`. */
  readonly deviation: number;
  /** The part of the upright photograph that the network sees. */
  readonly rect: Rect;
  /** The upright photograph. */
  readonly image: RgbImage;
  /** The score of another input (side, side, 3): one forward pass. */
  scoreOf(tensor: Float32Array): Promise<number>;
}

/** ImageNet's standard deviation, mean of the channels, of values 0..1. */
const DEVIATION = 0.226;

/**
 * Begins to measure on one picture: one forward pass, two in `dilated` where the target is `top`. All maps of the picture can share it.
 *
 * @throws AtrousCamError BAD_ARGUMENT (no such class), and as `net.predict`
 * @example
 * const probe = await openProbe(net, 'photo.jpg', { target: 'cat' });
 */
export async function openProbe(net: Predictor, image: ImageInput, options: ProbeOptions = {}): Promise<Probe> {
  checkOptions('openProbe', options, { target: 1, score: 1, mode: 1, preprocessing: 1, signal: 1 });
  const { target = 'top', score = 'probability', mode = 'pooled', preprocessing, signal } = options;
  const { tensor, rect, image: upright } = await net.preprocess(image, { preprocessing, signal });
  const valuesOf = async (x: Float32Array, judge = mode) => {
    const { logits, probabilities } = await net.predict({ tensor: x }, { mode: judge, signal });
    return { logits, values: score === 'logit' ? logits : probabilities };
  };
  const unchanged = await valuesOf(tensor);
  const top = async () => {
    const { logits } = mode === 'dilated' ? await valuesOf(tensor, 'pooled') : unchanged;
    return logits.indexOf(logits.reduce((a, b) => Math.max(a, b)));
  };
  const index = target === 'top' ? await top() : classOf(net.labels, target);
  const normalization = preprocessing?.normalization ?? net.preprocessing.normalization;
  return {
    tensor,
    rect,
    image: upright,
    side: net.inputSize,
    target: { index, label: net.labels[index] },
    score: unchanged.values[index],
    deviation: deviationOf(normalization),
    scoreOf: async (x) => (await valuesOf(x)).values[index],
  };
}

/** Levels of 255 that are 1 in the numbers that a normalization gives. */
const LEVELS = { caffe: 1, raw: 1, tf: 127.5, unit: 255 };

/** How far photographs deviate from their mean in the numbers that a normalization gives. */
function deviationOf(normalization: Normalization): number {
  if (normalization === 'torch') return 1;
  const levels = typeof normalization === 'string' ? [LEVELS[normalization]] : (normalization.std ?? [1]);
  return (255 * DEVIATION * levels.length) / levels.reduce((sum, value) => sum + Math.abs(value), 0);
}

/** The index of a class; throws BAD_ARGUMENT for one that the network does not have. */
export function classOf(labels: readonly string[], target: number | string): number {
  const index = typeof target === 'number' ? target : labels.indexOf(target);
  if (Number.isInteger(index) && index >= 0 && index < labels.length) return index;
  const some = `${labels.slice(0, 5).join(', ')}${labels.length > 5 ? ', ...' : ''}`;
  throw new AtrousCamError('BAD_ARGUMENT', `target: expected a class of the network (${some}), got '${target}'`);
}
