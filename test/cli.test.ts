import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ExplainOptions } from '../src/api.js';
import { AtrousCamError } from '../src/base/errors.js';
import type { Mode } from '../src/base/types.js';
import type { Io } from '../src/cli/context.js';
import { decodeImage } from './support/decode.js';
import { type Calls, fakeNetwork, grid, run, sizes, text } from './support/fake-command.js';

let folder: string;
let out: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cli-'));
  out = join(folder, 'out');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('explain', () => {
  test('writes a figure per picture and prints the top five of each mode', async () => {
    const { code, stdout, stderr, calls } = await run(['explain', 'photos/dog.jpg', '--out', out]);
    expect(code).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).toBe(
      `${['pooled: 2 x 2 map', 'dilated: 32 x 32 map (flat: nothing speaks for it)', 'atrous: 32 x 32 map']
        .map(
          (line) =>
            `photos/dog.jpg, ${line} for dog (1) in 250 ms\n` +
            'dog (1) with probability 0.690\ncat (0) with probability 0.310\n\n',
        )
        .join('')}wrote ${join(out, 'dog.png')}\n`,
    );
    expect(readdirSync(out)).toEqual(['dog.png']);
    expect(decodeImage(readFileSync(join(out, 'dog.png'))).width).toBeGreaterThan(800);
    expect(calls.explain.map(({ options }) => options.mode)).toEqual(['pooled', 'dilated', 'atrous']);
    expect(calls.explain.map(({ options }) => options.target)).toEqual(['top', 1, 1]); // the first mode's choice for all
    expect(calls.disposed).toBe(1);
  });

  test('--json prints one document and nothing else', async () => {
    const argv = ['explain', 'a/dog.jpg', 'b/dog.png', 'bad.jpg', '--json', '--npy', '--out', out, '--mode', 'all'];
    const { code, stdout, stderr } = await run(argv);
    expect(code).toBe(1); // one picture is bad
    expect(stderr).toBe('atrous-cam: bad.jpg: is broken\n');
    const document = JSON.parse(stdout);
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
    expect({ ...document, images: undefined }).toEqual({
      version,
      kernels: 'simd',
      threads: 2,
      weights: { source: 'default', parameters: 138357544, input: [32, 32, 3] },
    });
    const modes = (name: string) =>
      Object.fromEntries(
        (['pooled', 'dilated', 'atrous'] as const).map((mode) => [
          mode,
          {
            method: 'gradcam',
            layers: ['block5_conv3'],
            heads: 'one',
            predictions: [
              { index: 1, label: 'dog', probability: 0.6904 },
              { index: 0, label: 'cat', probability: 0.3096 },
            ],
            logits: [-1, 0.5],
            target: { index: 1, label: 'dog' },
            score: 0.5,
            outputStride: 32 / sizes[mode],
            placement: { align: 'centres', origin: [0, 0], pitch: [32 / sizes[mode], 32 / sizes[mode]] },
            zoom: [1],
            map: { width: sizes[mode], height: sizes[mode], flat: mode === 'dilated' },
            grid: { raw: mode === 'dilated' ? expect.closeTo(grid, 6) : 0, map: 0, picture: expect.closeTo(grid, 6) },
            seconds: 0.25,
            peakBytes: 4096,
            files: {
              picture: join(out, `${name}.png`),
              raw: join(out, `${name}.${mode}.raw.npy`),
              map: join(out, `${name}.${mode}.map.npy`),
            },
          },
        ]),
      );
    expect(document.images).toEqual([
      { file: 'a/dog.jpg', modes: modes('dog') },
      { file: 'b/dog.png', modes: modes('dog-2') },
      { file: 'bad.jpg', error: { code: 'BAD_IMAGE', message: 'is broken' } },
    ]);
    for (const { modes: byMode } of document.images.slice(0, 2))
      for (const { files } of Object.values<{ files: Record<string, string> }>(byMode))
        for (const file of Object.values(files)) expect(existsSync(file), file).toBe(true);
    expect(readdirSync(out)).toHaveLength(14);
  });

  test('--npy holds the signed raw map and the finished map', async () => {
    await run(['explain', 'dog.jpg', '--npy', '--mode', 'pooled', '--out', out]);
    expect(readdirSync(out).sort()).toEqual(['dog.png', 'dog.pooled.map.npy', 'dog.pooled.raw.npy']);
    const raw = readFileSync(join(out, 'dog.pooled.raw.npy'));
    expect(raw.toString('latin1')).toContain("'shape': (2, 2)");
    expect(raw.readFloatLE(raw.length - 4)).toBe(-2);
    const map = readFileSync(join(out, 'dog.pooled.map.npy'));
    expect(map.toString('latin1')).toContain("'shape': (32, 32)");
    expect(map.readFloatLE(map.length - 4)).toBe(0.25);
  });

  test('without --npy the JSON names the picture only', async () => {
    const { stdout } = await run(['explain', 'dog.jpg', '--json', '--mode', 'atrous', '--out', out]);
    expect(JSON.parse(stdout).images[0].modes.atrous.files).toEqual({ picture: join(out, 'dog.png') });
  });

  test('options reach the library, in every mode', async () => {
    const { calls, code } = await run(
      [
        'explain dog.jpg --weights w.h5 --target 7 --method gradcam --layer block5_conv3 --score probability',
        '--heads each --output-stride 4 --preprocess torch --resize bilinear --fit crop --degrid none',
        `--precision exact --kernels relaxed --threads 3 --out ${out}`,
      ]
        .join(' ')
        .split(' '),
    );
    expect(code).toBe(0);
    const [{ source, options }] = calls.load;
    expect(source).toBe('w.h5');
    expect(options).toMatchObject({
      threads: 3,
      kernels: 'relaxed',
      precision: 'exact',
      preprocessing: { normalization: 'torch', resize: 'bilinear', fit: 'crop' },
    });
    const common = { method: 'gradcam', layer: 'block5_conv3', score: 'probability', smoothing: 'none' };
    expect(calls.explain.map(({ options: { outputStride } }) => outputStride)).toEqual([undefined, undefined, 4]);
    expect(calls.explain[0].options.target).toBe(7);
    expect(calls.explain.map((call) => call.options.mode)).toEqual(['pooled', 'dilated', 'atrous']);
    for (const call of calls.explain) expect(call.options).toMatchObject({ ...common, heads: 'each' });
  });

  test.each<[string, object]>([
    ['--mean 10,20,30', { mean: [10, 20, 30], std: [1, 1, 1], order: 'rgb' }],
    ['--std 2 --channels gray', { mean: [0, 0, 0], std: [2], order: 'gray' }],
    ['--preprocess caffe --channels rgb', { mean: [103.939, 116.779, 123.68], std: [1, 1, 1], order: 'rgb' }],
    ['--preprocess tf --mean 128', { mean: [128], std: [127.5, 127.5, 127.5], order: 'rgb' }],
  ])('%s', async (flags, normalization) => {
    const { calls } = await run(['predict', 'dog.jpg', ...flags.split(' '), '--input-size', '32,48']);
    expect(calls.load[0].options).toMatchObject({ preprocessing: { normalization }, inputSize: [32, 48] });
  });

  test('--labels is read as text', async () => {
    const file = join(folder, 'labels.txt');
    writeFileSync(file, 'cat\ndog\n');
    const { calls } = await run(['predict', 'dog.jpg', '--labels', file]);
    expect(calls.load[0].options).toMatchObject({ labels: 'cat\ndog\n' });
    const none = await run(['predict', 'dog.jpg', '--labels', join(folder, 'none.txt')]);
    expect(none.code).toBe(1);
    expect(none.stderr).toMatch(/labels ".*none.txt": no such file\n$/);
    writeFileSync(file, Uint8Array.of(0xff, 0xfe, 0));
    expect((await run(['predict', 'dog.jpg', '--labels', file])).stderr).toContain('expected text in UTF-8');
    expect((await run(['predict', 'dog.jpg', '--labels', folder])).stderr).toContain('expected a file, got a folder');
  });

  test('nothing is asked for by default, so that the weights decide', async () => {
    const { calls } = await run(['explain', 'dog.jpg', '--out', out]);
    expect(calls.load[0].source).toBeUndefined();
    expect(calls.load[0].options).toMatchObject({ kernels: 'auto', precision: 'fast', preprocessing: {} });
    expect(calls.explain[0].options.target).toBe('top');
    expect(calls.explain[2].options).toMatchObject({ score: 'logit', smoothing: undefined });
  });

  test('one map where the network has a better one than atrous, or where it is asked for', async () => {
    const modesFor = async (options: string, best: ExplainOptions = { mode: 'atrous' }) => {
      const calls: Calls = { load: [], inspect: [], explain: [], disposed: 0, styles: [] };
      const fake = fakeNetwork(calls);
      const load = async () => ({
        ...fake,
        estimate: (given?: ExplainOptions) => fake.estimate(given?.mode ? given : best),
      });
      const { code } = await run(['explain', 'dog.jpg', ...options.split(' '), '--out', out], { load });
      expect(code).toBe(0);
      return calls.explain.map(({ options: { mode, zoom } }) => (zoom ? `${mode} ${zoom}` : mode));
    };
    expect(await modesFor('--quiet')).toEqual(['pooled', 'dilated', 'atrous']);
    expect(await modesFor('--mode auto')).toEqual(['atrous']);
    const zoomed = { mode: 'pooled', zoom: [1, 2] } as const;
    expect(await modesFor('--quiet', zoomed)).toEqual(['pooled 1,2']);
    expect(await modesFor('--mode auto', zoomed)).toEqual(['pooled 1,2']);
    expect(await modesFor('--mode all', zoomed)).toEqual(['pooled', 'dilated', 'atrous']);
    expect(await modesFor('--mode atrous', zoomed)).toEqual(['atrous']);
  });

  test('a picture is decoded and resized once', async () => {
    const { calls } = await run(['explain', 'dog.jpg', '--json', '--out', out]);
    const [first, ...others] = calls.explain.map(({ image }) => image);
    expect(first).toMatchObject({ image: 'dog.jpg', tensor: expect.any(Float32Array) });
    for (const other of others) expect(other).toBe(first);
  });

  test('--shard takes every n-th picture and keeps the names of the whole call', async () => {
    const argv = ['explain', 'a/x.jpg', 'b/x.jpg', 'c/x.jpg', 'd/y.jpg', '--json', '--mode', 'pooled', '--out', out];
    const files = async (shard: string) => {
      const { images } = JSON.parse((await run([...argv, '--shard', shard])).stdout);
      return images.map((image: { file: string }) => image.file);
    };
    expect(await files('1/3')).toEqual(['a/x.jpg', 'd/y.jpg']);
    expect(await files('2/3')).toEqual(['b/x.jpg']);
    expect(await files('3/3')).toEqual(['c/x.jpg']);
    expect(readdirSync(out).sort()).toEqual(['x-2.png', 'x-3.png', 'x.png', 'y.png']);
    expect(await files('9/9')).toEqual([]);
    expect((await run([...argv.slice(0, -1), join(folder, 'new', 'x'), '--shard', '9/9'])).code).toBe(0);
    expect(existsSync(join(folder, 'new'))).toBe(false);
  });

  test('names that are taken, also in another case, get a number', async () => {
    const files = ['dog.jpg', 'dog-2.jpg', 'x/dog.jpg', 'DOG.png', 'archive.tar.png', 'noextension'];
    await run(['explain', ...files, '--mode', 'pooled', '--out', out]);
    expect(readdirSync(out).sort()).toEqual(
      ['dog.png', 'dog-2.png', 'dog-3.png', 'DOG-4.png', 'archive.tar.png', 'noextension.png'].sort(),
    );
  });

  test('a folder that cannot be written to is refused before anything is loaded', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    const { code, stderr, calls } = await run(['explain', 'dog.jpg', '--out', file]);
    expect(code).toBe(1);
    expect(stderr).toBe(`atrous-cam: --out "${file}": expected a folder that can be written, but it is a file\n`);
    expect(calls.load).toEqual([]);
    const inside = await run(['explain', 'dog.jpg', '--out', join(file, 'maps')]);
    expect(inside.code).toBe(1);
    expect(inside.stderr).toContain('but a part of it is a file');
    const device = await run(['explain', 'dog.jpg', '--out', '/proc/maps/of/dogs']);
    expect(device.code).toBe(1);
    expect((await run(['explain', 'dog.jpg', '--out', join(out, 'a', 'b')])).code).toBe(0);
    expect(readdirSync(join(out, 'a', 'b'))).toEqual(['dog.png']);
  });

  test('a figure never replaces a picture of the call', async () => {
    const picture = join(folder, 'dog.png');
    writeFileSync(picture, 'precious');
    const { code, stderr } = await run(['explain', picture, '--out', folder]);
    expect(code).toBe(2);
    expect(stderr).toContain(`--out: "${picture}" is one of the pictures and would be replaced`);
    expect(readFileSync(picture, 'utf8')).toBe('precious');
    expect((await run(['explain', join(folder, 'dog.jpg'), '--out', out])).code).toBe(0);
  });

  test('files that cannot be renamed leave no trace', async () => {
    const { mkdirSync } = await import('node:fs');
    mkdirSync(join(out, 'dog.png', 'x'), { recursive: true });
    const { code, stderr } = await run(['explain', 'dog.jpg', 'cat.jpg', '--out', out]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^atrous-cam: dog\.jpg: ".*dog\.png": cannot be written: E[A-Z]+: .*\n$/);
    expect(readdirSync(out).sort()).toEqual(['cat.png', 'dog.png']);
  });

  test('an unknown class ends the call and leaves no folder', async () => {
    const { code, stderr, calls } = await run(['explain', 'a.jpg', 'b.jpg', '--target', 'horse', '--out', out]);
    expect(code).toBe(1);
    expect(stderr).toBe('atrous-cam: target: expected a label, got "horse"\n');
    expect(existsSync(out)).toBe(false);
    expect(calls.explain).toHaveLength(1);
    expect(calls.disposed).toBe(1);
  });

  test('what this version cannot do ends the call with 1', async () => {
    const calls: Calls = { load: [], inspect: [], explain: [], disposed: 0, styles: [] };
    let asked = 0;
    const explain = () => {
      asked++;
      return Promise.reject(new AtrousCamError('UNSUPPORTED', "heads 'each': not yet"));
    };
    const load = async () => ({ ...fakeNetwork(calls), explain });
    const { code, stderr } = await run(['explain', 'a.jpg', 'b.jpg', '--heads', 'each', '--out', out], { load });
    expect({ code, stderr, asked }).toEqual({ code: 1, stderr: "atrous-cam: heads 'each': not yet\n", asked: 1 });
  });

  test('weights that do not load: exit code 1, one line, nothing on standard output', async () => {
    const load = () => Promise.reject(new AtrousCamError('BAD_WEIGHTS', '"w.h5": expected HDF5,\n got text'));
    const { code, stdout, stderr } = await run(['explain', 'dog.jpg', '--json', '--out', out], { load });
    expect({ code, stdout, stderr }).toEqual({
      code: 1,
      stdout: '',
      stderr: 'atrous-cam: "w.h5": expected HDF5, got text\n',
    });
  });
});

describe('interruption', () => {
  /** A network whose `explain` hangs until it is aborted. */
  const hanging =
    (onStart: () => void): Io['load'] =>
    async () => ({
      ...fakeNetwork({ load: [], inspect: [], explain: [], disposed: 0, styles: [] }),
      explain: (_image, { signal } = {}) =>
        new Promise((_resolve, reject) => {
          signal!.addEventListener('abort', () => reject(new AtrousCamError('ABORTED', 'aborted')));
          onStart();
        }),
    });

  test('Ctrl-C ends the call with 130 and leaves no file', async () => {
    const controller = new AbortController();
    const load = hanging(() => controller.abort());
    const argv = ['explain', 'a.jpg', 'b.jpg', '--json', '--out', out];
    const { code, stdout, stderr } = await run(argv, { load, signal: controller.signal });
    expect({ code, stdout, stderr }).toEqual({ code: 130, stdout: '', stderr: 'atrous-cam: interrupted\n' });
    expect(existsSync(out)).toBe(false);
  });

  test('Ctrl-C while the weights are loaded', async () => {
    const controller = new AbortController();
    const load: Io['load'] = async (_source, { signal }) => {
      controller.abort();
      expect(signal!.aborted).toBe(true);
      throw new AtrousCamError('ABORTED', 'aborted');
    };
    expect((await run(['predict', 'a.jpg'], { load, signal: controller.signal })).code).toBe(130);
  });

  test('a reader that has gone ends the call quietly', async () => {
    const stdout = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })),
    });
    const { code, stderr, calls } = await run(['explain', 'a.jpg', 'b.jpg', '--out', out], { stdout });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(calls.explain).toHaveLength(1);
  });

  test('any other failure of standard output is an error', async () => {
    const stdout = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' })),
    });
    const { code, stderr } = await run(['predict', 'a.jpg'], { stdout });
    expect({ code, stderr }).toEqual({ code: 1, stderr: 'atrous-cam: standard output: ENOSPC: no space left\n' });
  });
});

describe('predict', () => {
  test('prints the top five of mode pooled', async () => {
    const { code, stdout } = await run(['predict', 'a.jpg', 'b.jpg']);
    expect(code).toBe(0);
    const lines = 'dog (1) with probability 0.690\ncat (0) with probability 0.310\n\n';
    expect(stdout).toBe(`a.jpg, pooled:\n${lines}b.jpg, pooled:\n${lines}`);
  });

  test('--json', async () => {
    const { code, stdout, stderr } = await run(['predict', 'bad.jpg', 'b.jpg', '--json', '--mode', 'atrous']);
    expect(code).toBe(1);
    expect(stderr).toBe('atrous-cam: bad.jpg: is broken\n');
    const { images, weights } = JSON.parse(stdout);
    expect(weights.input).toEqual([32, 32, 3]);
    expect(images[0]).toEqual({ file: 'bad.jpg', error: { code: 'BAD_IMAGE', message: 'is broken' } });
    expect(images[1].file).toBe('b.jpg');
    expect(Object.keys(images[1].modes)).toEqual(['atrous']);
    expect(images[1].modes.atrous.logits).toEqual([-1, 0.5]);
  });
});

describe('plan', () => {
  test('prints an aligned table with totals', async () => {
    const { code, stdout, calls } = await run(['plan', '--mode', 'pooled']);
    expect(calls.load).toEqual([]);
    expect(calls.inspect[0]).toMatchObject({ source: undefined, options: { precision: 'fast' } });
    expect(code).toBe(0);
    expect(stdout).toBe(`Mode pooled
================================================================================
Layer  Operation  Output shape  Stride   Parameters  Multiply-adds  Output bytes
--------------------------------------------------------------------------------
input  input      (32, 32, 3)        1            0              0        12,288
conv   conv 3x3   (2, 2, 4)         16            0              0            64
fc1    dense      (4096,)               138,357,544          2,000        16,384
================================================================================
Total parameters: 138,357,544
Total multiply-adds: 2,000,000,000
Peak memory of a run, weights excluded: 1,234,567 bytes
`);
  });

  test('--json holds the tables of all modes', async () => {
    const { stdout } = await run(['plan', '--json']);
    const { modes, weights } = JSON.parse(stdout);
    expect(weights.parameters).toBe(138357544);
    expect(Object.keys(modes)).toEqual(['pooled', 'dilated', 'atrous']);
    expect(modes.atrous.rows.at(-1)).toEqual({
      layer: 'fc1',
      operation: 'dense',
      output: [4096],
      parameters: 138357544,
      macs: 2000,
      bytes: 16384,
    });
  });
});

describe('usage', () => {
  test.each([
    ['--mode poold', '--mode: expected pooled, dilated, atrous, all or auto, got "poold"; did you mean "pooled"?'],
    ['--mode xyz', '--mode: expected pooled, dilated, atrous, all or auto, got "xyz"'],
    [
      '--method grad-cam',
      '--method: expected gradcam, gradcam++, xgradcam, layercam, hirescam, elementwise, eigencam, eigengradcam, scorecam, ablationcam, refinecam, finercam, shapleycam, segeigencam, kpcacam, fem, randomcam, fullgrad, guided-backprop, guided-gradcam, saliency, smoothgrad, integrated-gradients or occlusion, got "grad-cam"; did you mean "gradcam"?',
    ],
    ['--score logits', '--score: expected logit or probability, got "logits"; did you mean "logit"?'],
    ['--heads all', '--heads: expected one, each or mean, got "all"'],
    ['--draft 0', '--draft: expected a number of pixels, such as 512, got "0"'],
    ['--output-stride 0', `--output-stride: expected a divisor of the network's stride, such as 8, got "0"`],
    ['--preprocess tv', '--preprocess: expected caffe, torch, tf, unit or raw, got "tv"; did you mean "tf"?'],
    [
      '--resize Bicubic',
      '--resize: expected nearest, bilinear, bicubic or lanczos, got "Bicubic"; did you mean "bicubic"?',
    ],
    ['--mean 1,2', '--mean: expected one number or three with commas, in units of 0..255, got "1,2"'],
    ['--std 1,2,0', '--std: expected one number or three with commas, in units of 0..255, none of them 0, got "1,2,0"'],
    ['--channels grb', '--channels: expected rgb, bgr or gray, got "grb"'],
    ['--channels gray', '--channels: say by --preprocess, or --mean and --std, too what the numbers are'],
    ['--input-size 0,4', '--input-size: expected a side, or HEIGHTxWIDTH, up to 4096, got "0,4"'],
    ['--fit pad', '--fit: expected squash or crop, got "pad"'],
    ['--degrid boxx', '--smoothing: expected none, box, phases, gaussian or shift, got "boxx"; did you mean "box"?'],
    ['--precision exakt', '--precision: expected fast or exact, got "exakt"; did you mean "exact"?'],
    ['--kernels avx', '--kernels: expected auto, simd or relaxed, got "avx"'],
    ['--threads 0', '--threads: expected a whole number from 1 to 64, got "0"'],
    ['--threads two', '--threads: expected a whole number from 1 to 64, got "two"'],
    ['--threads 65', '--threads: expected a whole number from 1 to 64, got "65"'],
    ['--shard 0/4', '--shard: expected I/N with I from 1 to N, such as 1/4, got "0/4"'],
    ['--shard 5/4', '--shard: expected I/N with I from 1 to N, such as 1/4, got "5/4"'],
    ['--modes all', "unknown option '--modes' (Did you mean --mode?)"],
    ['--mode', "option '--mode <pooled|dilated|atrous|all|auto>' argument missing"],
  ])('explain dog.jpg %s', async (options, message) => {
    const { code, stdout, stderr, calls } = await run(['explain', 'dog.jpg', ...options.split(' ')]);
    expect({ code, stdout, stderr }).toEqual({
      code: 2,
      stdout: '',
      stderr: `atrous-cam: ${message}\nTry "atrous-cam explain --help".\n`,
    });
    expect(calls.load).toEqual([]);
  });

  test.each([
    [['explain'], "atrous-cam: missing required argument 'image'\n"],
    [['explian', 'dog.jpg'], "atrous-cam: unknown command 'explian' (Did you mean explain?)\n"],
    [['plan', 'extra'], "atrous-cam: too many arguments for 'plan'. Expected 0 arguments but got 1.\n"],
    [['bench', 'dir'], "atrous-cam: unknown command 'bench'"],
    [
      ['train', 'dir', '--stages', '128'],
      'atrous-cam: --stages: expected SIZE:EPOCHS,... such as 96:7,128:12,224:4:0.0008, got "128"',
    ],
  ])('%j', async (argv, message) => {
    const { code, stderr } = await run(argv);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  test('no command: the help text on standard error', async () => {
    const { code, stdout, stderr } = await run([]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('Usage: atrous-cam [options] [command]');
  });

  test('--version', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
    expect(await run(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  test('--help of the program names the commands that exist', async () => {
    const { code, stdout } = await run(['--help']);
    expect(code).toBe(0);
    expect(stdout).toMatchSnapshot();
    for (const absent of ['bench', 'weights list']) expect(stdout).not.toContain(absent);
  });

  test.each(['explain', 'predict', 'plan', 'train', 'evaluate'])('%s --help', async (command) => {
    const { code, stdout } = await run([command, '--help']);
    expect(code).toBe(0);
    expect(stdout).toMatchSnapshot();
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(110);
  });
});

describe('what takes long', () => {
  const slow: Io['load'] = async () => ({
    ...fakeNetwork({ load: [], inspect: [], explain: [], disposed: 0, styles: [] }),
    estimate: () => ({ mode: 'dilated', zoom: [1], macs: 1e12, seconds: 1500 }),
  });
  const argv = ['explain', 'dog.jpg', '--method', 'scorecam', '--mode', 'dilated'];

  test('is refused with its estimate before any work', async () => {
    const { code, stdout, stderr } = await run([...argv, '--out', out], { load: slow });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(
      /--method scorecam: would take about 25 min 0 s a picture \(dilated\); add --yes to compute it all the same$/m,
    );
  });

  test('names what would make it cheaper, and nothing else', async () => {
    const seconds = ({ heads, smoothing, mode, outputStride = 1 }: ExplainOptions) =>
      (smoothing === 'shift' ? shifts(mode) : 1) * (mode === 'atrous' && heads !== 'one' ? 900 / outputStride : 700);
    const shifts = (mode?: Mode) => {
      if (mode !== 'dilated')
        throw new AtrousCamError('UNSUPPORTED', "smoothing 'shift': defined in mode 'dilated' only");
      return 16;
    };
    const load: Io['load'] = async () => ({
      ...(await slow(undefined, {})),
      estimate: (options = {}) => ({
        mode: options.mode ?? 'atrous',
        zoom: [1],
        macs: 1e12,
        seconds: seconds(options),
      }),
    });
    const hint = async (...more: string[]) => {
      const { stderr } = await run(['explain', 'dog.jpg', ...more, '--out', out], { load });
      return stderr.split('\n')[0].split('; ')[1];
    };
    const yes = 'add --yes to compute it all the same';
    expect(await hint()).toBe(`${yes}, or take one --mode or --heads one or a larger --output-stride`);
    expect(await hint('--mode', 'atrous', '--heads', 'one')).toBe(yes);
    expect(await hint('--mode', 'dilated', '--degrid', 'shift')).toBe(`${yes}, or take --smoothing box`);
  });

  test('is done with --yes', async () => {
    const { code, stdout } = await run([...argv, '--yes', '--out', out], { load: slow });
    expect(code).toBe(0);
    expect(stdout).toContain('wrote ');
  });
});

describe('progress', () => {
  /** A stream that says it is a terminal. */
  const terminal = () => Object.assign(new PassThrough({ highWaterMark: 1e7 }), { isTTY: true, columns: 120 });

  test('a bar on standard error where it is a terminal, cleared at the end', async () => {
    const stderr = terminal();
    const { code, stdout } = await run(['explain', 'dog.jpg', '--json', '--out', out], { stderr });
    expect(code).toBe(0);
    const shown = text(stderr);
    expect(shown).toContain('dog.jpg pooled [');
    expect(shown).toContain('16%'); // half of one of three equal modes
    expect(shown).toContain('dog.jpg atrous [');
    expect(shown.endsWith('\x1b[2K')).toBe(true);
    expect(() => JSON.parse(stdout)).not.toThrow();
  });

  test('rate and time left', async () => {
    const stderr = terminal();
    const load: Io['load'] = async () => ({
      ...fakeNetwork({ load: [], inspect: [], explain: [], disposed: 0, styles: [] }),
      predict: async (_image, { onProgress } = {}) => {
        for (let i = 1; i <= 10; i++) {
          await new Promise((resolve) => setTimeout(resolve, 60));
          onProgress!({ stage: 'compute', done: i / 10 });
        }
        return { predictions: [], logits: Float32Array.of(), probabilities: Float32Array.of() };
      },
    });
    await run(['predict', 'dog.jpg'], { stderr, load });
    expect(text(stderr)).toMatch(/dog\.jpg \[=+-+\] \d+% \d+(\.\d+)? GMAC\/s, 1 s left/);
  });
});
