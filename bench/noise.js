/** Seeded bytes: the time does not depend on the picture, the dense layers' skipping of zeros hardly. */
export function noise(length) {
  let state = 1;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}
