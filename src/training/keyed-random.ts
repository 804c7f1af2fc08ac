/**
 * Numbers in [0, 1) that depend on the keys alone, such as seed, epoch and picture: nothing has to be remembered to continue a run.
 * mulberry32 (Tommy Ettinger, public domain) behind MurmurHash3's mixing of the keys.
 */
export function randomOf(...keys: readonly number[]): () => number {
  let state = keyOf(...keys);
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** 32 bits that depend on the keys, whole numbers. */
export function keyOf(...keys: readonly number[]): number {
  let hash = 0x2545f491;
  for (const key of keys) {
    hash = Math.imul(hash ^ key, 0x9e3779b1);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash ^= hash >>> 16;
  }
  return hash >>> 0;
}
