/**
 * Writes a full-size VGG16 with random weights in the layout of Keras' official file (fixed-length names, contiguous float32,
 * 22 groups, 138,357,544 parameters, about 553 MB), for tests and benchmarks that need the size but not the training.
 *
 *   node scripts/makers/vgg16.js OUT.h5 [--seed 1]
 *
 * The same seed gives the same numbers. Weights have He's scale and biases are small, so that activations stay near 1; the first
 * layer is divided by 60, the spread of pixel values.
 */
import { renameSync, rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { File, ready } from 'h5wasm/node';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: 'string', default: '1' } },
});
const [out] = positionals;
const seed = Number(values.seed);
if (positionals.length !== 1 || !Number.isInteger(seed)) {
  console.error('usage: node scripts/makers/vgg16.js OUT.h5 [--seed 1]');
  process.exit(2);
}

const blocks = [
  [64, 2],
  [128, 2],
  [256, 3],
  [512, 3],
  [512, 3],
]; // channels, convolutions
const random = mulberry32(seed);

await ready;
Date.now = () => 0; // HDF5 notes the time beside each dataset; the same seed shall give the same bytes
const part = `${out}.part`;
rmSync(part, { force: true });
const file = new File(part, 'w', { libver: ['earliest', 'latest'] });
const layers = [];
let cin = 3;
for (const [b, [cout, count]] of blocks.entries()) {
  for (let i = 1; i <= count; i++) {
    addLayer(`block${b + 1}_conv${i}`, [3, 3, cin, cout], layers.length === 0 ? 1 / 60 : 1);
    cin = cout;
  }
  addLayer(`block${b + 1}_pool`);
}
addLayer('flatten');
addLayer('fc1', [7 * 7 * 512, 4096]);
addLayer('fc2', [4096, 4096]);
addLayer('predictions', [4096, 1000]);
file.create_attribute('layer_names', layers, [layers.length], fixedLength(layers));
file.close();
renameSync(part, out);

/** A group with its kernel and bias, or an empty one. */
function addLayer(name, shape, scale = 1) {
  layers.push(name);
  file.create_group(name);
  const group = file.get(name);
  const names = shape ? [`${name}_W_1:0`, `${name}_b_1:0`] : [];
  group.create_attribute('weight_names', names, [names.length], fixedLength(names));
  if (!shape) return;
  const units = shape[shape.length - 1];
  const size = shape.reduce((product, side) => product * side, 1);
  const deviation = Math.sqrt((2 * units) / size) * scale;
  group.create_dataset({ name: names[0], data: uniform(size, deviation), shape, dtype: '<f' });
  group.create_dataset({ name: names[1], data: uniform(units, 0.1), shape: [units], dtype: '<f' });
}

/** Numpy's `S` dtype of the longest name, as in the official file. */
function fixedLength(names) {
  return `S${Math.max(1, ...names.map((name) => name.length))}`;
}

/** Uniform numbers around 0 with that standard deviation. */
function uniform(size, deviation) {
  const numbers = new Float32Array(size);
  const width = deviation * Math.sqrt(12);
  for (let i = 0; i < size; i++) numbers[i] = (random() - 0.5) * width;
  return numbers;
}

/** Mulberry32: a 32-bit generator whose state is one integer; numbers in [0, 1). */
function mulberry32(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
