import type { Probe } from '../../src/metrics/probe.js';

/** A probe of a plain function of the input, which counts how often it was asked. */
export function probeOf(
  tensor: Float32Array,
  side: number,
  score: (tensor: Float32Array) => number,
): Probe & { asked: Float32Array[] } {
  const asked: Float32Array[] = [];
  return {
    tensor,
    side,
    asked,
    score: score(tensor),
    deviation: 1,
    target: { index: 0, label: 'cat' },
    rect: { x: 0, y: 0, width: side, height: side },
    image: { width: side, height: side, data: new Uint8Array(3 * side * side) },
    scoreOf: async (x) => {
      asked.push(x.slice());
      return score(x);
    },
  };
}

/** A square map. */
export const square = (values: ArrayLike<number>) => {
  const side = Math.sqrt(values.length);
  return { width: side, height: side, data: values };
};
