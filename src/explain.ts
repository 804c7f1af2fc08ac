import type { ExplainOptions, Explanation, PredictionResult, PredictOptions, Progress } from './api.js';
import { finishMap, type RawMap } from './cam.js';
import { type RunRequest, runPlan } from './engine.js';
import { AtrousCamError } from './errors.js';
import type { PackedNetwork } from './network.js';
import { MODES, oneOf, outputStrides } from './options.js';
import { overlayMap } from './overlay.js';
import { planMode } from './plan.js';
import { preprocess } from './preprocess.js';
import { pooledStride } from './topology.js';
import type { Mode, OutputStride, Prediction, Preprocessing, RgbImage, Score } from './types.js';
import type { Runtime } from './wasm/runtime.js';
import { resolveTarget } from './weights/labels.js';

/** A loaded network: what the calls below work on. */
export interface Loaded {
  readonly runtime: Runtime;
  readonly network: PackedNetwork;
  readonly labels: readonly string[];
  readonly preprocessing: Preprocessing;
}

/** image -> preprocess -> network -> head: class probabilities. */
export async function predict(
  loaded: Loaded,
  image: RgbImage,
  options: PredictOptions = {},
): Promise<PredictionResult> {
  const mode = oneOf('mode', options.mode ?? 'pooled', MODES);
  requireHead(loaded);
  const { network, runtime } = loaded;
  const { input } = preprocess(image, network.topology.inputSize, {
    ...loaded.preprocessing,
    ...options.preprocessing,
  });
  const plan = planMode(network.topology, mode, pooledStride(network.topology) as OutputStride);
  const { logits, probabilities } = await runPlan(runtime, network, plan, input, {
    ...progress(mode, options),
    signal: options.signal,
  });
  return { logits, probabilities, predictions: topFive(probabilities, loaded.labels) };
}

/** image -> preprocess -> network -> head -> gradient -> cam -> overlay: which pixels made the network decide. */
export async function explain(loaded: Loaded, image: RgbImage, options: ExplainOptions = {}): Promise<Explanation> {
  const { runtime, network, labels } = loaded;
  const { mode, score, outputStride, degrid } = checkOptions(loaded, options);
  const { inputSize } = network.topology;
  const target = await chooseTarget(loaded, image, mode, options);

  const start = performance.now();
  const { input, rect } = preprocess(image, inputSize, { ...loaded.preprocessing, ...options.preprocessing });
  const plan = planMode(network.topology, mode, outputStride);
  const period = pooledStride(network.topology);
  const finish = (raw: RawMap, stride: number) =>
    finishMap(raw, {
      inputSize,
      outputStride: stride,
      origin: mode === 'dilated' ? 0 : (period - 1) / 2,
      degridPeriod: degrid === 'box' ? period : 1,
    });
  const { onProgress } = options;
  let done = 0;
  const run = await runPlan(runtime, network, plan, input, {
    target: target ?? largest,
    score,
    signal: options.signal,
    onProgress: (share) => {
      done = share;
      onProgress?.({ stage: 'compute', mode, done });
    },
    onRefined:
      onProgress && mode === 'atrous'
        ? (stride, map) =>
            onProgress({ stage: 'compute', mode, done, map: finish(map(), stride).data, outputStride: stride })
        : undefined,
  });
  const { raw, target: index, score: value } = run.explained!;
  const { data, flat } = finish(raw, plan.outputStride);
  const map = { width: inputSize, height: inputSize, data, flat };

  return {
    mode,
    predictions: topFive(run.probabilities, labels),
    logits: run.logits,
    probabilities: run.probabilities,
    target: { index, label: labels[index] },
    score: value,
    raw,
    map,
    rect,
    image,
    seconds: (performance.now() - start) / 1000,
    peakBytes: run.peakBytes,
    overlay: (style) => overlayMap(image, map, rect, style),
  };
}

/**
 * The class to explain; undefined where it is the top class of the run itself. `top` is the pooled network's top class in every
 * mode, and only `dilated` can have another one, so only there it costs a pooled prediction.
 */
async function chooseTarget(
  loaded: Loaded,
  image: RgbImage,
  mode: Mode,
  options: ExplainOptions,
): Promise<(() => number) | undefined> {
  const { target = 'top', preprocessing, signal } = options;
  if (target !== 'top') {
    const index = resolveTarget(loaded.labels, target);
    return () => index;
  }
  if (mode !== 'dilated') return undefined;
  const { logits } = await predict(loaded, image, { preprocessing, signal });
  return () => largest(logits);
}

function checkOptions(
  loaded: Loaded,
  options: ExplainOptions,
): { mode: Mode; score: Score; outputStride: OutputStride; degrid: 'none' | 'box' } {
  requireHead(loaded);
  const mode = oneOf('mode', options.mode ?? 'atrous', MODES);
  oneOf('method', options.method ?? 'gradcam', ['gradcam']);
  const layers = loaded.network.topology.blocks.flat().map((layer) => layer.name);
  const layer = oneOf('layer', options.layer ?? layers.at(-1)!, layers);
  if (layer !== layers.at(-1))
    throw new AtrousCamError(
      'UNSUPPORTED',
      `layer '${layer}': this version explains the last convolution only, '${layers.at(-1)}'`,
    );
  const heads = oneOf('heads', options.heads ?? 'one', ['one', 'each', 'mean']);
  if (heads !== 'one')
    throw new AtrousCamError(
      'UNSUPPORTED',
      `heads '${heads}': this version takes the gradient of one head only, that of phase (0,0): 'one'`,
    );
  return {
    mode,
    score: oneOf('score', options.score ?? 'logit', ['logit', 'probability']),
    outputStride: oneOf(
      'outputStride',
      options.outputStride ?? 1,
      outputStrides(loaded.network.topology),
    ) as OutputStride,
    degrid: oneOf('degrid', options.degrid ?? (mode === 'atrous' ? 'box' : 'none'), ['none', 'box']),
  };
}

/** Throws UNSUPPORTED for weights without classes. */
export function requireHead({ network }: Loaded): void {
  if (network.dense.length === 0)
    throw new AtrousCamError(
      'UNSUPPORTED',
      'these weights have no dense layers, so there are no classes to predict or explain; load the full file',
    );
}

const progress = (
  mode: Mode,
  { onProgress }: { onProgress?: (progress: Progress) => void },
): Pick<RunRequest, 'onProgress'> => ({
  onProgress: onProgress && ((done) => onProgress({ stage: 'compute', mode, done })),
});

/** Index of the largest value, the first of equals. */
export function largest(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

export function topFive(probabilities: Float32Array, labels: readonly string[]): Prediction[] {
  return Array.from(probabilities, (probability, index) => ({ index, label: labels[index], probability }))
    .sort((a, b) => b.probability - a.probability || a.index - b.index)
    .slice(0, 5);
}
