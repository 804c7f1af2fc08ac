import type { RawMap } from '../map/finish.js';
import { fullGradGroups } from './gradient-groups.js';
import type { Work } from './work.js';

/**
 * FullGrad (Srinivas and Fleuret 2019), as pytorch-grad-cam has it: the sum of |x dy/dx| over the input's channels and of |b G| over the
 * channels of all convolutions and normalizations, b their bias and G the gradient at their output; each channel first brought to 0..1
 * and to the input's size. A normalization that was folded into its convolution is one with it. Always of the network's own score.
 */
export async function fullGrad(work: Work): Promise<RawMap> {
  const { input, shape, network } = work;
  const total = new Float64Array(shape.h * shape.w);
  for (const [i, nodes] of fullGradGroups(network.layout, work.request.mode).entries()) {
    const { input: dx, layers } = await work.ownGradients(nodes, { input: i === 0 });
    if (dx)
      add(
        total,
        sumOfChannels(
          dx.map((g, at) => Math.abs(g * input[at])),
          shape.c,
        ),
      );
    for (const [id, { width, height, gradient }] of layers) {
      const data = evidenceOf(gradient, work.biasOf(id));
      if (data) add(total, work.enlarged({ raw: { width, height, data }, place: work.ownPlaceOf(id) }));
      await work.pause();
    }
  }
  return { width: shape.w, height: shape.h, data: Float32Array.from(total) };
}

/** The sum over channels of |b G|, each brought to 0..1; undefined where there is no bias. */
function evidenceOf(gradient: Float32Array, bias: Float32Array): Float32Array | undefined {
  const { length } = bias;
  if (bias.every((value) => value === 0)) return undefined;
  return sumOfChannels(
    gradient.map((g, i) => Math.abs(g * bias[i % length])),
    length,
  );
}

/** The sum over channels, of each less its least value and over its range, from (points, channels) numbers. */
function sumOfChannels(values: Float32Array, channels: number): Float32Array {
  const least = new Float64Array(channels).fill(Infinity);
  const most = new Float64Array(channels).fill(-Infinity);
  for (let i = 0; i < values.length; i++) {
    const k = i % channels;
    if (values[i] < least[k]) least[k] = values[i];
    if (values[i] > most[k]) most[k] = values[i];
  }
  const sums = new Float32Array(values.length / channels);
  for (let i = 0; i < sums.length; i++) {
    let sum = 0;
    for (let k = 0; k < channels; k++) sum += (values[i * channels + k] - least[k]) / (1e-7 + (most[k] - least[k]));
    sums[i] = sum;
  }
  return sums;
}

function add(total: Float64Array, part: Float32Array): void {
  for (let i = 0; i < total.length; i++) total[i] += part[i];
}
