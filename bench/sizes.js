import { readFileSync } from 'node:fs';
import { load } from '../dist/index.js';
import { alternate, machine, median } from './alternate.js';

const SIZES = [96, 128, 192, 224, 320, 448];

/**
 * How the cost of a mode grows with the side of the input: the convolutions of the bundled network without its dense layers
 * (those fix the size), one row a side.
 *
 * @param {{ threads?: number, kernels?: 'auto' | 'simd' | 'relaxed', rounds?: number }} options
 */
export async function benchSizes({ threads, kernels, rounds = 5 } = {}) {
  const weights = withoutHead(readFileSync(new URL('../weights/pets-vgg16.f16.safetensors', import.meta.url)));
  const preprocessing = { normalization: 'caffe', resize: 'nearest', fit: 'squash' };
  const rows = [];
  console.log('side      pooled ms     dilated ms      atrous ms');
  for (const inputSize of SIZES) {
    const net = await load(weights, { inputSize, threads, kernels, preprocessing });
    const image = { width: inputSize, height: inputSize, data: new Uint8Array(3 * inputSize ** 2).fill(99) };
    const modes = ['pooled', 'dilated', 'atrous'];
    const runs = modes.map((mode) => ({ name: mode, run: () => net.activations(image, { mode }) }));
    const times = await alternate(runs, rounds);
    const row = { inputSize, ...Object.fromEntries(modes.map((mode) => [mode, median(times.get(mode))])) };
    rows.push(row);
    console.log(String(inputSize).padEnd(6) + modes.map((mode) => row[mode].toFixed(1).padStart(13)).join('  '));
    net.dispose();
  }
  return { machine: machine(), rows };
}

/** A safetensors file without its dense layers: only the header changes, what it no longer names is not read. */
function withoutHead(file) {
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, 8 + length).toString());
  for (const name of Object.keys(header)) if (!name.startsWith('block')) delete header[name];
  const text = Buffer.from(JSON.stringify(header).padEnd(length)); // as long as before, so that all offsets still hold
  return new Uint8Array(Buffer.concat([file.subarray(0, 8), text, file.subarray(8 + length)]));
}
