import { lazy } from '../../base/lazy.js';
import type { Activation, NodeId } from '../../graph/graph.js';
import { quote } from '../source.js';
import type { Call } from './call.js';
import { ofRank } from './layout.js';
import type { Operators } from './operators.js';
import { type MapValue, mapValue, type Value } from './values.js';

/** The largest float32: a bound that is none. */
const largest = 3.4028234663852886e38;

/** Functions of each element by itself. */
export const activationOperators: Operators = {
  Relu: unary({ f: 'relu' }),
  Sigmoid: unary({ f: 'sigmoid' }),
  Tanh: unary({ f: 'tanh' }),
  Softplus: unary({ f: 'softplus' }),
  HardSwish: unary({ f: 'hard-swish' }),
  LeakyRelu: unary((call) => ({ f: 'leaky-relu', slope: call.number('alpha', 0.01) }), ['alpha']),
  Elu: unary((call) => ({ f: 'elu', alpha: call.number('alpha', 1) }), ['alpha']),
  Selu: unary(selu, ['alpha', 'gamma']),
  HardSigmoid: unary(
    (call) => ({ f: 'hard-sigmoid', slope: call.number('alpha', 0.2), offset: call.number('beta', 0.5) }),
    ['alpha', 'beta'],
  ),
  Gelu: unary(gelu, ['approximate']),
  Celu: { attributes: ['alpha'], inputs: 1, translate: celu },
  Mish: { inputs: 1, translate: mish },
  PRelu: { inputs: 2, translate: prelu },
  Clip: { attributes: ['min', 'max'], inputs: 3, translate: clip },
  Min: { inputs: 2, translate: (call) => bound(call, 'high') },
  Max: { inputs: 2, translate: (call) => bound(call, 'low') },
  Neg: { inputs: 1, translate: negative },
};

function unary(activation: Activation | ((call: Call) => Activation), attributes: readonly string[] = []) {
  const translate = (call: Call) => {
    const { node, dims } = call.map(0);
    return mapValue(
      call.to.activation(call, node, typeof activation === 'function' ? activation(call) : activation),
      dims,
    );
  };
  return { attributes, inputs: 1, translate };
}

function selu(call: Call): Activation {
  const [alpha, gamma] = [call.number('alpha', 1.67326319), call.number('gamma', 1.05070102)];
  if (Math.abs(alpha - 1.67326319) > 1e-5 || Math.abs(gamma - 1.05070102) > 1e-5)
    throw call.refuse(`alpha ${alpha} and gamma ${gamma} are not SELU's own`);
  return { f: 'selu' };
}

function gelu(call: Call): Activation {
  const approximate = call.text('approximate', 'none');
  if (approximate !== 'none' && approximate !== 'tanh') throw call.bad(`approximate ${quote(approximate)}`);
  return { f: 'gelu', approximate: approximate === 'tanh' };
}

/** alpha ELU(x / alpha) */
function celu(call: Call): MapValue {
  const { node, dims } = call.map(0);
  const { to } = call;
  const alpha = call.number('alpha', 1);
  if (!(alpha > 0)) throw call.bad(`alpha ${alpha}`);
  const inner = to.affine(call, node, 1 / alpha, 0, '.in');
  const made = to.activation(call, inner, { f: 'elu', alpha: 1 }, alpha === 1 ? '' : '.elu');
  return mapValue(alpha === 1 ? made : to.affine(call, made, alpha, 0), dims);
}

/** x tanh(softplus(x)) */
function mish(call: Call): MapValue {
  const { node, dims } = call.map(0);
  const { to } = call;
  const gate = to.activation(call, to.activation(call, node, { f: 'softplus' }, '.softplus'), { f: 'tanh' }, '.tanh');
  return mapValue(to.combine(call, 'multiply', node, gate), dims);
}

async function prelu(call: Call): Promise<MapValue> {
  const x = call.map(0);
  const slope = await call.to.byChannel(call, call.constant(1), x);
  const { to } = call;
  if (slope.every((value) => value === slope[0]))
    return mapValue(to.activation(call, x.node, { f: 'leaky-relu', slope: slope[0] }), x.dims);
  return mapValue(to.prelu(call, x.node, slope), x.dims);
}

async function clip(call: Call): Promise<MapValue> {
  const { node, dims } = call.map(0);
  const low = call.has(1) ? await call.scalar(1, -largest) : call.number('min', -largest);
  const high = call.has(2) ? await call.scalar(2, largest) : call.number('max', largest);
  return mapValue(clipped(call, node, low, high), dims);
}

/** Min or Max of a map and one number. */
async function bound(call: Call, side: 'low' | 'high'): Promise<MapValue> {
  const [i, k] = call.value(0).kind === 'constant' ? [1, 0] : [0, 1];
  const { node, dims: given } = call.map(i);
  if (call.value(k).kind !== 'constant')
    throw call.refuse('the larger or smaller of two maps (maxout) is not understood, only of a map and one number');
  const dims = ofRank(given, call.constant(k).shape.length);
  const values = await call.to.byChannel(call, call.constant(k), { node, dims });
  if (values.some((value) => value !== values[0])) throw call.refuse('its bounds differ, where only one is understood');
  const [low, high] = side === 'low' ? [values[0], largest] : [-largest, values[0]];
  return mapValue(clipped(call, node, low, high), dims);
}

/** min(max(x, low), high), together with the bounds that x has already. */
function clipped(call: Call, x: NodeId, low: number, high: number): NodeId {
  if (Number.isNaN(low) || Number.isNaN(high)) throw call.bad('its bounds are no numbers');
  const { to } = call;
  const node = to.node(x);
  let [bottom, top] = [Math.max(low, -largest), Math.min(high, largest)];
  let base = x;
  if (node.op === 'activation' && (node.activation.f === 'relu' || node.activation.f === 'clip')) {
    const before = node.activation.f === 'clip' ? node.activation : { low: 0, high: largest };
    const within = (value: number) => Math.min(Math.max(value, bottom), top);
    [bottom, top] = [within(before.low), within(before.high)];
    [base] = node.from;
  }
  if (bottom === -largest && top === largest) {
    to.also(base, call);
    return base;
  }
  if (bottom === 0 && top === largest) return to.activation(call, base, { f: 'relu' });
  return to.activation(call, base, { f: 'clip', low: bottom, high: top });
}

async function negative(call: Call): Promise<Value> {
  const given = call.value(0);
  const part = given.kind === 'form' ? (await lazy(() => import('./moments.js'))).negativeOf(call, given) : undefined;
  if (part) return part;
  const { node, dims } = call.map(0);
  return mapValue(call.to.affine(call, node, -1, 0), dims);
}
