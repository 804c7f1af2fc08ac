#!/usr/bin/env node
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine } from './alternate.js';
import { rescale } from './rescale.js';

const help = `node bench/fine-tune.js DATA PETS [--weights FILE] [--out build/fine-tune] [--pictures 240] [--limit 30] [--learning-rate 0.0002] [--threads N]

Can the dilated network be trained? Fine-tunes it with the command's own train: from the transplanted weights; from the same with their
channels rescaled (bench/rescale.js); from these with degridding layers (DRN-C); and the pooled network, as a control. Evaluates each,
and the weights as they were, on the first --limit pictures of each class of DATA's val/ and of PETS, writes bench/results/fine-tune.json
and the tables of docs/training.md. The networks stay in --out. Needs npm run build.

node bench/fine-tune.js --report     only the tables, from bench/results
`;

const root = fileURLToPath(new URL('..', import.meta.url));
const results = (/** @type {string} */ name) => fileURLToPath(new URL(`results/${name}.json`, import.meta.url));

/** What is tuned, from which weights, and the options that differ. */
const TUNED = [
  { name: 'pooled', mode: 'pooled', from: 'bundled', options: [] },
  { name: 'dilated', mode: 'dilated', from: 'bundled', options: ['--mode', 'dilated'] },
  { name: 'dilated-rescaled', mode: 'dilated', from: 'rescaled', options: ['--mode', 'dilated'] },
  {
    name: 'degrid',
    mode: 'dilated',
    from: 'rescaled',
    options: ['--mode', 'dilated', '--degridding-layers', '8,4,2,1'],
  },
];
/** Short courses on few pictures: pictures as they are but for flips and mild crops, small batches. */
const COURSE = ['--batch', '8', '--cutmix', '0', '--crop', '0.7', '--val-limit', '0'];

/** Says the process's largest resident set on standard error when it ends; threads are part of the process. */
const meter = 'process.on("exit", () => process.stderr.write("\\nmaxRSS " + process.resourceUsage().maxRSS + "\\n"))';

/** Runs the command; returns what it printed, and the bytes of its largest resident set. @param {string[]} args */
function atrousCam(args) {
  console.log(`atrous-cam ${args.join(' ')}`);
  const node = ['--import', `data:text/javascript,${encodeURIComponent(meter)}`, 'dist/cli.js', ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, node, { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`exit code ${status}: ${stderr}`);
  return { stdout, residentBytes: 1024 * Number(/maxRSS (\d+)/.exec(stderr)?.[1]) };
}

/** The only row of a run's epochs.csv. @param {string} folder */
function courseOf(folder) {
  const [head, row] = readFileSync(join(folder, 'epochs.csv'), 'utf8')
    .split('\n')
    .map((line) => line.split(','));
  const cells = Object.fromEntries(head.map((name, i) => [name, Number(row[i])]));
  return { steps: cells.step, seconds: cells.seconds, loss: cells.loss, imagesPerSecond: cells.imagesPerSecond };
}

/** The last two photographs of each class, which no evaluation takes. @param {string} pets */
const unlabelled = (pets) =>
  ['cat', 'dog'].flatMap((name) => {
    const files = readdirSync(resolve(root, pets, name))
      .sort()
      .slice(-4);
    return files.map((file) => resolve(root, pets, name, file));
  });

/**
 * @param {{ data: string, pets: string, weights: string, out: string, pictures: string, limit: string, rate: string,
 *   threads: string[] }} options
 */
async function measure({ data, pets, weights, out, pictures, limit, rate, threads }) {
  const evaluate = (/** @type {string} */ file, /** @type {string} */ mode) =>
    Object.fromEntries(
      Object.entries({ val: data, pets }).map(([name, from]) => {
        const flags = ['--weights', file, '--mode', mode, '--limit', limit, '--json', ...threads];
        const { accuracy, loss, pictures, confusion } = JSON.parse(atrousCam(['evaluate', from, ...flags]).stdout);
        console.log(`  accuracy ${accuracy} of ${pictures}`);
        return [name, { accuracy, loss, pictures, confusion }];
      }),
    );
  mkdirSync(join(root, out), { recursive: true });
  const files = { bundled: weights, rescaled: join(out, 'rescaled.safetensors') };
  const start = performance.now();
  writeFileSync(join(root, files.rescaled), await rescale(join(root, weights), unlabelled(pets)));
  const seconds = (performance.now() - start) / 1000;
  const untrained = [
    { name: 'bundled', mode: 'pooled', ...evaluate(weights, 'pooled') },
    { name: 'bundled', mode: 'dilated', ...evaluate(weights, 'dilated') },
    { name: 'rescaled', mode: 'dilated', rescaling: { seconds }, ...evaluate(files.rescaled, 'dilated') },
  ];
  const tuned = TUNED.map(({ name, mode, from, options }) => {
    const folder = join(out, name);
    rmSync(join(root, folder), { recursive: true, force: true });
    const course = [...COURSE, '--train-limit', pictures, '--learning-rate', rate];
    const args = ['train', data, '--out', folder, '--from', files[from], ...options, ...course, ...threads];
    const { residentBytes } = atrousCam(args);
    const run = {
      command: args.join(' ').replace(data, basename(data)),
      residentBytes,
      ...courseOf(join(root, folder)),
    };
    console.log(`  ${run.seconds.toFixed(0)} s, loss ${run.loss.toFixed(3)}`);
    return { name, mode, ...run, ...evaluate(join(folder, 'network.safetensors'), mode) };
  });
  return { machine: machine(), rows: [...untrained, ...tuned] };
}

const table = (/** @type {string[]} */ head, /** @type {string[][]} */ rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
const gigabytes = (/** @type {number} */ bytes) => `${(bytes / 1e9).toFixed(2)} GB`;

/** Replaces what stands between the markers of docs/training.md. @param {string} name @param {string} text */
function write(name, text) {
  const path = fileURLToPath(new URL('../docs/training.md', import.meta.url));
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const page = readFileSync(path, 'utf8');
  const [before, after] = [page.indexOf(begin) + begin.length, page.indexOf(end)];
  if (after < 0) throw new Error(`docs/training.md: expected ${begin} and ${end}`);
  writeFileSync(path, `${page.slice(0, before)}\n${text}\n${page.slice(after)}`);
}

const NAMES = {
  bundled: 'the bundled ones',
  rescaled: 'rescaled',
  pooled: 'tuned, the control',
  dilated: 'tuned',
  'dilated-rescaled': 'rescaled, then tuned',
  degrid: 'rescaled, with degridding layers 8, 4, 2, 1, then tuned',
};

function report() {
  const { machine, rows } = JSON.parse(readFileSync(results('fine-tune'), 'utf8'));
  const head = ['mode', 'weights', `val/, ${rows[0].val.pictures}`, `elsewhere, ${rows[0].pets.pictures}`];
  const tuned = rows.filter((/** @type {any} */ row) => row.seconds);
  const where = `${machine.processor}, ${machine.cores} cores, Node ${machine.node}, ${machine.date}.`;
  const accuracy = table(
    head,
    rows.map((/** @type {any} */ { name, mode, val, pets }) => [
      mode,
      NAMES[/** @type {keyof typeof NAMES} */ (name)],
      val.accuracy.toFixed(3),
      pets.accuracy.toFixed(3),
    ]),
  );
  const cost = table(
    ['trained', 'a picture', `the whole course, ${tuned[0].steps} steps of 8`, 'resident memory'],
    tuned.map((/** @type {any} */ { name, mode, seconds, imagesPerSecond, residentBytes }) => [
      `${mode}: ${NAMES[/** @type {keyof typeof NAMES} */ (name)]}`,
      `${(1000 / imagesPerSecond).toFixed(0)} ms`,
      `${seconds.toFixed(0)} s`,
      gigabytes(residentBytes),
    ]),
  );
  const commands = tuned.map((/** @type {any} */ { command }) => `atrous-cam ${command}`).join('\n');
  write('fine-tuning', `${where}\n\n${accuracy}\n\n${cost}\n\n\`\`\`sh\n${commands}\n\`\`\``);
  if (!existsSync(results('weight-gradients'))) return;
  const full = JSON.parse(readFileSync(results('weight-gradients'), 'utf8'));
  write(
    'full-size',
    table(
      ['mode', 'forward pass', 'forward and all gradients', 'maps and scratch', 'resident memory'],
      full.rows.map((/** @type {any} */ { name, forward, gradient, peakBytes, resident }) => [
        name,
        `${forward.toFixed(2)} s`,
        `${gradient.toFixed(2)} s`,
        gigabytes(peakBytes),
        gigabytes(resident * 1e6),
      ]),
    ),
  );
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    weights: { type: 'string', default: 'weights/pets-vgg16.f16.safetensors' },
    out: { type: 'string', default: 'build/fine-tune' },
    pictures: { type: 'string', default: '240' },
    limit: { type: 'string', default: '30' },
    'learning-rate': { type: 'string', default: '0.0002' },
    threads: { type: 'string' },
    report: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  },
});
const [data, pets] = positionals;
if (values.report) report();
else if (values.help || positionals.length !== 2) console.log(help);
else {
  const { weights, out, pictures, limit, threads } = values;
  const flags = threads ? ['--threads', threads] : [];
  const made = await measure({
    data,
    pets,
    weights,
    out,
    pictures,
    limit,
    rate: values['learning-rate'],
    threads: flags,
  });
  writeFileSync(results('fine-tune'), `${JSON.stringify(made, null, 1)}\n`);
  report();
}
