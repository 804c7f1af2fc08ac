/**
 * Makes a finished run of `atrous-cam train` the package's default network and writes its model card, weights/README.md, with figures
 * that it measures itself:
 *
 *   node scripts/makers/model-card.js RUN --data dogs-vs-cats-136.tar --pets PETS [--machine TEXT] [--limit N]
 *
 * RUN is the folder of --out, PETS a folder of photographs from elsewhere in class folders, with masks and an index.csv. The network,
 * curve.svg, epochs.csv and the first 200 rows of steps.csv are copied to weights/. --limit evaluates on the first N pictures of each
 * class, to try the script.
 * Needs `npm run build`; afterwards `npm run build:js` puts the network into the library.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine } from '../../bench/alternate.js';
import { load } from '../../dist/index.js';
import { choosePictures, evaluateExplanations, readMaskedPictures, summarizeEvaluations } from '../../dist/metrics.js';
import { evaluate } from '../../dist/training.js';

const STEPS = 200;
const FILE = 'pets-vgg16.f16.safetensors';
const STEPS_FILE = `steps-1-${STEPS}.csv`;
const weights = (/** @type {string} */ name) => fileURLToPath(new URL(`../../weights/${name}`, import.meta.url));

/** What a checkpoint says of its run. @param {string} path */
function identityOf(path) {
  const bytes = readFileSync(path);
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + Number(bytes.readBigUInt64LE(0))));
  return JSON.parse(header.__metadata__.identity);
}

/** The rows of a table with a head. @param {string} path @returns {Record<string, number>[]} */
function readTable(path) {
  const [head, ...rows] = readFileSync(path, 'utf8').trim().split('\n');
  return rows.map((row) => {
    const cells = row.split(',');
    return Object.fromEntries(head.split(',').map((name, i) => [name, Number(cells[i])]));
  });
}

/** The network's pictures, its curve and its logs. @param {string} run */
function copyRun(run) {
  copyFileSync(join(run, 'network.safetensors'), weights(FILE));
  for (const name of ['curve.svg', 'epochs.csv']) copyFileSync(join(run, name), weights(name));
  const lines = readFileSync(join(run, 'steps.csv'), 'utf8').split('\n');
  writeFileSync(weights(STEPS_FILE), `${lines.slice(0, 1 + STEPS).join('\n')}\n`);
}

/** @param {number} share */
const share = (share) => share.toFixed(4).replace(/^0/, '').replace(/0$/, '');

/** @param {number} count @param {string} one */
const several = (count, one) => `${count.toLocaleString('en-US')} ${one}${count === 1 ? '' : 's'}`;

/** Accuracy of all pictures and of each class. @param {import('../../dist/training.js').Evaluation} evaluation */
function accuracies({ accuracy, confusion }) {
  const each = confusion.map((row, i) => row[i] / row.reduce((a, b) => a + b, 0));
  return [accuracy, ...each].map(share).join(' / ');
}

/** Maps whose places are measured, by what the card calls them. */
const MAPS = {
  'uniform map': /** @type {const} */ ('uniform'),
  'centred Gaussian': /** @type {const} */ ('gaussian'),
  'Grad-CAM, `pooled`': { mode: /** @type {const} */ ('pooled') },
  'Grad-CAM, `atrous`': { mode: /** @type {const} */ ('atrous') },
  'Grad-CAM, `dilated` (the same weights)': { mode: /** @type {const} */ ('dilated') },
};
const PLACES = /** @type {const} */ (['pointing', 'energy', 'mosaic2', 'mosaic4']);

/** Rows of a table of where maps lie. @param {import('../../dist/index.js').Network} net @param {string} pets @param {number} limit */
async function localisation(net, pets, limit) {
  const pictures = choosePictures(await readMaskedPictures(pets), limit);
  const { maps } = summarizeEvaluations(await evaluateExplanations(net, pictures, { maps: MAPS, metrics: PLACES }));
  const cell = (/** @type {{ value: number, low: number, high: number }} */ { value, low, high }) =>
    `${value.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;
  const rows = Object.entries(maps).map(
    ([name, of]) => `| ${name} | ${PLACES.map((place) => cell(of[place])).join(' | ')} |`,
  );
  return { rows: rows.join('\n'), pictures: pictures.length };
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: 'string' },
    pets: { type: 'string' },
    machine: { type: 'string' },
    limit: { type: 'string' },
  },
});
const [run] = positionals;
const { data, pets } = values;
if (positionals.length !== 1 || !data || !pets) {
  console.error(
    'usage: node scripts/makers/model-card.js RUN --data ARCHIVE --pets FOLDER [--machine TEXT] [--limit N]',
  );
  process.exit(2);
}
const limit = values.limit === undefined ? undefined : Number(values.limit);

copyRun(run);
const { config, data: pictures } = identityOf(join(run, 'checkpoint.safetensors'));
const epochs = readTable(weights('epochs.csv'));
const last = epochs[epochs.length - 1];
const bytes = readFileSync(weights(FILE));
const net = await load(weights(FILE), { kernels: 'simd' });
const { parameters, inputSize: side } = net;
/** @param {string} what @param {string} from @param {import('../../dist/training.js').EvaluateOptions} [options] */
async function measure(what, from, options) {
  const evaluation = await evaluate(net, from, { limit, ...options });
  console.log(`${what}: ${evaluation.accuracy} of ${evaluation.pictures}, ${JSON.stringify(evaluation.confusion)}`);
  return evaluation;
}
const own = await measure('val', data);
const elsewhere = await measure('pets', pets);
const dilated = await measure('dilated', pets, { mode: 'dilated', limit: Math.min(limit ?? 25, 25) });
const places = await localisation(net, pets, Math.min(limit ?? 30, 30));
net.dispose();

const hours = epochs.reduce((sum, { seconds }) => sum + seconds, 0) / 3600;
const { processor, cores, node } = machine();
const where = values.machine ?? `${cores} cores of ${processor}, Node ${node}`;
/** @param {import('../../dist/training.js').Stage} stage */
function described({ size, epochs, rate = config.learningRate, inset, shared }) {
  const course = `${several(epochs, 'epoch')} at ${size} pixels with a learning rate of at most ${rate}`;
  const mixing = inset === undefined ? '' : `, with another picture in a box in ${percent(inset)} of the batches`;
  return `${course}${mixing}${shared ? ', all cells of the map weighed alike' : ''}`;
}
const stages = config.stages.map((stage) => `- ${described(stage)}`).join('\n');
const wrong = (/** @type {number} */ i) => {
  const row = elsewhere.confusion[i];
  return row.reduce((sum, count, k) => (k === i ? sum : sum + count), 0);
};
const [cats, dogs] = elsewhere.confusion.map((row) => row.reduce((a, b) => a + b));
const archive = basename(data);
const optimizer = config.optimizer === 'adamw' ? 'AdamW' : 'SGD';
const percent = (/** @type {number} */ share) => `${Math.round(100 * share)} %`;
const blocks = `in blocks of ${config.convs.join(', ')} with widths ${config.widths.join(', ')}`;
const convolutions = `${config.convs.reduce((a, b) => a + b)}, 3x3, ${blocks}`;

const card = `# The default network: \`pets-vgg16\`

What \`load()\` gives without a source: a small network in VGG16's arrangement that tells cats from dogs, trained from random weights by
this package itself. It is meant for trying the package and for its tests, not for deciding anything about anybody's pet. This page is
written by \`node scripts/makers/model-card.js run --data ${archive} --pets pets\`.

| | |
|---|---|
| file | \`${FILE}\`: float16, ${(bytes.length / 1e6).toFixed(1)} MB, as \`train\` writes it; labels and preprocessing in its metadata |
| SHA-256 | \`${createHash('sha256').update(bytes).digest('hex')}\` |
| classes | 0 \`cat\`, 1 \`dog\` |
| input | ${side}x${side}x3, \`caffe\` preprocessing (BGR minus 103.939, 116.779, 123.68), squashed to the square, bilinear |
| convolutions | ${convolutions}; a 2x2 pool after each block |
| dense layers | ${[config.widths[config.widths.length - 1] * (side / 32) ** 2, ...config.dense, 2].join(' -> ')} |
| parameters | ${parameters.toLocaleString('en-US')} |

## Training
\`\`\`sh
atrous-cam train ${archive} --out run
\`\`\`

${stages}
- Batches of ${config.batch}, ${optimizer} with weight decay ${config.weightDecay}, CutMix with halves and boxes in ${percent(config.cutmix)}
  of the batches where nothing else is said, batch normalization that is folded into the convolutions of the file.
  Seed ${config.seed}. All of this is the command's default; [docs/training.md](../docs/training.md) says how the run went and what
  else was tried.
- ${several(last.step, 'step')} with \`simd\` kernels in ${hours.toFixed(1)} hours (validation not counted) on ${where}.
- The number of threads and interruptions change no bit of a run. \`node scripts/checks/training.js
  ${archive} weights/${STEPS_FILE}\` repeats steps 1 to ${STEPS} and compares their losses with the run's, to the bit.
  The whole run has not been repeated.
- The pictures are the archive \`${archive.replace(/\.tar$/, '')}\`, ${several(pictures.train, 'picture')} to train on and
  ${pictures.val.toLocaleString('en-US')} to validate on; the licence of its pictures is unclear, so none of them is in this
  repository or in the package.

![Loss and accuracy of the epochs](curve.svg)

The last epoch: loss ${last.loss.toFixed(3)} and accuracy ${last.accuracy.toFixed(3)} on the mixed and cut training pictures,
${last.valLoss.toFixed(3)} and ${last.valAccuracy.toFixed(4)} on \`val/\`; all are in [epochs.csv](epochs.csv).

## Accuracy
\`atrous-cam evaluate\` with the file:

| pictures | all / cats / dogs |
|---|---|
| the archive's \`val/\`, ${own.pictures.toLocaleString('en-US')} | ${accuracies(own)} |
| ${elsewhere.pictures} photographs of cats and dogs from elsewhere (Oxford-IIIT Pet) | ${accuracies(elsewhere)} |
| ${dilated.pictures} of these, the same weights in \`dilated\` mode | ${accuracies(dilated)} |

## Localisation
Where maps for the animal lie on ${places.pictures} of these photographs, with 95 % bootstrap intervals
(\`atrous-cam evaluate pets --explanations\`): how often the maximum is on the animal, the share of the map that is, and the
share that lies in the right cell of mosaics of two and of four pictures.

| map | pointing | energy | mosaic of 2 | mosaic of 4 |
|---|---|---|---|---|
${places.rows}

Photographers put animals into the middle, so a map has to beat the Gaussian, which knows nothing of the picture.

## Limits
- Two classes: anything else is called a cat or a dog as well, often with confidence.
- Of the photographs from elsewhere it takes ${wrong(0)} of ${cats} cats for dogs and ${wrong(1)} of ${dogs} dogs for cats.
- Beside a large dog it often overlooks a cat: of the three photographs of this package it finds the cat in one.
- Pictures are squashed to a square; very wide or tall ones look unlike the training pictures.
- In \`dilated\` mode its answers mean nothing; that mode is there to show why. [docs/training.md](../docs/training.md) has what training
  in that mode recovers.

## Beside it
\`imagenet-labels.txt\`: the labels of ImageNet's 1000 classes in order, as Keras names them. \`crane\` (134, 517) and
\`maillot\` (638, 639) occur twice.
`;
writeFileSync(weights('README.md'), card);
console.log('wrote weights/README.md');
