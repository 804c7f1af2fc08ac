import type { Mode } from '../src/base/types.js';
import { METHODS, type MethodFacts, type MethodName } from '../src/methods/facts.js';
import type { WorkerNetwork } from '../src/worker.js';
import { explainOptions, type Settings, type Step, type View } from './settings.js';

/** Seconds that a sharper map may take without being asked for. */
const QUICK = 6;
/** Sizes of the input whose maps are multiplied: docs/methods.md says what that is worth. */
const ZOOMS = [1, 2];

/** The steps of a view on a network: from the first map to the sharpest. */
export interface Steps {
  /** What comes by itself, the quickest first. */
  readonly own: readonly Step[];
  /** What comes when it is asked for. */
  readonly most?: Step;
}

/** Networks that were found to take pictures of one size only. */
const fixed = new WeakSet<WorkerNetwork>();
export const refuseZoom = (network: WorkerNetwork): void => void fixed.add(network);

/** The modes of a network: one whose later layers cannot be taken apart is `pooled` only. */
export const hasMode = (network: WorkerNetwork, mode: Mode): boolean => {
  try {
    network.plan(mode);
    return true;
  } catch {
    return false;
  }
};

/** Input pixels between two points of the network's last map. */
export const ownStride = (network: WorkerNetwork): number => network.plan(ownMode(network)).outputStride;

const ownMode = (network: WorkerNetwork): Mode => (hasMode(network, 'pooled') ? 'pooled' : 'dilated');

/** The step that other tools take. */
export const usualStep = (network: WorkerNetwork): Step => ({ mode: ownMode(network), usual: true });

export function stepsOf(network: WorkerNetwork, settings: Settings, view: View): Steps {
  if (view === 'original') return { own: [] };
  if (view === 'usual') return { own: [usualStep(network)] };
  if (view === 'sharp') return stepsToSharp(network, settings);
  const stride = view === 'atrous' && settings.stride ? { outputStride: Number(settings.stride) } : {};
  return { own: [{ mode: view, ...stride }] };
}

/**
 * Networks of VGG's family have a point for each pixel in `atrous`; others gain more from a second, larger input, at a fraction of the
 * price.
 */
function stepsToSharp(network: WorkerNetwork, settings: Settings): Steps {
  const first: Step = { mode: ownMode(network) };
  const facts: MethodFacts = METHODS[settings.method as MethodName];
  if (facts.at === 'input' || first.mode !== 'pooled') return { own: [first] };
  const canZoom = !fixed.has(network);
  const canAtrous = hasMode(network, 'atrous');
  const finest = canAtrous ? network.plan('atrous').outputStride : undefined;
  const isQuick = (step: Step) => network.estimate(explainOptions(settings, step)).seconds <= QUICK;
  if (finest !== 1 && canZoom) {
    const zoomed: Step = { mode: 'pooled', zoom: ZOOMS };
    if (!isQuick(zoomed)) return { own: [first], most: zoomed };
    return { own: [first, zoomed], most: canAtrous ? { mode: 'atrous', zoom: ZOOMS } : undefined };
  }
  if (finest === undefined) return { own: [first] };
  const strides = [1, 2, 4, 8, 16].filter((stride) => stride >= finest && stride < ownStride(network));
  const fine = strides.map((outputStride): Step => ({ mode: 'atrous', outputStride }));
  const quick = fine.find(isQuick);
  const sharper: Step | undefined = canZoom ? { ...fine[0], zoom: ZOOMS } : undefined;
  return { own: quick ? [first, quick] : [first], most: quick === fine[0] ? sharper : fine[0] };
}

/** `pooled, 14 × 14 points, zooms 1 and 2`: how a step's map was computed, in words. */
export function describeStep(
  { mode, zoom }: Step,
  { raw, outputStride }: { raw: { width: number; height: number }; outputStride: number },
): string {
  if (!zoom) return `${raw.height} × ${raw.width}`;
  return `${mode === 'atrous' ? `stride ${outputStride}, ` : ''}zooms ${zoom.join(' and ')}`;
}
