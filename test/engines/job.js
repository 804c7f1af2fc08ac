/**
 * One job for every engine: what the library computes, as hashes. Runs alike in Node, Bun, Deno and browsers.
 *
 * @param {object} argument
 * @param {string} argument.dist URL of dist/, with a slash at its end
 * @param {Uint8Array} argument.photo an encoded picture
 * @param {Record<string, string | URL | Blob | Uint8Array>} argument.weights weight files by name
 * @returns {Promise<{ engine: { threads: number, kernels: string }, hashes: Record<string, string> }>}
 */
export default async function job({ dist, photo, weights }) {
  const library = await import(/* @vite-ignore */ `${dist}index.js`);
  const { init } = await import(/* @vite-ignore */ `${dist}kernels.js`);
  const inWorker = await import(/* @vite-ignore */ `${dist}worker.js`);
  /** @type {Record<string, string>} */
  const hashes = {};
  /** @param {string} name @param {ArrayBufferView} view */
  const add = async (name, view) => {
    hashes[name] = await hash(view);
  };

  const options = { kernels: 'simd' };
  const net = await library.load(undefined, options);
  for (const mode of ['pooled', 'dilated', 'atrous']) {
    const settings = mode === 'atrous' ? { mode, target: 'cat', outputStride: 4 } : { mode, target: 'cat' };
    const { logits, map, overlay } = await net.explain(photo, settings);
    await add(`${mode} logits`, logits);
    await add(`${mode} map`, map.data);
    await add(`${mode} overlay`, overlay({ alpha: 0.5 }).data);
  }
  const gradients = await net.gradients(photo, { target: 'cat', wrt: ['input', 'block5_conv3'] });
  await add('gradient at the input', gradients.input.data);
  await add('gradient at block5_conv3', gradients.layers.block5_conv3.data);
  const { threads } = net;
  await net.dispose();
  const usual = await library.load(undefined, { threads: 1 });
  const { kernels } = usual; // relaxed where the engine has it
  await usual.dispose();

  const k = await init({ kernels: 'simd', threads: 1 });
  const x = Float32Array.from({ length: 9 * 7 * 8 }, (_, i) => Math.fround(Math.sin(i)));
  const w = Float32Array.from({ length: 9 * 8 * 8 }, (_, i) => Math.fround(Math.cos(i)));
  await add('conv2d', await k.conv2d({ x, shape: [1, 9, 7, 8], w, b: new Float32Array(8), cout: 8 }));
  await k.dispose();

  const data = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * i) % 251);
  for (const [name, source] of Object.entries(weights)) {
    const read = await library.load(source, { ...options, threads: 1 });
    const [height, width] = [64, 64];
    await add(name, (await read.predict({ width, height, data })).logits);
    await read.dispose();
  }

  const remote = await inWorker.load(undefined, options);
  const { map } = await remote.explain(photo, { mode: 'pooled', target: 'cat' });
  await add('map of a worker', map.data);
  await remote.dispose();
  return { engine: { threads, kernels }, hashes };
}

/** The first 16 hexadecimal digits of SHA-256 over a view's bytes. @param {ArrayBufferView} view */
async function hash(view) {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice();
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return [...digest.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
