import type { LayerCall, ReadLayer, Value } from './call.js';
import { say } from './settings.js';

/** Layers that pad, crop and rename axes, and those that do nothing once a network is trained. */
export const shapes: Readonly<Record<string, ReadLayer>> = {
  ZeroPadding2D: (call) => padded(call, 'padding', 1),
  Cropping2D: (call) => padded(call, 'cropping', -1),
  Flatten: (call) => {
    if (call.x.rank === 4) call.settings.channelsLast();
    return { ...call.x, rank: 2 };
  },
  Reshape: (call) => reshapedTo(call, call.x, call.settings.raw('target_shape')),
  ...Object.fromEntries(
    [
      ...['Dropout', 'SpatialDropout2D', 'GaussianNoise', 'GaussianDropout', 'AlphaDropout', 'StochasticDepth'],
      ...['RandomFlip', 'RandomRotation', 'RandomZoom', 'RandomContrast', 'RandomTranslation', 'RandomBrightness'],
      ...['RandomHeight', 'RandomWidth', 'RandomShear', 'RandomHue', 'RandomSaturation', 'RandomSharpness'],
      ...['RandomColorJitter', 'RandomColorDegeneration', 'RandomGrayscale', 'RandomGaussianBlur', 'RandomErasing'],
      ...['RandomPosterization', 'RandomInvert', 'RandomPerspective', 'RandomElasticTransform'],
    ].map((className) => [className, inTrainingOnly]),
  ),
  ActivityRegularization: inTrainingOnly,
  Resizing: toOwnSize,
  CenterCrop: toOwnSize,
  RandomCrop: toOwnSize,
};

function inTrainingOnly(call: LayerCall): Value {
  for (const key of Object.keys(call.layer.config)) call.settings.raw(key);
  return call.x;
}

/** Layers that bring pictures to a size, which they have already. */
function toOwnSize(call: LayerCall): Value {
  const { settings, map: x } = call;
  const { h, w } = call.shape(x);
  const [height, width] = [settings.count('height'), settings.count('width')];
  if (height !== h || width !== w)
    throw settings.unsupported(
      `it makes pictures of ${height} x ${width} of ${h} x ${w}, which is not supported; save the model without it, for pictures are resized before, or give inputSize [${height}, ${width}] if it comes first`,
    );
  return inTrainingOnly(call);
}

/** [[top, bottom], [left, right]], or one number a side or for all. */
function padded(call: LayerCall, key: string, sign: 1 | -1): Value {
  const { settings, map: x, net } = call;
  settings.channelsLast();
  const value = settings.raw(key);
  const [rows, columns] = Array.isArray(value) ? value : [value, value];
  const ends = [rows, columns].map((side: unknown) => (Array.isArray(side) ? side : [side, side]));
  const numbers = ends.flat();
  if (numbers.length !== 4 || !numbers.every((n) => Number.isSafeInteger(n) && n >= 0 && n <= 1 << 15))
    throw settings.damaged(`expected "${key}" to be whole numbers, got ${say(value)}`);
  if (numbers.every((n) => n === 0)) return x;
  const [top, bottom, left, right] = numbers.map((n: number) => n * sign);
  const pad = [top, left, bottom, right] as const;
  const node = net.builder.pool(x.node, 'max', { size: [1, 1], pad, beyond: 'zero' }, call.names());
  return { node, rank: 4 };
}

/** To (1, 1, c), to a vector, or to what it is already. */
export function reshapedTo(call: LayerCall, x: Value, target: unknown): Value {
  const { h, w, c } = call.shape(x);
  const total = h * w * c;
  if (!Array.isArray(target) || !target.every((side) => Number.isSafeInteger(side)))
    throw call.settings.damaged(`expected a shape, got ${say(target)}`);
  const known = target.reduce((product, side) => (side < 0 ? product : product * side), 1);
  const sides = target.map((side) => (side < 0 ? total / known : side));
  if (sides.length === 1 && sides[0] === total) return { ...x, rank: 2 };
  const isSame = sides.length === 3 && [h, w, c].every((side, i) => side === sides[i]);
  if (isSame && !x.elements) return { ...x, rank: 4 };
  throw call.settings.unsupported(
    `it makes the shape ${say(target)} of ${x.rank === 2 ? `${total} numbers` : `a map of ${h} x ${w} x ${c}`}; only vectors, and maps of 1 x 1 points made of them, are supported`,
  );
}
