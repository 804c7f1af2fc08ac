import type { CallOptions, ExplainOptions, Network } from '../api.js';
import { AtrousCamError, throwIfAborted } from '../base/errors.js';
import { checkOptions, type Names } from '../base/options.js';
import type { RgbImage } from '../base/types.js';
import { fitMap } from './fit-map.js';
import type { BootstrapOptions, Interval } from './intervals.js';
import { bootstrap } from './intervals.js';
import { type GreyMap, refuse } from './map.js';
import { type MaskedPicture, readGround } from './masked-pictures.js';
import { type MeasureOptions, type Measures, type MetricName, measureMap, metricNames, summarize } from './measure.js';
import { gridPointing } from './mosaic.js';
import { pictureGrid } from './picture-grid.js';
import { openProbe, type Predictor } from './probe.js';
import { drawMosaic } from './random-choice.js';
import { gaussianMap, uniformMap } from './regions.js';

/** What the evaluation needs of a network. */
export type Explainer = Predictor & Pick<Network, 'explain'>;

/** Maps that know nothing of the picture, see `uniformMap` and `gaussianMap`. */
export const baselineNames = ['uniform', 'gaussian'] as const;
/** A map that knows nothing of the picture. */
export type BaselineName = (typeof baselineNames)[number];

/** How a map is made: a baseline, or a call of `explain` with these options. */
export type MapSource = BaselineName | Omit<ExplainOptions, 'target' | keyof CallOptions>;

/** The grid pointing game with the picture among one or three of other classes. */
const MOSAICS = { mosaic2: 2, mosaic4: 4 } as const;

/** What is measured of a picture's maps: the metrics of one map, and `mosaic2` and `mosaic4`, the grid pointing game. */
export const evaluationMetrics = [...metricNames, 'mosaic2', 'mosaic4'] as const;
/** One of `evaluationMetrics`. */
export type EvaluationMetric = (typeof evaluationMetrics)[number];

/** What was measured of one map of one picture. */
export interface MapMeasures extends Measures {
  /** `gridPointing` in a mosaic of this picture and one, or three, of other classes. */
  mosaic2?: number;
  mosaic4?: number;
  /** What the explanation took; of baselines nothing. */
  seconds?: number;
}

/** What was measured of one picture. */
export interface PictureEvaluation {
  readonly file: string;
  /** The class in the index. */
  readonly label: string;
  /** The class that was explained. */
  readonly target: { readonly index: number; readonly label: string };
  /** The pooled network's probability of it. */
  readonly probability: number;
  /** The photograph's own grid number. */
  readonly grid: number;
  /** By the names of the maps. */
  readonly maps: Readonly<Record<string, MapMeasures>>;
}

/** What is measured, and how. */
export interface EvaluateExplanationsOptions extends Omit<MeasureOptions, 'metrics' | 'onProgress'> {
  /** The maps, by names of the caller's own. */
  maps: Readonly<Record<string, MapSource>>;
  /** Default: all; without `mosaic2` and `mosaic4` where a `target` is given, or too few pictures of other classes. */
  metrics?: readonly EvaluationMetric[];
  /** The explained class of all pictures; default: each picture's own. */
  target?: 'top' | number | string;
  /** See `readGround`. */
  threshold?: number;
  /** Called after each picture. */
  onPicture?: (evaluation: PictureEvaluation) => void;
  /** Called with a picture that failed, and why; the others are still measured. Without it the first failure ends the call. */
  onError?: (picture: MaskedPicture, error: unknown) => void;
  /** Pictures that are done, with the part of the one at hand; all; and the one at hand. */
  onProgress?: (done: number, total: number, picture: MaskedPicture) => void;
}

const NAMES: Names<EvaluateExplanationsOptions> = {
  ...{ maps: 1, metrics: 1, target: 1, threshold: 1, steps: 1, seed: 1, percentiles: 1 },
  ...{ signal: 1, onPicture: 1, onError: 1, onProgress: 1 },
};

/**
 * Explains pictures with known objects and measures the maps: each picture once for each map. Seeds decide which pictures share a mosaic.
 *
 * @param net the network; `load()`'s, here or in a worker
 * @param pictures see `readMaskedPictures`, `choosePictures`
 * @throws AtrousCamError BAD_ARGUMENT, ABORTED, and what `explain` throws
 * @example
 * const pictures = choosePictures(await readMaskedPictures('pets'), 20);
 * const evaluations = await evaluateExplanations(await load(), pictures, {
 *   maps: { atrous: { mode: 'atrous' }, layercam: { method: 'layercam', layer: 'block4_conv3' }, gaussian: 'gaussian' },
 *   metrics: ['pointing', 'box'],
 * });
 * summarizeEvaluations(evaluations).maps.atrous.pointing; // { value, low, high, count }
 */
export async function evaluateExplanations(
  net: Explainer,
  pictures: readonly MaskedPicture[],
  options: EvaluateExplanationsOptions,
): Promise<PictureEvaluation[]> {
  checkOptions('evaluateExplanations', options, NAMES);
  checkMetrics(net, pictures, options);
  const metrics = options.metrics ?? evaluationMetrics.filter((name) => !missingFor(name, pictures, options));
  const evaluations: PictureEvaluation[] = [];
  for (const [i, picture] of pictures.entries()) {
    throwIfAborted(options.signal);
    const onProgress = (share: number) => options.onProgress?.(i + share, pictures.length, picture);
    onProgress(0);
    try {
      const evaluation = await evaluatePicture(net, picture, pictures, { ...options, metrics }, onProgress);
      evaluations.push(evaluation);
      onProgress(1);
      options.onPicture?.(evaluation);
    } catch (error) {
      const concernsAll = error instanceof AtrousCamError && ['BAD_ARGUMENT', 'UNSUPPORTED'].includes(error.code);
      if (!options.onError || concernsAll || options.signal?.aborted) throw error;
      options.onError(picture, error);
    }
  }
  return evaluations;
}

function checkMetrics(net: Explainer, pictures: readonly MaskedPicture[], options: EvaluateExplanationsOptions): void {
  const { maps, metrics = [], target } = options;
  const name = 'evaluateExplanations';
  for (const metric of metrics)
    if (!evaluationMetrics.includes(metric)) refuse(name, `metrics of ${evaluationMetrics.join(', ')}`, `'${metric}'`);
  for (const source of Object.values(maps))
    if (typeof source === 'string' && !baselineNames.includes(source))
      refuse(name, `explain's options or a baseline of ${baselineNames.join(', ')}`, `'${source}'`);
  for (const metric of metrics) {
    const missing = missingFor(metric, pictures, options);
    if (missing) refuse(name, `${missing} for ${metric}`, 'other ones');
  }
  if (target !== undefined) return;
  const unknown = pictures.find(({ label }) => !net.labels.includes(label));
  if (unknown) refuse(name, `classes of the network (${net.labels.slice(0, 5).join(', ')})`, `'${unknown.label}'`);
}

/** What a metric needs and does not have. */
function missingFor(
  metric: EvaluationMetric,
  pictures: readonly MaskedPicture[],
  { target }: EvaluateExplanationsOptions,
): string | undefined {
  if (metric !== 'mosaic2' && metric !== 'mosaic4') return undefined;
  if (target !== undefined) return "each picture's own class as the target";
  const others = MOSAICS[metric] - 1;
  const most = Math.max(
    ...[...new Set(pictures.map(({ label }) => label))].map(
      (label) => pictures.filter((one) => one.label === label).length,
    ),
  );
  return pictures.length - most < others ? `${others} pictures of other classes than any picture's own` : undefined;
}

async function evaluatePicture(
  net: Explainer,
  picture: MaskedPicture,
  pictures: readonly MaskedPicture[],
  options: EvaluateExplanationsOptions & { metrics: readonly EvaluationMetric[] },
  onProgress: (share: number) => void,
): Promise<PictureEvaluation> {
  const { maps, metrics, target = picture.label, seed = 0, threshold, steps, percentiles, signal } = options;
  const side = net.inputSize;
  const probe = await openProbe(net, picture.path, { target, signal });
  const ground = { probe, ...(await readGround(picture, probe, side, threshold)) };
  const games = metrics.filter((name): name is keyof typeof MOSAICS => name in MOSAICS);
  const mosaics = await Promise.all(
    games.map((name) =>
      drawMosaics(Object.values(maps), side, (of) => drawMosaic(picture, pictures, MOSAICS[name], of, seed)),
    ),
  );
  const own = metrics.filter((name): name is MetricName => !(name in MOSAICS));
  const measured: Record<string, MapMeasures> = {};
  const count = Object.keys(maps).length;
  for (const [k, [name, source]] of Object.entries(maps).entries()) {
    const part = (from: number, to: number) => (share: number) => onProgress((k + from + (to - from) * share) / count);
    const explain = async (image: RgbImage, watch: (share: number) => void, mosaic = false) => {
      if (typeof source === 'string') return { map: baselines[source](side), seconds: undefined };
      const preprocessing = mosaic ? ({ fit: 'squash' } as const) : undefined;
      const call = {
        target: probe.target.index,
        preprocessing,
        signal,
        onProgress: (p: { done: number }) => watch(p.done),
      };
      return net.explain(image, { ...source, ...call });
    };
    const { map: found, seconds } = await explain(probe.image, part(0, 0.4));
    const map = fitMap(found, side, side);
    const watch = { signal, onProgress: part(0.4, 0.8) };
    const measures: MapMeasures = await measureMap(map, ground, { metrics: own, steps, seed, percentiles, ...watch });
    for (const [i, drawn] of mosaics.entries()) {
      const { mosaic, cell } = drawn.get(mosaicSide(source, side))!;
      const inMosaic = await explain(mosaic.image, () => part(0.8, 1)(i / mosaics.length), true);
      const { width, height } = mosaic.image;
      measures[games[i]] = gridPointing(fitMap(inMosaic.map, width, height), mosaic, cell);
    }
    measured[name] = { ...measures, ...(seconds !== undefined && { seconds }) };
  }
  const grid = pictureGrid(probe);
  const { file, label } = picture;
  return { file, label, target: probe.target, probability: probe.score, grid, maps: measured };
}

/** The mosaic's side: maps of several zooms are of a mosaic with as many pixels as the largest one sees. */
function mosaicSide(source: MapSource, side: number): number {
  const zoom = typeof source === 'string' ? 1 : (source.zoom ?? 1);
  return side * Math.max(1, Math.ceil(Math.max(...[zoom].flat())));
}

/** A mosaic for the maps of each size, by its side. */
async function drawMosaics<Drawn>(
  sources: readonly MapSource[],
  side: number,
  draw: (side: number) => Promise<Drawn>,
): Promise<Map<number, Drawn>> {
  const drawn = new Map<number, Drawn>();
  for (const size of new Set(sources.map((source) => mosaicSide(source, side)))) drawn.set(size, await draw(size));
  return drawn;
}

const baselines: Record<BaselineName, (side: number) => GreyMap> = { uniform: uniformMap, gaussian: gaussianMap };

/** Means over pictures with bootstrap intervals. */
export interface EvaluationSummary {
  /** Of the photographs' own grid numbers. */
  readonly grid: Interval;
  /** By map and metric, see `summarize`; also `mosaic2`, `mosaic4` and `seconds`. */
  readonly maps: Readonly<Record<string, Readonly<Record<string, Interval>>>>;
}

/**
 * The means of what `evaluateExplanations` has measured, with bootstrap intervals. Throws BAD_ARGUMENT where it has measured nothing.
 *
 * @example
 * const evaluations = await evaluateExplanations(net, pictures, { maps: { cam: {} }, metrics: ['pointing'] });
 * const { value, low, high } = summarizeEvaluations(evaluations).maps.cam.pointing;
 */
export function summarizeEvaluations(
  evaluations: readonly PictureEvaluation[],
  options?: BootstrapOptions,
): EvaluationSummary {
  if (evaluations.length === 0) refuse('summarizeEvaluations', 'at least one picture', 'none');
  const of = (name: string) =>
    summarize(
      evaluations.map(({ maps }) => maps[name]),
      options,
    );
  return {
    grid: bootstrap(
      evaluations.map(({ grid }) => grid),
      options,
    ),
    maps: Object.fromEntries(Object.keys(evaluations[0].maps).map((name) => [name, of(name)])),
  };
}
