import type { PoolKind } from '../../graph/graph.js';
import { combined, uniformAffine } from '../computed.js';
import { byName } from './activations.js';
import { Arguments } from './arguments.js';
import type { LayerCall, Value } from './call.js';
import type { KerasLayer } from './config.js';
import { combine, concatenated, difference } from './merges.js';
import { elementsOf, numbersGiven, scaledAndShifted } from './normalizations.js';
import { onnx, say } from './settings.js';
import { reshapedTo } from './shapes.js';
import { snakeCase } from './weights.js';

/** Turns the call of a function into nodes. */
type ReadOperator = (call: LayerCall, args: Arguments) => Value;

/**
 * Functions that models call between their layers, such as `x * 2` or `keras.ops.relu(x)`: in TensorFlow's layers TFOpLambda and
 * SlicingOpLambda by name, in Keras 3 by classes of their own.
 */
const operators: Readonly<Record<string, ReadOperator>> = {
  add: (call, args) => binary(call, args, 'add'),
  bias_add: (call, args) => binary(call, args, 'add'),
  subtract: (call, args) => binary(call, args, 'subtract'),
  multiply: (call, args) => binary(call, args, 'multiply'),
  truediv: (call, args) => binary(call, args, 'divide'),
  true_divide: (call, args) => binary(call, args, 'divide'),
  divide: (call, args) => binary(call, args, 'divide'),
  negative: (call, args) => {
    const x = args.value(0, 'x');
    return scaledAndShifted(call, x, uniformAffine(elementsOf(call, x), -1, 0));
  },
  clip_by_value: (call, args) => clipped(call, args, ['clip_value_min'], ['clip_value_max']),
  clip: (call, args) => clipped(call, args, ['x_min'], ['x_max']),
  concat: concatenation,
  concatenate: concatenation,
  reduce_mean: (call, args) => global(call, args, 'mean'),
  mean: (call, args) => global(call, args, 'mean'),
  reduce_max: (call, args) => global(call, args, 'max'),
  max: (call, args) => global(call, args, 'max'),
  squeeze,
  reshape: (call, args) => {
    const shape = args.constant(1, 'shape', 'newshape');
    const isWhole = Array.isArray(shape) && (shape[0] === -1 || shape[0] === null);
    if (!isWhole) throw call.settings.unsupported(`it makes the shape ${say(shape)}, which is not supported`);
    return reshapedTo(call, args.value(0, 'tensor', 'x'), shape.slice(1));
  },
  identity: (_, args) => args.value(0, 'input', 'x'),
  stop_gradient: (_, args) => args.value(0, 'input', 'variable'),
  cast: (call, args) => {
    const type = args.constant(1, 'dtype');
    if (type !== 'float32') throw call.settings.unsupported(`it makes numbers ${say(type)}, which is not supported`);
    return args.value(0, 'x');
  },
  getitem: (call, args) => part(call, args.value(0, 'tensor', 'x'), args.constant(1, 'slice_spec', 'key')),
  get_item: (call, args) => part(call, args.value(0, 'tensor', 'x'), args.constant(1, 'slice_spec', 'key')),
  stack,
};

/** Functions of each element; those with parameters have them here. */
const activations: Readonly<Record<string, ReadOperator>> = {
  ...Object.fromEntries(
    [
      ...['relu', 'relu6', 'silu', 'swish', 'selu', 'sigmoid', 'tanh', 'softplus', 'hard_sigmoid'],
      ...['hard_silu', 'hard_swish', 'hard_tanh'],
    ].map((name) => [name, (call, args) => elementwise(call, args, byName(call.settings, name, call.reading.keras3))]),
  ),
  gelu: (call, args) => elementwise(call, args, { f: 'gelu', approximate: args.constant(1, 'approximate') === true }),
  elu: (call, args) => elementwise(call, args, { f: 'elu', alpha: numberOf(call, args.constant(1, 'alpha') ?? 1) }),
  leaky_relu: (call, args) => {
    const slope = numberOf(call, args.constant(1, 'negative_slope', 'alpha') ?? 0.2);
    return elementwise(call, args, { f: 'leaky-relu', slope });
  },
  softmax: (call, args) => {
    const x = args.value(0, 'logits', 'x');
    const axis = args.constant(1, 'axis') ?? -1;
    if (axis !== -1 && axis !== x.rank - 1)
      throw call.settings.unsupported(`its axis is ${say(axis)}; only the last is supported`);
    return call.activated(x, 'softmax', () => call.names());
  },
};

const all: Readonly<Record<string, ReadOperator>> = { ...operators, ...activations };

/** TensorFlow's modules whose functions are meant above. */
const modules = /^((math|nn|__operators__|compat\.v1|keras\.(activations|backend|ops))\.)?(\w+)$/;

/** The name of the function that a layer stands for, without its module. */
function nameOf({ className, config }: KerasLayer): string | undefined {
  if (className !== 'TFOpLambda' && className !== 'SlicingOpLambda') return snakeCase(className);
  return typeof config.function === 'string' ? modules.exec(config.function)?.[4] : undefined;
}

/** Whether a layer is a function: of TensorFlow, or of Keras 3, whose functions are never trainable and may be called as layers are. */
export const isOperator = (layer: KerasLayer): boolean =>
  /^(TF|Slicing)OpLambda$/.test(layer.className) ||
  (!('trainable' in layer.config) && Object.hasOwn(all, nameOf(layer) ?? ''));

export function readOperator(call: LayerCall): Value {
  const name = nameOf(call.layer);
  if (name !== undefined && Object.hasOwn(all, name)) return all[name](call, new Arguments(call));
  const said = say(call.layer.config.function ?? call.layer.className);
  throw call.settings.unsupported(
    `it calls the function ${said}, which is not known; put layers in its place, or ${onnx}`,
  );
}

type Arithmetic = 'add' | 'subtract' | 'multiply' | 'divide';

/** Of two maps or vectors, or of one and constants. */
function binary(call: LayerCall, args: Arguments, kind: Arithmetic): Value {
  const [a, b] = [args.operand(0, 'x', 'x1', 'value'), args.operand(1, 'y', 'x2', 'bias')];
  const { settings } = call;
  if (!('constant' in a) && !('constant' in b)) {
    if (kind === 'divide') throw settings.unsupported('it divides one map by another, which is not supported');
    if (a.rank !== b.rank)
      throw settings.unsupported(`it is a sum or product of ${a.rank} and ${b.rank} axes, which is not supported`);
    return kind === 'subtract' ? difference(call, a, b) : combine(call, kind, a, b);
  }
  const x = 'constant' in a ? b : a;
  const known = 'constant' in a ? a.constant : 'constant' in b ? b.constant : undefined;
  if ('constant' in x) throw settings.damaged('it reads no layer');
  if (kind === 'divide' && 'constant' in a) throw settings.unsupported('it divides by a map, which is not supported');
  const affine = affineOf(kind, 'constant' in a);
  const channels = elementsOf(call, x);
  const single = singleNumber(known);
  if (single !== undefined)
    return scaledAndShifted(call, x, uniformAffine(channels, affine.scale(single), affine.shift(single)));
  const numbers = numbersGiven(settings, 'constant', known, channels);
  const each = (make: (n: number) => number) => combined([numbers], ([n]) => make(n));
  return scaledAndShifted(call, x, { scale: each(affine.scale), shift: each(affine.shift) });
}

/** x and a constant n as x scale + shift. */
function affineOf(kind: Arithmetic, isFirst: boolean): Record<'scale' | 'shift', (n: number) => number> {
  if (kind === 'multiply') return { scale: (n) => n, shift: () => 0 };
  if (kind === 'divide') return { scale: (n) => 1 / n, shift: () => 0 };
  if (kind === 'add') return { scale: () => 1, shift: (n) => n };
  return isFirst ? { scale: () => -1, shift: (n) => n } : { scale: () => 1, shift: (n) => -n };
}

/** A constant that is one number, however deep in lists. */
function singleNumber(value: unknown): number | undefined {
  let inner = value;
  while (Array.isArray(inner) && inner.length === 1) [inner] = inner;
  return typeof inner === 'number' && Number.isFinite(inner) ? inner : undefined;
}

const elementwise = (call: LayerCall, args: Arguments, activation: Parameters<LayerCall['activated']>[1]): Value =>
  call.activated(args.value(0, 'features', 'x', 'input'), activation, () => call.names());

function clipped(call: LayerCall, args: Arguments, low: string[], high: string[]): Value {
  const [least, most] = [args.constant(1, ...low), args.constant(2, ...high)].map((value) => numberOf(call, value));
  return elementwise(call, args, { f: 'clip', low: least, high: most });
}

function numberOf(call: LayerCall, value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value))
    throw call.settings.damaged(`expected a number, got ${say(value)}`);
  return value;
}

function concatenation(call: LayerCall, args: Arguments): Value {
  const inputs = args.values(0, 'values', 'xs');
  const axis = args.constant(1, 'axis');
  if (axis !== -1 && axis !== inputs[0].rank - 1)
    throw call.settings.unsupported(`its axis is ${say(axis)}; only the last one, that of the channels, is supported`);
  return concatenated(call, inputs);
}

/** The mean or the largest of all rows and columns. */
function global(call: LayerCall, args: Arguments, kind: PoolKind): Value {
  const x = args.value(0, 'input_tensor', 'x');
  const axis = args.constant(1, 'axis');
  const keeps = args.constant(2, 'keepdims') === true;
  if (x.rank !== 4 || !isRowsAndColumns(axis))
    throw call.settings.unsupported(`its axes are ${say(axis)}; only rows and columns, [1, 2], are supported`);
  const node = call.net.builder.global(x.node, kind, call.names());
  return { node, rank: keeps ? 4 : 2 };
}

const isRowsAndColumns = (axis: unknown): boolean =>
  Array.isArray(axis) &&
  axis.length === 2 &&
  [...axis]
    .map((n) => (n < 0 ? n + 4 : n))
    .sort()
    .join() === '1,2';

function squeeze(call: LayerCall, args: Arguments): Value {
  const x = args.value(0, 'input', 'x');
  const axis = args.constant(1, 'axis');
  const { h, w } = call.shape(x);
  if (x.rank !== 4 || h !== 1 || w !== 1 || !isRowsAndColumns(axis))
    throw call.settings.unsupported(
      `it removes the axes ${say(axis)}; only rows and columns of 1 x 1 points are supported`,
    );
  return { ...x, rank: 2 };
}

/** Channels in reverse order (RGB to BGR), or one of them. */
function part(call: LayerCall, x: Value, key: unknown): Value {
  const entries = Array.isArray(key) ? key : [];
  const last = entries[entries.length - 1];
  const isOfChannels = x.rank === 4 && (entries.length === 4 || (entries.length === 2 && isEllipsis(entries[0])));
  const { c } = call.shape(x);
  if (isOfChannels && entries.slice(0, -1).every((entry) => isEllipsis(entry) || isWhole(entry, null))) {
    if (Number.isInteger(last) && last >= -c && last < c) return { ...x, channel: last < 0 ? last + c : last };
    if (isWhole(last, null)) return x;
    if (isWhole(last, -1)) {
      const order = Array.from({ length: c }, (_, i) => c - 1 - i);
      return { ...x, node: call.net.builder.channels(x.node, order, call.names()) };
    }
  }
  throw call.settings.unsupported(`it takes the part ${say(key)}, which is not supported`);
}

const field = (value: unknown, key: string): unknown => (value as Record<string, unknown> | null)?.[key];

const isEllipsis = (value: unknown): boolean => field(value, 'class_name') === '__ellipsis__';

/** Whether a slice goes from end to end, by `step`. */
function isWhole(value: unknown, step: number | null): boolean {
  const slice = field(value, 'class_name') === '__slice__' ? field(value, 'config') : value;
  const [start, stop, by] = ['start', 'stop', 'step'].map((key) => field(slice, key) ?? null);
  return typeof slice === 'object' && start === null && stop === null && (by === step || (step === null && by === 1));
}

/** Single channels of one map, in any order. */
function stack(call: LayerCall, args: Arguments): Value {
  const inputs = args.values(0, 'x', 'values');
  const axis = args.constant(1, 'axis');
  const [{ node }] = inputs;
  if (inputs.some((x) => x.channel === undefined || x.node !== node) || (axis !== -1 && axis !== 3))
    throw call.settings.unsupported('it stacks maps, which is not supported but for single channels of one map');
  const order = inputs.map(({ channel }) => channel!);
  return { node: call.net.builder.channels(node, order, call.names()), rank: 4 };
}
