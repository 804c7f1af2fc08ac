/**
 * Where the points of a network's map lie, and zoom: what each is worth on photographs with masks.
 *
 *     node bench/placing.js PETS WEIGHTS [COUNT] [NORMALIZATION] [ROWS]
 *
 * PETS is a folder as `atrous-cam evaluate --explanations` takes it, with the columns species (cat or dog); WEIGHTS a network of ImageNet's
 * 1,000 classes; ROWS a regular expression that chooses rows of the table. Explained is the class of that species (151 to 268, 281 to 285) which the network finds likeliest.
 */
import { load } from '../dist/index.js';
import { evaluateExplanations, readMaskedPictures, summarizeEvaluations } from '../dist/metrics.js';
import { classOf } from './study/networks.js';

const [folder, weights, count = '100', normalization, rows = ''] = process.argv.slice(2);
const pooled = /** @type {const} */ ({ mode: 'pooled' });
const atrous = /** @type {const} */ ({ mode: 'atrous', outputStride: 8 });
const both = [1, 2];
/** @type {Record<string, import('../dist/types/metrics.js').MapSource>} */
const maps = {
  'pooled, cells': { ...pooled, align: 'cells' },
  'pooled, centres': pooled,
  'pooled, evidence': { ...pooled, align: 'evidence' },
  'atrous 8, centres': atrous,
  'pooled, zoom 2': { ...pooled, zoom: 2 },
  'pooled, zooms 1,2': { ...pooled, zoom: both },
  'atrous 8, zooms 1,2': { ...atrous, zoom: both },
  gaussian: 'gaussian',
};
const net = await load(weights, {
  preprocessing: normalization ? { normalization: /** @type {'tf'} */ (normalization) } : undefined,
});
const all = await readMaskedPictures(folder);
const every = Math.max(1, Math.floor(all.length / Number(count)));
const pictures = [];
for (const picture of all.filter((_, i) => i % every === 0).slice(0, Number(count))) {
  const probabilities = async () => (await net.predict(picture.path)).probabilities;
  pictures.push({
    ...picture,
    label: net.labels[await classOf({ explains: 'imagenet' }, picture, net.labels, probabilities)],
  });
}
const start = performance.now();
const evaluations = await evaluateExplanations(net, pictures, {
  maps: Object.fromEntries(Object.entries(maps).filter(([name]) => new RegExp(rows).test(name))),
  metrics: ['energy', 'pointing', 'precision', 'maskiou', 'mosaic4'],
  onPicture: ({ file }) => process.stderr.write(`${file}\n`),
});
const summary = summarizeEvaluations(evaluations);
const columns = ['energy', 'pointing', 'precision', 'maskiou', 'mosaic4', 'seconds'];
console.log(['map'.padEnd(22), ...columns.map((name) => name.padStart(10))].join(''));
for (const [name, measures] of Object.entries(summary.maps))
  console.log(
    [name.padEnd(22), ...columns.map((key) => (measures[key]?.value.toFixed(3) ?? '').padStart(10))].join(''),
  );
console.log(`${evaluations.length} pictures, ${Math.round((performance.now() - start) / 1000)} s`);
console.log(JSON.stringify({ weights: net.source, evidence: await net.evidence(), summary }));
net.dispose();
