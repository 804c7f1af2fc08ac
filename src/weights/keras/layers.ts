import { layers as activations } from './activations.js';
import type { LayerCall, ReadLayer, Value } from './call.js';
import { convolutions } from './convolutions.js';
import { merges } from './merges.js';
import { normalizations } from './normalizations.js';
import { isOperator, readOperator } from './operators.js';
import { pools } from './pools.js';
import { onnx } from './settings.js';
import { shapes } from './shapes.js';

/** What is known of Keras' layers, by class. */
const known: Readonly<Record<string, ReadLayer>> = {
  ...convolutions,
  ...normalizations,
  ...pools,
  ...merges,
  ...shapes,
  ...Object.fromEntries(Object.keys(activations).map((className) => [className, activation])),
  PReLU: prelu,
};

const enlarging = 'it enlarges maps, which is not supported';

/** Why some layers are not read, and what to do. */
const refused: Readonly<Record<string, string>> = {
  Lambda:
    'it runs Python code, which a file cannot tell safely; put other layers in its place and save the model again',
  Permute: 'it moves axes, which is not supported; build the model with "channels_last" and without it',
  Conv2DTranspose: enlarging,
  UpSampling2D: enlarging,
};

/** How a layer is read. Throws UNSUPPORTED for a class, an option or an activation that is not known. */
export function readLayer(call: LayerCall): Value {
  const { settings, layer } = call;
  if (isOperator(layer)) return readOperator(call);
  const { className } = layer;
  if (!Object.hasOwn(known, className))
    throw settings.unsupported(
      Object.hasOwn(refused, className) ? refused[className] : `layers of this class are not known; ${onnx}`,
    );
  const value = known[className](call);
  settings.finish();
  return value;
}

function activation(call: LayerCall): Value {
  const { x, settings, reading, layer } = call;
  if (layer.className === 'Softmax') settings.lastAxis(x.rank);
  const kind = activations[layer.className](settings, reading.keras3);
  return call.activated(x, kind, () => call.names());
}

/** One slope a channel. */
function prelu(call: LayerCall): Value {
  const { x, settings, net } = call;
  const { c } = call.shape(x);
  if (call.isFlat(x))
    throw settings.unsupported('it has a slope for each point of a flattened map; one for each channel is supported');
  const shared = settings.raw('shared_axes') ?? [];
  const isShared = x.rank === 2 || [1, 2].every((axis) => Array.isArray(shared) && shared.includes(axis));
  if (!isShared || (Array.isArray(shared) && shared.includes(x.rank - 1)))
    throw settings.unsupported(
      'it has a slope for each point of the map; only one for each channel (shared_axes=[1, 2]) is supported',
    );
  const [slope] = call.weights({ alpha: x.rank === 2 ? [c] : [1, 1, c] });
  return { ...x, node: net.activation(x.node, { f: 'prelu' }, call.names(), { ...slope, shape: [c] }) };
}
