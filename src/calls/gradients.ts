import type { Activation, Gradients, GradientsOptions, TensorInput, WeightGradients } from '../api.js';
import { AtrousCamError } from '../base/errors.js';
import { CALL, checkOptions, checkPrecision, MODES, type Names, oneOf } from '../base/options.js';
import type { GradientScore, Heads, Mode, Precision, RgbImage } from '../base/types.js';
import type { Layout } from '../graph/levels.js';
import type { lastLevel, outputStrides } from '../plan/modes.js';
import type { gradientsOf } from '../run/gradient-pass.js';
import type { Loaded, requireHead } from '../run/loaded.js';
import type { classScore, ScoreFunction } from '../run/score.js';
import { resolveTarget } from '../weights/labels.js';
import type { readLayer } from './layers.js';
import type { chooseTop, inputOf, topFive } from './predict.js';

const NAMES: Names<GradientsOptions> = {
  ...CALL,
  ...{ mode: 1, target: 1, score: 1, heads: 1, wrt: 1, guided: 1, precision: 1, outputStride: 1 },
};

/** What gradients borrow from the library, so that they can be loaded by themselves. */
export interface Tools {
  readonly chooseTop: typeof chooseTop;
  readonly classScore: typeof classScore;
  readonly gradientsOf: typeof gradientsOf;
  readonly inputOf: typeof inputOf;
  readonly lastLevel: typeof lastLevel;
  readonly outputStrides: typeof outputStrides;
  readonly readLayer: typeof readLayer;
  readonly requireHead: typeof requireHead;
  readonly topFive: typeof topFive;
}

/** Gradients of a class's score with respect to the input, layers' outputs and weights. */
export async function gradients(
  loaded: Loaded,
  image: RgbImage | TensorInput,
  options: GradientsOptions,
  tools: Tools,
): Promise<Gradients> {
  const { classScore, gradientsOf, inputOf, readLayer, topFive } = tools;
  const { network, labels } = loaded;
  const { mode, score, heads, outputStride, precision, wrt } = readOptions(loaded, options, tools);
  const { signal, onProgress, guided } = options;
  const { h, w, c } = network.graph.nodes[0].shape;
  const input = inputOf(loaded, image, options);
  const named = wrt.filter((name) => name !== 'input' && name !== 'weights');
  const layers = new Map(named.map((name) => [name, readLayer(network.layout, name, 'wrt')]));

  const choose = await chooseTarget(loaded, image, mode, options, tools);
  let index: number | undefined;
  const scoreOfTarget: ScoreFunction = (logits, probabilities) => {
    index ??= choose(logits); // of the first head, phase (0,0)'s
    return classScore(score, index, network.graph.head)(logits, probabilities);
  };
  const result = await gradientsOf(loaded, input, {
    mode,
    heads,
    outputStride,
    precision,
    guided,
    signal,
    score: scoreOfTarget,
    layers: [...new Set(layers.values())],
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
    ...(result.input && { input: { shape: [1, h, w, c], data: result.input } as Activation }),
    layers: Object.fromEntries(
      [...layers].map(([name, id]): [string, Activation] => {
        const { height, width, channels, gradient } = result.layers.get(id)!;
        return [name, { shape: [1, height, width, channels], data: gradient }];
      }),
    ),
    ...(result.weights && { weights: Object.fromEntries(result.weights) as Record<string, WeightGradients> }),
    peakBytes: result.peakBytes,
  };
}

async function chooseTarget(
  loaded: Loaded,
  image: RgbImage | TensorInput,
  mode: Mode,
  { target = 'top', ...options }: GradientsOptions,
  { chooseTop }: Tools,
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

function readOptions(loaded: Loaded, options: GradientsOptions, tools: Tools): CheckedOptions {
  tools.requireHead(loaded);
  const { layout, precision: own } = loaded.network;
  checkOptions('gradients', options, NAMES);
  const mode = oneOf('mode', options.mode ?? 'pooled', MODES);
  const heads = oneOf('heads', options.heads ?? 'one', ['one', 'each', 'mean']);
  const wrt = [options.wrt ?? 'input'].flat();
  checkHeads(layout, mode, heads, wrt, tools);
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
    outputStride: oneOf('outputStride', options.outputStride ?? 1, tools.outputStrides(layout)),
  };
}

/** Refuses heads that have no gradient at what is asked for. */
function checkHeads(
  layout: Layout,
  mode: Mode,
  heads: Heads,
  wrt: readonly string[],
  { lastLevel, readLayer }: Tools,
): void {
  const { placings, frontier } = layout;
  const level = lastLevel(layout);
  const isBefore = (name: string) =>
    name === 'input' || name === 'weights' || placings[readLayer(layout, name, 'wrt')].level < level;
  const before = wrt.map((name) => [name, isBefore(name)] as const).find(([, isEarlier]) => isEarlier);
  if (mode !== 'atrous' || heads === 'one') return;
  if (frontier.some((id) => placings[id].level < level))
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      `heads: '${heads}' is not defined for this network, whose head reads maps of different strides; use 'one'`,
    );
  if (heads === 'each' && before)
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      `wrt: with heads 'each' only layers with one point for every ${layout.levels[level].stride} pixels have a gradient, because before them phases share points; got '${before[0]}', for which take heads 'mean' or 'one'`,
    );
}
