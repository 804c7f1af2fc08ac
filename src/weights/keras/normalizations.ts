import { type Affine, combined, composed, constant, type Numbers, repeated } from '../computed.js';
import { betweenFlattenAndDense, type LayerCall, type ReadLayer, type Value } from './call.js';
import { hardSigmoidOf } from './patterns.js';
import type { Settings } from './settings.js';

/** Layers that scale and shift. */
export const normalizations: Readonly<Record<string, ReadLayer>> = {
  BatchNormalization: batchNormalization,
  BatchNormalizationV1: batchNormalization, // TensorFlow 1
  LayerNormalization: layerNormalization,
  Normalization: normalization,
  Rescaling: rescaling,
  LayerScale: layerScale, // of keras.applications' ConvNeXt
};

function batchNormalization(call: LayerCall): Value {
  const { x, settings } = call;
  settings.lastAxis(x.rank);
  const epsilon = settings.number('epsilon', 1e-3);
  const channels = elementsOf(call, x);
  const [scaled, centred] = [settings.flag('scale', true), settings.flag('center', true)];
  const numbers = call.vectors({
    ...(scaled && { gamma: [channels] }),
    ...(centred && { beta: [channels] }),
    moving_mean: [channels],
    moving_variance: [channels],
  });
  const gamma = scaled ? numbers.shift()! : repeated(1, channels);
  const beta = centred ? numbers.shift()! : repeated(0, channels);
  const [mean, variance] = numbers;
  const scale = combined([gamma, variance], ([g, v]) => g / deviation(settings, v, epsilon));
  const shift = combined([beta, mean, scale], ([b, m, s]) => b - m * s);
  return scaledAndShifted(call, x, { scale, shift });
}

function deviation(settings: Settings, variance: number, epsilon: number): number {
  if (!(variance + epsilon > 0)) throw settings.damaged(`expected variances, got ${variance}`);
  return Math.sqrt(variance + epsilon);
}

/** Over the channels of each point. */
function layerNormalization(call: LayerCall): Value {
  const { x, settings, net } = call;
  settings.lastAxis(x.rank);
  if (call.isFlat(x)) throw settings.unsupported('it normalizes a whole flattened map, which is not supported');
  const { c } = call.shape(x);
  const [scaled, centred] = [settings.flag('scale', true), settings.flag('center', true)];
  const numbers = call.vectors({ ...(scaled && { gamma: [c] }), ...(centred && { beta: [c] }) });
  const scale = scaled ? numbers.shift()! : repeated(1, c);
  const shift = centred ? numbers.shift()! : repeated(0, c);
  return { ...x, node: net.layerNorm(x.node, settings.number('epsilon', 1e-3), { scale, shift }, call.names()) };
}

/** (x - mean) / deviation, by numbers that the layer was made with or has learned. */
function normalization(call: LayerCall): Value {
  const { x, settings } = call;
  settings.lastAxis(x.rank);
  if (settings.flag('invert', false)) throw settings.unsupported('it is inverted, which is not supported');
  if (call.isFlat(x)) throw settings.unsupported(betweenFlattenAndDense);
  const { c } = call.shape(x);
  const [mean, variance] = [settings.raw('mean'), settings.raw('variance')];
  const isGiven = mean !== null && mean !== undefined;
  const [means, variances] = isGiven
    ? [numbersGiven(settings, 'mean', mean, c), numbersGiven(settings, 'variance', variance, c)]
    : call.vectors({ mean: [c], variance: [c] }, ['count']);
  const scale = combined([variances], ([v]) => 1 / Math.max(deviation(settings, v, 1e-30), 1e-7));
  const shift = combined([means, scale], ([m, s]) => -m * s);
  return scaledAndShifted(call, x, { scale, shift });
}

function rescaling(call: LayerCall): Value {
  const { x, settings } = call;
  const channels = elementsOf(call, x);
  const scale = numbersGiven(settings, 'scale', settings.raw('scale'), channels);
  const shift = numbersGiven(settings, 'offset', settings.raw('offset') ?? 0, channels);
  return scaledAndShifted(call, x, { scale, shift });
}

function layerScale(call: LayerCall): Value {
  const { x, settings } = call;
  const { c } = call.shape(x);
  settings.raw('init_values'); // what training began with
  settings.raw('projection_dim');
  const [scale] = call.vectors({ gamma: [c] });
  return scaledAndShifted(call, x, { scale, shift: repeated(0, c) });
}

/** A number for all channels, or one for each, however deep in lists. */
export function numbersGiven(settings: Settings, key: string, value: unknown, channels: number): Numbers {
  let list = value;
  while (Array.isArray(list) && list.length === 1 && Array.isArray(list[0])) [list] = list;
  const numbers: unknown[] = Array.isArray(list) ? list : [list];
  if (!numbers.every((number): number is number => typeof number === 'number' && Number.isFinite(number)))
    throw settings.damaged(`expected numbers "${key}"`);
  if (numbers.length !== 1 && numbers.length !== channels)
    throw settings.unsupported(
      `its "${key}" has ${numbers.length} numbers for ${channels} channels, which is not supported`,
    );
  return numbers.length === 1 ? repeated(numbers[0], channels) : constant(numbers);
}

/** How many numbers the last axis has. */
export function elementsOf(call: LayerCall, x: Value): number {
  const { h, w, c } = call.shape(x);
  return call.isFlat(x) ? h * w * c : c;
}

/** An affine node, or for a flattened map numbers that the dense layer behind it computes with. */
export function scaledAndShifted(call: LayerCall, x: Value, affine: Affine): Value {
  if (call.isFlat(x)) return { ...x, elements: x.elements ? composed(x.elements, affine) : affine };
  const step = affine.uniform && hardSigmoidOf(call.net, x.node, affine.uniform);
  const node = step
    ? call.net.activation(step.x, step.activation, call.names())
    : call.net.affine(x.node, affine, call.names());
  return { ...x, node };
}
