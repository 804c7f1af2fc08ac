import { sizeFrom } from '../../base/shape.js';
import { type Call, mostDimensions } from './call.js';
import { largestVector } from './data.js';
import type { Operators } from './operators.js';
import { type Constant, constant, gathered, tensorConstant } from './values.js';

type Binary = (a: number, b: number) => number;

const truth = (value: boolean): number => (value ? 1 : 0);
/** Results that are whole whatever the inputs are: truth values. */
const comparisons: Record<string, Binary> = {
  Equal: (a, b) => truth(a === b),
  Less: (a, b) => truth(a < b),
  LessOrEqual: (a, b) => truth(a <= b),
  Greater: (a, b) => truth(a > b),
  GreaterOrEqual: (a, b) => truth(a >= b),
  And: (a, b) => truth(a !== 0 && b !== 0),
  Or: (a, b) => truth(a !== 0 || b !== 0),
  Xor: (a, b) => truth((a !== 0) !== (b !== 0)),
};
const arithmetic: Record<string, Binary> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Pow: (a, b) => a ** b,
  Min: Math.min,
  Max: Math.max,
  Sum: (a, b) => a + b,
};
const unary: Record<string, (a: number) => number> = {
  Neg: (a) => -a,
  Abs: Math.abs,
  Sqrt: Math.sqrt,
  Reciprocal: (a) => 1 / a,
  Exp: Math.exp,
  Log: Math.log,
  Floor: Math.floor,
  Ceil: Math.ceil,
  Not: (a) => truth(a === 0),
  Relu: (a) => Math.max(a, 0),
};

/** Arithmetic of constants, such as the sizes of a Reshape: operators by name, for nodes of which no input depends on the picture. */
export const foldingOperators: Operators = {
  ...mapped(comparisons, (f) => ({ inputs: 2, translate: (call) => pairwise(call, f, true) })),
  ...mapped(arithmetic, (f) => ({
    inputs: 64,
    translate: (call) => pairwise(call, f),
  })),
  ...mapped(unary, (f) => ({ inputs: 1, translate: (call) => each(call, f) })),
  Div: { inputs: 2, translate: divide },
  Clip: { attributes: ['min', 'max'], inputs: 3, translate: clip },
  Mod: { attributes: ['fmod'], inputs: 2, translate: modulo },
  Where: { inputs: 3, translate: where },
  Range: { inputs: 3, translate: range },
  ConstantOfShape: { attributes: ['value'], inputs: 1, translate: constantOfShape },
};

function mapped<Of>(of: Record<string, Of>, make: (f: Of) => Operators[string]): Operators {
  return Object.fromEntries(Object.entries(of).map(([name, f]) => [name, make(f)]));
}

function checkSize(call: Call, shape: readonly number[]): void {
  const elements = sizeFrom(shape);
  if (!(elements <= largestVector))
    throw call.refuse(
      `it computes with [${shape}] constants, more than ${largestVector}; simplify the model (onnxsim)`,
    );
  call.to.spend(elements);
}

/** Shapes as NumPy fits them to each other. */
function broadcastShape(call: Call, shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map(({ length }) => length));
  const made = Array.from({ length: rank }, (_, d) => {
    const sizes = shapes.map((shape) => shape[d - rank + shape.length] ?? 1);
    const size = sizes.find((other) => other !== 1) ?? 1;
    if (sizes.some((other) => other !== 1 && other !== size)) throw call.bad('its inputs have shapes that do not fit');
    return size;
  });
  checkSize(call, made);
  return made;
}

/** A constant's numbers, repeated to a larger shape. */
async function spread({ shape, numbers }: Constant, to: readonly number[]): Promise<Float64Array> {
  const missing = to.length - shape.length;
  const strides = to.map((_, d) => ((shape[d - missing] ?? 1) === 1 ? 0 : sizeFrom(shape, d - missing + 1)));
  return gathered(await numbers(), to, strides);
}

/** A constant repeated to a larger shape. */
export async function spreadConstant(call: Call, of: Constant, shape: readonly number[]): Promise<Constant> {
  const made = broadcastShape(call, [of.shape, shape]);
  if (made.some((size, d) => size !== shape[d])) throw call.bad(`it repeats [${of.shape}] to [${shape}]`);
  return constant(made, await spread(of, made), of.whole);
}

async function pairwise(call: Call, f: Binary, isTruth = false): Promise<Constant> {
  const inputs = call.inputs.map((_, i) => call.constant(i));
  const shape = broadcastShape(
    call,
    inputs.map((input) => input.shape),
  );
  const [first, ...others] = await Promise.all(inputs.map((input) => spread(input, shape)));
  const values = others.reduce((made, other) => made.map((value, i) => f(value, other[i])), first);
  return constant(shape, values, isTruth || inputs.every(({ whole }) => whole));
}

async function each(call: Call, f: (a: number) => number): Promise<Constant> {
  const { shape, whole, numbers } = call.constant(0);
  checkSize(call, shape);
  return constant(shape, (await numbers()).map(f), whole);
}

async function divide(call: Call): Promise<Constant> {
  const whole = call.constant(0).whole && call.constant(1).whole;
  return pairwise(call, whole ? (a, b) => Math.trunc(a / b) : (a, b) => a / b);
}

async function clip(call: Call): Promise<Constant> {
  const low = call.has(1) ? await call.scalar(1, 0) : call.number('min', -Infinity);
  const high = call.has(2) ? await call.scalar(2, 0) : call.number('max', Infinity);
  return each(call, (value) => Math.min(Math.max(value, low), high));
}

async function modulo(call: Call): Promise<Constant> {
  const signOfFirst = call.flag('fmod');
  return pairwise(call, signOfFirst ? (a, b) => a % b : (a, b) => a - b * Math.floor(a / b));
}

async function where(call: Call): Promise<Constant> {
  const inputs = [0, 1, 2].map((i) => call.constant(i));
  const shape = broadcastShape(
    call,
    inputs.map((input) => input.shape),
  );
  const [condition, a, b] = await Promise.all(inputs.map((input) => spread(input, shape)));
  return constant(
    shape,
    condition.map((value, i) => (value !== 0 ? a[i] : b[i])),
    inputs[1].whole && inputs[2].whole,
  );
}

async function range(call: Call): Promise<Constant> {
  const [start, limit, delta] = [await call.scalar(0, 0), await call.scalar(1, 0), await call.scalar(2, 1)];
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  if (Number.isNaN(count)) throw call.bad('it goes nowhere');
  checkSize(call, [count]);
  return constant(
    [count],
    Float64Array.from({ length: count }, (_, i) => start + i * delta),
    call.constant(0).whole,
  );
}

async function constantOfShape(call: Call): Promise<Constant> {
  const shape = [...((await call.integersOf(0, '')) ?? [])];
  if (shape.length > mostDimensions) throw call.bad(`more than ${mostDimensions} dimensions`);
  if (shape.some((size) => size < 0)) throw call.bad(`shape [${shape}]`);
  checkSize(call, shape);
  const value = call.tensor('value');
  const of = value && tensorConstant(value);
  const [number = 0] = (await of?.numbers()) ?? [];
  return constant(shape, new Float64Array(sizeFrom(shape)).fill(number), of?.whole ?? false);
}

const reductions: Record<string, (values: readonly number[]) => number> = {
  mean: (values) => values.reduce((sum, value) => sum + value, 0) / values.length,
  sum: (values) => values.reduce((sum, value) => sum + value, 0),
  product: (values) => values.reduce((product, value) => product * value, 1),
  max: (values) => values.reduce((a, b) => Math.max(a, b), -Infinity),
  min: (values) => values.reduce((a, b) => Math.min(a, b), Infinity),
};

/** A constant summed up over dimensions. */
export async function foldReduction(
  { shape, whole, numbers }: Constant,
  kind: keyof typeof reductions,
  axes: readonly number[],
  keep: boolean,
): Promise<Constant> {
  const left = shape.map((size, d) => (axes.includes(d) ? 1 : size));
  const groups: number[][] = Array.from({ length: sizeFrom(left) }, () => []);
  for (const [i, value] of (await numbers()).entries()) {
    const place = left.reduce(
      (at, size, d) => at * size + (size === 1 ? 0 : Math.floor(i / sizeFrom(shape, d + 1)) % shape[d]),
      0,
    );
    groups[place].push(value);
  }
  const values = Float64Array.from(groups, reductions[kind]);
  return constant(keep ? left : left.filter((_, d) => !axes.includes(d)), values, whole);
}
