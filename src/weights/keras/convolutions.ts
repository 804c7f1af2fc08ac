import type { WindowOptions } from '../../graph/builder.js';
import type { NodeId } from '../../graph/graph.js';
import { type Affine, combined, numbersOf, reshaped, rowsTimes, scaledRows } from '../computed.js';
import type { KernelAndBias } from '../network-builder.js';
import type { Tensor } from '../types.js';
import type { LayerCall, ReadLayer, Value } from './call.js';
import type { WeightName } from './weights.js';

/** Layers that multiply with a kernel. */
export const convolutions: Readonly<Record<string, ReadLayer>> = {
  Conv2D: convolution,
  DepthwiseConv2D: depthwise,
  SeparableConv2D: separable,
  Dense: dense,
};

type Window = Omit<WindowOptions, 'size'>;

/** As the file has it. */
type Kernel = { kernel: Tensor; bias?: Tensor };

function convolution(call: LayerCall): Value {
  const { settings, map: x } = call;
  const { c } = call.shape(x);
  const filters = settings.count('filters');
  const groups = settings.number('groups', 1);
  if (!(groups >= 1) || c % groups !== 0) throw settings.damaged(`${groups} groups do not divide ${c} channels`);
  const window = windowOf(call);
  const [weights] = kernels(call, { kernel: [...settings.pair('kernel_size'), c / groups, filters] }, filters);
  return call.withActivation({ ...x, node: call.net.conv(x.node, weights, { ...window, groups }, call.names()) });
}

function depthwise(call: LayerCall): Value {
  const { map: x, settings } = call;
  settings.known('groups', 1); // which Keras 2 writes
  const window = windowOf(call);
  const { shape, channels } = depthwiseShape(call, x);
  const [weights] = kernels(call, { depthwise_kernel: shape }, channels);
  return call.withActivation({ ...x, node: byChannel(call, x, weights, window) });
}

/** A depthwise convolution without a bias, then one of one tap. */
function separable(call: LayerCall): Value {
  const { settings, map: x } = call;
  settings.known('groups', 1);
  const window = windowOf(call);
  const { shape, channels } = depthwiseShape(call, x);
  const filters = settings.count('filters');
  const shapes = { depthwise_kernel: shape, pointwise_kernel: [1, 1, channels, filters] };
  const [taps, points] = kernels(call, shapes, filters);
  const between = byChannel(call, x, taps, window, 'depthwise');
  return call.withActivation({ ...x, node: call.net.conv(between, points, {}, call.names()) });
}

/** Of a kernel for each channel, (rows, columns, cin, multiplier), and how many channels it makes. */
function depthwiseShape(call: LayerCall, x: Value) {
  const { settings } = call;
  const { c } = call.shape(x);
  const multiplier = settings.number('depth_multiplier', 1);
  if (!(Number.isSafeInteger(multiplier) && multiplier >= 1)) throw settings.damaged(`depth_multiplier ${multiplier}`);
  return { shape: [...settings.pair('kernel_size'), c, multiplier], channels: c * multiplier };
}

/** Each channel with kernels of its own; where these are several, the channel is repeated first. */
function byChannel(call: LayerCall, x: Value, weights: KernelAndBias, window: Window, part?: string): NodeId {
  const [rows, columns, cin, multiplier] = weights.kernel.shape;
  const groups = cin * multiplier;
  const order = () => Array.from({ length: groups }, (_, k) => Math.floor(k / multiplier));
  const from = multiplier === 1 ? x.node : call.net.builder.channels(x.node, order(), call.names('repeated'));
  const kernel = reshaped(weights.kernel, [rows, columns, 1, groups]);
  return call.net.conv(from, { ...weights, kernel }, { ...window, groups }, call.names(part));
}

function dense(call: LayerCall): Value {
  const { settings, x, net } = call;
  const { h, w, c } = call.shape(x);
  const isVector = x.rank === 2;
  const inputs = isVector ? h * w * c : c;
  const units = settings.count('units');
  const [plain] = kernels(call, { kernel: [inputs, units] }, units);
  const weights = x.elements ? behindElements(call, plain, x.elements) : plain;
  const node = isVector
    ? net.dense(x.node, weights, call.names())
    : net.conv(x.node, { ...weights, kernel: reshaped(weights.kernel, [1, 1, c, units]) }, {}, call.names());
  return call.withActivation({ node, rank: x.rank });
}

/** The weights of a dense layer that computes the normalization of its inputs too. */
function behindElements(call: LayerCall, { kernel, bias }: Kernel, { scale, shift }: Affine): KernelAndBias {
  const { source } = call.net;
  const offset = rowsTimes(kernel, shift);
  const moved = bias && combined([numbersOf(source, bias), offset], ([a, b]) => a + b);
  return { kernel: scaledRows(source, kernel, scale), bias: moved ?? offset };
}

/** Kernels of the given shapes, the last one with the layer's bias. */
function kernels(call: LayerCall, shapes: Partial<Record<WeightName, number[]>>, channels: number): Kernel[] {
  const hasBias = call.settings.flag('use_bias', true);
  const tensors = call.weights({ ...shapes, ...(hasBias && { bias: [channels] }) });
  const bias = hasBias ? tensors.pop() : undefined;
  return tensors.map((kernel, i) => (bias && i === tensors.length - 1 ? { kernel, bias } : { kernel }));
}

function windowOf({ settings }: LayerCall): Window {
  settings.channelsLast();
  return {
    stride: settings.same('strides', [1, 1]),
    dilation: settings.same('dilation_rate', [1, 1]),
    pad: settings.padding(),
  };
}
