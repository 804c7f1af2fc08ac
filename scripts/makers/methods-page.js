/**
 * Draws all methods of explanation on one photograph, labelled, as one picture:
 *
 *   node scripts/makers/methods-page.js [OUT.png] [--image photos/leonberger_abyssinian.jpg] [--target cat] [--mode atrous]
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
    target: { type: 'string', default: 'cat' },
    mode: { type: 'string', default: 'atrous' },
    weights: { type: 'string' },
  },
});
const out = positionals[0] ?? 'docs/methods.png';
const { image, target, mode, weights } = values;

const net = await load(weights);
const explanations = [];
for (const method of methodNames) {
  explanations.push(await net.explain(image, { mode, method, target }));
  console.log(method);
}
net.dispose();
const page = await drawFigure(explanations, { name: basename(image), columns: 6, width: 208 });
writeFileSync(out, encodePng(page));
console.log(`wrote ${out}`);
