import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { colormapNames, encodePng } from '../src/index.js';
import { decodeImage } from './support/decode.js';
import { fakeNetwork, run, text } from './support/fake-command.js';

// What `explain` writes beside the figure, and how it tells of many pictures. The network is a fake one.
let folder: string;
let out: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cli-'));
  out = join(folder, 'out');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A folder with pictures of these names. */
function pictures(...names: string[]): string {
  const path = join(folder, 'pictures');
  mkdirSync(path, { recursive: true });
  for (const name of names)
    writeFileSync(join(path, name), encodePng({ width: 2, height: 2, data: new Uint8Array(12) }));
  return path;
}

describe('--overlay and --heatmap', () => {
  test('lie beside the figure, one a mode, and are named in document and summary', async () => {
    const summary = join(folder, 'all.csv');
    const argv = ['explain', 'dog.jpg', '--overlay', '--heatmap', '--json', '--summary', summary, '--out', out];
    const { code, stdout } = await run(argv);
    expect(code).toBe(0);
    const names = ['pooled', 'dilated', 'atrous'].flatMap((mode) => [
      `dog.${mode}.heatmap.png`,
      `dog.${mode}.overlay.png`,
    ]);
    expect(readdirSync(out).sort()).toEqual([...names, 'dog.png'].sort());
    const files = {
      picture: join(out, 'dog.png'),
      overlay: join(out, 'dog.atrous.overlay.png'),
      heatmap: join(out, 'dog.atrous.heatmap.png'),
    };
    expect(JSON.parse(stdout).images[0].modes.atrous.files).toEqual(files);
    const [head, , , row] = readFileSync(summary, 'utf8').split('\r\n');
    expect(head).toMatch(/,picture,raw,map,overlay,heatmap$/);
    expect(row.endsWith(`,${files.picture},,,${files.overlay},${files.heatmap}`)).toBe(true);
    expect(decodeImage(readFileSync(files.overlay))).toMatchObject({ width: 40, height: 30 });
    expect(readFileSync(files.heatmap)[25]).toBe(6); // colours with alpha
  });

  test('with the name of a file nothing else is written, in atrous alone', async () => {
    const usual = 'atrous-cam-out/dog.png'; // where a figure goes without --out; there may be one of somebody's own
    const timeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.mtimeMs;
    const before = timeOf(usual);
    const file = join(folder, 'made', 'map.png');
    const { code, stdout, calls } = await run([
      'explain',
      'dog.jpg',
      '--overlay',
      file,
      '--out',
      out,
      '--colormap',
      'magma',
    ]);
    expect(code).toBe(0);
    expect(calls.explain.map(({ options }) => options.mode)).toEqual(['atrous']);
    expect(readdirSync(join(folder, 'made'))).toEqual(['map.png']);
    expect(readdirSync(out)).toEqual(['dog.png']); // the folder was named too
    rmSync(out, { recursive: true });
    const again = await run(['explain', 'dog.jpg', `--heatmap=${file}`, '--mode', 'pooled', '--opacity', '0.25']);
    expect({ code: again.code, written: again.stdout.split('\n').at(-2) }).toEqual({
      code: 0,
      written: `wrote ${file}`,
    });
    expect(timeOf(usual)).toBe(before);
    expect(stdout).toContain(`wrote ${join(out, 'dog.png')}\nwrote ${file}\n`);
  });

  test('colours reach the library', async () => {
    const argv = ['explain', 'dog.jpg', '--mode', 'pooled', '--overlay', '--out', out];
    expect((await run(argv)).calls.styles).toEqual([{}]);
    const { calls } = await run([...argv, '--colormap', 'viridis', '--opacity', '.8']);
    expect(calls.styles).toEqual([{ colormap: 'viridis', alpha: 0.8 }]);
  });

  test.each([
    ['--overlay cat.jpg', '--overlay: expected a name that ends in .png, got "cat.jpg"; pictures come before'],
    ['dog.jpg --overlay cat.jpg', '--overlay: expected a name that ends in .png, got "cat.jpg"; pictures come before'],
    ['dog.jpg cat.jpg --overlay=x.png', '--overlay "x.png": expected one picture, got 2; without'],
    [
      'dog.jpg --heatmap x.png --mode all',
      '--heatmap "x.png": expected one --mode, got pooled, dilated, atrous; without',
    ],
    ['dog.jpg --heatmap x.png --overlay x.png', '--heatmap: "x.png" is the file of --overlay; name another one'],
    ['dog.jpg --heatmap x.png --resume', '--resume: is for files in a folder; it goes without the name of a file'],
    [
      'dog.jpg --heatmap docs/methods.png',
      '--heatmap: "docs/methods.png" is there already and is not of this command;',
    ],
    [
      'docs/methods.png --heatmap docs/methods.png',
      '--heatmap: "docs/methods.png" is one of the pictures and would be replaced;',
    ],
    ['dog.jpg --out - --overlay', '--out -: writes the figure alone; it goes without --overlay'],
    ['dog.jpg dog.atrous.overlay.jpg --overlay --mode atrous', 'would be written for two of the pictures'],
    ['dog.jpg --opacity 2', '--opacity: expected a number from 0 to 1, such as 0.6, got "2"'],
    [
      'dog.jpg --colormap jet',
      `--colormap: expected ${colormapNames.slice(0, -1).join(', ')} or ${colormapNames.at(-1)}, got "jet"`,
    ],
    ['dog.jpg --sheet all.pdf', '--sheet: expected a name that ends in .html, got "all.pdf"'],
  ])('%s is refused', async (argv, message) => {
    const { code, stderr, calls } = await run(['explain', ...argv.split(' ')]);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
    expect(calls.explain).toEqual([]);
  });
});

describe('many pictures', () => {
  test('of a folder only the atrous map is computed, and one line is printed', async () => {
    const { code, stdout, stderr, calls } = await run(['explain', pictures('a.png', 'b.png'), '--out', out]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(calls.explain.map(({ options }) => options.mode)).toEqual(['atrous', 'atrous']);
    expect(stdout).toMatch(
      /^wrote the files of 2 pictures to \S+out\n2 pictures: 2 done; \d+ s, [\d.]+ pictures\/s\n$/,
    );
    const all = await run(['explain', join(folder, 'pictures/*.png'), '--mode', 'all', '--out', out]);
    expect(all.calls.explain).toHaveLength(6);
    const named = Array.from({ length: 11 }, (_, i) => `${i}.jpg`);
    expect((await run(['explain', ...named, '--out', out])).stdout).toMatch(/^wrote .*\n11 pictures: 11 done; .*\n$/);
  });

  test('--quiet says nothing but errors, and what --json asks for', async () => {
    const load = async () => ({
      ...fakeNetwork({ load: [], inspect: [], explain: [], disposed: 0, styles: [] }),
      assumptions: ['a guess.'],
    });
    const stderr = Object.assign(new PassThrough({ highWaterMark: 1e7 }), { isTTY: true, columns: 80 });
    const argv = ['explain', 'dog.jpg', 'bad.jpg', '--quiet', '--summary', join(folder, 'all.csv'), '--out', out];
    const { code, stdout } = await run(argv, { load, stderr });
    expect({ code, stdout, stderr: text(stderr) }).toEqual({
      code: 1,
      stdout: '',
      stderr: 'atrous-cam: bad.jpg: is broken\n',
    });
    const document = await run(['predict', 'dog.jpg', '-q', '--json'], { load });
    expect(JSON.parse(document.stdout).images).toHaveLength(1);
    expect(document.stderr).toBe('');
    expect((await run(['predict', 'dog.jpg'], { load })).stderr).toBe('atrous-cam: a guess.\n');
  });

  test('names of files cannot drive a terminal', async () => {
    const stdout = Object.assign(new PassThrough({ highWaterMark: 1e7 }), { isTTY: true, columns: 80 });
    const { stderr } = await run(['predict', 'dog\x1b[2J.jpg', 'bad\x1b]0;x\x07.jpg'], { stdout });
    expect(text(stdout)).toContain('dog?[2J.jpg, pooled:\ndog (1) with');
    expect(stderr).toBe('atrous-cam: bad?]0;x?.jpg: is broken\n');
  });
});

describe('--sheet', () => {
  const sheetOf = async (...more: string[]) => {
    const file = join(folder, 'sheets', 'all.html');
    const { code } = await run(['explain', join(folder, 'pictures'), '--out', out, '--sheet', file, ...more]);
    return { code, page: readFileSync(file, 'utf8') };
  };

  test('has a card for each picture, with everything inside', async () => {
    pictures('b&w <b>"\'.png', 'a #1?%.png', 'bad.png');
    const { code, page } = await sheetOf();
    expect(code).toBe(1);
    expect(page.match(/<li /g)).toHaveLength(3);
    expect(page).toContain('<h2 title="'); // the whole path
    expect(page).toContain('>b&amp;w &lt;b&gt;&quot;&#39;.png</h2>');
    expect(page).not.toContain('<b>');
    expect(page).toContain('href="./../out/a%20%231%3F%25.png"');
    expect(page).toContain('<p class="note">is broken</p>');
    expect(page).toContain('<dt title="dog">dog</dt><dd>0.690</dd>');
    expect(page.match(/src="data:image\/jpeg;base64,[\w+/=]{100,}"/g)).toHaveLength(2);
    expect(page.match(/(src|href)="(?!data:|\.\/)/g)).toBe(null);
    expect(page).toMatch(/data-class="dog" data-probability="0.6904" data-evidence="0.69\d+"/);
  });

  test('of a resumed call shows the earlier pictures too', async () => {
    pictures('a.png', 'b.png');
    await run(['explain', join(folder, 'pictures'), '--out', out]);
    pictures('c.png');
    const { page } = await sheetOf('--resume');
    expect(page.match(/<h2 /g)).toHaveLength(3);
    expect(page.match(/data:image\/png/g)).toHaveLength(3);
  });

  test('is written of what was done where the call is interrupted', async () => {
    pictures('a.png', 'b.png');
    const controller = new AbortController();
    const calls = { load: [], inspect: [], explain: [], disposed: 0, styles: [] };
    const network = fakeNetwork(calls);
    const load = async () => ({
      ...network,
      explain: async (...args: Parameters<typeof network.explain>) => {
        if (calls.explain.length === 1) controller.abort();
        return network.explain(...args);
      },
    });
    const file = join(folder, 'part.html');
    const argv = ['explain', join(folder, 'pictures'), '--out', out, '--sheet', file];
    expect((await run(argv, { load, signal: controller.signal })).code).toBe(130);
    expect(readFileSync(file, 'utf8').match(/<li /g)).toHaveLength(1);
  });
});
