/**
 * Reads `bytes` of each pixel of a row of a view, from its beginning to its end: that brings the row into the L2 cache as fast as memory can.
 * Kernels that read several pixels or rows side by side are too irregular for processors to foresee. What was read goes to `sink`, so
 * that the reading stays. 3x3 depthwise took 3 to 11% less time with it (Zen 4, in turns: 224x224x144 and x256, 112x112x96); reading a row in
 * parts, or y too before it is written, gained nothing more.
 */
export function fetchRow(x: usize, pix: usize, pixels: i32, bytes: usize, sink: usize): void {
  let all: i32 = 0;
  const dense = pix === bytes;
  const step = dense ? pix * <usize>pixels : pix;
  for (const end = x + pix * <usize>pixels; x !== end; x += step) {
    const last = x + (dense ? step : bytes);
    for (let p = x; p < last; p += 64) all |= load<i32>(p);
  }
  store<i32>(sink, all);
}
