import type { Activation, Gradients, GradientsOptions, WeightGradients } from '../api.js';
import { AtrousCamError } from '../base/errors.js';
import { checkPrecision, MODES, oneOf, outputStrides } from '../base/options.js';
import type { GradientScore, Heads, Mode, Precision, RgbImage } from '../base/types.js';
import { convLayers } from '../graph/topology.js';
import { preprocess } from '../image/preprocess.js';
import { gradientsOf } from '../run/gradient-pass.js';
import { type Loaded, requireHead } from '../run/loaded.js';
import { classScore, type ScoreFunction } from '../run/score.js';
import type { WeightGradient } from '../run/weight-sums.js';
import { resolveTarget } from '../weights/labels.js';
import { chooseTop, topFive } from './predict.js';

/** Gradients of a class's score with respect to the input, layers' outputs and weights. */
export async function gradients(loaded: Loaded, image: RgbImage, options: GradientsOptions = {}): Promise<Gradients> {
  const { network, labels } = loaded;
  const { mode, score, heads, outputStride, precision, wrt } = checkOptions(loaded, options);
  const { preprocessing, signal, onProgress, guided } = options;
  const { inputSize } = network.topology;
  const { input } = preprocess(image, inputSize, { ...loaded.preprocessing, ...preprocessing });

  const choose = await chooseTarget(loaded, image, mode, options);
  let index: number | undefined;
  const scoreOfTarget: ScoreFunction = (logits, probabilities) => {
    index ??= choose(logits); // of the first head, phase (0,0)'s
    return classScore(score, index)(logits, probabilities);
  };
  const result = await gradientsOf(loaded, input, {
    mode,
    heads,
    outputStride,
    precision,
    guided,
    signal,
    score: scoreOfTarget,
    layers: wrt.filter((name) => name !== 'input' && name !== 'weights'),
    input: wrt.includes('input'),
    weights: wrt.includes('weights'),
    onProgress: onProgress && ((done) => onProgress({ stage: 'compute', mode, done })),
  });

  return {
    mode,
    target: { index: index!, label: labels[index!] },
    score: result.score,
    scores: result.scores,
    logits: result.logits,
    probabilities: result.probabilities,
    predictions: topFive(result.probabilities, labels),
    ...(result.input && { input: { shape: [1, inputSize, inputSize, 3], data: result.input } as Activation }),
    layers: Object.fromEntries(
      [...result.layers].map(([name, { side, channels, gradient }]): [string, Activation] => [
        name,
        { shape: [1, side, side, channels], data: gradient },
      ]),
    ),
    ...(result.weights && { weights: Object.fromEntries([...result.weights].map(weightEntry)) }),
    peakBytes: result.peakBytes,
  };
}

const weightEntry = ([name, { shape, kernel, bias }]: [string, WeightGradient]): [string, WeightGradients] => [
  name,
  { kernel: { shape, data: kernel }, bias: { shape: shape.slice(-1), data: bias } },
];

async function chooseTarget(
  loaded: Loaded,
  image: RgbImage,
  mode: Mode,
  { target = 'top', ...options }: GradientsOptions,
): Promise<(logits: Float32Array) => number> {
  if (target === 'top') return chooseTop(loaded, image, mode, options);
  const index = resolveTarget(loaded.labels, target);
  return () => index;
}

interface CheckedOptions {
  mode: Mode;
  score: GradientScore;
  heads: Heads;
  outputStride: number;
  precision: Precision;
  wrt: readonly string[];
}

function checkOptions(loaded: Loaded, options: GradientsOptions): CheckedOptions {
  requireHead(loaded);
  const { topology, precision: own } = loaded.network;
  const mode = oneOf('mode', options.mode ?? 'pooled', MODES);
  const heads = oneOf('heads', options.heads ?? 'one', ['one', 'each', 'mean']);
  const layers = convLayers(topology).map((layer) => layer.name);
  const wrt = [options.wrt ?? 'input'].flat().map((name) => oneOf('wrt', name, ['input', 'weights', ...layers]));
  const before = wrt.find((name) => name !== layers.at(-1));
  if (mode === 'atrous' && heads === 'each' && before)
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      `wrt: with heads 'each' only '${layers.at(-1)}' has a gradient, because before it phases share points; got '${before}', for which take heads 'mean' or 'one'`,
    );
  const precision = checkPrecision(options.precision ?? own);
  if (precision === 'exact' && own === 'fast')
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      "precision: an exact gradient needs an exact forward pass; load the network with precision 'exact'",
    );
  return {
    mode,
    heads,
    wrt,
    precision,
    score: oneOf('score', options.score ?? 'logit', ['logit', 'probability', 'loss']),
    outputStride: oneOf('outputStride', options.outputStride ?? 1, outputStrides(topology)),
  };
}
