import { lazy } from '../../base/lazy.js';
import { sizeFrom } from '../../base/shape.js';
import { type Call, mostDimensions } from './call.js';
import { type Dim, reshaped, sizeOf } from './layout.js';
import type { Operators } from './operators.js';
import {
  type Constant,
  constant,
  type Form,
  type MapValue,
  mapValue,
  reshapedConstant,
  tensorConstant,
  transposedConstant,
  type Value,
} from './values.js';

/** What changes no numbers: other dimensions, other types, other names. */
export const shapeOperators: Operators = {
  Identity: { inputs: 1, translate: same },
  Dropout: { attributes: ['ratio', 'seed'], inputs: 3, translate: dropout },
  Cast: { attributes: ['to', 'saturate', 'round_mode'], inputs: 1, translate: cast },
  CastLike: { attributes: ['saturate', 'round_mode'], inputs: 2, translate: castLike },
  Constant: {
    attributes: ['value', 'value_float', 'value_floats', 'value_int', 'value_ints'],
    inputs: 0,
    translate: literal,
  },
  Reshape: { attributes: ['allowzero'], inputs: 2, translate: reshape },
  Flatten: { attributes: ['axis'], inputs: 1, translate: flatten },
  Squeeze: { attributes: ['axes'], inputs: 2, translate: squeeze },
  Unsqueeze: { attributes: ['axes'], inputs: 2, translate: unsqueeze },
  Transpose: { attributes: ['perm'], inputs: 1, translate: transpose },
  Shape: { attributes: ['start', 'end'], inputs: 1, translate: shapeOf },
  Size: { inputs: 1, translate: (call) => constant([], Float64Array.of(sizeFrom(sizesOf(call.value(0)))), true) },
  Expand: { inputs: 2, translate: expand },
  Tile: { inputs: 2, translate: tile },
};

/** Sizes of the dimensions as the file knows them. */
export function sizesOf(value: Value): readonly number[] {
  if (value.kind === 'failure') throw value.error;
  if (value.kind === 'constant') return value.shape;
  return value.kind === 'form' && value.form.f === 'spread' ? value.form.sizes : value.dims.map(sizeOf);
}

function same(call: Call): Value {
  const value = call.value(0);
  if (value.kind === 'map') call.to.also(value.node, call);
  return value;
}

async function dropout(call: Call): Promise<Value> {
  if ((await call.scalar(2, 0)) !== 0) throw call.refuse('it is in training mode; export the model in evaluation mode');
  return same(call);
}

/** Types of floating point are one; whole numbers are made of constants alone. */
function cast(call: Call): Value | Promise<Value> {
  const to = call.number('to', 0);
  return casted(call, ![1, 10, 11, 16].includes(to), to === 9);
}

function castLike(call: Call): Value | Promise<Value> {
  const like = call.value(1);
  return casted(call, like.kind === 'constant' && like.whole, false);
}

async function casted(call: Call, whole: boolean, isTruth: boolean): Promise<Value> {
  const value = call.value(0);
  if (value.kind !== 'constant') {
    if (whole) throw call.refuse('it rounds what comes from the picture, which is not understood');
    return same(call);
  }
  if (whole === value.whole && !isTruth) return value;
  if (!whole) return value.stored?.tensor.raw ? value : constant(value.shape, await value.numbers(), false);
  const values = (await value.numbers()).map((number) => (isTruth ? Number(number !== 0) : Math.trunc(number)));
  return constant(value.shape, values, true);
}

function literal(call: Call): Constant {
  const { attributes } = call.node;
  const [name] = attributes.keys();
  if (attributes.size !== 1) throw call.bad(`expected one attribute, got ${attributes.size}`);
  const tensor = name === 'value' ? call.tensor(name) : undefined;
  if (tensor) return tensorConstant(tensor);
  const whole = name.startsWith('value_int');
  if (name === 'value_float' || name === 'value_int') return constant([], Float64Array.of(call.number(name, 0)), whole);
  const values = attributes.get(name);
  if (!Array.isArray(values)) throw call.bad('expected numbers');
  return constant([values.length], Float64Array.from(values), whole);
}

/** The same value with other dimensions, which must hold as many numbers. */
export async function withSizes(call: Call, value: Value, sizes: readonly number[]): Promise<Value> {
  const before = sizesOf(value);
  if (sizes.length > mostDimensions) throw call.bad(`more than ${mostDimensions} dimensions`);
  if (sizeFrom(before) !== sizeFrom(sizes))
    throw call.bad(
      `it makes [${sizes}] of [${before}], which are not as many numbers; a file may be made for one input size`,
    );
  if (value.kind === 'constant') return reshapedConstant(value, sizes);
  const view = viewOf(call, value);
  const made = reshaped(view.dims, sizes);
  if (!made && view.kind === 'map') {
    const ordered = call.to.ordered(call, view); // channels that lie in another order are divided unevenly
    const dims = reshaped(ordered.dims, sizes);
    if (dims) return mapValue(ordered.node, dims);
  }
  if (!made) throw call.refuse(`it makes [${sizes}] of [${before}], which divides rows, columns or channels unevenly`);
  return { ...view, dims: made };
}

/** A value's dimensions, where they can be changed. */
function viewOf(call: Call, value: Value): MapValue | Form {
  if (value.kind === 'failure') throw value.error;
  if (value.kind === 'constant' || (value.kind === 'form' && ['crop', 'spread', 'half'].includes(value.form.f)))
    throw call.refuse(`it reads ${value.kind === 'form' ? value.what : 'a constant'}, which is not understood there`);
  return value;
}

async function reshape(call: Call): Promise<Value> {
  const value = call.value(0);
  const wanted = await call.integersOf(1, '');
  if (!wanted) throw call.bad('expected a shape');
  const before = sizesOf(value);
  const copies = !call.flag('allowzero');
  const sizes = wanted.map((size, d) => (size === 0 && copies ? (before[d] ?? -2) : size));
  const open = sizes.indexOf(-1);
  if (open >= 0) {
    const others = sizeFrom(sizes.filter((_, d) => d !== open));
    sizes[open] = sizeFrom(before) / others;
  }
  if (sizes.some((size) => !Number.isInteger(size) || size < 0))
    throw call.bad(`it makes [${wanted}] of [${before}], which is not possible`);
  return withSizes(call, value, sizes);
}

async function flatten(call: Call): Promise<Value> {
  const value = call.value(0);
  const sizes = sizesOf(value);
  const given = call.number('axis', 1);
  const axis = given === sizes.length ? given : call.axis(given, sizes.length);
  return withSizes(call, value, [sizeFrom(sizes.slice(0, axis)), sizeFrom(sizes, axis)]);
}

async function squeeze(call: Call): Promise<Value> {
  const value = call.value(0);
  const sizes = sizesOf(value);
  const given = await call.integersOf(1, 'axes');
  const axes = given ? call.axes(given, sizes.length) : sizes.flatMap((size, d) => (size === 1 ? [d] : []));
  if (axes.some((d) => sizes[d] !== 1)) throw call.bad(`dimensions ${axes} of [${sizes}] are not 1`);
  return withSizes(
    call,
    value,
    sizes.filter((_, d) => !axes.includes(d)),
  );
}

async function unsqueeze(call: Call): Promise<Value> {
  const value = call.value(0);
  const sizes = [...sizesOf(value)];
  const given = await call.integersOf(1, 'axes');
  if (!given) throw call.bad('expected axes');
  for (const d of call.axes(given, sizes.length + given.length).sort((a, b) => a - b)) sizes.splice(d, 0, 1);
  return withSizes(call, value, sizes);
}

async function transpose(call: Call): Promise<Value> {
  const value = call.value(0);
  const rank = sizesOf(value).length;
  const order = call.integers('perm') ?? Array.from({ length: rank }, (_, d) => rank - 1 - d);
  if (order.length !== rank) throw call.bad(`perm [${order}] of ${rank} dimensions`);
  call.axes(order, rank);
  if (value.kind === 'constant') return transposedConstant(value, order);
  const view = viewOf(call, value);
  return { ...view, dims: order.map((d): Dim => view.dims[d]) };
}

function shapeOf(call: Call): Constant {
  const sizes = sizesOf(call.value(0));
  const part = sizes.slice(call.number('start', 0), call.number('end', sizes.length));
  return constant([part.length], Float64Array.from(part), true);
}

async function expand(call: Call): Promise<Value> {
  const value = call.value(0);
  const wanted = (await call.integersOf(1, '')) ?? [];
  const before = sizesOf(value);
  const rank = Math.max(wanted.length, before.length);
  if (rank > mostDimensions) throw call.bad(`more than ${mostDimensions} dimensions`);
  const pad = (sizes: readonly number[]) => [...Array<number>(rank - sizes.length).fill(1), ...sizes];
  const [from, to] = [pad(before), pad(wanted)];
  const sizes = from.map((size, d) => (to[d] === 1 ? size : to[d]));
  if (value.kind === 'constant') return (await lazy(() => import('./folding.js'))).spreadConstant(call, value, sizes);
  return spreadTo(call, await withSizes(call, value, from), sizes);
}

async function tile(call: Call): Promise<Value> {
  const value = call.value(0);
  const times = (await call.integersOf(1, '')) ?? [];
  const before = sizesOf(value);
  if (times.length !== before.length) throw call.bad(`expected ${before.length} numbers, got ${times.length}`);
  return spreadTo(
    call,
    value,
    before.map((size, d) => size * times[d]),
  );
}

/** A tensor whose dimensions of size 1 are repeated: kept as it is, for a sum or product does the same. */
function spreadTo(call: Call, value: Value, sizes: readonly number[]): Value {
  const before = sizesOf(value);
  if (before.every((size, d) => size === sizes[d])) return value;
  if (value.kind !== 'map' || before.some((size, d) => size !== 1 && size !== sizes[d]))
    throw call.refuse(`it repeats [${before}] to [${sizes}], which is not understood`);
  return { ...value, kind: 'form', form: { f: 'spread', sizes }, what: `the repetition of ${call.label}` };
}
