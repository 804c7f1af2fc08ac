import { lazy } from '../../base/lazy.js';
import type { Call } from './call.js';
import { ofRank, sameDim, sameDims, sizeOf } from './layout.js';
import type { Operators } from './operators.js';
import { geluOf, productOf, uniform } from './patterns.js';
import { sizesOf } from './shapes.js';
import { type Constant, type Form, type MapValue, mapValue, type Value } from './values.js';

/** Sums, products and powers. */
export const elementwiseOperators: Operators = {
  Erf: { inputs: 1, translate: erf },
  Add: { inputs: 2, translate: add },
  Sub: { inputs: 2, translate: subtract },
  Mul: { inputs: 2, translate: multiply },
  Div: { inputs: 2, translate: divide },
  Sum: { inputs: 64, translate: sum },
  Pow: { inputs: 2, translate: power },
  Sqrt: { inputs: 1, translate: (call) => rootOf(call, 0.5) },
  Reciprocal: { inputs: 1, translate: (call) => rootOf(call, -1) },
};

function erf(call: Call): Form {
  const { node, dims } = call.map(0);
  return { kind: 'form', form: { f: 'erf', scale: 1, shift: 0 }, node, dims, what: `the Erf of ${call.label}` };
}

async function add(call: Call): Promise<Value> {
  const [a, b] = [call.value(0), call.value(1)];
  const part = await partOf(call, 'add', a, b);
  if (part) return part;
  if (a.kind === 'form' && b.kind === 'constant') return shifted(call, a, b);
  if (b.kind === 'form' && a.kind === 'constant') return shifted(call, b, a);
  if (a.kind === 'constant') return withConstant(call, call.map(1), a, 'add');
  if (b.kind === 'constant') return withConstant(call, call.map(0), b, 'add');
  return combined(call, 'add', ...operands(call));
}

async function shifted(call: Call, of: Form, by: Constant): Promise<Form> {
  const values = await by.numbers();
  const { form } = of;
  const dims = ofRank(of.dims, by.shape.length);
  if (values.length === 1 && form.f === 'erf') return { ...of, dims, form: { ...form, shift: form.shift + values[0] } };
  if (values.length === 1 && form.f === 'variance')
    return { ...of, dims, form: { ...form, epsilon: form.epsilon + values[0] } };
  throw call.refuse(`it adds a constant to ${of.what}, which is not understood there`);
}

async function subtract(call: Call): Promise<Value> {
  const [a, b] = [call.value(0), call.value(1)];
  const { to } = call;
  const part = await partOf(call, 'subtract', a, b);
  if (part) return part;
  if (b.kind === 'constant') return withConstant(call, call.map(0), b, 'subtract');
  const x = call.map(1);
  const opposite = mapValue(to.affine(call, x.node, -1, 0, '.negative'), x.dims);
  if (a.kind === 'constant') return withConstant(call, opposite, a, 'add');
  return combined(call, 'add', call.map(0), opposite);
}

async function multiply(call: Call): Promise<Value> {
  const [a, b] = [call.value(0), call.value(1)];
  const part = await partOf(call, 'multiply', a, b);
  if (part) return part;
  if (isForm(a)) return multipliedForm(call, a, b);
  if (isForm(b)) return multipliedForm(call, b, a);
  if (a.kind === 'constant') return withConstant(call, call.map(1), a, 'multiply');
  if (b.kind === 'constant') return withConstant(call, call.map(0), b, 'multiply');
  return combined(call, 'multiply', ...operands(call));
}

/** A sum and so on of a part of a layer normalization, which few files write out; else nothing. */
async function partOf(
  call: Call,
  op: 'add' | 'subtract' | 'multiply' | 'divide',
  a: Value,
  b: Value,
): Promise<Value | undefined> {
  if (a.kind !== 'form' && b.kind !== 'form') return undefined;
  return (await lazy(() => import('./moments.js'))).momentsOf(call, op, a, b);
}

const isForm = (value: Value): value is Form => value.kind === 'form' && value.form.f !== 'spread';

/** Two maps. A repetition is what a sum or product does itself, where the other one is as large. */
function operands(call: Call): [MapValue, MapValue] {
  const operand = (input: number) => {
    const value = call.value(input);
    if (value.kind !== 'form' || value.form.f !== 'spread') return call.mapOf(value);
    const { sizes } = value.form;
    const other = sizesOf(call.value(1 - input));
    if (sizes.length !== other.length || sizes.some((size, d) => size !== other[d]))
      throw call.refuse(`it reads ${value.what}, which is not understood there`);
    return mapValue(value.node, value.dims);
  };
  return [operand(0), operand(1)];
}

async function multipliedForm(call: Call, of: Form, other: Value): Promise<Value> {
  const { form } = of;
  const refused = call.refuse(`it multiplies ${of.what}, which is not understood there`);
  if (other.kind === 'constant' && form.f === 'erf') {
    const values = await other.numbers();
    if (values.length !== 1) throw refused;
    const [by] = values;
    return {
      ...of,
      dims: ofRank(of.dims, other.shape.length),
      form: { ...form, scale: form.scale * by, shift: form.shift * by },
    };
  }
  const found = other.kind === 'map' && sameDims(other.dims, of.dims) ? geluOf(call, other.node, of) : undefined;
  if (found === undefined) throw refused;
  return mapValue(found, of.dims);
}

async function divide(call: Call): Promise<Value> {
  const [a, b] = [call.value(0), call.value(1)];
  const part = await partOf(call, 'divide', a, b);
  if (part) return part;
  if (b.kind === 'constant') return withConstant(call, call.map(0), b, 'divide');
  throw call.refuse('it divides by what comes from the picture, which is not understood');
}

/** A map and numbers by channel. */
async function withConstant(
  call: Call,
  given: MapValue,
  of: Constant,
  op: 'add' | 'subtract' | 'multiply' | 'divide',
): Promise<MapValue> {
  const { to } = call;
  const x = mapValue(given.node, ofRank(given.dims, of.shape.length));
  const values = await to.byChannel(call, of, x);
  if (op === 'divide' && values.some((value) => value === 0)) throw call.bad('it divides by 0');
  if (op === 'add') return mapValue(to.affine(call, x.node, 1, values), x.dims);
  if (op === 'subtract') {
    const opposite = values.map((value) => -value);
    return mapValue(to.affine(call, x.node, 1, opposite), x.dims);
  }
  const scale = op === 'divide' ? values.map((value) => 1 / value) : values;
  return hardSigmoid(call, x, scale) ?? mapValue(to.affine(call, x.node, scale, 0), x.dims);
}

/** clip(a x + b, 0, high) / high */
function hardSigmoid(call: Call, { node, dims }: MapValue, scale: Float64Array): MapValue | undefined {
  const { to } = call;
  const gate = to.node(node);
  if (gate.op !== 'activation' || gate.activation.f !== 'clip' || gate.activation.low !== 0) return undefined;
  const { high } = gate.activation;
  const inside = uniform(to, gate.from[0]);
  if (inside.base === gate.from[0] || !scale.every((value) => to.near(value * high, 1))) return undefined;
  const activation = { f: 'hard-sigmoid', slope: inside.scale / high, offset: inside.shift / high } as const;
  return mapValue(to.activation(call, inside.base, activation), dims);
}

function sum(call: Call): MapValue {
  let total = call.map(0);
  for (let i = 1; i < call.inputs.length; i++) {
    const last = i === call.inputs.length - 1;
    total = combined(call, 'add', total, call.map(i), last ? '' : `.${i}`);
  }
  return total;
}

/** Sum or product of two maps; a vector is spread over a map, and a single channel over all. */
function combined(call: Call, op: 'add' | 'multiply', a: MapValue, b: MapValue, part = ''): MapValue {
  const { to } = call;
  const rank = Math.max(a.dims.length, b.dims.length);
  let [x, y] = [a, b].map(({ node, dims }) => mapValue(node, ofRank(dims, rank)));
  const size = ({ dims }: MapValue) => dims.reduce((product, dim) => product * sizeOf(dim), 1);
  if (size(y) > size(x)) [x, y] = [y, x];
  const fits = () => x.dims.every((dim, d) => sameDim(dim, y.dims[d]) || y.dims[d].length === 0);
  if (!fits()) [x, y] = [to.ordered(call, x), to.ordered(call, y)];
  if (!fits())
    throw call.refuse(
      `tensors of shapes [${x.dims.map(sizeOf)}] and [${y.dims.map(sizeOf)}] whose rows, columns and channels do not lie alike`,
    );
  const [p, q] = [to.shape(x.node), to.shape(y.node)];
  if (q.c === 1 && p.c > 1) y = { ...y, node: to.channels(call, y.node, Array(p.c).fill(0), `${part}.spread`) };
  const found = op === 'multiply' && p.c === q.c && p.h === q.h && p.w === q.w && productOf(call, x.node, y.node);
  return mapValue(found || to.combine(call, op, x.node, y.node, part), x.dims);
}

async function power(call: Call): Promise<Value> {
  const exponent = await call.scalar(1, Number.NaN);
  const x = call.value(0);
  const { to } = call;
  if (x.kind === 'form') {
    const { powerOf, squareOf } = await lazy(() => import('./moments.js'));
    const made = exponent === 2 ? squareOf(x) : powerOf(x, exponent);
    if (!made || call.constant(1).shape.length > x.dims.length)
      throw call.refuse(`it reads ${x.what}, which is not understood there`);
    return made;
  }
  const { node, dims: given } = call.mapOf(x);
  const dims = ofRank(given, call.constant(1).shape.length);
  if (exponent === 1) return mapValue(node, dims);
  if (exponent !== 2 && exponent !== 3) throw call.refuse(`a power of ${exponent} is not understood`);
  const square = to.combine(call, 'multiply', node, node, exponent === 2 ? '' : '.square');
  return mapValue(exponent === 2 ? square : to.combine(call, 'multiply', square, node), dims);
}

/** Square root and reciprocal, of parts of a layer normalization. */
async function rootOf(call: Call, exponent: number): Promise<Form> {
  const x = call.value(0);
  const made = x.kind === 'form' ? (await lazy(() => import('./moments.js'))).powerOf(x, exponent) : undefined;
  if (!made) throw call.refuse('it is understood in a layer normalization alone');
  return made;
}
