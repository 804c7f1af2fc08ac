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
  for (const { x, scale } of factors(to, a)) {
    const by = scale * gate.scale;
    const scaled = (f: 'silu' | 'hard-swish', times6 = 1) =>
      times(call, to.activation(call, x, { f }, by * times6 === 1 ? '' : '.activation'), by * times6);
    const linear = linearOf(to, inside, x);
    const isLinear = (slope: number, offset: number) =>
      linear !== undefined && to.near(linear.scale, slope) && to.near(linear.shift, offset);
    if (activation.f === 'sigmoid' && gate.shift === 0 && isLinear(1, 0)) return scaled('silu');
    if (activation.f === 'hard-sigmoid' && gate.shift === 0 && isLinear(1, 0)) {
      const { slope, offset } = activation;
      if (to.near(slope, 1 / 6) && to.near(offset, 0.5)) return scaled('hard-swish');
    }
    if (activation.f === 'clip' && gate.shift === 0 && activation.low === 0 && to.near(activation.high, 6))
      if (isLinear(1, 3)) return scaled('hard-swish', 6);
    if (activation.f === 'tanh' && to.near(gate.shift, gate.scale)) {
      const inner = polynomial(to, inside, x);
      const [k, cubic] = [Math.sqrt(2 / Math.PI), 0.044715];
      const expected = [0, k, 0, k * cubic];
      if (inner?.every((value, i) => to.near(value, expected[i]))) return gelu(call, x, true, by);
    }
  }
  return undefined;
}

/** x times scale * erf(k x) + shift: a GELU. */
export function geluOf(call: Call, a: NodeId, { node, form }: Form): NodeId | undefined {
  const { to } = call;
  if (form.f !== 'erf' || !to.near(form.shift, form.scale)) return undefined;
  for (const { x, scale } of factors(to, a)) {
    const linear = linearOf(to, node, x);
    if (linear && to.near(linear.scale, Math.SQRT1_2) && to.near(linear.shift, 0))
      return gelu(call, x, false, scale * form.scale);
  }
  return undefined;
}

/** Nodes that a node is a multiple of: itself, and others that scale the same one. */
function factors(to: Translation, id: NodeId): { x: NodeId; scale: number }[] {
  const { base } = affineOf(to, id);
  return [id, base, ...to.scaledOf(base)].flatMap((x) => {
    const linear = linearOf(to, id, x);
    return linear && to.near(linear.shift, 0) ? [{ x, scale: linear.scale }] : [];
  });
}

/** A GELU is half of x (1 + erf ...). */
function gelu(call: Call, x: NodeId, approximate: boolean, by: number): NodeId {
  const part = by === 0.5 ? '' : '.gelu';
  return times(call, call.to.activation(call, x, { f: 'gelu', approximate }, part), 2 * by);
}

const times = (call: Call, x: NodeId, by: number): NodeId => (by === 1 ? x : call.to.affine(call, x, by, 0));

/** What a node is as scale * base + shift with the same numbers for all channels; itself where it is nothing of the kind. */
export function uniform(to: Translation, id: NodeId): { base: NodeId; scale: number; shift: number } {
  const { op, name, from } = to.node(id);
  if (op === 'affine') {
    const { scale, shift } = to.vectors.get(name)!;
    to.work(scale!.length);
    const same = (vector: Float64Array) => vector.every((value) => value === vector[0]);
    if (same(scale!) && same(shift!)) return { base: from[0], scale: scale![0], shift: shift![0] };
  }
  return { base: id, scale: 1, shift: 0 };
}

/** A node as scale * x + shift with the same numbers for all channels, or nothing. */
function linearOf(to: Translation, id: NodeId, x: NodeId): { scale: number; shift: number } | undefined {
  if (id === x) return { scale: 1, shift: 0 };
  const [a, b] = [affineOf(to, id), affineOf(to, x)];
  if (a.base !== b.base) return undefined;
  const { c } = to.shape(x);
  to.work(c);
  const at = (vector: Float64Array | undefined, i: number, otherwise: number) => vector?.[i] ?? otherwise;
  let largest = 0;
  for (let i = 0; i < c; i++) if (Math.abs(at(b.scale, i, 1)) > Math.abs(at(b.scale, largest, 1))) largest = i;
  const scale = at(a.scale, largest, 1) / at(b.scale, largest, 1);
  const shift = at(a.shift, largest, 0) - scale * at(b.shift, largest, 0);
  if (!Number.isFinite(scale)) return undefined;
  const close = (value: number, expected: number, size: number) => Math.abs(value - expected) <= 1e-6 * size;
  for (let i = 0; i < c; i++) {
    const [inner, outer] = [at(b.scale, i, 1) * scale, at(b.shift, i, 0) * scale];
    if (!close(at(a.scale, i, 1), inner, Math.abs(inner) + 1e-30)) return undefined;
    if (!close(at(a.shift, i, 0), outer + shift, Math.abs(outer) + Math.abs(shift) + 1e-30)) return undefined;
  }
  return { scale, shift };
}

/** What a node scales and shifts by channel; itself, without vectors, where it is nothing of the kind. */
function affineOf(to: Translation, id: NodeId): { base: NodeId; scale?: Float64Array; shift?: Float64Array } {
  const { op, name, from } = to.node(id);
  return op === 'affine' ? { base: from[0], ...to.vectors.get(name) } : { base: id };
}

/** Coefficients of a node as a polynomial of another one, at most of the third degree, or nothing. */
function polynomial(to: Translation, id: NodeId, x: NodeId, depth = 8): number[] | undefined {
  const linear = linearOf(to, id, x);
  if (linear) return [linear.shift, linear.scale, 0, 0];
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
