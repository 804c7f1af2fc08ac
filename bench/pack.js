#!/usr/bin/env node
import { createWriteStream, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { load, packWeights } from '../dist/index.js';

const help = `node bench/pack.js WEIGHTS [PICTURE...] [--threads N]

What \`atrous-cam weights pack\` changes: bytes, and the probabilities of the pictures (the bundled ones by default). Seconds are
bench/load.js's.
`;
const photos = ['leonberger_abyssinian', 'bulldog_abyssinian', 'staffie_bengal'].map((name) => `photos/${name}.jpg`);

/** The probabilities of each picture. @param {string} file @param {string[]} pictures @param {number | undefined} threads */
async function probabilities(file, pictures, threads) {
  const net = await load(file, { threads });
  const all = [];
  for (const picture of pictures) {
    const { predictions } = await net.predict(picture, { top: net.labels.length });
    all.push({ top: predictions[0], of: new Map(predictions.map(({ index, probability }) => [index, probability])) });
  }
  net.dispose();
  return all;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { threads: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
});
const [source, ...given] = positionals;
if (values.help || !source) console.log(help);
else {
  const pictures = given.length > 0 ? given : photos;
  const threads = Number(values.threads) || undefined;
  const folder = mkdtempSync(join(tmpdir(), 'pack-'));
  const packed = join(folder, 'packed.safetensors');
  try {
    await pipeline(Readable.from(packWeights(source)), createWriteStream(packed));
    const [before, after] = [statSync(source).size, statSync(packed).size];
    console.log(`${basename(source)}: ${before} bytes, packed ${after} (${(after / before).toFixed(3)})`);
    const original = await probabilities(source, pictures, threads);
    const rounded = await probabilities(packed, pictures, threads);
    for (const [i, { top, of }] of original.entries()) {
      const changes = [...of].map(([index, p]) => Math.abs(p - /** @type {number} */ (rounded[i].of.get(index))));
      const say = (/** @type {typeof top} */ { label, probability }) => `${label} ${probability.toFixed(5)}`;
      const most = Math.max(...changes).toExponential(1);
      const both = `${say(top)}, packed ${say(rounded[i].top)}`;
      console.log(`${basename(pictures[i])}: ${both}, largest change of a probability ${most}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}
