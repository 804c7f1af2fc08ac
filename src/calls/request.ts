import type { ExplainOptions } from '../api.js';
import { AtrousCamError } from '../base/errors.js';
import { CALL, checkOptions, MODES, type Names, oneOf, shown } from '../base/options.js';
import type { Align, Combine, Heads, Mode, Score, Sign, Smoothing } from '../base/types.js';
import type { NodeId } from '../graph/graph.js';
import type { Layout } from '../graph/levels.js';
import { defaultLayer } from '../graph/names.js';
import { readSmoothing } from '../map/smoothing.js';
import { factsOf, type MethodFacts, type MethodName, methodNames } from '../methods/facts.js';
import { frontOf } from '../methods/front.js';
import { type Shift, shiftsOf } from '../methods/shifts.js';
import { gridOf, lastLevel, outputStrides, requireMode } from '../plan/modes.js';
import { defaultOutputStride } from '../plan/output-stride.js';
import type { Placement } from '../plan/placing.js';
import { readLayer } from './layers.js';

/** What a call of `explain` asks for, checked, with all defaults filled in. */
export interface ExplainRequest extends Placement {
  readonly mode: Mode;
  readonly name: MethodName;
  readonly facts: MethodFacts;
  readonly layers: readonly NodeId[];
  readonly heads: Heads;
  readonly outputStride: number;
  readonly score: Score;
  readonly smoothing: Smoothing;
  /** The pictures that are explained, as shifts of the one that was given: with `smoothing` other than `shift` itself alone. */
  readonly shifts: readonly Shift[];
  readonly sign: Sign;
  readonly combine: Combine;
  /** Sizes of the input as multiples of the network's own, each once, and how their maps become one. */
  readonly zooms: readonly number[];
  readonly zoomCombine: Combine;
  readonly augSmooth: boolean;
  readonly eigenSmooth: boolean;
  readonly seed: number;
  /** Plain Grad-CAM in front of the head: its map refines point by point and no gradient beyond the head is needed. */
  readonly streams: boolean;
}

const NAMES: Names<ExplainOptions> = {
  ...CALL,
  ...{ mode: 1, target: 1, method: 1, layer: 1, combine: 1, score: 1, heads: 1, outputStride: 1, align: 1, zoom: 1 },
  ...{ smoothing: 1, sign: 1, augSmooth: 1, eigenSmooth: 1, reuse: 1, seed: 1 },
};

const ALIGNS = ['centres', 'evidence', 'cells'] as const satisfies readonly Align[];

/** The output stride of an explanation; by default the finest that is affordable. Only `atrous` has others than its own. */
export function readOutputStride(layout: Layout, wanted: number | undefined, mode: Mode = 'atrous'): number {
  const strides = outputStrides(layout);
  const stride = oneOf('outputStride', wanted ?? defaultOutputStride(layout), strides);
  const own = mode === 'dilated' ? 1 : Math.max(...strides);
  if (wanted !== undefined && mode !== 'atrous' && wanted !== own)
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      `outputStride: mode '${mode}' has ${own}, got ${wanted}; leave it out, or take mode 'atrous'`,
    );
  return stride;
}

/** Options that say what kind of map is wanted. Where none of them is given, `explain` takes what the study found best. */
const KINDS = [
  ...['mode', 'layer', 'heads', 'outputStride', 'zoom', 'smoothing', 'augSmooth', 'eigenSmooth'],
] as readonly (keyof ExplainOptions)[];

/** Networks whose points lie so far apart gain everywhere by the product of two zooms; VGG's, with 16, lose outline (docs/study.md). */
const COARSE = 32;
const BEST = { mode: 'pooled', zoom: [1, 2] } as const;

/**
 * The kind of map where the options name none: the product of zooms 1 and 2 for coarse networks that take any size, else `atrous`. Zooms
 * alone are of `pooled`: finer points add nothing to them, and cost seven times as much.
 */
function kindOf(layout: Layout, options: ExplainOptions, zoomable: boolean): Pick<ExplainOptions, 'mode' | 'zoom'> {
  const { mode, zoom } = options;
  const given = KINDS.filter((name) => isGiven(options[name]));
  if (mode != null) return { mode, zoom };
  if (given.length > 0) return { mode: given.length === 1 && given[0] === 'zoom' ? 'pooled' : 'atrous', zoom };
  return zoomable &&
    (options.method ?? 'gradcam') === 'gradcam' &&
    outputStrides(layout)[0] >= COARSE &&
    isSizeFree(layout)
    ? BEST
    : { mode: 'atrous' };
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null && value !== false;

/** Whether every size will do, as far as shapes tell: what a dense layer says of a map's places depends on its weights. */
const isSizeFree = ({ graph: { nodes, logits, only }, placings }: Layout): boolean =>
  !only && placings[logits].vector && nodes.every(({ op, from }) => op !== 'dense' || placings[from[0]].vector);

/**
 * Reads the options of `explain`. `zoomable`: whether other sizes of the picture can be had where none are asked for.
 *
 * @throws AtrousCamError BAD_ARGUMENT for a value that cannot be, UNSUPPORTED for a combination that is not defined
 */
export function readRequest(layout: Layout, options: ExplainOptions, zoomable = true): ExplainRequest {
  if (options && 'degrid' in options)
    throw new AtrousCamError('BAD_ARGUMENT', 'degrid: this option is called smoothing; its values are the same');
  checkOptions('explain', options, NAMES);
  const kind = kindOf(layout, options, zoomable);
  const mode = oneOf('mode', kind.mode, MODES);
  const name = oneOf('method', options.method ?? 'gradcam', methodNames);
  const facts = factsOf(name);
  requireMode(layout, mode);
  const layers = readLayers(layout, name, options.layer);
  const heads = readHeads(layout, name, mode, layers, options.heads);
  const { augSmooth = false, eigenSmooth = false, seed = 0 } = options;
  if (eigenSmooth && facts.at === 'input')
    throw new AtrousCamError(
      'UNSUPPORTED',
      `eigenSmooth: ${name} gives one value a pixel, so there are no channels to project; it goes with class activation maps`,
    );
  if (!(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32))
    throw new AtrousCamError('BAD_ARGUMENT', `seed: expected a whole number from 0 to ${2 ** 32 - 1}, got ${seed}`);
  const smoothing = readSmoothing(mode, options.smoothing);
  const period = Math.max(...layers.map((id) => gridOf(layout, mode, id, 1).rate));
  const shifts = shiftsOf(smoothing === 'shift' ? period : 1);
  const isFront = layers.length === 1 && layout.frontier.length === 1 && layout.frontier[0] === layers[0];
  const combine = oneOf('combine', options.combine ?? facts.combine, ['mean', 'product', 'geometric-mean']);
  return {
    mode,
    name,
    facts,
    layers,
    heads,
    smoothing,
    shifts,
    augSmooth,
    eigenSmooth,
    seed,
    outputStride: readOutputStride(layout, options.outputStride, mode),
    align: oneOf('align', options.align ?? 'centres', ALIGNS),
    score: oneOf('score', options.score ?? 'logit', ['logit', 'probability']),
    sign: oneOf('sign', options.sign ?? 'positive', ['positive', 'negative', 'absolute', 'signed']),
    combine,
    zooms: readZooms(layout, kind.zoom),
    zoomCombine: options.combine ?? 'product',
    streams: facts.refines === true && isFront && heads === 'one' && !eigenSmooth && !augSmooth && shifts.length === 1,
  };
}

/** More would be more than any photograph has pixels for. */
const LARGEST_ZOOM = 8;

function readZooms({ graph }: Layout, wanted: ExplainOptions['zoom'] = 1): number[] {
  const zooms = typeof wanted === 'number' ? [wanted] : [...new Set(wanted)];
  const { h, w } = graph.nodes[0].shape;
  const isZoom = (zoom: unknown) =>
    typeof zoom === 'number' && zoom <= LARGEST_ZOOM && Math.round(zoom * h) >= 1 && Math.round(zoom * w) >= 1;
  if (zooms.length > 0 && zooms.every(isZoom)) return zooms;
  throw new AtrousCamError(
    'BAD_ARGUMENT',
    `zoom: expected a number above 0 and up to ${LARGEST_ZOOM}, or a list of such, got ${JSON.stringify(wanted)}`,
  );
}

function readLayers(layout: Layout, name: MethodName, wanted: ExplainOptions['layer']): NodeId[] {
  const facts = factsOf(name);
  if (wanted === undefined) return defaultLayers(layout, facts.levels);
  if (!facts.layers)
    throw new AtrousCamError('UNSUPPORTED', `layer: ${name} explains the input itself, so it takes no layer`);
  const chosen = typeof wanted === 'string' ? wanted.split(',').map((part) => part.trim()) : wanted;
  if (!Array.isArray(chosen) || chosen.length === 0)
    throw new AtrousCamError('BAD_ARGUMENT', `layer: expected a name, or a list of names, got ${shown(wanted)}`);
  return chosen.map((layer) => readLayer(layout, layer));
}

/** The default layer, and the last maps of the levels before it. */
function defaultLayers(layout: Layout, count: number): NodeId[] {
  const { graph, placings, levels } = layout;
  const last = defaultLayer(graph);
  const before = (id: NodeId) => id < last && !placings[id].vector && graph.nodes[id].op !== 'pool';
  const others = levels.slice(0, placings[last].level).map(({ nodes }) => nodes.filter(before).at(-1)!);
  return [...others.filter((id) => id > 0), last].slice(-count);
}

/** Whose score; outside `atrous` there is only one, but what is refused there is refused everywhere. */
function readHeads(
  layout: Layout,
  name: MethodName,
  mode: Mode,
  layers: readonly NodeId[],
  wanted: Heads | undefined,
): Heads {
  const { at, heads: known } = factsOf(name);
  if (wanted !== undefined) oneOf('heads', wanted, ['one', 'each', 'mean']);
  const level = lastLevel(layout);
  const isShared = (id: NodeId) => layout.placings[id].level < level;
  const isCut = name === 'ablationcam' && layers.some((id) => !frontOf(layout, id));
  const inner = at === 'input' || isCut || layers.some(isShared);
  const split = layout.frontier.some(isShared);
  const allowed = split ? (['one'] as const) : inner ? known.inner : known.last;
  const heads = wanted ?? (split ? 'one' : allowed[0]);
  if ((allowed as readonly Heads[]).includes(heads)) return mode === 'atrous' ? heads : 'one';
  const where = at === 'input' ? 'the input' : inner ? 'layers before the last one' : 'the last layer';
  const isOwn = known.last.length === 1;
  const reason = split
    ? 'the head of this network reads maps of different strides'
    : isOwn
      ? "it is a method of the network's own score alone"
      : heads === 'mean'
        ? 'it would take a pass over all phases for each channel'
        : inner
          ? `phases share the points of ${where}, so that no point has a head of its own`
          : 'each phase would mask the input by its own channels, with a pass for each phase and channel';
  throw new AtrousCamError(
    'UNSUPPORTED',
    `heads '${heads}': not defined for ${name} at ${where}, because ${reason}; use '${allowed.join("' or '")}'`,
  );
}
