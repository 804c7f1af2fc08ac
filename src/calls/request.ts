import type { ExplainOptions } from '../api.js';
import { AtrousCamError } from '../base/errors.js';
import { MODES, oneOf, outputStrides } from '../base/options.js';
import type { Combine, Heads, Mode, Score, Sign, Smoothing } from '../base/types.js';
import { type ConvLayer, convLayers, lastLayer, type Topology } from '../graph/topology.js';
import { readSmoothing } from '../map/smoothing.js';
import { factsOf, type MethodFacts, type MethodName, methodNames } from '../methods/facts.js';
import { type Shift, shiftsOf } from '../methods/shifts.js';

/** What a call of `explain` asks for, checked, with all defaults filled in. */
export interface ExplainRequest {
  readonly mode: Mode;
  readonly name: MethodName;
  readonly facts: MethodFacts;
  readonly layers: readonly ConvLayer[];
  readonly heads: Heads;
  readonly outputStride: number;
  readonly score: Score;
  readonly smoothing: Smoothing;
  /** The pictures that are explained, as shifts of the one that was given: with `smoothing` other than `shift` itself alone. */
  readonly shifts: readonly Shift[];
  readonly sign: Sign;
  readonly combine: Combine;
  readonly augSmooth: boolean;
  readonly eigenSmooth: boolean;
  readonly seed: number;
  /** Plain Grad-CAM of the last layer: its map refines point by point and no gradient beyond the head is needed. */
  readonly streams: boolean;
}

/**
 * Reads the options of `explain`.
 *
 * @throws AtrousCamError BAD_ARGUMENT for a value that cannot be, UNSUPPORTED for a combination that is not defined
 */
export function readRequest(topology: Topology, options: ExplainOptions): ExplainRequest {
  if ('degrid' in options)
    throw new AtrousCamError('BAD_ARGUMENT', 'degrid: this option is called smoothing; its values are the same');
  const mode = oneOf('mode', options.mode ?? 'atrous', MODES);
  const name = oneOf('method', options.method ?? 'gradcam', methodNames);
  const facts = factsOf(name);
  const layers = readLayers(topology, name, options.layer);
  const heads = readHeads(topology, name, mode, layers, options.heads);
  const { augSmooth = false, eigenSmooth = false, seed = 0 } = options;
  if (eigenSmooth && facts.at === 'input')
    throw new AtrousCamError(
      'UNSUPPORTED',
      `eigenSmooth: ${name} gives one value a pixel, so there are no channels to project; it goes with class activation maps`,
    );
  if (!(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32))
    throw new AtrousCamError('BAD_ARGUMENT', `seed: expected a whole number from 0 to ${2 ** 32 - 1}, got ${seed}`);
  const smoothing = readSmoothing(mode, options.smoothing);
  const shifts = shiftsOf(smoothing === 'shift' ? Math.max(...layers.map(({ block }) => 2 ** block)) : 1);
  const last = layers.length === 1 && layers[0] === lastLayer(topology);
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
    outputStride: oneOf('outputStride', options.outputStride ?? 1, outputStrides(topology)),
    score: oneOf('score', options.score ?? 'logit', ['logit', 'probability']),
    sign: oneOf('sign', options.sign ?? 'positive', ['positive', 'negative', 'absolute', 'signed']),
    combine: oneOf('combine', options.combine ?? facts.combine, ['mean', 'product']),
    streams: name === 'gradcam' && last && heads === 'one' && !eigenSmooth && !augSmooth && shifts.length === 1,
  };
}

function readLayers(topology: Topology, name: MethodName, wanted: ExplainOptions['layer']): ConvLayer[] {
  const facts = factsOf(name);
  const { blocks, degrid } = topology;
  const groups = degrid ? [...blocks, degrid] : blocks;
  if (wanted === undefined) return groups.slice(-facts.blocks).map((layers) => layers.at(-1)!);
  if (!facts.layers)
    throw new AtrousCamError('UNSUPPORTED', `layer: ${name} explains the input itself, so it takes no layer`);
  const all = convLayers(topology);
  const names = all.map((layer) => layer.name);
  const chosen = typeof wanted === 'string' ? wanted.split(',').map((part) => part.trim()) : [...wanted];
  if (chosen.length === 0) throw new AtrousCamError('BAD_ARGUMENT', `layer: expected one of ${names.join(', ')}`);
  return chosen.map((layer) => all[names.indexOf(oneOf('layer', layer, names))]);
}

/** Whose score; outside `atrous` there is only one, but what is refused there is refused everywhere. */
function readHeads(
  topology: Topology,
  name: MethodName,
  mode: Mode,
  layers: readonly ConvLayer[],
  wanted: Heads | undefined,
): Heads {
  const { at, heads: known } = factsOf(name);
  if (wanted !== undefined) oneOf('heads', wanted, ['one', 'each', 'mean']);
  const inner = at === 'input' || layers.some((layer) => layer !== lastLayer(topology));
  const allowed = inner ? known.inner : known.last;
  const heads = wanted ?? allowed[0];
  if (allowed.includes(heads)) return mode === 'atrous' ? heads : 'one';
  const where = at === 'input' ? 'the input' : inner ? 'layers before the last one' : 'the last layer';
  const reason =
    heads === 'mean'
      ? 'it would take a pass over all phases for each channel'
      : inner
        ? `phases share the points of ${where}, so that no point has a head of its own`
        : 'each phase would mask the input by its own channels, with a pass for each phase and channel';
  throw new AtrousCamError(
    'UNSUPPORTED',
    `heads '${heads}': not defined for ${name} at ${where}, because ${reason}; use '${allowed.join("' or '")}'`,
  );
}
