/**
 * Every public kernel and its gradient on seeded numbers; runs alike in Node and in a browser.
 *
 * @param {object} argument
 * @param {string} argument.library URL of dist/kernels.js
 * @param {object} argument.options for `init`
 * @returns {Promise<{ threads: number, results: Record<string, unknown> }>}
 */
export default async function kernels({ library, options }) {
  const { init } = await import(/* @vite-ignore */ library);
  /** @type {Record<string, unknown>} */
  const results = {};
  let threads = 0;
  for (const precision of ['fast', 'exact']) {
    const k = await init({ ...options, precision });
    threads = k.threads;
    for (const [cin, cout, dilation] of [
      [3, 8, 1],
      [8, 16, 2],
      [5, 7, 4],
    ]) {
      const shape = [2, 19, 14, cin];
      const x = numbers(2 * 19 * 14 * cin, 1);
      const w = numbers(9 * cin * cout, 2);
      const b = numbers(cout, 3);
      const y = k.conv2d({ x, shape, w, b, cout, dilation, relu: true });
      const dy = numbers(y.length, 4);
      const gradients = k.conv2dBackward({ x, shape, w, cout, dilation, dy, y });
      results[`conv ${precision} ${cin} ${cout} ${dilation}`] = { y, gradients };
    }
    const shape = [1, 12, 10, 6];
    const pool = { x: numbers(12 * 10 * 6, 5), shape, size: 2, dilation: 2, stride: 1 };
    const pooled = k.maxPool2d(pool);
    results[`pool ${precision}`] = [pooled, k.maxPool2dBackward({ ...pool, dy: numbers(pooled.length, 6) })];
    const dense = { x: numbers(3 * 50, 7), shape: [3, 50], w: numbers(50 * 21, 8), out: 21 };
    const logits = k.dense({ ...dense, b: numbers(21, 9) });
    results[`dense ${precision}`] = [logits, k.denseBackward({ ...dense, dy: numbers(3 * 21, 10) })];
    const y = k.softmax({ x: logits, shape: [3, 21] });
    results[`softmax ${precision}`] = [y, k.softmaxBackward({ y, shape: [3, 21], dy: numbers(3 * 21, 11) })];
    results[`gemm ${precision}`] = k.gemm({ a: numbers(13 * 17, 12), b: numbers(17 * 9, 13), m: 13, k: 17, n: 9 });
    k.dispose();
  }
  return { threads, results };
}

/** `length` float32 in [-1, 1): the same everywhere. */
function numbers(length, seed) {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}
