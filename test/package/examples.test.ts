import { chmodSync, copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import type { Prediction } from '../../src/base/types.js';
import { load } from '../../src/index.js';
import { serve, startBrowser } from '../browser/harness.js';
import { decodeImage } from '../support/decode.js';
import { Projects, root, run } from './projects.js';

// The examples as a user runs them: copied out of the repository, the packed package installed beside them.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });
const photo = join(root, 'photos/leonberger_abyssinian.jpg');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const examples = join(root, 'examples');

let projects: Projects;
/** What the bundled network says of the photograph. */
let predictions: Prediction[];
beforeAll(async () => {
  projects = new Projects();
  const net = await load();
  ({ predictions } = await net.predict(photo));
  net.dispose();
});
afterAll(() => projects?.[Symbol.dispose]());

/** A fresh project with an example's files. */
async function checkOut(name: string): Promise<string> {
  const folder = await projects.create(name);
  cpSync(join(examples, name), folder, { recursive: true });
  return folder;
}

describe('each', () => {
  const files = (readdirSync(examples, { recursive: true }) as string[]).filter((file) =>
    /\.(js|html|sh|ya?ml)$/.test(file),
  );

  it.each(files)('%s is short', (file) => {
    const lines = readFileSync(join(examples, file), 'utf8').trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(/\.ya?ml$/.test(file) ? 40 : /^element/.test(file) ? 60 : 30);
  });

  it('is in the list', () => {
    const readme = readFileSync(join(examples, 'README.md'), 'utf8');
    for (const name of readdirSync(examples).filter((name) => name !== 'README.md'))
      expect(readme).toContain(`](${name})`);
  });

  it('asks for this version', () => {
    for (const file of readdirSync(examples, { recursive: true }) as string[])
      if (file.endsWith('package.json')) {
        const { dependencies } = JSON.parse(readFileSync(join(examples, file), 'utf8'));
        expect(dependencies['atrous-cam'], file).toBe(version);
      }
  });
});

describe('node', () => {
  it('prints the predictions and writes the picture', async () => {
    const folder = await checkOut('node');
    copyFileSync(photo, join(folder, 'photo.jpg'));
    const { stdout } = await run(process.execPath, ['heatmap.js', 'photo.jpg', 'cat'], { cwd: folder });
    const line = ({ label, index, probability }: Prediction) =>
      `${label} (${index}) with probability ${probability.toFixed(3)}\n`;
    expect(stdout).toBe(predictions.map(line).join(''));
    expect(decodeImage(readFileSync(join(folder, 'heatmap.png'))).width).toBeGreaterThan(500);
    const failed = await run(process.execPath, ['heatmap.js', 'gone.jpg'], { cwd: folder }).catch((error) => error);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain('NOT_FOUND: image "gone.jpg": no such file\n');
  });
});

describe('vite', () => {
  it('builds without configuration and draws the heat map of a chosen photograph', async () => {
    const folder = await checkOut('vite');
    await build({ root: folder, logLevel: 'error' });
    await using site = await serve({ folders: { '/': join(folder, 'dist') } });
    await using browser = await startBrowser();
    const page = await browser.page(site, '/index.html');
    await page.setInputFiles('input', photo);
    await page.waitForFunction(() => /probability/.test(document.querySelector('output')!.textContent!));
    const said = /^(cat|dog) with probability (0\.\d{3})$/.exec((await page.textContent('output'))!)!;
    expect(said[1]).toBe(predictions[0].label);
    expect(Math.abs(Number(said[2]) - predictions[0].probability)).toBeLessThan(0.00051); // half a digit; relaxed SIMD
    const pixels = await page.evaluate(() => {
      const canvas = document.querySelector('canvas')!;
      const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
      return { width: canvas.width, coloured: data.some((_, i) => i % 4 === 0 && data[i] !== data[i + 1]) };
    });
    const { width } = decodeImage(readFileSync(photo));
    expect(pixels).toEqual({ width, coloured: true });
    await page.setInputFiles('input', join(root, 'package.json'));
    await page.waitForFunction(() => /expected/.test(document.querySelector('output')!.textContent!));
    expect(await page.textContent('output')).toMatch(/expected a PNG, JPEG, WebP, GIF, BMP or AVIF file/);
  });
});

describe('many pictures on many machines', () => {
  let data: string;
  let environment: Record<string, string | undefined>;

  beforeAll(async () => {
    const folder = await projects.create('machines');
    data = join(folder, 'data');
    mkdirSync(join(data, 'photos/more'), { recursive: true });
    for (const name of ['a', 'b', 'more/c', 'd']) copyFileSync(photo, join(data, `photos/${name}.jpg`));
    // stands for npx, which would fetch the package: checks what is asked for and runs the installed command
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    const command = join(folder, 'node_modules/.bin/atrous-cam');
    const script = `#!/bin/sh\n[ "$1 $2" = "--yes atrous-cam@${version}" ] || exit 64\nshift 2\nexec "${command}" "$@"\n`;
    writeFileSync(join(bin, 'npx'), script);
    chmodSync(join(bin, 'npx'), 0o755);
    environment = { ...process.env, PATH: bin + delimiter + process.env.PATH };
  });

  /** The names that a shard of two should have done: every second one of the sorted paths a, b, d, more/c. */
  const halves = { 1: ['a', 'd'], 2: ['b', 'c'] };
  const pictures = (folder: string) => readdirSync(folder).filter((file) => file.endsWith('.png'));
  const filesIn = (summary: string) => readFileSync(summary, 'utf8').match(/[^,/\n]+\.jpg(?=,)/g);

  it('the Slurm array runs its share', async () => {
    const maps = join(data, 'slurm');
    mkdirSync(maps);
    const script = join(examples, 'slurm-array.sh');
    const env = { ...environment, SLURM_ARRAY_TASK_ID: '2', SLURM_ARRAY_TASK_COUNT: '2', SLURM_CPUS_PER_TASK: '1' };
    await run('bash', [script, join(data, 'photos'), maps], { env });
    expect(pictures(maps).sort()).toEqual(halves[2].map((name) => `${name}.png`));
    expect(filesIn(join(maps, 'summary-2.csv'))).toEqual(halves[2].map((name) => `${name}.jpg`));
    expect(readFileSync(script, 'utf8')).toContain('#SBATCH --array=1-');
  });

  it('the Kubernetes job is one, and each index runs its share', async () => {
    const job = parse(readFileSync(join(examples, 'kubernetes-indexed-job.yaml'), 'utf8'));
    expect(job).toMatchObject({ apiVersion: 'batch/v1', kind: 'Job', spec: { completionMode: 'Indexed' } });
    const { completions, parallelism, template } = job.spec;
    expect(parallelism).toBeLessThanOrEqual(completions);
    const [{ command, args, volumeMounts, resources }] = template.spec.containers;
    expect(command).toEqual(['sh', '-c']);
    expect(volumeMounts[0].name).toBe(template.spec.volumes[0].name);
    const [line] = args;
    expect(line).toContain(`--shard $((JOB_COMPLETION_INDEX + 1))/${completions} `);
    expect(line).toContain(`--threads ${resources.limits.cpu}`);
    const ofTwo = line.replace(`/${completions} `, '/2 ').replaceAll('/data/', `${data}/`);
    await run('sh', ['-c', ofTwo], { env: { ...environment, JOB_COMPLETION_INDEX: '0' } });
    expect(pictures(join(data, 'maps')).sort()).toEqual(halves[1].map((name) => `${name}.png`));
    expect(filesIn(join(data, 'summary-0.csv'))).toEqual(halves[1].map((name) => `${name}.jpg`));
  });
});
