import type { Call } from './call.js';
import { kernelOf } from './kernel.js';
import { type Dim, dimsOf, isWhole, ofRank, placesInMap, positions, runsOnly, sizeOf } from './layout.js';
import type { Operators } from './operators.js';
import { type Constant, type MapValue, mapValue, reshapedConstant, transposedConstant } from './values.js';

/** Dense layers: matrix products of what comes from the picture and a constant. */
export const linearOperators: Operators = {
  Gemm: { attributes: ['alpha', 'beta', 'transA', 'transB'], inputs: 3, translate: gemm },
  MatMul: { inputs: 2, translate: matMul },
};

async function gemm(call: Call): Promise<MapValue> {
  const x = call.map(0);
  if (call.flag('transA')) throw call.refuse('its first matrix is transposed, which is not understood');
  const given = call.constant(1);
  if (x.dims.length !== 2 || given.shape.length !== 2) throw call.bad('expected two matrices');
  const matrix = call.flag('transB') ? await transposedConstant(given, [1, 0]) : given;
  const [alpha, beta] = [call.number('alpha', 1), call.number('beta', 1)];
  const out = matrix.shape[1];
  const bias = call.has(2) ? await outputs(call, call.constant(2), out, beta) : undefined;
  const factor = alpha === 1 ? undefined : new Float64Array(out).fill(alpha);
  return product(call, x, matrix, { bias, factor });
}

/** The third input of Gemm, one number an output. */
async function outputs(call: Call, { shape, numbers }: Constant, out: number, beta: number): Promise<Float64Array> {
  const values = await numbers();
  const [last] = shape.slice(-1);
  if (values.length !== 1 && (values.length !== out || last !== out))
    throw call.refuse(`expected a bias of ${out} numbers, got shape [${shape}]`);
  return Float64Array.from({ length: out }, (_, i) => beta * values[values.length === 1 ? 0 : i]);
}

async function matMul(call: Call): Promise<MapValue> {
  const [a, b] = [call.value(0), call.value(1)];
  if (a.kind !== 'constant' && b.kind !== 'constant')
    throw call.refuse('a product of two matrices that both come from the picture, as attention has, is not understood');
  const given = call.constant(1);
  const { node, dims } = call.map(0);
  const x = mapValue(node, ofRank(dims, given.shape.length));
  const shape = given.shape.slice(-2);
  if (shape.length !== 2 || given.shape.slice(0, -2).some((size) => size !== 1))
    throw call.refuse(`expected one matrix, got shape [${given.shape}]`);
  return product(call, x, shape.length === given.shape.length ? given : await reshapedConstant(given, shape), {});
}

/** The last dimension times a matrix (inputs, outputs): a dense layer, or a 1x1 convolution where rows and columns are among the others. */
async function product(
  call: Call,
  { node, dims }: MapValue,
  matrix: Constant,
  weights: { bias?: Float64Array; factor?: Float64Array },
): Promise<MapValue> {
  const { to } = call;
  const shape = to.shape(node);
  const [inputs, out] = matrix.shape;
  const summed = dims[dims.length - 1];
  const others = dims.slice(0, -1);
  if (sizeOf(summed) !== inputs)
    throw call.bad(
      `expected ${inputs} numbers, for which its weights were made, got ${sizeOf(summed)}; an input of another size needs other weights`,
    );
  const made = (id: number, rest: readonly Dim[]) => mapValue(id, [...rest, ...dimsOf(to.shape(id), 'c', 1)]);
  if (others.every((dim) => runsOnly(dim, 'n')) && runsOnly(summed, 'hwc')) {
    const kernel = await kernelOf(matrix, [0], 1, placesInMap(summed, shape));
    return made(to.dense(call, node, kernel, { out, ...weights }), others);
  }
  if (!others.every((dim) => runsOnly(dim, 'nhw')) || !runsOnly(summed, 'c'))
    throw call.refuse('it sums over a part of rows, columns and channels, which is not understood');
  const kernel = await kernelOf(matrix, [0], 1, isWhole(summed, 'c', shape.c) ? undefined : positions(summed, 'c'));
  return made(to.conv(call, node, kernel, { size: [1, 1], groups: 1, out, ...weights }), others);
}
