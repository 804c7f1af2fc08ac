/**
 * Draws one map placed by cells, centres and evidence, and that of two zooms, side by side:
 *
 *   node scripts/makers/placing-page.js WEIGHTS [OUT.png] [--image photos/leonberger_abyssinian.jpg] [--target Egyptian_cat]
 *       [--normalization tf]
 *
 * WEIGHTS is a network of ImageNet's classes that ends in a global mean; OUT is docs/placing.png by default. Needs `npm run build`.
 */
import { writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { drawFigure, encodePng, load } from '../../dist/index.js';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    image: { type: 'string', default: 'photos/leonberger_abyssinian.jpg' },
    target: { type: 'string', default: 'Egyptian_cat' },
    normalization: { type: 'string' },
  },
});
const [weights, out = 'docs/placing.png'] = positionals;
const { image, target, normalization } = values;

const net = await load(weights, {
  preprocessing: normalization ? { normalization: /** @type {'tf'} */ (normalization) } : undefined,
});
const pooled = /** @type {const} */ ({ mode: 'pooled', target });
const explanations = [
  { ...(await net.explain(image, { ...pooled, align: 'cells' })), mode: 'cells' },
  { ...(await net.explain(image, pooled)), mode: 'centres' },
  { ...(await net.explain(image, { ...pooled, align: 'evidence' })), mode: 'evidence' },
  { ...(await net.explain(image, { ...pooled, align: 'evidence', zoom: [1, 2] })), mode: 'evidence, zooms 1 and 2' },
];
net.dispose();
const page = await drawFigure(/** @type {any[]} */ (explanations), { name: basename(image), width: 290 });
writeFileSync(out, encodePng(page));
console.log(`wrote ${out}`);
