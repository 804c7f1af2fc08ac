import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeOnnx } from '../../bench/peers/onnx.js';
import { transpose } from '../../bench/peers/weights.js';
import type { Mode } from '../../src/base/types.js';
import { preprocess } from '../../src/image/preprocess.js';
import { decodeImage } from '../support/decode.js';

/** The shape of a square colour input. */
const square = (side: number) => ({ h: side, w: side, c: 3 });

const root = resolve(fileURLToPath(new URL('../..', import.meta.url)));
const cache = resolve(process.env.ATROUS_CAM_CACHE ?? join(root, 'node_modules/.cache/atrous-cam'));
const photo = join(root, 'photos/leonberger_abyssinian.jpg');
const weights = join(cache, 'vgg16-seed1.h5');

/** Runs a program in the root to its end, its messages passed on. */
function run(command: string, ...args: string[]): void {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: exit code ${status}`, { cause: error });
}

interface CommandRun {
  logits: number[];
  map: { width: number; height: number; flat: boolean };
  /** Of the whole process: start, weights, picture, both files written. */
  seconds: number;
  /** The mode by itself, as the command reports it. */
  modeSeconds: number;
  peakBytes: number;
  residentBytes: number;
}

/** Says the process's largest resident set on standard error when it ends; threads are part of the process. */
const meter = 'process.on("exit", () => process.stderr.write("\\nmaxRSS " + process.resourceUsage().maxRSS + "\\n"))';

/** `atrous-cam explain` of the photograph in one mode, in its own process. */
async function explain(mode: Mode, out: string): Promise<CommandRun> {
  const flags = ['--weights', weights, '--mode', mode, '--json', '--npy', '--out', join(out, mode)];
  const start = performance.now();
  const child = spawn(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(meter)}`, 'dist/cli.js', 'explain', photo, ...flags],
    { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const [printed, said] = ['', ''].map((text) => ({ text }));
  child.stdout.on('data', (data) => {
    printed.text += data;
  });
  child.stderr.on('data', (data) => {
    said.text += data;
  });
  const code = await new Promise((done) => child.on('close', done));
  expect(code, said.text).toBe(0);
  const { logits, map, seconds, peakBytes, files } = JSON.parse(printed.text).images[0].modes[mode];
  for (const file of Object.values<string>(files)) expect(existsSync(resolve(root, file)), file).toBe(true);
  const residentBytes = 1024 * Number(/maxRSS (\d+)/.exec(said.text)?.[1]);
  return { logits, map, seconds: (performance.now() - start) / 1000, modeSeconds: seconds, peakBytes, residentBytes };
}

/** The logits onnxruntime-node computes from the same file and the same input. */
async function onnxLogits(mode: Mode): Promise<number[]> {
  const runtime = createRequire(join(root, 'bench/peers/package.json'))('onnxruntime-node');
  const model = join(cache, `vgg16-seed1.${mode}.onnx`);
  await writeOnnx(weights, mode, model, { withHead: true });
  const session = await runtime.InferenceSession.create(model, { executionProviders: ['cpu'] });
  const image = decodeImage(new Uint8Array(readFileSync(photo)), { name: photo });
  const { input } = preprocess(image, square(224), { normalization: 'caffe', resize: 'nearest', fit: 'squash' });
  const nchw = transpose(input, [1, 224, 224, 3], [0, 3, 1, 2]);
  const { logits } = await session.run({ input: new runtime.Tensor('float32', nchw, [1, 3, 224, 224]) }, ['logits']);
  const values = [...logits.data];
  await session.release();
  rmSync(model);
  return values;
}

/** The largest difference over the largest logit. */
function difference(expected: number[], got: number[]): number {
  expect(got).toHaveLength(expected.length);
  const apart = Math.max(...expected.map((value, i) => Math.abs(value - got[i])));
  return apart / Math.max(...expected.map(Math.abs));
}

const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;

describe('VGG16 at full size through the command', () => {
  const out = mkdtempSync(join(tmpdir(), 'atrous-cam-full-'));
  const runs = {} as Record<Mode, CommandRun>;

  beforeAll(async () => {
    mkdirSync(cache, { recursive: true });
    if (!existsSync(weights)) run(process.execPath, 'scripts/makers/vgg16.js', weights, '--seed', '1');
    if (!existsSync(join(root, 'bench/peers/node_modules')))
      run('npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', 'bench/peers');
    for (const mode of ['pooled', 'dilated', 'atrous'] as const) {
      runs[mode] = await explain(mode, out);
      const { seconds, modeSeconds, peakBytes, residentBytes } = runs[mode];
      const memory = `${gigabytes(residentBytes)} resident, of it maps and scratch ${gigabytes(peakBytes)}`;
      console.log(`${mode}: ${modeSeconds.toFixed(2)} s, the whole command ${seconds.toFixed(2)} s; ${memory}`);
    }
  });
  afterAll(() => rmSync(out, { recursive: true, force: true }));

  it.each(['pooled', 'dilated'] as const)("%s gives onnxruntime's logits within 1e-4 of the largest", async (mode) => {
    const expected = await onnxLogits(mode);
    const apart = difference(expected, runs[mode].logits);
    console.log(`${mode}: logits differ from onnxruntime's by ${apart.toExponential(1)} of the largest`);
    expect(apart).toBeLessThan(1e-4);
  });

  it('the gradient at the input fits into 1.5 GB in all, weights included, in every mode', () => {
    const json = join(out, 'gradients.json');
    run(process.execPath, 'bench/network-gradients.js', weights, '--json', json);
    for (const { name, resident } of JSON.parse(readFileSync(json, 'utf8')).rows)
      expect(resident, `${name}: MB of resident memory`).toBeLessThan(1500);
  });

  it("atrous gives pooled's logits bit for bit, and a map of every pixel", () => {
    expect(runs.atrous.logits).toEqual(runs.pooled.logits);
    expect(runs.pooled.map).toMatchObject({ width: 14, height: 14 });
    expect(runs.atrous.map).toMatchObject({ width: 224, height: 224 });
    expect(runs.dilated.map).toMatchObject({ width: 224, height: 224 });
  });
});
