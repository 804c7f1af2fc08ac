/**
 * Draws all methods of explanation on one photograph, labelled, as one picture: above with the bundled cat/dog network,
 * below with the ImageNet network, or with a network of your own alone:
 *
 *   node scripts/makers/methods-page.js [OUT.png] [--image photos/leonberger_abyssinian.jpg] [--mode atrous] [--weights FILE --target CLASS]
 *
 * OUT is docs/methods.png by default. Needs `npm run build`.
 */
import { writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { drawFigure, encodePng, load, methodNames } from '../../dist/index.js';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    image: { type: 'string', default: 'photos/leonberger_abyssinian.jpg' },
    target: { type: 'string', default: 'top' },
    mode: { type: 'string', default: 'atrous' },
    weights: { type: 'string' },
  },
});
const out = positionals[0] ?? 'docs/methods.png';
const { image, target, mode, weights } = values;
const networks = weights
  ? [{ weights, target }]
  : [
      { weights: undefined, target: 'cat' },
      { weights: 'imagenet', target: 'Leonberg' },
    ];

/** @param {{ weights: string | undefined, target: string }} network */
async function draw(network) {
  const net = await load(network.weights);
  const explanations = [];
  for (const method of methodNames) {
    explanations.push(await net.explain(image, { mode, method, target: network.target }));
    console.log(`${net.source} ${method}`);
  }
  net.dispose();
  return drawFigure(explanations, { name: basename(image), columns: 6, width: 208 });
}

/** Pictures one below the other, which are equally wide. @param {import('../../dist/index.js').RgbImage[]} pictures */
function stack(pictures) {
  const [{ width }] = pictures;
  const height = pictures.reduce((sum, picture) => sum + picture.height, 0);
  const data = new Uint8Array(3 * width * height);
  let at = 0;
  for (const picture of pictures) {
    data.set(picture.data, at);
    at += picture.data.length;
  }
  return { width, height, data };
}

const pictures = [];
for (const network of networks) pictures.push(await draw(network));
writeFileSync(out, encodePng(stack(pictures)));
console.log(`wrote ${out}`);
