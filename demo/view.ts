import type { Explanation } from '../src/api.js';
import { METHODS, type MethodFacts, type MethodName } from '../src/methods/facts.js';
import type { Look } from './colours.js';
import { element } from './dom.js';
import type { Explanations } from './explanations.js';
import type { Probe } from './probe.js';
import { type Settings, VIEW_NAMES, type View } from './settings.js';
import { drawScale, type PaneName, type Side, type Stage } from './stage.js';
import { describeStep } from './steps.js';

/** Shows what of the settings is computed: on the two sides, on the three small pictures, in the scale and at the probed point. */
export function render(
  { stage, probe }: { stage: Stage; probe: Probe },
  settings: Settings,
  explanations: Explanations | undefined,
): void {
  const any = shownBy(settings, explanations) ?? finished(settings, explanations, 'usual');
  const look = lookOf(settings, explanations, any);
  const show = (name: PaneName, view: View) =>
    stage.show(name, sideOf(settings, explanations, view), { ...look, rect: any?.rect });
  const [left, right] = [settings.left as View, settings.right as View];
  show('left', left);
  show('right', right);
  for (const view of ['original', 'usual', 'sharp'] as const) show(view, view);
  drawScale(element('scale', HTMLCanvasElement), look);
  const [low, high] = endsOf(settings, any);
  element('scale-low', HTMLElement).textContent = low;
  element('scale-high', HTMLElement).textContent = high;
  probe.show(
    [left, right].map((view) => {
      const explanation = finished(settings, explanations, view);
      return explanation && { name: VIEW_NAMES[view], explanation };
    }),
  );
}

/** The finished explanation that is saved and whose predictions are listed: the right side's, or else the left side's. */
export function shownBy(settings: Settings, explanations: Explanations | undefined): Explanation | undefined {
  return finished(settings, explanations, (settings.right === 'original' ? settings.left : settings.right) as View);
}

export const finished = (
  settings: Settings,
  explanations: Explanations | undefined,
  view: View,
): Explanation | undefined => (view === 'original' ? undefined : explanations?.best(settings, view)?.explanation);

function lookOf(settings: Settings, explanations: Explanations | undefined, any: Explanation | undefined): Look {
  const facts: MethodFacts = METHODS[settings.method as MethodName];
  return {
    colormap: settings.colormap,
    opacity: Number(settings.opacity) / 100,
    signed: any?.map.signed ?? false,
    strength: explanations?.strength(settings) ?? 1,
    robust: facts.at === 'input',
  };
}

function sideOf(settings: Settings, explanations: Explanations | undefined, view: View): Side {
  const name = VIEW_NAMES[view];
  if (view === 'original') return { view, caption: name };
  const best = explanations?.best(settings, view);
  const partial = explanations?.partial(settings, view);
  if (partial && explanations) {
    const { inputShape } = explanations.network;
    const points = [0, 1].map((axis) => Math.ceil(inputShape[axis] / partial.outputStride)).join(' × ');
    return { view, map: partial.map, width: inputShape[1], caption: `${name} · ${points} so far` };
  }
  if (!best) return { view, caption: `${name} · not yet` };
  const { map } = best.explanation;
  const caption = `${name} · ${map.flat ? 'no evidence' : describeStep(best.step, best.explanation)}`;
  return { view, map: map.data, width: map.width, caption };
}

/** What the two ends of the scale stand for. */
function endsOf({ sign }: Settings, any: Explanation | undefined): [string, string] {
  if (!any?.map.signed) return ['no evidence', sign === 'negative' ? 'strongest against' : 'strongest'];
  const [first, second] = any.target.label.replaceAll('_', ' ').split(' rather than ');
  return second === undefined ? ['against', 'for'] : [second, first];
}

/** Where the map is highest, in words. */
export function strongest({ map, target }: Explanation, view: string): string {
  if (map.flat) return `No evidence for ${target.label} in ${view}.`;
  const at = map.data.indexOf(Math.max(...rowMaxima(map)));
  const [x, y] = [(at % map.width) / map.width, Math.floor(at / map.width) / map.height];
  const percent = (share: number) => `${Math.round(100 * share)}%`;
  return `The strongest evidence for ${target.label} in ${view} lies ${percent(x)} from the left and ${percent(y)} from the top.`;
}

const rowMaxima = ({ width, height, data }: Explanation['map']): number[] =>
  Array.from({ length: height }, (_, y) => Math.max(...data.subarray(y * width, (y + 1) * width)));
