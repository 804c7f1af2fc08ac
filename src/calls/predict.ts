import type { CallOptions, PredictionResult, PredictOptions, Preprocessed, TensorInput } from '../api.js';
import { AtrousCamError } from '../base/errors.js';
import { CALL, checkOptions, MODES, oneOf, PREPROCESSING } from '../base/options.js';
import type { Mode, Prediction, RgbImage } from '../base/types.js';
import { preprocess } from '../image/preprocess.js';
import { ownMode } from '../plan/modes.js';
import { planFreely } from '../plan/wide.js';
import { type RunRequest, runPlan } from '../run/engine.js';
import { requireFinite } from '../run/finite.js';
import { type Loaded, requireHead } from '../run/loaded.js';
import type { PackedNetwork } from '../run/packed-network.js';

/** image -> preprocess -> network -> head: class probabilities. */
export async function predict(
  loaded: Loaded,
  image: RgbImage | TensorInput,
  options: PredictOptions = {},
): Promise<PredictionResult> {
  checkOptions('predict', options, { ...CALL, mode: 1 });
  const mode = oneOf('mode', options.mode ?? 'pooled', MODES);
  requireHead(loaded);
  const { network, runtime } = loaded;
  const input = inputOf(loaded, image, options);
  const plan = planFreely(network, { mode, head: true });
  const run = await runPlan(runtime, network, plan, input, { ...progress(mode, options), signal: options.signal });
  const { logits, probabilities } = run as Required<typeof run>;
  await requireFinite(loaded, input, mode, logits, options.signal);
  return { logits, probabilities, predictions: topFive(probabilities, loaded.labels) };
}

/** The network's input: what a picture becomes, or numbers as they are. */
export const inputOf = (
  loaded: Loaded,
  image: RgbImage | TensorInput,
  options: Pick<CallOptions, 'preprocessing'>,
): Float32Array =>
  'tensor' in image ? checkTensor(image.tensor, loaded.network) : prepare(loaded, image, options).tensor;

/** image -> preprocess: what the network computes on. */
export function prepare(
  { network, preprocessing }: Loaded,
  image: RgbImage,
  options: Pick<CallOptions, 'preprocessing'> = {},
): Preprocessed {
  checkOptions('preprocessing', options.preprocessing, PREPROCESSING);
  const own = { ...preprocessing, ...options.preprocessing };
  const { input: tensor, rect } = preprocess(image, network.graph.nodes[0].shape, own);
  return { tensor, rect, image };
}

function checkTensor(tensor: unknown, { graph }: PackedNetwork): Float32Array {
  const { h, w, c } = graph.nodes[0].shape;
  if (tensor instanceof Float32Array && tensor.length === h * w * c) return tensor;
  throw new AtrousCamError('BAD_ARGUMENT', `tensor: expected a Float32Array of ${h} x ${w} x ${c} numbers`);
}

/**
 * The class that `top` stands for, from the first logits of a run: the pooled network's top class in every mode (with degridding layers,
 * the dilated one's). Where the run does not begin with those logits, because its mode has others or it is of a `changed` picture, a
 * prediction finds it.
 */
export async function chooseTop(
  loaded: Loaded,
  image: RgbImage | TensorInput,
  mode: Mode,
  { preprocessing, signal }: Pick<CallOptions, 'preprocessing' | 'signal'>,
  changed = false,
): Promise<(logits: Float32Array) => number> {
  const own = ownMode(loaded.network.layout);
  if (!changed && (mode !== 'dilated' || own === mode)) return largest;
  const top = largest((await predict(loaded, image, { mode: own, preprocessing, signal })).logits);
  return () => top;
}

const progress = (mode: Mode, { onProgress }: Pick<CallOptions, 'onProgress'>): Pick<RunRequest, 'onProgress'> => ({
  onProgress: onProgress && ((done) => onProgress({ stage: 'compute', mode, done })),
});

/** Index of the largest value, the first of equals. */
function largest(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

/** The five likeliest classes, the first of equals first. Sorting all of 1,000 objects took a third of a millisecond. */
export function topFive(probabilities: Float32Array, labels: readonly string[]): Prediction[] {
  const best: number[] = [];
  for (let index = 0; index < probabilities.length; index++) {
    let place = best.length;
    while (place > 0 && probabilities[index] > probabilities[best[place - 1]]) place--;
    if (place === 5) continue;
    best.splice(place, 0, index);
    best.length = Math.min(best.length, 5);
  }
  return best.map((index) => ({ index, label: labels[index], probability: probabilities[index] }));
}
