import { lazy } from '../../base/lazy.js';
import type { NodeId, PoolKind } from '../../graph/graph.js';
import type { Call } from './call.js';
import { type Dim, runsOnly, sizeOf } from './layout.js';
import type { Operators } from './operators.js';
import { type Form, type MapValue, mapValue, type Value } from './values.js';

const attributes = ['axes', 'keepdims', 'noop_with_empty_axes'];

/** What is summed up over dimensions, and the ends of classifiers. */
export const reductionOperators: Operators = {
  GlobalAveragePool: { inputs: 1, translate: (call) => globalPool(call, 'mean') },
  GlobalMaxPool: { inputs: 1, translate: (call) => globalPool(call, 'max') },
  ReduceMean: { attributes, inputs: 2, translate: (call) => reduce(call, 'mean') },
  ReduceMax: { attributes, inputs: 2, translate: (call) => reduce(call, 'max') },
  ReduceSum: { attributes, inputs: 2, translate: (call) => reduce(call, 'sum') },
  ReduceMin: { attributes, inputs: 2, translate: (call) => reduce(call, 'min') },
  ReduceProd: { attributes, inputs: 2, translate: (call) => reduce(call, 'product') },
  Softmax: { attributes: ['axis'], inputs: 1, translate: softmax },
  LogSoftmax: { attributes: ['axis'], inputs: 1, translate: softmax },
};

function globalPool(call: Call, kind: PoolKind): MapValue {
  const id = call.to.global(call, call.nchw(0), kind);
  return mapValue(id, call.to.mapDims(id));
}

async function reduce(call: Call, kind: 'mean' | 'max' | 'sum' | 'min' | 'product'): Promise<Value> {
  const x = call.value(0);
  const rank = x.kind === 'constant' ? x.shape.length : x.kind === 'failure' ? 0 : x.dims.length;
  const given = await call.integersOf(1, 'axes');
  if (!given?.length && call.flag('noop_with_empty_axes')) return x;
  const axes = given?.length ? call.axes(given, rank) : Array.from({ length: rank }, (_, d) => d);
  const keep = call.flag('keepdims', true);
  if (x.kind === 'constant') return (await lazy(() => import('./folding.js'))).foldReduction(x, kind, axes, keep);
  if (x.kind === 'failure') throw x.error;
  const left = (dims: readonly Dim[]) => dims.flatMap((dim, d) => (!axes.includes(d) ? [dim] : keep ? [[]] : []));
  const runs = axes.flatMap((d) => x.dims[d]);
  const { to } = call;
  const { h, w, c } = to.shape(x.node);
  if (x.kind === 'form' && x.form.f === 'half') {
    const { left: other } = x.form;
    if (x.form.kind !== kind || !runsOnly(runs, other) || sizeOf(runs) !== (other === 'h' ? h : w))
      throw call.refuse(`it reads ${x.what}, which is not understood there`);
    return mapValue(globalOf(call, x.node, kind), left(x.dims));
  }
  if (x.kind === 'form') {
    if (kind !== 'mean' || x.form.f !== 'centred-square' || !isAll(runs, c))
      throw call.refuse(`it reads ${x.what}, which is not understood there`);
    return { ...x, form: { ...x.form, f: 'variance', epsilon: 0 }, dims: left(x.dims) };
  }
  if (kind === 'min' || kind === 'product') throw call.refuse('it is understood among constants alone');
  if (c > 1 && isAll(runs, c) && kind === 'mean') return meanForm(call, x, left(x.dims));
  const points = sizeOf(runs);
  const half = h > 1 && w > 1 && points > 1 ? runs[0].axis : undefined;
  if ((half === 'h' && points === h && runsOnly(runs, 'h')) || (half === 'w' && points === w && runsOnly(runs, 'w'))) {
    const form = { f: 'half', kind, left: half === 'h' ? 'w' : 'h' } as const;
    return { kind: 'form', form, node: x.node, dims: left(x.dims), what: `the ${kind} of ${call.label}` };
  }
  if (!runsOnly(runs, 'hw') || points !== h * w)
    throw call.refuse('it sums up over something else than all rows and columns, which is not understood');
  if (axes.length < 2 && points === 1) return mapValue(x.node, left(x.dims)); // nothing is summed up
  return mapValue(globalOf(call, x.node, kind), left(x.dims));
}

function globalOf(call: Call, x: NodeId, kind: 'mean' | 'max' | 'sum'): NodeId {
  const { to } = call;
  const { h, w } = to.shape(x);
  const id = to.global(call, x, kind === 'max' ? 'max' : 'mean');
  return kind === 'sum' ? to.affine(call, id, h * w, 0, '.sum') : id;
}

/** Whether runs go through all channels and nothing else. */
const isAll = (runs: Dim, c: number): boolean => runsOnly(runs, 'c') && sizeOf(runs) === c;

/** Before version 13 all dimensions from `axis` on were one. */
function softmax(call: Call): Form {
  const { node, dims } = call.map(0);
  const first = call.opset < 13;
  const axis = call.axis(call.number('axis', first ? 1 : -1), dims.length);
  const over = first ? dims.slice(axis).flat() : dims[axis];
  const { h, w, c } = call.to.shape(node);
  if (!isAll(over, c) || h * w > 1)
    throw call.refuse('it is no softmax over the classes at the end of the network, which alone is understood');
  return { kind: 'form', form: { f: 'softmax' }, node, dims, what: `the probabilities of ${call.label}` };
}

/** The mean of a point's channels. */
const meanForm = (call: Call, { node, dims }: MapValue, left: readonly Dim[]): Form => ({
  kind: 'form',
  form: { f: 'moments', terms: { m: 1 }, of: dims },
  node,
  dims: left,
  what: `the mean over channels of ${call.label}`,
});
