#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { drawFigure, encodePng, load, readImage } from '../dist/index.js';
import { median } from './alternate.js';

const help = `node bench/call.js [PHOTO] [options]

What one explanation is made of beside the network: decoding, resizing, the finished map, colours, figure, PNG. Prints medians, and
each as a share of the pooled pass. PHOTO: by default the one that \`npm start\` explains.

  --weights FILE    as \`atrous-cam explain --weights\` takes it; imagenet by default
  --draft N         JPEGs decoded at a smaller size whose sides keep N pixels
  --rounds N        20 by default
`;

const text = /** @type {const} */ ({ type: 'string' });
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { weights: text, draft: text, rounds: text, help: { type: 'boolean' } },
});

/** Milliseconds of each stage of one call. */
async function timeStages(net, photo) {
  const times = {};
  const time = async (name, run) => {
    const begin = performance.now();
    const result = await run();
    times[name] = performance.now() - begin;
    return result;
  };
  const image = await time('decode', () => readImage(photo, values.draft ? { draft: Number(values.draft) } : {}));
  const { tensor } = await time('resize, crop, normalise', () => net.preprocess(image));
  await time('predict: the pooled pass', () => net.predict({ tensor }));
  await time('explain numbers: pass, gradient, map', () => net.explain({ tensor }, { mode: 'pooled' }));
  const explanation = await net.explain(image, { mode: 'pooled' });
  const overlay = await time('overlay, at the size of the photograph', () => explanation.overlay());
  const figure = await time('figure of two panels', () => drawFigure([explanation]));
  await time('PNG of the figure', () => encodePng(figure));
  await time('PNG of the overlay', () => encodePng(overlay));
  return times;
}

if (values.help) console.log(help);
else {
  const net = await load(values.weights ?? 'imagenet');
  const photo = positionals[0] ?? 'photos/leonberger_abyssinian.jpg';
  await timeStages(net, photo);
  const rounds = [];
  for (let i = 0; i < Number(values.rounds ?? 20); i++) rounds.push(await timeStages(net, photo));
  const { width, height } = await readImage(photo);
  const most = (process.resourceUsage().maxRSS / 1024).toFixed(0);
  console.log(`${width}x${height}, ${net.threads} threads, ${net.kernels}; resident at most ${most} MB`);
  const middle = (name) => median(rounds.map((times) => times[name]));
  const pass = middle('predict: the pooled pass');
  for (const name of Object.keys(rounds[0])) {
    const time = middle(name);
    console.log(
      `${name.padEnd(42)} ${time.toFixed(2).padStart(8)} ms ${(time / pass).toFixed(2).padStart(6)} of the pass`,
    );
  }
  net.dispose();
}
