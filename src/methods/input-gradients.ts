import { gaussian, mulberry32 } from '../base/random.js';
import type { RawMap } from '../map/finish.js';
import { MIDPOINTS, NOISY_INPUTS } from './sampling.js';
import type { LocatedMap, Work } from './work.js';

/** Standard deviation of SmoothGrad's noise as a share of the input's range. */
const NOISE = 0.15;

/** Saliency (Simonyan et al. 2013): the largest |dy/dx| of a pixel's channels. */
export async function saliency(work: Work): Promise<RawMap> {
  return pixels(work, await work.inputGradient(work.input), largestMagnitude);
}

/** Guided backpropagation (Springenberg et al. 2014): ReLUs pass back positive gradients only; the channels' sum. */
export async function guidedBackprop(work: Work): Promise<RawMap> {
  return pixels(work, await work.inputGradient(work.input, { guided: true }), sum);
}

/** Guided Grad-CAM (Selvaraju et al. 2017): guided backpropagation times Grad-CAM's finished map, of the layers' raw ones. */
export async function guidedGradCam(work: Work, gradcam: readonly LocatedMap[]): Promise<RawMap> {
  const map = work.request.finish(gradcam);
  const guided = await guidedBackprop(work);
  return { ...guided, data: guided.data.map((value, i) => value * map.data[i]) };
}

/** SmoothGrad (Smilkov et al. 2017): the largest magnitude of the mean gradient over noisy copies of the input. */
export async function smoothgrad(work: Work): Promise<RawMap> {
  const { input } = work;
  let [least, most] = [Infinity, -Infinity];
  for (const value of input) {
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  const noise = gaussian(mulberry32(work.request.seed));
  const deviation = NOISE * (most - least);
  const mean = await meanGradient(work, NOISY_INPUTS, () => input.map((value) => value + deviation * noise()));
  return pixels(work, mean, largestMagnitude);
}

/**
 * Integrated gradients (Sundararajan et al. 2017) from the baseline 0 (the data set's mean colour), midpoint rule: the sum over
 * all pixels is y(x) - y(0) but for the rule's error.
 */
export async function integratedGradients(work: Work): Promise<RawMap> {
  const { input } = work;
  const at = (step: number) => (step + 0.5) / MIDPOINTS;
  const mean = await meanGradient(work, MIDPOINTS, (step) => input.map((value) => value * at(step)));
  return pixels(
    work,
    mean.map((g, i) => g * input[i]),
    sum,
  );
}

/** Mean of dy/dx over `count` inputs, in float64; the unchanged input is scored first, since its logits may decide whose score it is. */
async function meanGradient(work: Work, count: number, inputAt: (step: number) => Float32Array): Promise<Float64Array> {
  await work.outcome();
  const total = new Float64Array(work.input.length);
  for (let step = 0; step < count; step++) {
    const gradient = await work.inputGradient(inputAt(step));
    for (let i = 0; i < total.length; i++) total[i] += gradient[i];
    await work.pause();
  }
  return total.map((value) => value / count);
}

const sum = (...channels: number[]): number => channels.reduce((total, value) => total + value);

const largestMagnitude = (...channels: number[]): number => Math.max(...channels.map(Math.abs));

/** One number a pixel, from (height, width, channels). */
function pixels(
  { shape: { h, w, c } }: Work,
  input: ArrayLike<number>,
  value: (...channels: number[]) => number,
): RawMap {
  const data = Float32Array.from({ length: h * w }, (_, i) =>
    value(...Array.from({ length: c }, (_, k) => input[c * i + k])),
  );
  return { width: w, height: h, data };
}
