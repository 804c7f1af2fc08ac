import type { PoolKind } from '../../graph/graph.js';
import type { LayerCall, ReadLayer, Value } from './call.js';

/** Layers that take the largest or the mean. */
export const pools: Readonly<Record<string, ReadLayer>> = {
  MaxPooling2D: (call) => pool(call, 'max'),
  AveragePooling2D: (call) => pool(call, 'mean'),
  GlobalMaxPooling2D: (call) => global(call, 'max'),
  GlobalAveragePooling2D: (call) => global(call, 'mean'),
};

/** What lies beyond the map is not looked at and not counted, as TensorFlow has it. */
function pool(call: LayerCall, kind: PoolKind): Value {
  const { settings, map: x, net } = call;
  settings.channelsLast();
  const size = settings.pair('pool_size', [2, 2]);
  const pad = settings.padding();
  const { h, w } = call.shape(x);
  const isWhole = !pad && size[0] === h && size[1] === w; // one window, for which strides do not matter
  const stride = isWhole ? settings.pair('strides', size) && 1 : settings.same('strides', size);
  return { ...x, node: net.builder.pool(x.node, kind, { size, stride, pad }, call.names()) };
}

function global(call: LayerCall, kind: PoolKind): Value {
  const { settings, map: x, net } = call;
  settings.channelsLast();
  const rank = settings.flag('keepdims', false) ? 4 : 2;
  const isVector = net.builder.isVector(x.node); // then it is its own mean
  return { node: isVector ? x.node : net.builder.global(x.node, kind, call.names()), rank };
}
