import type { ExplainOptions, Explanation, Preprocessed, TensorInput } from '../api.js';
import { lazy } from '../base/lazy.js';
import type { RgbImage } from '../base/types.js';
import { type Layout, layoutOf } from '../graph/levels.js';
import { layerName } from '../graph/names.js';
import { combineMaps, type RawMap } from '../map/finish.js';
import { overlayMap } from '../map/overlay.js';
import { resample } from '../map/resample.js';
import { finisher, type MethodResult, runMethod } from '../methods/run.js';
import type { Grid } from '../plan/modes.js';
import { placedGrid } from '../plan/placing.js';
import { planFreely } from '../plan/wide.js';
import { runPlan } from '../run/engine.js';
import { requireFinite } from '../run/finite.js';
import { keptPass } from '../run/kept-pass.js';
import { type Loaded, requireHead } from '../run/loaded.js';
import { classScore, type ScoreFunction } from '../run/score.js';
import { evidenceOffsets } from './evidence.js';
import { chooseTop, inputOf, predict, prepare, topFive } from './predict.js';
import { type ExplainRequest, readRequest } from './request.js';
import { needsTop, resolveSubject, type Subject } from './target.js';
import type { Zoomed } from './zoomed.js';

/** image -> preprocess -> network -> head -> gradient -> cam -> overlay: which pixels made the network decide. */
export async function explain(
  loaded: Loaded,
  image: RgbImage | TensorInput,
  options: ExplainOptions = {},
): Promise<Explanation> {
  requireHead(loaded);
  const { network, labels } = loaded;
  const { h, w } = network.graph.nodes[0].shape;
  const size = { width: w, height: h };
  const request = await placedRequest(loaded, await feasibleRequest(loaded, image, options), options.signal);
  const choose = await chooseSubject(loaded, image, request, options);

  const start = performance.now();
  const { tensor: input, rect, image: photograph } = preparedOf(loaded, image, options);
  const run = isOwnSize(request)
    ? {
        ...(await explainAt(loaded, input, request, choose, options)),
        ...size,
        of: { layout: network.layout, request },
      }
    : await zoomed(loaded, image, request, options, choose);
  const { subject, score, raw, flat, logits, probabilities, peakBytes, width, height, reused } = run;
  const seconds = (performance.now() - start) / 1000;
  const { spacing, origin, pitch } = placeOfRaw(network.layout, request, run.of);
  const map = { width, height, data: run.data, flat, signed: request.sign === 'signed' };

  return {
    mode: request.mode,
    method: request.name,
    heads: request.heads,
    logits,
    probabilities,
    outputStride: spacing,
    placement: { align: request.align, origin, pitch },
    zoom: [...request.zooms],
    score,
    raw,
    map,
    rect,
    image: photograph,
    layers: request.facts.layers ? request.layers.map((id) => layerName(network.graph, id)) : [],
    predictions: topFive(probabilities, labels),
    target: { index: subject.index, label: subject.label },
    seconds,
    peakBytes,
    ...(reused && { reused }),
    overlay: (style) => overlayMap(photograph, map, rect, style),
  };
}

/** The request; without zooms that nobody asked for where they cannot be: numbers have no pixels to resample, and some networks one size. */
async function feasibleRequest(
  loaded: Loaded,
  image: RgbImage | TensorInput,
  options: ExplainOptions,
): Promise<ExplainRequest> {
  const { layout } = loaded.network;
  const request = readRequest(layout, options, !('tensor' in image) || isPreprocessed(image));
  if (isOwnSize(request) || options.zoom !== undefined) return request;
  const { takesZooms } = await lazy(() => import('./zoomed.js'));
  return takesZooms(loaded, request.zooms, layoutOf) ? request : readRequest(layout, options, false);
}

/** The request with what placing its points takes. */
async function placedRequest(loaded: Loaded, request: ExplainRequest, signal?: AbortSignal): Promise<ExplainRequest> {
  if (request.align !== 'evidence' || !request.facts.layers) return request;
  return { ...request, offsets: await evidenceOffsets(loaded, request.layers, signal) };
}

const isOwnSize = ({ zooms }: ExplainRequest): boolean => zooms.length === 1 && zooms[0] === 1;

/** What the explanation of other sizes than the network's own takes is loaded when it is asked for. */
async function zoomed(
  loaded: Loaded,
  image: RgbImage | TensorInput,
  request: ExplainRequest,
  options: ExplainOptions,
  choose: (logits: Float32Array) => Subject,
): Promise<Zoomed> {
  const { explainZoomed } = await lazy(() => import('./zoomed.js'));
  const { preprocessing, signal } = options;
  const picture = 'tensor' in image && isPreprocessed(image) ? image.image : image;
  return explainZoomed(loaded, picture, request, options, choose, {
    layoutOf,
    explainAt,
    combineMaps,
    resample,
    prepare: (at, picture) => prepare(at, picture, options),
    request: (at, other) => placedRequest(at, readRequest(at.network.layout, other), signal),
    predict: () => predict(loaded, image, { mode: request.mode, preprocessing, signal }),
  });
}

/** What of the options concerns the run itself. */
export type RunOptions = Pick<ExplainOptions, 'signal' | 'onProgress' | 'reuse'>;

/** An explanation at one size of the input, which `loaded` has. */
async function explainAt(
  loaded: Loaded,
  input: Float32Array,
  request: ExplainRequest,
  choose: (logits: Float32Array) => Subject,
  options: RunOptions,
): Promise<Explained> {
  const run = await (request.streams ? streamMap : explainByMethod)(loaded, input, request, choose, options);
  await requireFinite(loaded, input, request.mode, run.logits, options.signal);
  return run;
}

/** Where the points of the raw map lie. `spacing`: of the points that it was computed at. `of`: whose they are, unless it is combined. */
function placeOfRaw(
  network: Layout,
  whole: ExplainRequest,
  of: Zoomed['of'],
): Pick<Grid, 'spacing' | 'origin' | 'pitch'> {
  const { layout, request } = of ?? { layout: network, request: whole };
  const { facts, layers, mode, outputStride, augSmooth } = request;
  const everyPixel = { spacing: 1, origin: [0, 0], pitch: [1, 1] } as const;
  if (facts.at === 'input') return everyPixel;
  const grid = placedGrid(layout, mode, layers[layers.length - 1], outputStride, request);
  return !of || layers.length > 1 || augSmooth ? { ...everyPixel, spacing: grid.spacing } : grid;
}

/** A picture as the network gets it; numbers that are the input already, without their photograph, stand on a grey picture of its size. */
function preparedOf(
  loaded: Loaded,
  image: RgbImage | TensorInput,
  options: Pick<ExplainOptions, 'preprocessing'>,
): Preprocessed {
  if (!('tensor' in image)) return prepare(loaded, image, options);
  if (isPreprocessed(image)) return { ...image, tensor: inputOf(loaded, image, options) };
  const { h: height, w: width } = loaded.network.graph.nodes[0].shape;
  const grey = { width, height, data: new Uint8Array(3 * width * height).fill(128) };
  return { tensor: inputOf(loaded, image, options), rect: { x: 0, y: 0, width, height }, image: grey };
}

/** Whether a tensor is what `preprocess` made, with its photograph. */
const isPreprocessed = (input: TensorInput): input is Preprocessed => 'rect' in input && 'image' in input;

/** What both ways to explain give. */
export type Explained = Omit<MethodResult, 'seconds'> & {
  subject: Subject;
  /** Whether the maps were kept of an earlier run. */
  reused?: boolean;
};

/** Plain Grad-CAM of the last layer: its map refines while it is computed, and only the head goes backwards. */
async function streamMap(
  loaded: Loaded,
  input: Float32Array,
  request: ExplainRequest,
  subject: (logits: Float32Array) => Subject,
  { signal, onProgress, reuse = false }: RunOptions,
): Promise<Explained> {
  const { layout, graph } = loaded.network;
  const { mode, outputStride, layers } = request;
  const [fold] = layers;
  const newPlan = () => planFreely(loaded.network, { mode, outputStride, head: true, fold });
  const pass = reuse ? keptPass(loaded.network, input, { mode, outputStride, fold }, newPlan) : undefined;
  const plan = pass?.plan ?? newPlan();
  const reused = pass?.complete;
  const finish = finisher(graph.nodes[0].shape, request);
  const finished = (raw: RawMap, stride: number) =>
    finish([{ raw, place: placedGrid(layout, mode, layers[0], stride, request) }]);
  let done = 0;
  const run = await runPlan(loaded.runtime, loaded.network, plan, input, {
    subject,
    signal,
    pass,
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
  const { logits, probabilities } = run as Required<typeof run>;
  return {
    ...run,
    reused,
    logits,
    probabilities,
    ...run.explained!,
    ...finished(run.explained!.raw, plan.outputStride),
  };
}

/** Every other method. */
async function explainByMethod(
  loaded: Loaded,
  input: Float32Array,
  request: ExplainRequest,
  choose: (logits: Float32Array) => Subject,
  { signal, onProgress }: RunOptions,
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
  image: RgbImage | TensorInput,
  { mode, score, augSmooth, name }: ExplainRequest,
  { target = 'top', ...options }: ExplainOptions,
): Promise<(logits: Float32Array) => Subject> {
  const { labels } = loaded;
  const { head } = loaded.network.graph;
  const known = resolveSubject(labels, target, score, 0, head);
  const finer = name === 'finercam' ? await lazy(() => import('./finer.js')) : undefined;
  finer?.requireClass(known);
  const seen = (subject: Subject, logits: Float32Array) =>
    finer?.finerSubject(subject, logits, score, head, classScore) ?? subject;
  if (!needsTop(target)) return (logits) => seen(known, logits);
  const top = await chooseTop(loaded, image, mode, options, augSmooth);
  return (logits) => seen(resolveSubject(labels, target, score, top(logits), head), logits);
}
