import type { NodeId } from '../../graph/graph.js';
import type { Call } from './call.js';
import type { Translation } from './translation.js';
import type { Form } from './values.js';

/** A product of two that is an activation, as exporters write those for which ONNX had no operator. */
export function productOf(call: Call, a: NodeId, b: NodeId): NodeId | undefined {
  return gated(call, a, b) ?? gated(call, b, a);
}

/** x times a function of x. */
function gated(call: Call, a: NodeId, b: NodeId): NodeId | undefined {
  const { to } = call;
  const gate = uniform(to, b);
  const node = to.node(gate.base);
  if (node.op !== 'activation' || b === a) return undefined;
  const { activation } = node;
  const [inside] = node.from;
  for (const x of [{ base: a, scale: 1, shift: 0 }, uniform(to, a)]) {
    if (x.shift !== 0) continue;
    const scaled = (f: 'silu' | 'hard-swish', by: number) =>
      times(call, to.activation(call, x.base, { f }, by === 1 ? '' : '.activation'), by);
    const isPlain = gate.shift === 0 && inside === x.base;
    if (activation.f === 'sigmoid' && isPlain) return scaled('silu', x.scale * gate.scale);
    if (activation.f === 'hard-sigmoid' && isPlain) {
      const { slope, offset } = activation;
      if (to.near(slope, 1 / 6) && to.near(offset, 0.5)) return scaled('hard-swish', x.scale * gate.scale);
    }
    if (activation.f === 'clip' && gate.shift === 0 && activation.low === 0 && to.near(activation.high, 6)) {
      const sum = uniform(to, inside);
      if (sum.base === x.base && to.near(sum.scale, 1) && to.near(sum.shift, 3))
        return scaled('hard-swish', 6 * x.scale * gate.scale);
    }
    if (activation.f === 'tanh' && to.near(gate.shift, gate.scale)) {
      const inner = polynomial(to, inside, x.base);
      const [k, cubic] = [Math.sqrt(2 / Math.PI), 0.044715];
      const expected = [0, k, 0, k * cubic];
      if (inner?.every((value, i) => (expected[i] === 0 ? value === 0 : to.near(value, expected[i]))))
        return gelu(call, x.base, true, x.scale * gate.scale);
    }
  }
  return undefined;
}

/** x times scale * erf(k x) + shift: a GELU. */
export function geluOf(call: Call, a: NodeId, { node, form }: Form): NodeId | undefined {
  const { to } = call;
  if (form.f !== 'erf' || !to.near(form.shift, form.scale)) return undefined;
  const inside = uniform(to, node);
  if (inside.shift !== 0) return undefined;
  for (const x of [{ base: a, scale: 1, shift: 0 }, uniform(to, a)]) {
    const inner = x.base === node ? 1 : x.base === inside.base ? inside.scale : undefined;
    if (inner !== undefined && x.shift === 0 && to.near(inner, Math.SQRT1_2))
      return gelu(call, x.base, false, x.scale * form.scale);
  }
  return undefined;
}

/** A GELU is half of x (1 + erf ...). */
function gelu(call: Call, x: NodeId, approximate: boolean, by: number): NodeId {
  const factor = call.to.near(2 * by, 1) ? 1 : 2 * by;
  return times(call, call.to.activation(call, x, { f: 'gelu', approximate }, factor === 1 ? '' : '.gelu'), factor);
}

const times = (call: Call, x: NodeId, by: number): NodeId => (by === 1 ? x : call.to.affine(call, x, by, 0));

/** What a node is as scale * base + shift with the same numbers for all channels; itself where it is nothing of the kind. */
export function uniform(to: Translation, id: NodeId): { base: NodeId; scale: number; shift: number } {
  const { op, name, from } = to.node(id);
  if (op === 'affine') {
    const { scale, shift } = to.vectors.get(name)!;
    const same = (vector: Float64Array) => vector.every((value) => value === vector[0]);
    if (same(scale!) && same(shift!)) return { base: from[0], scale: scale![0], shift: shift![0] };
  }
  return { base: id, scale: 1, shift: 0 };
}

/** Coefficients of a node as a polynomial of another one, at most of the third degree, or nothing. */
function polynomial(to: Translation, id: NodeId, x: NodeId, depth = 8): number[] | undefined {
  if (id === x) return [0, 1, 0, 0];
  if (depth === 0) return undefined;
  const { op, from } = to.node(id);
  if (op === 'affine') {
    const { base, scale, shift } = uniform(to, id);
    const inner = base === id ? undefined : polynomial(to, base, x, depth - 1);
    return inner?.map((value, i) => value * scale + (i === 0 ? shift : 0));
  }
  if (op !== 'add' && op !== 'multiply') return undefined;
  const [a, b] = from.map((part) => polynomial(to, part, x, depth - 1));
  if (!a || !b) return undefined;
  if (op === 'add') return a.map((value, i) => value + b[i]);
  const product = [0, 0, 0, 0, 0, 0, 0];
  for (let i = 0; i < 4; i++) for (let k = 0; k < 4; k++) product[i + k] += a[i] * b[k];
  return product.slice(4).every((value) => value === 0) ? product.slice(0, 4) : undefined;
}
