import { sizeFrom } from '../../base/shape.js';
import { quote } from '../source.js';
import type { Call } from './call.js';
import { largestVector } from './data.js';
import {
  axisOf,
  type Dim,
  dimsOf,
  inOwnOrder,
  isWhole,
  positions,
  type Run,
  runsOnly,
  sameDim,
  sizeOf,
} from './layout.js';
import type { Operators } from './operators.js';
import { sizesOf, withSizes } from './shapes.js';
import { type Constant, constant, type Form, type MapValue, mapValue, type Steps, type Value } from './values.js';

/** Parts of tensors, and tensors made of parts. */
export const sliceOperators: Operators = {
  Slice: { attributes: ['starts', 'ends', 'axes'], inputs: 5, translate: slice },
  Split: { attributes: ['axis', 'split', 'num_outputs'], inputs: 2, translate: split },
  Gather: { attributes: ['axis'], inputs: 2, translate: gather },
  Concat: { attributes: ['axis'], inputs: 1024, translate: concat },
  Pad: { attributes: ['mode', 'pads', 'value'], inputs: 4, translate: pad },
};

/** As many channels as a graph's nodes have at most. */
const mostChannels = 1 << 17;

/** A part of a dimension: the indices that are left, in order. */
type Indices = readonly number[];

const progression = ({ start, step, count }: Steps): Indices =>
  Array.from({ length: count }, (_, i) => start + i * step);

async function slice(call: Call): Promise<Value> {
  let value = call.value(0);
  const rank = sizesOf(value).length;
  const [starts, ends] = [await call.integersOf(1, 'starts'), await call.integersOf(2, 'ends')];
  const axes = call.axes((await call.integersOf(3, 'axes')) ?? starts?.map((_, i) => i) ?? [], rank);
  const steps = (await call.integersOf(4, 'steps')) ?? axes.map(() => 1);
  if (!starts || !ends || [starts, ends, steps].some(({ length }) => length !== axes.length))
    throw call.bad('expected a start and an end for each dimension');
  for (const [i, d] of axes.entries()) {
    const size = sizesOf(value)[d];
    const step = steps[i];
    if (step === 0) throw call.bad('a step of 0');
    const within = (at: number, low: number, high: number) => Math.min(Math.max(at < 0 ? at + size : at, low), high);
    const [start, end] =
      step > 0
        ? [within(starts[i], 0, size), within(ends[i], 0, size)]
        : [within(starts[i], 0, size - 1), within(ends[i], -1, size - 1)];
    value = await part(call, value, d, { start, step, count: Math.max(0, Math.ceil((end - start) / step)) });
  }
  return value;
}

async function split(call: Call): Promise<Value[]> {
  const value = call.value(0);
  const sizes = sizesOf(value);
  const d = call.axis(call.number('axis', 0), sizes.length);
  const count = call.node.outputs.length;
  const even = Math.ceil(sizes[d] / count);
  const given = await call.integersOf(1, 'split');
  const parts = given ?? Array.from({ length: count }, (_, i) => Math.min(even, sizes[d] - i * even));
  if (parts.length !== count || parts.reduce((sum, size) => sum + size, 0) !== sizes[d])
    throw call.bad(`parts of ${parts} of ${sizes[d]}`);
  const made: Value[] = [];
  let start = 0;
  for (const [i, size] of parts.entries()) {
    made.push(await part(call, value, d, { start, step: 1, count: size }, `.${i}`));
    start += size;
  }
  return made;
}

async function gather(call: Call): Promise<Value> {
  const value = call.value(0);
  const sizes = sizesOf(value);
  const d = call.axis(call.number('axis', 0), sizes.length);
  const indices = call.constant(1);
  const found = [...(await indices.numbers())].map((index) => (index < 0 ? index + sizes[d] : index));
  if (found.some((index) => !(Number.isInteger(index) && index >= 0 && index < sizes[d])))
    throw call.bad(`there are only ${sizes[d]} of what it gathers`);
  if (value.kind === 'constant') return taken(call, value, d, found, indices.shape);
  const picked = await pick(call, value, d, found);
  return withSizes(call, picked, [...sizes.slice(0, d), ...indices.shape, ...sizes.slice(d + 1)]);
}

async function part(call: Call, value: Value, d: number, steps: Steps, suffix = ''): Promise<Value> {
  const size = sizesOf(value)[d];
  if (steps.start === 0 && steps.step === 1 && steps.count === size) return value;
  if (steps.count > largestVector) throw call.refuse('it computes with too many constants');
  if (value.kind === 'constant') return taken(call, value, d, progression(steps), [steps.count]);
  if (steps.count === 0) throw call.refuse('nothing is left of a dimension');
  return pick(call, value, d, progression(steps), suffix);
}

/** Elements of a constant's dimension `d`, which becomes dimensions of the given shape. */
async function taken(
  call: Call,
  of: Constant,
  d: number,
  indices: Indices,
  shape: readonly number[],
): Promise<Constant> {
  const made = [...of.shape.slice(0, d), ...shape, ...of.shape.slice(d + 1)];
  if (!(sizeFrom(made) <= largestVector)) throw call.refuse('it computes with too many constants');
  call.to.spend(sizeFrom(made));
  const values = await of.numbers();
  const inner = sizeFrom(of.shape, d + 1);
  const outer = sizeFrom(of.shape.slice(0, d));
  const result = new Float64Array(sizeFrom(made));
  let at = 0;
  for (let o = 0; o < outer; o++)
    for (const index of indices) {
      const from = (o * of.shape[d] + index) * inner;
      result.set(values.subarray(from, from + inner), at);
      at += inner;
    }
  return constant(made, result, of.whole);
}

/** Some indices of a dimension of what comes from the picture. */
async function pick(call: Call, value: Value, d: number, indices: Indices, suffix = ''): Promise<MapValue | Form> {
  const cropped = value.kind === 'form' && value.form.f === 'crop';
  const view = cropped ? (value as Form) : call.mapOf(value);
  const dim = view.dims[d];
  if (indices.length === sizeOf(dim) && indices.every((index, i) => index === i)) return view;
  const ofChannels = dim.length > 0 ? runsOnly(dim, 'c') : axisOf(view.dims, d, call.to.shape(view.node)) === 'c';
  if (!cropped && ofChannels) return pickChannels(call, view as MapValue, d, indices, suffix);
  const { h, w } = call.to.shape(view.node);
  const before = cropped && view.kind === 'form' && view.form.f === 'crop' ? view.form : undefined;
  const rows = before?.rows ?? { start: 0, step: 1, count: h };
  const columns = before?.columns ?? { start: 0, step: 1, count: w };
  const step = indices.length > 1 ? indices[1] - indices[0] : 1;
  const isEven = step >= 1 && indices.every((index, i) => index === indices[0] + i * step);
  const axis = isWhole(dim, 'h', rows.count) ? 'h' : isWhole(dim, 'w', columns.count) ? 'w' : undefined;
  if (!axis || dim.length === 0 || !isEven)
    throw call.refuse('it takes a part of a tensor other than channels, or every n-th row and column');
  const within = (of: Steps): Steps => ({
    start: of.start + indices[0] * of.step,
    step: indices.length > 1 ? of.step * step : of.step,
    count: indices.length,
  });
  const run: Run = { axis, size: indices.length, step: 1 };
  const dims = view.dims.map((other, at) => (at !== d ? other : indices.length === 1 ? [] : [run]));
  const crop = { rows: axis === 'h' ? within(rows) : rows, columns: axis === 'w' ? within(columns) : columns };
  return croppedMap(call, view.node, dims, crop, suffix);
}

/** A window of one tap where the steps are equal; until then something on the way to one. */
function croppedMap(
  call: Call,
  x: number,
  dims: readonly Dim[],
  { rows, columns }: { rows: Steps; columns: Steps },
  suffix: string,
): MapValue | Form {
  const { h, w } = call.to.shape(x);
  const stride = rows.count > 1 ? rows.step : columns.step; // a single row has no distance to others
  if (columns.count > 1 && columns.step !== stride)
    return { kind: 'form', form: { f: 'crop', rows, columns }, node: x, dims, what: `the part of ${call.label}` };
  const end = ({ start, count }: Steps, side: number) => start + (count - 1) * stride + 1 - side;
  const pad = [-rows.start, -columns.start, end(rows, h), end(columns, w)] as const;
  return mapValue(call.to.pool(call, x, 'max', { size: [1, 1], stride, pad, beyond: 'zero' }, suffix), dims);
}

function pickChannels(call: Call, { node, dims }: MapValue, d: number, indices: Indices, suffix: string): MapValue {
  const places = dims.map((dim, at) => {
    const channels = positions(
      dim.filter(({ axis }) => axis === 'c'),
      'c',
    );
    return at === d ? indices.map((index) => channels[index]) : [...channels];
  });
  if (places.reduce((product, of) => product * of.length, 1) > mostChannels) throw call.bad('too many channels');
  const order = places.reduce((sums, of) => sums.flatMap((sum) => of.map((place) => sum + place)), [0]);
  const run: Run = { axis: 'c', size: indices.length, step: 1 };
  const made = dims.map((dim, at) => (at !== d ? dim : indices.length === 1 ? [] : [run]));
  return mapValue(call.to.channels(call, node, order, suffix), inOwnOrder(made));
}

async function concat(call: Call): Promise<Value> {
  const values = call.inputs.map((_, i) => call.value(i));
  const [first] = values.filter(({ kind }) => kind !== 'constant');
  const rank = sizesOf(first ?? values[0]).length;
  const d = call.axis(call.number('axis', 1), rank);
  if (!first) return joinedConstants(call, values as Constant[], d);
  const { to } = call;
  const maps = values.map((value, i) => (value.kind === 'constant' ? value : to.ordered(call, call.map(i))));
  const [model] = maps.filter((value) => value.kind === 'map');
  const order: number[] = [];
  const from: number[] = [];
  let start = 0;
  for (const value of maps) {
    const sizes = sizesOf(value);
    if (sizes.length !== rank || sizes.some((size, at) => at !== d && size !== sizeOf(model.dims[at])))
      throw call.bad(`it joins [${sizesOf(model)}] and [${sizes}]`);
    if (value.kind === 'constant') {
      if ((await value.numbers()).some((number) => number !== 0))
        throw call.refuse('it joins a map and constants other than 0, which is not understood');
      if (sizes[d] > mostChannels) throw call.bad(`${sizes[d]} channels`);
      for (let i = 0; i < sizes[d]; i++) order.push(-1);
      continue;
    }
    const { c } = to.shape(value.node);
    if (value.dims.some((dim, at) => at !== d && !sameDim(dim, model.dims[at])))
      throw call.refuse('it joins tensors whose rows, columns and channels do not lie alike');
    from.push(value.node);
    for (let i = 0; i < c; i++) order.push(start++);
  }
  const isStack = model.dims[d].length === 0 && to.shape(model.node).c > 1;
  if (!isStack && maps.some((value) => value.kind === 'map' && !isWhole(value.dims[d], 'c', to.shape(value.node).c)))
    throw call.refuse('it joins rows, columns or pictures, where only channels are understood');
  const hasZeros = order.includes(-1);
  if (isStack && (hasZeros || model.dims.flat().filter(({ axis }) => axis === 'c').length !== 1))
    throw call.refuse('it joins tensors along a new dimension in a way that is not understood');
  const joined = from.length === 1 ? from[0] : to.concat(call, from, hasZeros ? '.maps' : '');
  const id = hasZeros ? to.channels(call, joined, order) : joined;
  const { c } = to.shape(id);
  if (!isStack) return mapValue(id, replaced(model.dims, d, dimsOf(to.shape(id), 'c', 1)[0]));
  const one = to.shape(model.node).c;
  return mapValue(id, replaced(model.dims, d, from.length === 1 ? [] : [{ axis: 'c', size: c / one, step: one }]));
}

const replaced = (dims: readonly Dim[], d: number, by: Dim): Dim[] => dims.map((dim, at) => (at === d ? by : dim));

async function joinedConstants(call: Call, parts: readonly Constant[], d: number): Promise<Constant> {
  const [{ shape }] = parts;
  if (
    parts.some((of) => of.shape.length !== shape.length || of.shape.some((size, at) => at !== d && size !== shape[at]))
  )
    throw call.bad('it joins constants whose shapes do not fit');
  const made = shape.map((size, at) => (at === d ? parts.reduce((sum, of) => sum + of.shape[d], 0) : size));
  if (!(sizeFrom(made) <= largestVector)) throw call.refuse('it computes with too many constants');
  call.to.spend(sizeFrom(made));
  const result = new Float64Array(sizeFrom(made));
  let start = 0;
  for (const of of parts) {
    const values = await of.numbers();
    const rows = sizeFrom(of.shape, d);
    for (let outer = 0; outer * rows < values.length; outer++)
      result.set(values.subarray(outer * rows, (outer + 1) * rows), outer * sizeFrom(made, d) + start);
    start += rows;
  }
  return constant(
    made,
    result,
    parts.every(({ whole }) => whole),
  );
}

/** Zeros around rows and columns are a window of one tap; around channels, a choice of channels. */
async function pad(call: Call): Promise<Value> {
  const x = call.to.ordered(call, call.map(0));
  const { to } = call;
  const rank = x.dims.length;
  const mode = call.text('mode', 'constant');
  if (mode !== 'constant') throw call.refuse(`padding of the kind ${quote(mode)} is not understood, only zeros`);
  if ((call.has(2) ? await call.scalar(2, 0) : call.number('value', 0)) !== 0)
    throw call.refuse('padding by other numbers than 0 is not understood');
  const pads = (await call.integersOf(1, 'pads')) ?? [];
  const axes = call.axes((await call.integersOf(3, '')) ?? x.dims.map((_, d) => d), rank);
  if (pads.length !== 2 * axes.length)
    throw call.bad(`expected ${2 * axes.length} numbers as pads, got ${pads.length}`);
  const around = { h: [0, 0], w: [0, 0], c: [0, 0] };
  const { h, w, c } = to.shape(x.node);
  const made = [...x.dims];
  for (const [i, d] of axes.entries()) {
    const both = [pads[i], pads[i + axes.length]];
    if (both.every((side) => side === 0)) continue;
    const dim = x.dims[d];
    const axis = axisOf(x.dims, d, { h, w, c });
    if (!axis) throw call.refuse('padding of what are neither rows, columns nor channels is not understood');
    around[axis] = both;
    const size = sizeOf(dim) + both[0] + both[1];
    made[d] = size === 1 ? [] : [{ axis, size, step: 1 }];
  }
  const [top, bottom, left, right] = [...around.h, ...around.w];
  const [before, after] = around.c;
  const [spatial, deep] = [
    [top, bottom, left, right],
    [before, after],
  ].map((of) => of.some((side) => side !== 0));
  let { node } = x;
  if (spatial)
    node = to.pool(
      call,
      node,
      'max',
      { size: [1, 1], pad: [top, left, bottom, right], beyond: 'zero' },
      deep ? '.rows' : '',
    );
  const count = c + before + after;
  if (deep && !(count >= 1 && count <= mostChannels)) throw call.bad(`${count} channels`);
  const order = Array.from({ length: count }, (_, i) => (i >= before && i - before < c ? i - before : -1));
  if (deep) node = to.channels(call, node, order);
  return mapValue(node, made);
}
