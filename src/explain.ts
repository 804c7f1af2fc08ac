import type {
  ExplainOptions,
  Explanation,
  PredictionResult,
  PredictOptions,
  Preprocessed,
  Progress,
  TensorInput,
} from './api.js';
import type { RawMap } from './cam.js';
import { type RunRequest, runPlan } from './engine.js';
import { AtrousCamError } from './errors.js';
import { requireFinite } from './finite.js';
import type { ScoreFunction } from './gradient.js';
import { finisher, type MethodResult, runMethod } from './methods/run.js';
import { placeOf } from './methods/work.js';
import type { PackedNetwork } from './network.js';
import { MODES, oneOf } from './options.js';
import { overlayMap } from './overlay.js';
import { planMode } from './plan.js';
import { preprocess } from './preprocess.js';
import { type ExplainRequest, readRequest } from './request.js';
import { needsTop, resolveSubject, type Subject } from './target.js';
import { ownMode, pooledStride } from './topology.js';
import type { Mode, OutputStride, Prediction, Preprocessing, RgbImage } from './types.js';
import type { Runtime } from './wasm/runtime.js';

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
  image: RgbImage | TensorInput,
  options: PredictOptions = {},
): Promise<PredictionResult> {
  const mode = oneOf('mode', options.mode ?? 'pooled', MODES);
  requireHead(loaded);
  const { network, runtime } = loaded;
  const input = 'tensor' in image ? checkTensor(image.tensor, network) : prepare(loaded, image, options).tensor;
  const plan = planMode(network.topology, mode, pooledStride(network.topology) as OutputStride);
  const { logits, probabilities } = await runPlan(runtime, network, plan, input, {
    ...progress(mode, options),
    signal: options.signal,
  });
  await requireFinite(loaded, input, mode, logits, options.signal);
  return { logits, probabilities, predictions: topFive(probabilities, loaded.labels) };
}

/** image -> preprocess: what the network computes on. */
export function prepare(
  { network, preprocessing }: Loaded,
  image: RgbImage,
  options: Pick<PredictOptions, 'preprocessing'> = {},
): Preprocessed {
  const own = { ...preprocessing, ...options.preprocessing };
  const { input: tensor, rect } = preprocess(image, network.topology.inputSize, own);
  return { tensor, rect, image };
}

function checkTensor(tensor: unknown, { topology: { inputSize: side } }: PackedNetwork): Float32Array {
  if (tensor instanceof Float32Array && tensor.length === 3 * side * side) return tensor;
  throw new AtrousCamError('BAD_ARGUMENT', `tensor: expected a Float32Array of ${side} x ${side} x 3 numbers`);
}

/** image -> preprocess -> network -> head -> gradient -> cam -> overlay: which pixels made the network decide. */
export async function explain(loaded: Loaded, image: RgbImage, options: ExplainOptions = {}): Promise<Explanation> {
  requireHead(loaded);
  const { network, labels } = loaded;
  const { inputSize } = network.topology;
  const request = readRequest(network.topology, options);
  const choose = await chooseSubject(loaded, image, request, options);

  const start = performance.now();
  const { tensor: input, rect } = prepare(loaded, image, options);
  const run = await (request.streams ? streamMap : explainByMethod)(loaded, input, request, choose, options);
  const { subject, score, raw, flat, logits, probabilities, peakBytes } = run;
  await requireFinite(loaded, input, request.mode, logits, options.signal);
  const seconds = (performance.now() - start) / 1000;
  const map = { width: inputSize, height: inputSize, data: run.data, flat, signed: request.sign === 'signed' };

  return {
    ...{
      mode: request.mode,
      method: request.name,
      heads: request.heads,
      logits,
      probabilities,
      score,
      raw,
      map,
      rect,
      image,
    },
    layers: request.facts.layers ? request.layers.map((layer) => layer.name) : [],
    predictions: topFive(probabilities, labels),
    target: { index: subject.index, label: subject.label },
    ...{ seconds, peakBytes },
    overlay: (style) => overlayMap(image, map, rect, style),
  };
}

/** What both ways to explain give. */
type Explained = Omit<MethodResult, 'seconds'> & { subject: Subject };

/** Plain Grad-CAM of the last layer: its map refines while it is computed, and only the head goes backwards. */
async function streamMap(
  loaded: Loaded,
  input: Float32Array,
  request: ExplainRequest,
  subject: (logits: Float32Array) => Subject,
  { signal, onProgress }: ExplainOptions,
): Promise<Explained> {
  const { topology } = loaded.network;
  const { mode } = request;
  const plan = planMode(topology, mode, request.outputStride);
  const finish = finisher(topology.inputSize, request);
  const finished = (raw: RawMap, stride: number) =>
    finish([{ raw, place: placeOf(topology, mode, request.layers[0], stride) }]);
  let done = 0;
  const run = await runPlan(loaded.runtime, loaded.network, plan, input, {
    subject,
    signal,
    onProgress: (share) => {
      done = share;
      onProgress?.({ stage: 'compute', mode, done });
    },
    onRefined:
      onProgress && mode === 'atrous'
        ? (stride, map) =>
            onProgress({ stage: 'compute', mode, done, map: finished(map(), stride).data, outputStride: stride })
        : undefined,
  });
  return { ...run, ...run.explained!, ...finished(run.explained!.raw, plan.outputStride) };
}

/** Every other method. */
async function explainByMethod(
  loaded: Loaded,
  input: Float32Array,
  request: ExplainRequest,
  choose: (logits: Float32Array) => Subject,
  { signal, onProgress }: ExplainOptions,
): Promise<Explained> {
  const { mode } = request;
  let subject: Subject | undefined;
  const score: ScoreFunction = (logits, probabilities) => {
    subject ??= choose(logits); // every method scores the unchanged input first
    return subject.score(logits, probabilities);
  };
  const report = onProgress && ((done: number) => onProgress({ stage: 'compute', mode, done }));
  const result = await runMethod(loaded, input, request, { score }, { signal, onProgress: report });
  return { ...result, subject: subject! };
}

/** What is explained, from the first logits of the run; refuses at once what no picture can have. */
async function chooseSubject(
  loaded: Loaded,
  image: RgbImage,
  { mode, score, augSmooth }: ExplainRequest,
  { target = 'top', ...options }: ExplainOptions,
): Promise<(logits: Float32Array) => Subject> {
  const { labels } = loaded;
  const known = resolveSubject(labels, target, score, 0);
  if (!needsTop(target)) return () => known;
  const top = await chooseTop(loaded, image, mode, options, augSmooth);
  return (logits) => resolveSubject(labels, target, score, top(logits));
}

/**
 * The class that `top` stands for, from the first logits of a run: the pooled network's top class in every mode (with degridding layers,
 * the dilated one's). Where the run does not begin with those logits, because its mode has others or it is of a `changed` picture, a
 * prediction finds it.
 */
export async function chooseTop(
  loaded: Loaded,
  image: RgbImage,
  mode: Mode,
  { preprocessing, signal }: Pick<PredictOptions, 'preprocessing' | 'signal'>,
  changed = false,
): Promise<(logits: Float32Array) => number> {
  const own = ownMode(loaded.network.topology);
  if (!changed && (mode !== 'dilated' || own === mode)) return largest;
  const top = largest((await predict(loaded, image, { mode: own, preprocessing, signal })).logits);
  return () => top;
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
function largest(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

export function topFive(probabilities: Float32Array, labels: readonly string[]): Prediction[] {
  return Array.from(probabilities, (probability, index) => ({ index, label: labels[index], probability }))
    .sort((a, b) => b.probability - a.probability || a.index - b.index)
    .slice(0, 5);
}
