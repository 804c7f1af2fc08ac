import { drawFigure, encodePng } from 'atrous-cam';

/**
 * What a user's program does, with everything that the package loads when needed: the default network, a Keras file (the HDF5
 * reader), a figure (fonts). Numbers as plain arrays, so that they can be compared anywhere.
 *
 * @param {typeof import('atrous-cam').load} load of `atrous-cam` or of `atrous-cam/worker`
 * @param {{ photo: Uint8Array, weights: Uint8Array }} files
 * @param {object} [more] options for `load`
 */
export async function explain(load, { photo, weights }, more) {
  const options = { kernels: 'simd', ...more }; // what all engines compute alike
  const net = await load(undefined, options);
  const explanation = await net.explain(photo, { target: 'cat', outputStride: 4 });
  const { predictions, logits, raw } = explanation;
  const { width, height, data } = await drawFigure([explanation]);
  net.dispose();
  const keras = await load(weights, options);
  const other = await keras.predict(photo);
  keras.dispose();
  return {
    predictions,
    logits: [...logits],
    raw: [...raw.data],
    keras: [...other.logits],
    figure: [width, height, encodePng({ width, height, data }).length > 10_000],
  };
}
