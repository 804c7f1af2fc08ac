import type { Activation } from '../../../src/graph/graph.js';

/** A function of one number, and its derivative. Where it has a kink, the derivative is that of the flat or the left side. */
export interface Curve {
  readonly value: (x: number) => number;
  readonly slope: (x: number) => number;
}

const SELU = { scale: 1.0507009873554805, alpha: 1.6732632423543772 };

/** erf(x), to the last digits: all terms of the series are positive, so nothing cancels (Abramowitz and Stegun 7.1.6). */
export function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; n < 200; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const limit = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);
const inside = (x: number, low: number, high: number): number => (x > low && x < high ? 1 : 0);

/** The curve of an activation; `own` is the channel's slope of a PReLU. */
export function curveOf(activation: Activation, own = 0): Curve {
  switch (activation.f) {
    case 'relu':
      return { value: (x) => Math.max(x, 0), slope: (x) => (x > 0 ? 1 : 0) };
    case 'clip': {
      const { low, high } = activation;
      return { value: (x) => limit(x, low, high), slope: (x) => inside(x, low, high) };
    }
    case 'leaky-relu':
      return leaky(activation.slope);
    case 'prelu':
      return leaky(own);
    case 'elu':
      return exponential(1, activation.alpha);
    case 'selu':
      return exponential(SELU.scale, SELU.alpha);
    case 'sigmoid':
      return { value: sigmoid, slope: (x) => sigmoid(x) * sigmoid(-x) };
    case 'tanh':
      return { value: Math.tanh, slope: (x) => 1 - Math.tanh(x) ** 2 };
    case 'silu':
      return { value: (x) => x * sigmoid(x), slope: (x) => sigmoid(x) * (1 + x * sigmoid(-x)) };
    case 'softplus':
      return { value: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), slope: sigmoid };
    case 'hard-sigmoid': {
      const { slope, offset } = activation;
      const line = (x: number) => slope * x + offset;
      return { value: (x) => limit(line(x), 0, 1), slope: (x) => slope * inside(line(x), 0, 1) };
    }
    case 'hard-swish':
      return {
        value: (x) => (x * limit(x + 3, 0, 6)) / 6,
        slope: (x) => limit(x + 3, 0, 6) / 6 + (x / 6) * inside(x, -3, 3),
      };
    case 'gelu':
      return activation.approximate ? tanhGelu : erfGelu;
  }
}

const leaky = (slope: number): Curve => ({
  value: (x) => (x > 0 ? x : slope * x),
  slope: (x) => (x > 0 ? 1 : slope),
});

const exponential = (scale: number, alpha: number): Curve => ({
  value: (x) => scale * (x > 0 ? x : alpha * Math.expm1(x)),
  slope: (x) => scale * (x > 0 ? 1 : alpha * Math.exp(x)),
});

const erfGelu: Curve = {
  value: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  slope: (x) => 0.5 * (1 + erf(x / Math.SQRT2)) + (x * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI),
};

const [ROOT, CUBE] = [Math.sqrt(2 / Math.PI), 0.044715];

const tanhGelu: Curve = {
  value: (x) => 0.5 * x * (1 + Math.tanh(ROOT * (x + CUBE * x ** 3))),
  slope: (x) => {
    const t = Math.tanh(ROOT * (x + CUBE * x ** 3));
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * ROOT * (1 + 3 * CUBE * x * x);
  },
};
