/** A generator of numbers in [0, 1) that gives the same sequence for the same seed: mulberry32 (Tommy Ettinger, public domain). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `length` float32 in [-1, 1). */
export const randomFloats = (length: number, seed: number): Float32Array => {
  const next = seeded(seed);
  return Float32Array.from({ length }, () => 2 * next() - 1);
};
