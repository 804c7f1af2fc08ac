import { uniformAffine } from '../computed.js';
import type { LayerCall, ReadLayer, Value } from './call.js';
import { gateOf } from './patterns.js';

/** Layers of several inputs. */
export const merges: Readonly<Record<string, ReadLayer>> = {
  Add: (call) => sum(call, call.inputs),
  Subtract: subtract,
  Multiply: (call) =>
    call.inputs.slice(1).reduce((a, b, i) => combine(call, 'multiply', a, b, part(call, i)), first(call)),
  Average: average,
  Concatenate: concatenation,
  CustomScaleLayer: scaledSum, // of keras.applications' InceptionResNetV2
  'Custom>CustomScaleLayer': scaledSum,
};

/** Of several steps the last one has the layer's name. */
const part = ({ inputs }: LayerCall, step: number): string | undefined =>
  step < inputs.length - 2 ? `${step + 1}` : undefined;

function first(call: LayerCall): Value {
  const { inputs, settings } = call;
  if (inputs.length < 2) throw settings.damaged(`expected two or more inputs, got ${inputs.length}`);
  return inputs[0];
}

const sum = (call: LayerCall, inputs: readonly Value[], last?: string): Value =>
  inputs.slice(1).reduce((a, b, i) => combine(call, 'add', a, b, part(call, i) ?? last), first(call));

function subtract(call: LayerCall): Value {
  const [a, b] = call.inputs;
  if (call.inputs.length !== 2) throw call.settings.damaged(`expected two inputs, got ${call.inputs.length}`);
  return difference(call, a, b);
}

/** a - b */
export function difference(call: LayerCall, a: Value, b: Value): Value {
  return combine(call, 'add', a, scaledBy(call, b, -1, 'negative'));
}

/** a + scale b */
function scaledSum(call: LayerCall): Value {
  const [a, b] = [first(call), call.inputs[1]];
  return combine(call, 'add', a, scaledBy(call, b, call.settings.number('scale'), 'scaled'));
}

function average(call: LayerCall): Value {
  const { inputs } = call;
  return scaledBy(call, sum(call, inputs, 'sum'), 1 / inputs.length);
}

function scaledBy(call: LayerCall, x: Value, factor: number, name?: string): Value {
  const { c } = call.shape(x);
  return { ...x, node: call.net.affine(x.node, uniformAffine(c, factor, 0), call.names(name)) };
}

/** The sum or product of two values of one shape, or of a map and a vector. */
export function combine(call: LayerCall, op: 'add' | 'multiply', a: Value, b: Value, name?: string): Value {
  const [p, q] = [call.shape(a), call.shape(b)];
  const isVector = ({ h, w }: typeof p) => h === 1 && w === 1;
  const isFlat = call.isFlat(a) || call.isFlat(b);
  const isEqual = p.h === q.h && p.w === q.w && (!isFlat || a.rank === b.rank);
  const isSpread = !isFlat && (isVector(p) || isVector(q));
  if (a.elements || b.elements || p.c !== q.c || !(isEqual || isSpread))
    throw call.settings.unsupported(
      `it combines ${describe(call, a)} with ${describe(call, b)}; only equal shapes, and maps with one number a channel, are supported`,
    );
  const gate = op === 'multiply' && (gateOf(call.net, a.node, b.node) ?? gateOf(call.net, b.node, a.node));
  const node = gate
    ? call.net.activation(gate.x, gate.activation, call.names(name))
    : call.net.builder.combine(op, a.node, b.node, call.names(name));
  return { node, rank: a.rank === 4 || b.rank === 4 ? 4 : 2 };
}

const describe = (call: LayerCall, x: Value): string => {
  const { h, w, c } = call.shape(x);
  return x.rank === 4 ? `a map of ${h} x ${w} x ${c}` : `a vector of ${h * w * c}`;
};

function concatenation(call: LayerCall): Value {
  const a = first(call);
  call.settings.lastAxis(a.rank);
  return concatenated(call, call.inputs);
}

/** Channels one after the other. */
export function concatenated(call: LayerCall, inputs: readonly Value[]): Value {
  const [{ rank }] = inputs;
  if (inputs.some((x) => x.rank !== rank) || inputs.some((x) => call.isFlat(x)))
    throw call.settings.unsupported(
      `it concatenates ${inputs.map((x) => describe(call, x)).join(' and ')}; only maps, or vectors that are no flattened maps, are supported`,
    );
  const nodes = inputs.map(({ node }) => node);
  const node = call.net.builder.concat(nodes, call.names());
  return { node, rank };
}
