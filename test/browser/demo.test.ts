/** The page of `atrous-cam serve` in a real Chromium, as a visitor uses it. */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { load } from '../../src/index.js';
import { readNpy, start, temporaryFolder } from '../e2e/command.js';
import { type Browser, root, serve, startBrowser } from './harness.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const photo = join(root, 'photos/leonberger_abyssinian.jpg');
const fixture = (name: string) => join(root, 'test/fixtures/references/small', name);
/** The README's pictures where `npm run screenshots` asks for them. */
const pictures = join(root, process.env.ATROUS_CAM_PICTURES === 'docs' ? 'docs' : 'build/screenshots');

let server: ChildProcess;
let site: { origin: string } & AsyncDisposable;
let browser: Browser;
let page: Page;
let requests: string[];
/** What went wrong on the page that nobody was told of. */
let problems: string[];
const folder = temporaryFolder();

beforeAll(async () => {
  server = start(['serve']).child;
  const text = await new Promise<string>((resolve) => server.stdout!.once('data', (data) => resolve(String(data))));
  site = { origin: /http:\S+(?=\/)/.exec(text)![0], [Symbol.asyncDispose]: async () => {} };
  browser = await startBrowser();
  mkdirSync(pictures, { recursive: true });
});
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]();
  server.kill();
});

/** Opens the page in a fresh browser profile. `prepare` runs on it before its own code. */
async function open(address = '', prepare: () => void = () => {}, from = site, path = '/'): Promise<void> {
  page = await browser.page(from, from === site ? '/nothing-yet' : undefined);
  [requests, problems] = [[], []];
  page.on('request', (request) => requests.push(request.url()));
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    const isOfPage = !/\/(nothing-yet|favicon\.ico)$/.test(message.location().url); // not of where the tab was before
    if (message.type() === 'error' && isOfPage) problems.push(`${message.text()} ${message.location().url}`);
  });
  await page.addInitScript(prepare);
  await page.goto(from.origin + path + address);
}
const text = (id: string) => page.locator(`#${id}`).textContent();
const done = () => page.waitForFunction(() => document.getElementById('status')!.textContent!.startsWith('Done'));
/** Clicks, and waits for what is then computed. */
async function act(action: () => Promise<unknown>): Promise<void> {
  await page.evaluate(() => {
    document.getElementById('status')!.textContent = 'waiting for the test';
  });
  await action();
  await done();
}
async function saved(id: string): Promise<{ name: string; path: string }> {
  const [download] = await Promise.all([page.waitForEvent('download'), page.click(`#${id}`)]);
  return { name: download.suggestedFilename(), path: await download.path() };
}
const choose = (side: 'left' | 'right', view: string) => page.check(`input[name=${side}][value=${view}]`);

async function expectAccessible(): Promise<void> {
  await page.evaluate(axe);
  const violations = await page.evaluate(async () => {
    const { axe } = window as unknown as {
      axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
    };
    return (await axe.run()).violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  });
  expect(violations).toEqual([]);
}

describe('the page', () => {
  beforeAll(async () => {
    await open('', () => {
      const tags: string[] = [];
      Object.assign(window, { tags });
      addEventListener('DOMContentLoaded', () =>
        new MutationObserver(() => tags.push(document.getElementById('right-tag')!.textContent!)).observe(
          document.getElementById('right-tag')!,
          { childList: true },
        ),
      );
    });
    await done();
  });
  beforeEach(() => {
    problems.length = 0;
  });
  afterAll(() => page.close());

  it('explains a sample by itself; the map refines', async () => {
    const tags = new Set(await page.evaluate(() => (window as unknown as { tags: string[] }).tags));
    expect([...tags].filter((tag) => tag.startsWith('atrous'))).toEqual([
      'atrous · not yet',
      ...[14, 28, 56, 112, 224].map((points) => `atrous · ${points} × ${points} so far`),
      'atrous · 224 × 224',
    ]);
    expect(await text('left-tag')).toBe('pooled · 14 × 14');
    const said = await page.locator('#predictions button').allTextContents();
    const net = await load();
    const { predictions } = await net.predict(photo);
    net.dispose();
    expect(said.map((line) => line.replace(/0\.\d{3}$/, ''))).toEqual(predictions.map(({ label }) => label));
    for (const [i, { probability }] of predictions.entries())
      expect(Math.abs(Number(/0\.\d{3}$/.exec(said[i])![0]) - probability)).toBeLessThan(0.00051); // half a digit; relaxed SIMD
    const evidence = `The strongest evidence for ${predictions[0].label} in atrous`;
    expect(await text('announcer')).toMatch(new RegExp(`^Done in .*${evidence} lies \\d+% from the left`));
    expect(problems).toEqual([]);
  });

  it('loads its own files only, less than 200 kB without the network and the photograph', async () => {
    for (const url of requests) expect(url).toMatch(new RegExp(`^(blob:)?${site.origin}/`));
    const files = requests.filter((url) => /^http/.test(url) && !/photographs\/|default-network-/.test(url));
    expect(files.some((url) => /worker-.*\.js/.test(url))).toBe(true);
    const bodies = await Promise.all(files.map(async (url) => Buffer.from(await (await fetch(url)).arrayBuffer())));
    const bytes = bodies.reduce((sum, body) => sum + brotliCompressSync(body).length, 0);
    expect(bytes).toBeGreaterThan(50_000);
    expect(bytes).toBeLessThan(200_000);
  });

  it('explains the class that is clicked, with the numbers of the library', async () => {
    await act(() => page.click('#predictions button:has-text("cat")'));
    expect(await page.locator('#predictions [aria-pressed=true]').textContent()).toMatch(/^cat0\.\d{3}$/);
    expect(new URL(page.url()).hash).toBe('#target=cat');
    const { name, path } = await saved('save-npy');
    expect(name).toBe('leonberger_abyssinian.atrous.raw.npy');
    const { shape, data } = readNpy(path);
    expect(shape).toEqual([224, 224]);
    const net = await load();
    const { raw } = await net.explain(photo, { target: 'cat' });
    net.dispose();
    const largest = Math.max(...raw.data.map(Math.abs));
    const error = Math.max(...data.map((value, i) => Math.abs(value - raw.data[i])));
    expect(error / largest).toBeLessThan(1e-4); // relaxed SIMD rounds otherwise than Node 20's

    await choose('right', 'pooled');
    const pooled = readNpy((await saved('save-npy')).path);
    expect(pooled.shape).toEqual([14, 14]);
    expect([...pooled.data]).toEqual([...data].filter((_, i) => i % 16 === 0 && Math.floor(i / 224) % 16 === 0));
    await choose('right', 'atrous');
  });

  it('saves the map over the photograph as PNG, in the chosen colours', async () => {
    const turbo = await saved('save-png');
    expect(turbo.name).toBe('leonberger_abyssinian.atrous.png');
    const png = readFileSync(turbo.path);
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([500, 333]);
    await page.selectOption('#colormap', 'grey');
    expect(readFileSync((await saved('save-png')).path).equals(png)).toBe(false);
    await page.selectOption('#colormap', 'turbo');
    expect(readFileSync((await saved('save-png')).path).equals(png)).toBe(true);
  });

  it('compares two sides under the divider', async () => {
    const shownOf = () =>
      page.evaluate(() => ({
        clip: getComputedStyle(document.getElementById('left-canvas')!).clipPath,
        left: (document.getElementById('left-canvas') as HTMLCanvasElement).toDataURL(),
        right: (document.getElementById('right-canvas') as HTMLCanvasElement).toDataURL(),
      }));
    const before = await shownOf();
    expect(before.left).not.toBe(before.right);
    await page.focus('#divider');
    await page.keyboard.press('End');
    expect((await shownOf()).clip).not.toBe(before.clip);
    await choose('left', 'original');
    await choose('right', 'original');
    const same = await shownOf();
    expect(same.left).toBe(same.right);
    expect(same.left).not.toBe(before.left);
    await choose('left', 'pooled');
    await choose('right', 'atrous');
  });

  it('tells the values under the pointer', async () => {
    const box = (await page.locator('#stage').boundingBox())!;
    const values: number[] = [];
    for (const [x, y] of [
      [0.69, 0.46], // the cat's head
      [0.2, 0.9],
    ]) {
      await page.mouse.move(box.x + box.width * x, box.y + box.height * y);
      const match = /^pooled (\d\.\d\d) · atrous (\d\.\d\d)$/.exec((await text('probe-value'))!);
      values.push(Number(match![2]));
      expect(Math.abs(Number(await page.inputValue('#probe-x')) - 500 * x)).toBeLessThan(2);
    }
    expect(values[0]).toBeGreaterThan(0.5);
    expect(values[1]).toBeLessThan(0.3);
  });

  it('stops, and goes on', async () => {
    await page.evaluate(() => {
      const tag = document.getElementById('right-tag')!;
      new MutationObserver((_, observer) => {
        if (!/28 × 28 so far/.test(tag.textContent!)) return;
        observer.disconnect();
        document.getElementById('stop')!.click();
      }).observe(tag, { childList: true });
    });
    await page.selectOption('#score', 'probability', { force: true });
    await page.waitForFunction(() => document.getElementById('stop')!.textContent === 'Go on');
    expect(await text('status')).toBe('Stopped.');
    expect(await text('right-tag')).toMatch(/so far$/);
    expect(await page.isDisabled('#save-npy')).toBe(true);
    await act(() => page.click('#stop'));
    expect(await text('right-tag')).toBe('atrous · 224 × 224');
    expect(await page.isDisabled('#save-npy')).toBe(false);
    await page.selectOption('#score', 'logit', { force: true });
    await act(() => page.selectOption('#stride', '16', { force: true })); // quick from here on
  });

  it('takes methods, layers, heads and spacings from the library', async () => {
    const options = (id: string) =>
      page.locator(`#${id} option`).evaluateAll((all) => all.map((o) => (o as HTMLOptionElement).value));
    expect(await options('method')).toContain('layercam');
    await act(() => page.selectOption('#method', 'layercam'));
    await act(() => page.selectOption('#layer', 'block4_conv3', { force: true }));
    expect(await options('heads')).toEqual(['', 'mean', 'one']);
    expect(await text('right-tag')).toBe('atrous · 28 × 28');
    expect(new URL(page.url()).hash).toBe('#target=cat&method=layercam&layer=block4_conv3&stride=16');
    await page.selectOption('#method', 'saliency');
    expect(await options('layer')).toEqual(['']);
    await done();
    await act(() => page.selectOption('#method', 'eigencam'));
    await page.selectOption('#method', 'gradcam');
  });

  it('takes photographs that are picked, dropped and pasted', async () => {
    await act(() => page.setInputFiles('#photo-file', join(root, 'test/fixtures/images/chelsea.png')));
    expect(await page.locator('#samples [aria-pressed=true]').count()).toBe(0);
    expect((await saved('save-png')).name).toBe('chelsea.atrous.png');
    for (const kind of ['drop', 'paste'])
      await act(() =>
        page.evaluate(async (kind) => {
          const canvas = new OffscreenCanvas(60, 40);
          canvas.getContext('2d')!.fillRect(0, 0, 20, 20);
          const type = kind === 'drop' ? 'image/webp' : 'image/png'; // webp: decoded by the browser
          const transfer = new DataTransfer();
          transfer.items.add(new File([await canvas.convertToBlob({ type })], `${kind}.${type.slice(6)}`, { type }));
          dispatchEvent(
            kind === 'drop'
              ? new DragEvent('drop', { dataTransfer: transfer, cancelable: true })
              : new ClipboardEvent('paste', { clipboardData: transfer }),
          );
        }, kind),
      );
    expect((await saved('save-png')).name).toBe('paste.atrous.png');
  });

  it.each([
    [
      '#photo-file',
      'notes.jpg',
      'This picture cannot be read. notes.jpg: no picture that this browser can decode. Try a PNG or JPEG file.',
    ],
    [
      '#weights-file',
      'notes.h5',
      /^This weight file cannot be used\. notes\.h5: .*Keras|^This weight file cannot be used\. notes\.h5: /,
    ],
  ])('says why %s cannot take %s, and goes on', async (input, name, message) => {
    const path = join(folder, name);
    writeFileSync(path, 'no picture, no weights');
    await page.setInputFiles(input, path);
    await page.waitForSelector('#message:not([hidden])');
    expect(
      (await text('message'))!
        .replace(/\s+/g, ' ')
        .replace(/ Close $/, '')
        .trim(),
    ).toMatch(message);
    await expectAccessible();
    await page.click('#message-close');
    await act(() => page.click('#samples button >> nth=1'));
    expect(await page.locator('#predictions button').count()).toBe(2);
  });

  it('refuses a photograph that is too large', async () => {
    const path = join(folder, 'large.png');
    writeFileSync(path, '');
    truncateSync(path, 201e6);
    await page.setInputFiles('#photo-file', path);
    await page.waitForSelector('#message:not([hidden])');
    expect(await text('message')).toContain('This file is too large. large.png: 201 MB; photographs of up to 200 MB');
    await page.click('#message-close');
  });

  it('measures the three modes', async () => {
    await page.click('#measure');
    await page.waitForFunction(() => document.getElementById('measure')!.textContent === 'Measure', null, {
      timeout: 60_000,
    });
    const rows = await page.locator('#measure-rows tr').allTextContents();
    expect(
      rows.map((row) => /^(pooled14 × 14|dilated224 × 224|atrous224 × 224).*GMAC.*s.*GFLOP\/s.*MB$/.test(row)),
    ).toEqual([true, true, true]);
    expect(await text('measure-status')).toBe('Medians of three runs in turns.');
  });
});

describe('the included network of 1000 classes', () => {
  it('is chosen by name, also in the address', async () => {
    await open('#stride=16&network=imagenet');
    await done();
    expect(await text('network-facts')).toContain('1000 classes · 224 × 224 pixels');
    expect(requests.some((url) => /imagenet-network-/.test(url))).toBe(true);
    expect(await page.locator('#predictions button').first().textContent()).toContain('Leonberg');
    expect(await page.locator('#network').inputValue()).toBe('imagenet');
    expect(problems).toEqual([]);
    await page.close();
  });
});

describe('own weights', () => {
  it('are read from disk, kept, used again, and removed', async () => {
    await open('#stride=16', () => {
      const sizes: number[] = [];
      const read = Blob.prototype.arrayBuffer;
      Object.assign(window, { sizes });
      Blob.prototype.arrayBuffer = function () {
        sizes.push(this.size);
        return read.call(this);
      };
    });
    await done();
    await act(() => page.setInputFiles('#weights-file', fixture('micro-vgg16.keras-official.h5')));
    expect(await text('network-facts')).toContain('10 classes · 64 × 64 pixels');
    const sizes = await page.evaluate(() => (window as unknown as { sizes: number[] }).sizes);
    expect(sizes.filter((size) => size > 1024)).toEqual([]); // the first kilobyte tells a photograph's format
    expect(requests.some((url) => /hdf5-library-/.test(url))).toBe(true);
    await page.waitForFunction(() => location.hash.includes('network='));
    expect(await text('right-tag')).toBe('atrous · 4 × 4');
    const before = await page.locator('#predictions button').allTextContents();
    expect(before).toHaveLength(5);

    await page.reload();
    await done();
    expect(await page.inputValue('#network')).toBe('micro-vgg16.keras-official.h5');
    expect(await page.locator('#predictions button').allTextContents()).toEqual(before);
    await act(() => page.fill('#target', 'class 3').then(() => page.press('#target', 'Enter')));
    expect(await text('announcer')).toContain('class 3');

    await act(() => page.click('#remove'));
    expect(await text('network-facts')).toContain('2 classes');
    expect(await page.locator('#network option').count()).toBe(2); // the included ones
    const left = await page.evaluate(async () => {
      const kept = await (await navigator.storage.getDirectory()).getDirectoryHandle('weights');
      const names: string[] = [];
      for await (const name of (kept as unknown as { keys(): AsyncIterable<string> }).keys()) names.push(name);
      return names;
    });
    expect(left).toEqual([]);
    await page.goto(`${site.origin}/#stride=16&network=gone.h5`);
    await page.waitForSelector('#message:not([hidden])');
    expect(await text('message')).toContain('"gone.h5" is not kept in this browser');
    expect(await text('network-facts')).toContain('2 classes');
    expect(problems).toEqual([]);
    await page.close();
  });
});

describe('every visitor', () => {
  it('can do everything with the keyboard alone', async () => {
    await open('#stride=16');
    await done();
    const focused = () =>
      page.evaluate(
        () =>
          document.activeElement!.id ||
          (document.activeElement as HTMLInputElement).name ||
          document.activeElement!.textContent,
      );
    const cat = await page.locator('#predictions button:has-text("cat")').textContent();
    const order: (string | null)[] = [];
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press('Tab');
      const name = await focused();
      if (order.includes(name) && name === order[0]) break;
      order.push(name);
    }
    for (const id of [
      'Skip to the picture',
      'divider',
      'probe-x',
      'photo-file',
      'left',
      'right',
      'opacity',
      'colormap',
      'method',
      'More',
      'save-png',
      'save-npy',
      'network',
      'weights-file',
      'keep',
      'measure',
    ])
      expect(order).toContain(id);
    const goTo = async (id: string | null) => {
      for (let i = 0; i < 60 && (await focused()) !== id; i++) await page.keyboard.press('Tab');
      expect(await focused()).toBe(id);
    };
    await goTo(cat);
    await act(() => page.keyboard.press('Enter'));
    expect(await focused()).toBe(cat);
    expect(await page.locator('#predictions [aria-pressed=true]').textContent()).toBe(cat);
    await goTo('left');
    await page.keyboard.press('ArrowLeft');
    expect(await text('left-tag')).toBe('original');
    await goTo('divider');
    await page.keyboard.press('ArrowRight');
    expect(await page.inputValue('#divider')).toBe('50.5');
    await page.close();
  });

  it('finds the settings of the address', async () => {
    await open('#stride=16&photo=staffie_bengal&target=cat&left=original&colormap=viridis&opacity=30&method=nonsense');
    await done();
    expect(await page.locator('#samples [aria-pressed=true] img').getAttribute('alt')).toBe(
      'A bull terrier and a Bengal',
    );
    expect(await text('left-tag')).toBe('original');
    expect([
      await page.inputValue('#colormap'),
      await page.inputValue('#opacity'),
      await page.inputValue('#method'),
    ]).toEqual(['viridis', '30', 'gradcam']);
    expect(await page.locator('#predictions [aria-pressed=true]').textContent()).toMatch(/^cat/);
    await act(() =>
      page.evaluate(() => {
        location.hash = '#stride=16&photo=bulldog_abyssinian';
      }),
    );
    expect(await page.inputValue('#colormap')).toBe('turbo');
    expect(await page.locator('#samples [aria-pressed=true] img').getAttribute('alt')).toBe(
      'A bulldog and an Abyssinian',
    );
    await page.close();
  });

  it('is served without the headers as well, on one thread', async () => {
    await using plain = await serve({ folders: { '/demo/': join(root, 'dist/demo') } });
    await open('#stride=8', () => {}, plain, '/demo/index.html');
    await done();
    expect(await text('network-facts')).toContain('one thread');
    expect(await text('machine')).toContain(
      'Computing on one thread, because the server sends no COOP and COEP headers',
    );
    expect(await text('right-tag')).toBe('atrous · 28 × 28');
    await page.close();
  });

  it('is told of a browser without SIMD', async () => {
    await open('', () => {
      WebAssembly.validate = () => false;
    });
    await page.waitForSelector('#message:not([hidden])');
    expect(await text('message')).toContain('This browser has no WebAssembly SIMD');
    await expectAccessible();
    await page.close();
  });

  it.each([
    { name: 'demo', width: 1280, height: 860, scheme: 'light', address: '#target=cat' },
    { name: 'demo-dark', width: 1280, height: 860, scheme: 'dark', address: '#target=cat&left=original' },
    { name: 'demo-narrow', width: 390, height: 844, scheme: 'light', address: '#target=cat' },
  ] as const)('sees a page without findings of axe: $name', async ({ name, width, height, scheme, address }) => {
    await open('#stride=16');
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await page.setViewportSize({ width, height });
    await page.goto(`${site.origin}/${address}`);
    await page.reload();
    await done();
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
    await expectAccessible();
    await page.fill('#divider', '69'); // through the cat
    const picture = await page.screenshot({ path: join(pictures, `${name}.png`) });
    expect(picture.length).toBeGreaterThan(20_000);
    await page.close();
  });
});
