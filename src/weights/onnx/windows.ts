import type { NodeId, PoolKind } from '../../graph/graph.js';
import { quote } from '../source.js';
import type { Call } from './call.js';
import { kernelOf } from './kernel.js';
import type { Operators } from './operators.js';
import { type MapValue, mapValue } from './values.js';

const windowAttributes = ['auto_pad', 'dilations', 'kernel_shape', 'pads', 'strides'];

/** What sees a window of a map. */
export const windowOperators: Operators = {
  Conv: { attributes: [...windowAttributes, 'group'], inputs: 3, translate: conv },
  MaxPool: {
    attributes: [...windowAttributes, 'ceil_mode', 'storage_order'],
    inputs: 1,
    translate: (call) => pool(call, 'max'),
  },
  AveragePool: {
    attributes: [...windowAttributes, 'ceil_mode', 'count_include_pad'],
    inputs: 1,
    translate: (call) => pool(call, 'mean'),
  },
};

/** A window as both axes have it, with its padding in numbers. */
interface Window {
  size: [number, number];
  stride: number;
  dilation: number;
  pad: [number, number, number, number];
}

async function conv(call: Call): Promise<MapValue> {
  const { to } = call;
  const weights = call.constant(1);
  const [out, cin, rows, columns] = weights.shape;
  if (weights.shape.length !== 4)
    throw call.refuse(`a convolution along ${weights.shape.length - 2} axes, where rows and columns are understood`);
  let x = call.nchw(0);
  const window = windowOf(call, x, [rows, columns]);
  let groups = call.number('group', 1);
  const { h, w, c } = to.shape(x);
  if (!(groups >= 1) || cin * groups !== c || out % groups !== 0)
    throw call.bad(`weights of shape [${weights.shape}] in ${groups} groups do not fit ${c} channels`);
  const bias = call.has(2) ? await call.constant(2).numbers() : undefined;
  if (bias && bias.length !== out) throw call.bad(`expected a bias of ${out} numbers, got ${bias.length}`);
  const kernel = await kernelOf(weights, [2, 3, 1], 0);
  const isWhole = window.size[0] === h && window.size[1] === w && window.pad.every((side) => side === 0);
  if (groups === 1 && isWhole && (h * w > 1 || to.isVector(x))) {
    const id = to.dense(call, x, kernel, { out, bias });
    return mapValue(id, to.mapDims(id));
  }
  if (groups === c && groups > 1 && out > c) {
    const times = out / c;
    const order = Array.from({ length: out }, (_, i) => Math.floor(i / times)); // several outputs a channel: each sees its own copy
    x = to.channels(call, x, order, '.repeat');
    groups = out;
  }
  const id = to.conv(call, x, kernel, { ...window, groups, out, bias });
  return mapValue(id, to.mapDims(id));
}

function pool(call: Call, kind: PoolKind): MapValue {
  const { to } = call;
  const size = call.integers('kernel_shape');
  if (size?.length !== 2) throw call.refuse('a pool along other axes than rows and columns');
  const x = call.nchw(0);
  const { h, w } = to.shape(x);
  const window = windowOf(call, x, [size[0], size[1]]);
  const ceil = call.flag('ceil_mode');
  const padded = window.pad.some((side) => side !== 0);
  const isWhole = window.size[0] === h && window.size[1] === w && !padded && window.dilation === 1;
  if (window.size.every((taps) => taps === 1) && window.stride === 1 && !padded) {
    to.also(x, call);
    return mapValue(x, to.mapDims(x));
  }
  if (isWhole) {
    const id = to.global(call, x, kind);
    return mapValue(id, to.mapDims(id));
  }
  const counted = kind === 'mean' && padded && call.flag('count_include_pad');
  const id = to.pool(call, x, kind, { ...window, ceil, beyond: counted ? 'zero' : 'nothing' });
  if (ceil && counted) refuseOverhang(call, id, x, window);
  return mapValue(id, to.mapDims(id));
}

/** Runtimes do not agree on what a window counts that begins inside a padded map and ends beyond it. */
function refuseOverhang(call: Call, id: NodeId, x: NodeId, { size, stride, dilation, pad }: Window): void {
  const [y, from] = [call.to.shape(id), call.to.shape(x)];
  const beyond = (count: number, taps: number, side: number) => (count - 1) * stride + dilation * (taps - 1) + 1 > side;
  if (beyond(y.h, size[0], from.h + pad[0] + pad[2]) || beyond(y.w, size[1], from.w + pad[1] + pad[3]))
    throw call.refuse('its last window reaches beyond the padding (ceil_mode), which runtimes do not agree upon');
}

function windowOf(call: Call, x: NodeId, size: [number, number]): Window {
  const given = call.integers('kernel_shape') ?? size;
  if (given.length !== 2 || given[0] !== size[0] || given[1] !== size[1])
    throw call.bad(`kernel_shape ${given} is not that of its weights, ${size}`);
  const [down, across] = pair(call, 'strides');
  const dilations = pair(call, 'dilations');
  const relevant = dilations.filter((_, axis) => size[axis] > 1); // one tap has no distance to others
  const [dilation = 1] = relevant;
  if (down !== across)
    throw call.refuse(`strides of ${down} rows and ${across} columns, where only equal ones are understood`);
  if (relevant.some((other) => other !== dilation))
    throw call.refuse(`dilations of ${dilations.join(' and ')}, where only equal ones are understood`);
  return { size, stride: down, dilation, pad: padding(call, x, size, down, dilation) };
}

function pair(call: Call, name: string): readonly number[] {
  const values = call.integers(name) ?? [1, 1];
  if (values.length !== 2 || values.some((value) => value < 1)) throw call.bad(`expected two numbers as ${name}`);
  return values;
}

/** Padding at the top, left, bottom and right. */
function padding(call: Call, x: NodeId, size: [number, number], stride: number, dilation: number): Window['pad'] {
  const auto = call.text('auto_pad', 'NOTSET');
  const pads = call.integers('pads') ?? [0, 0, 0, 0];
  if (pads.length !== 4) throw call.bad('expected four numbers as pads');
  if (auto === 'NOTSET' || auto === '') return [pads[0], pads[1], pads[2], pads[3]];
  if (pads.some((side) => side !== 0)) throw call.bad(`pads beside auto_pad ${quote(auto)}`);
  if (auto === 'VALID') return [0, 0, 0, 0];
  if (auto !== 'SAME_UPPER' && auto !== 'SAME_LOWER') throw call.bad(`auto_pad ${quote(auto)}`);
  const { h, w } = call.to.shape(x);
  const [[top, bottom], [left, right]] = [h, w].map((side, axis) => {
    const reach = dilation * (size[axis] - 1) + 1;
    const needed = (Math.ceil(side / stride) - 1) * stride + reach - side;
    if (needed < -1 && call.operator !== 'Conv')
      throw call.refuse(`its stride leaves rows or columns out (${auto}), of which runtimes do not take the same`);
    const missing = Math.max(0, needed);
    const less = Math.floor(missing / 2);
    return auto === 'SAME_UPPER' ? [less, missing - less] : [missing - less, less];
  });
  return [top, left, bottom, right];
}
