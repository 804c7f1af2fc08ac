import h5wasm from 'h5wasm/node';

/**
 * A layer of VGG16 as the Keras file has it.
 * @typedef {object} Layer
 * @property {string} name `block1_conv1` ... `predictions`
 * @property {number[]} shape of the kernel: (3, 3, cin, cout) or (in, out)
 * @property {() => Float32Array} kernel reads it from the file
 * @property {() => Float32Array} bias (cout)
 */

/**
 * Opens VGG16's weights in Keras' official .h5 layout, read here by h5wasm alone, so that a mistake of the package's own reader
 * shows as a difference.
 * @param {string} path
 * @returns {Promise<{ convs: Layer[], dense: Layer[], close(): void }>}
 */
export async function openVgg(path) {
  await h5wasm.ready;
  const file = new h5wasm.File(path, 'r');
  /** @param {string} layer */
  const read = (layer) => {
    const group = file.get(layer);
    const [kernel, bias] = [...group.attrs.weight_names.value].map((name) => group.get(name));
    return { name: layer, shape: kernel.shape, kernel: () => kernel.value, bias: () => bias.value };
  };
  const layers = [...file.attrs.layer_names.value]
    .filter((name) => [...file.get(name).attrs.weight_names.value].length > 0)
    .map(read);
  return {
    convs: layers.filter(({ shape }) => shape.length === 4),
    dense: layers.filter(({ shape }) => shape.length === 2),
    close: () => file.close(),
  };
}

/**
 * The dilation of a convolution, and whether a pool follows it: the number of the block is in its name.
 * @param {Layer[]} convs
 * @param {'pooled' | 'dilated' | 'atrous'} mode
 */
export function arrangement(convs, mode) {
  const block = (/** @type {number} */ i) => Number(/^block(\d+)_/.exec(convs[i]?.name ?? 'block0_')?.[1]);
  return convs.map((layer, i) => ({
    layer,
    rate: mode === 'pooled' ? 1 : 2 ** (block(i) - 1),
    last: block(i) !== block(i + 1),
  }));
}

/**
 * (a, b, c, d) -> the same numbers with the axes in another order.
 * @param {Float32Array} x
 * @param {number[]} shape of x
 * @param {number[]} order `order[k]` is the axis of x that becomes axis k
 */
export function transpose(x, shape, order) {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
  const [sizes, steps] = [order.map((axis) => shape[axis]), order.map((axis) => strides[axis])];
  const [n1, n2, n3] = [sizes[1], sizes[2], sizes[3]];
  const y = new Float32Array(x.length);
  let to = 0;
  for (let a = 0; a < sizes[0]; a++)
    for (let b = 0; b < n1; b++)
      for (let c = 0; c < n2; c++) {
        let from = a * steps[0] + b * steps[1] + c * steps[2];
        for (let d = 0; d < n3; d++, from += steps[3]) y[to++] = x[from];
      }
  return y;
}
