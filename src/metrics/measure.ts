import { checkOptions, type Names } from '../base/options.js';
import type { Rect } from '../base/types.js';
import { type BoxCurve, boxAccuracyOf, boxCurve, type Pieced } from './boxes.js';
import { type CurveOptions, deletion, insertion } from './curves.js';
import { averageDrop } from './drop.js';
import { gridNumber } from './grid.js';
import { type BootstrapOptions, bootstrapOf, type Interval, meanOf } from './intervals.js';
import { averagePrecision, bestMaskIou, energyInMask, pointingGame } from './localisation.js';
import { type GreyMap, refuse } from './map.js';
import type { Watch } from './passes.js';
import type { Probe } from './probe.js';
import type { Mask } from './regions.js';
import { type RoadOptions, road } from './road.js';

/** The metrics of one map, by name. */
export const metricNames = [
  ...(['grid', 'pointing', 'energy', 'precision', 'maskiou', 'box'] as const),
  ...(['deletion', 'insertion', 'road', 'drop'] as const),
] as const;
/** Those that need a mask. */
const OF_MASK: readonly string[] = ['pointing', 'energy', 'precision', 'maskiou'];
/** A metric: see `measureMap`. */
export type MetricName = (typeof metricNames)[number];

/** What a map is held against. */
export interface Ground {
  /** The object, at the input's size. */
  readonly mask?: Mask;
  /** The object's box in the input's pixels. */
  readonly box?: Rect;
  /** The network that was explained, for `deletion`, `insertion`, `road` and `drop`. */
  readonly probe?: Probe;
}

/** Which metrics, and how. */
export interface MeasureOptions extends Watch, Pick<CurveOptions, 'steps' | 'seed'>, Pick<RoadOptions, 'percentiles'> {
  /** Default: all that the ground allows: `grid`; `pointing`, `energy`, `precision` and `maskiou` with a mask; `box` with a box; the others with a probe. */
  metrics?: readonly MetricName[];
}

const NAMES: Names<MeasureOptions> = {
  ...{ metrics: 1, steps: 1, seed: 1, percentiles: 1, signal: 1, onProgress: 1 },
};

/** What was measured of one map. */
export interface Measures {
  /** `grid`: 0..1, see `gridNumber`: of the map itself, which may be finer than what it rests on; less is better. */
  grid?: number;
  /** `pointing`: 0..1, see `pointingGame`. */
  pointing?: number;
  /** `energy`: 0..1, see `energyInMask`. */
  energy?: number;
  /** `precision`: 0..1, see `averagePrecision`. */
  precision?: number;
  /** `maskiou`: 0..1, see `bestMaskIou`. */
  maskiou?: number;
  /** `box`: see `boxCurve`; a number only over many pictures. */
  box?: BoxCurve;
  /** `deletion`: area under the curve, less is better. */
  deletion?: number;
  /** `insertion`: area under the curve, more is better. */
  insertion?: number;
  /** `road`: combined, and the means of its two orders. */
  road?: number;
  morf?: number;
  lerf?: number;
  /** `drop`: drop, increase and gain, see `averageDrop`. */
  drop?: number;
  increase?: number;
  gain?: number;
}

/** Forward passes of a metric. */
function passesOf(metric: MetricName, { steps = 32, percentiles }: MeasureOptions): number {
  const passes: Partial<Record<MetricName, number>> = {
    deletion: steps,
    insertion: steps,
    drop: 1,
    road: 2 * (percentiles?.length ?? 9),
  };
  return passes[metric] ?? 0;
}

/**
 * All metrics of one map.
 *
 * @param map (side, side), finished: 0..1
 * @throws AtrousCamError BAD_ARGUMENT (a metric whose ground is missing, a map that is refused), ABORTED
 * @example
 * const r = await net.explain('cat.jpg', { target: 'cat' });
 * const probe = await openProbe(net, 'cat.jpg', { target: 'cat' });
 * const measures = await measureMap(r.map, { probe, mask: inputMask(mask, r.rect, net.inputSize) });
 */
export async function measureMap(map: GreyMap, ground: Ground, options: MeasureOptions = {}): Promise<Measures> {
  checkOptions('measureMap', options, NAMES);
  const { mask, box, probe } = ground;
  const possible: Record<MetricName, unknown> = {
    grid: true,
    pointing: mask,
    energy: mask,
    precision: mask,
    maskiou: mask,
    box,
    deletion: probe,
    insertion: probe,
    road: probe,
    drop: probe,
  };
  const {
    metrics = metricNames.filter((name) => possible[name]),
    steps,
    seed,
    percentiles,
    signal,
    onProgress,
  } = options;
  const total = metrics.reduce((sum, name) => sum + passesOf(name, options), 0);
  let [done, out]: [number, Measures] = [0, {}];
  for (const name of metrics) {
    if (!metricNames.includes(name)) refuse('measureMap', `metrics of ${metricNames.join(', ')}`, `'${name}'`);
    if (!possible[name])
      refuse(
        'measureMap',
        `${name === 'box' ? 'a box' : OF_MASK.includes(name) ? 'a mask' : 'a probe'} for ${name}`,
        'none',
      );
    const passes = passesOf(name, options);
    const before = done;
    const watch = { signal, onProgress: (share: number) => onProgress?.((before + share * passes) / total) };
    const measured = await measureOne(name, map, ground, { steps, seed, percentiles, ...watch });
    out = { ...out, ...measured };
    done += passes;
  }
  return out;
}

async function measureOne(
  name: MetricName,
  map: GreyMap,
  { mask, box, probe }: Ground,
  { steps, seed, percentiles, ...watch }: Omit<MeasureOptions, 'metrics'>,
): Promise<Measures> {
  switch (name) {
    case 'grid':
      return { grid: gridNumber(map) };
    case 'pointing':
      return { pointing: pointingGame(map, mask!) };
    case 'energy':
      return { energy: energyInMask(map, mask!) };
    case 'precision':
      return { precision: averagePrecision(map, mask!) };
    case 'maskiou':
      return { maskiou: bestMaskIou(map, mask!) };
    case 'box':
      return { box: boxCurve(map, box!) };
    case 'deletion':
      return { deletion: (await deletion(probe!, map, { steps, seed, ...watch })).auc };
    case 'insertion':
      return { insertion: (await insertion(probe!, map, { steps, seed, ...watch })).auc };
    case 'road': {
      const { combined, morf, lerf } = await road(probe!, map, { percentiles, seed, ...watch });
      const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
      return { road: combined, morf: mean(morf), lerf: mean(lerf) };
    }
    case 'drop': {
      const { drop, increase, gain } = await averageDrop(probe!, map, watch);
      return { drop, increase, gain };
    }
  }
}

/** Of box accuracies: MaxBoxAcc takes the largest piece at 0.5, MaxBoxAccV2 the mean of the best pieces at all three. */
const IOUS = { box30: 0.3, box50: 0.5, box70: 0.7 };

/** A number of the pictures with these indices. */
type Statistic = (chosen: Uint32Array) => number;

/**
 * Means over pictures with bootstrap intervals, by name: those of `Measures`, and instead of `box` its accuracies
 * `maxbox` (MaxBoxAcc), `box30`, `box50`, `box70` (any piece, at IoU .3, .5 and .7) and `maxboxv2` (their mean). In
 * each draw of the bootstrap the thresholds are chosen anew.
 *
 * @param measures one a picture; what not all of them have is left out
 * @example
 * const measures = [await measureMap(map, { mask })]; // one a picture
 * summarize(measures).energy; // { value, low, high, count }
 */
export function summarize(measures: readonly Measures[], options?: BootstrapOptions): Record<string, Interval> {
  return intervalsOf(measures.length, statisticsOf(measures), options);
}

/**
 * What `summarize` gives of `a` minus what it gives of `b`, two maps' measures of the same pictures in the same order,
 * with intervals of the paired differences: both are drawn together.
 * @example
 * const a = [await measureMap(map, { mask })]; // of the same pictures, in the same order
 * const b = [await measureMap(gaussianMap(map.width), { mask })];
 * compare(a, b).energy; // how much more a has
 */
export function compare(
  a: readonly Measures[],
  b: readonly Measures[],
  options?: BootstrapOptions,
): Record<string, Interval> {
  if (a.length !== b.length) refuse('compare', 'as many pictures of both', `${a.length} and ${b.length}`);
  const [first, second] = [statisticsOf(a), statisticsOf(b)];
  const both = Object.keys(first).filter((name) => name in second);
  const differences = both.map((name) => [name, (chosen: Uint32Array) => first[name](chosen) - second[name](chosen)]);
  return intervalsOf(a.length, Object.fromEntries(differences), options);
}

const intervalsOf = (count: number, statistics: Record<string, Statistic>, options?: BootstrapOptions) =>
  Object.fromEntries(
    Object.entries(statistics).map(([name, statistic]) => [name, bootstrapOf(count, statistic, options)]),
  );

function statisticsOf(measures: readonly Measures[]): Record<string, Statistic> {
  if (measures.length === 0) refuse('summarize', 'at least one picture', 'none');
  const names = Object.keys(measures[0]) as (keyof Measures)[];
  const everywhere = names.filter((name) => measures.every((one) => one[name] !== undefined));
  const parts = everywhere.map((name) => {
    if (name === 'box') return boxStatistics(measures.map(({ box }) => box!));
    return { [name]: meanOf(measures.map((one) => one[name] as number)) };
  });
  return Object.assign({}, ...parts);
}

function boxStatistics(curves: readonly BoxCurve[]): Record<string, Statistic> {
  const accuracy = (iou: number, pieces: Pieced): Statistic => {
    const of = boxAccuracyOf(curves, iou, pieces);
    return (chosen) => of(chosen).accuracy;
  };
  const any = Object.entries(IOUS).map(([name, iou]) => [name, accuracy(iou, 'any')] as const);
  return {
    maxbox: accuracy(0.5, 'largest'),
    ...Object.fromEntries(any),
    maxboxv2: (chosen) => any.reduce((sum, [, statistic]) => sum + statistic(chosen), 0) / any.length,
  };
}
