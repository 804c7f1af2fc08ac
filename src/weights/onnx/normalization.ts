import type { Call } from './call.js';
import { runsOnly, sizeOf } from './layout.js';
import type { Operators } from './operators.js';
import { type MapValue, mapValue, reshapedConstant } from './values.js';

/** Normalizations with trained scales. */
export const normalizationOperators: Operators = {
  BatchNormalization: {
    attributes: ['epsilon', 'momentum', 'spatial', 'training_mode'],
    inputs: 5,
    translate: batchNormalization,
  },
  LayerNormalization: { attributes: ['axis', 'epsilon', 'stash_type'], inputs: 3, translate: layerNormalization },
};

/** (x - mean) / sqrt(variance + epsilon) * scale + bias, in float64. */
async function batchNormalization(call: Call): Promise<MapValue> {
  const x = call.map(0);
  if (call.flag('training_mode') || !call.flag('spatial', true))
    throw call.refuse('it is in training mode or normalizes each point by itself; export the model in evaluation mode');
  if (x.dims.length < 2) throw call.bad('expected channels as the second dimension');
  const epsilon = call.number('epsilon', 1e-5);
  const channels = sizeOf(x.dims[1]);
  const vectors = [1, 2, 3, 4].map(async (input) => {
    const given = call.constant(input);
    if (given.shape.length !== 1 || given.shape[0] !== channels)
      throw call.bad(`expected ${channels} numbers as input ${input + 1}, got shape [${given.shape}]`);
    return call.to.byChannel(call, await reshapedConstant(given, [channels, ...x.dims.slice(2).map(() => 1)]), x);
  });
  const [scale, bias, mean, variance] = await Promise.all(vectors);
  const negative = variance.findIndex((value) => value < 0);
  if (negative >= 0) throw call.bad(`expected variances, got ${variance[negative]}`);
  const by = scale.map((value, i) => value / Math.sqrt(variance[i] + epsilon));
  const shift = bias.map((value, i) => value - mean[i] * by[i]);
  return mapValue(call.to.affine(call, x.node, by, shift), x.dims);
}

async function layerNormalization(call: Call): Promise<MapValue> {
  const x = call.map(0);
  const { to } = call;
  const axis = call.axis(call.number('axis', -1), x.dims.length);
  const over = x.dims.slice(axis);
  const { c } = to.shape(x.node);
  if (!over.every((dim) => runsOnly(dim, 'c')) || over.reduce((product, dim) => product * sizeOf(dim), 1) !== c)
    throw call.refuse('it normalizes over rows and columns too, where only channels are understood');
  const [scale, shift] = await Promise.all([
    call.has(1) ? to.byChannel(call, call.constant(1), x) : 1,
    call.has(2) ? to.byChannel(call, call.constant(2), x) : 0,
  ]);
  return mapValue(to.layerNorm(call, x.node, call.number('epsilon', 1e-5), scale, shift), x.dims);
}
