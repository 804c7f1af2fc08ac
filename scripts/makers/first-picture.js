/**
 * Explains a photograph with the bundled ImageNet network, as other tools draw the map and as `zoom` does, side by side: `npm start`.
 *
 *   node scripts/makers/first-picture.js [OUT.png]
 *
 * OUT is atrous-cam-out/leonberger_abyssinian.png by default; docs has a copy. Needs `npm run build`. The last map alone is
 *   node dist/cli.js explain photos/leonberger_abyssinian.jpg --weights imagenet --mode pooled --zoom 1,2,3
 *       --target tabby,tiger_cat,Persian_cat,Siamese_cat,Egyptian_cat
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { drawFigure, encodePng, load } from '../../dist/index.js';

const [out = 'atrous-cam-out/leonberger_abyssinian.png'] = process.argv.slice(2);
const photo = fileURLToPath(new URL('../../photos/leonberger_abyssinian.jpg', import.meta.url));

/** ImageNet's five domestic cats: the sum of their scores is what speaks for a cat. */
const target = ['tabby', 'tiger_cat', 'Persian_cat', 'Siamese_cat', 'Egyptian_cat'];
const pooled = /** @type {const} */ ({ mode: 'pooled', target });
const maps = {
  'as other tools draw it': { ...pooled, align: /** @type {const} */ ('cells') },
  'zooms 1 and 2': { ...pooled, zoom: [1, 2] },
  'zooms 1, 2 and 3': { ...pooled, zoom: [1, 2, 3] },
};

const net = await load('imagenet');
const explanations = [];
for (const [name, options] of Object.entries(maps))
  explanations.push({ ...(await net.explain(photo, options)), mode: name });
net.dispose();
console.log(`The network says:`);
for (const { label, index, probability } of explanations[0].predictions)
  console.log(`${label} (${index}) with probability ${probability.toFixed(3)}`);
const figure = await drawFigure(/** @type {any[]} */ (explanations), { name: 'leonberger_abyssinian', width: 320 });
mkdirSync(dirname(out), { recursive: true });
writeFileSync(out, encodePng(figure));
console.log(`wrote ${out}, what speaks for a cat`);
