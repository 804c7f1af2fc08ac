import type { ExplainOptions, Explanation } from '../api.js';
import type { RgbImage } from '../base/types.js';
import type { RawMap } from '../map/finish.js';
import { overlayMap } from '../map/overlay.js';
import { finisher, type MethodResult, runMethod } from '../methods/run.js';
import { placeOf } from '../methods/work.js';
import { planMode } from '../plan/forward.js';
import { runPlan } from '../run/engine.js';
import { requireFinite } from '../run/finite.js';
import { type Loaded, requireHead } from '../run/loaded.js';
import type { ScoreFunction } from '../run/score.js';
import { chooseTop, prepare, topFive } from './predict.js';
import { type ExplainRequest, readRequest } from './request.js';
import { needsTop, resolveSubject, type Subject } from './target.js';

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
    layers: request.facts.layers ? request.layers.map((layer) => layer.name) : [],
    predictions: topFive(probabilities, labels),
    target: { index: subject.index, label: subject.label },
    seconds,
    peakBytes,
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
