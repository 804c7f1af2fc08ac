/** The page of `atrous-cam serve` as a visitor uses it: what the included network of ImageNet's classes shows. */
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Network } from '../../src/api.js';
import { load } from '../../src/index.js';
import { methodNames } from '../../src/methods/facts.js';
import { readNpy, temporaryFolder } from '../e2e/command.js';
import {
  act,
  choose,
  done,
  expectAccessible,
  open,
  page,
  problems,
  requests,
  saved,
  site,
  text,
  usePage,
} from './demo-page.js';
import { root } from './harness.js';

const photo = join(root, 'photos/bengal_pug.jpg');
const folder = temporaryFolder();
usePage();

describe('the page', () => {
  let net: Network;
  beforeAll(async () => {
    net = await load('imagenet');
    await open('', () => {
      const tags: string[] = [];
      const posted: string[] = [];
      const counts = { frames: 0, paints: 0 };
      Object.assign(window, { tags, posted, counts });
      addEventListener('DOMContentLoaded', () =>
        new MutationObserver(() => tags.push(document.getElementById('right-tag')!.textContent!)).observe(
          document.getElementById('right-tag')!,
          { childList: true },
        ),
      );
      const { postMessage } = Worker.prototype;
      Worker.prototype.postMessage = function (message: { 'atrous-cam'?: { method?: string } }, ...rest: unknown[]) {
        const method = message['atrous-cam']?.method;
        if (method) posted.push(method);
        return postMessage.call(this, message, ...(rest as []));
      };
      const { putImageData } = OffscreenCanvasRenderingContext2D.prototype;
      OffscreenCanvasRenderingContext2D.prototype.putImageData = function (...all: unknown[]) {
        counts.paints++;
        return putImageData.apply(this, all as never);
      };
      const camera = Object.assign(document.createElement('canvas'), { width: 64, height: 48 });
      Object.defineProperty(navigator, 'mediaDevices', {
        value: {
          getUserMedia: async () => {
            camera.getContext('2d')!.fillRect(0, 0, 32, 32);
            return camera.captureStream(30);
          },
        },
      });
      const count = () => {
        counts.frames++;
        requestAnimationFrame(count);
      };
      requestAnimationFrame(count);
    });
    await done();
  });
  beforeEach(() => {
    problems.length = 0;
  });
  afterAll(async () => {
    await page.close();
    net.dispose();
  });
  const posted = () => page.evaluate(() => (window as unknown as { posted: string[] }).posted.splice(0));
  /** The mean of red minus blue over a part of a canvas, in shares of its size. */
  const warmth = (canvas: string, [x, y, w, h]: number[]) =>
    page.evaluate(
      ([id, x, y, w, h]) => {
        const canvas = document.getElementById(id as string) as HTMLCanvasElement;
        const [left, top, width, height] = [
          (x as number) * canvas.width,
          (y as number) * canvas.height,
          (w as number) * canvas.width,
          (h as number) * canvas.height,
        ].map(Math.round);
        const { data } = canvas.getContext('2d')!.getImageData(left, top, width, height);
        let sum = 0;
        for (let i = 0; i < data.length; i += 4) sum += data[i] - data[i + 2];
        return sum / (data.length / 4);
      },
      [canvas, x, y, w, h] as const,
    );
  const CAT = [0.1, 0.35, 0.3, 0.3];
  const DOG = [0.65, 0.2, 0.25, 0.25];

  it('opens with two classes in two colours; the map sharpens by itself', async () => {
    const tags = new Set(await page.evaluate(() => (window as unknown as { tags: string[] }).tags));
    expect([...tags].filter((tag) => tag.startsWith('sharp'))).toEqual([
      'sharp · not yet',
      'sharp · 7 × 7',
      'sharp · zooms 1 and 2',
    ]);
    expect(await text('left-tag')).toBe('usual · 7 × 7');
    await page.waitForTimeout(400); // the map has faded in
    for (const canvas of ['usual-canvas', 'sharp-canvas']) {
      expect((await warmth(canvas, DOG)) - (await warmth('original-canvas', DOG))).toBeGreaterThan(15);
      expect((await warmth(canvas, CAT)) - (await warmth('original-canvas', CAT))).toBeLessThan(-15);
    }
    expect([await text('scale-low'), await text('scale-high')]).toEqual(['Egyptian cat', 'pug']);
    const said = await page.locator('#predictions .explain').allTextContents();
    const { predictions } = await net.predict(photo);
    expect(said.map((line) => line.replace(/0\.\d{3}$/, ''))).toEqual(
      predictions.map(({ label }) => label.replaceAll('_', ' ')),
    );
    for (const [i, { probability }] of predictions.entries())
      expect(Math.abs(Number(/0\.\d{3}$/.exec(said[i])![0]) - probability)).toBeLessThan(0.00051); // half a digit; relaxed SIMD
    const evidence = 'The strongest evidence for pug rather than Egyptian_cat in sharp';
    expect(await text('announcer')).toMatch(new RegExp(`^Done in .*${evidence} lies \\d+% from the left`));
    expect(await posted()).toEqual(['load', 'preprocess', 'explain', 'explain', 'explain']); // decoded once
    expect(problems).toEqual([]);
  });

  it('loads its own files only, less than 200 kB without the network and the photograph', async () => {
    for (const url of requests) expect(url).toMatch(new RegExp(`^(blob:)?${site.origin}/`));
    const files = requests.filter((url) => /^http/.test(url) && !/photographs\/|imagenet-network-/.test(url));
    expect(files.some((url) => /worker-.*\.js/.test(url))).toBe(true);
    const bodies = await Promise.all(files.map(async (url) => Buffer.from(await (await fetch(url)).arrayBuffer())));
    const bytes = bodies.reduce((sum, body) => sum + brotliCompressSync(body).length, 0);
    expect(bytes).toBeGreaterThan(50_000);
    expect(bytes).toBeLessThan(200_000);
  });

  it('explains the classes that are clicked, with the numbers of the library, and goes back', async () => {
    const { name, path } = await saved('save-npy');
    expect(name).toBe('bengal_pug.sharp.raw.npy');
    const { shape, data } = readNpy(path);
    expect(shape).toEqual([448, 448]);
    const target = { for: 'pug', against: 'Egyptian_cat' };
    const { raw } = await net.explain(photo, {
      mode: 'pooled',
      zoom: [1, 2],
      combine: 'geometric-mean',
      target,
      sign: 'signed',
    });
    const error = data.reduce((most, value, i) => Math.max(most, Math.abs(value - raw.data[i])), 0);
    expect(error).toBeLessThan(1e-3); // relaxed SIMD rounds otherwise

    const hash = () => new URL(page.url()).hash;
    await act(() => page.click('#predictions .explain:has-text("tiger cat")'));
    expect(hash()).toBe('#target=tiger_cat%2FEgyptian_cat');
    await act(() => page.click('#predictions [aria-label="vs Egyptian cat"]'));
    expect(hash()).toBe('#target=tiger_cat');
    expect(await text('scale-low')).toBe('no evidence');
    await act(() => page.click('#predictions [aria-label="vs pug"]'));
    expect(hash()).toBe('#target=tiger_cat%2Fpug');
    await act(() => page.goBack().then(() => page.goBack()));
    expect(hash()).toBe('#target=tiger_cat%2FEgyptian_cat');
    expect(await text('scale-high')).toBe('tiger cat');
    expect(new Set(await posted())).toEqual(new Set(['explain']));
  });

  it('paints a picture once a frame at most', async () => {
    await page.evaluate(() => Object.assign((window as never as { counts: object }).counts, { frames: 0, paints: 0 }));
    await act(() => page.click('#predictions .explain:has-text("cougar")'));
    const { frames, paints } = await page.evaluate(
      () => (window as never as { counts: { frames: number; paints: number } }).counts,
    );
    expect(paints).toBeGreaterThan(0);
    expect(paints).toBeLessThanOrEqual(4 * (frames + 1)); // four of the five pictures have a map
  });

  it('says where evidence is weak; classes share a scale by choice', async () => {
    await act(() => page.fill('#target', 'zebra').then(() => page.press('#target', 'Enter')));
    expect(await page.inputValue('#target')).toBe('');
    expect(await text('weak')).toMatch(
      /^The network gives zebra .* only: the strongest colour stands for weak evidence\.$/,
    );
    expect(await page.locator('#predictions .explain').count()).toBe(6);
    await page.waitForTimeout(400);
    const own = await page.evaluate(() => (document.getElementById('sharp-canvas') as HTMLCanvasElement).toDataURL());
    await act(() => page.selectOption('#scale-of', 'shared'));
    await page.waitForTimeout(100);
    const shared = await page.evaluate(() =>
      (document.getElementById('sharp-canvas') as HTMLCanvasElement).toDataURL(),
    );
    expect(shared).not.toBe(own);
    await page.selectOption('#scale-of', 'own');
    await page.fill('#target', 'zebrra').then(() => page.press('#target', 'Enter'));
    expect(await text('message')).toContain('no class is called “zebrra”; did you mean "zebra"?');
    await page.click('#message-close');
    await act(() => page.click('#predictions .explain >> nth=0'));
  });

  it('has the sharpest map one click away', async () => {
    await act(() => page.click('#sharpest'));
    expect(await text('right-tag')).toBe('sharp · stride 8, zooms 1 and 2');
    await act(() => page.click('#sharpest'));
    expect(await text('right-tag')).toBe('sharp · zooms 1 and 2');
  });

  it('saves the map over the photograph as PNG, in the chosen colours', async () => {
    const plain = await saved('save-png');
    expect(plain.name).toBe('bengal_pug.sharp.png');
    const png = readFileSync(plain.path);
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([480, 320]);
    await page.selectOption('#colormap', 'grey', { force: true });
    expect(readFileSync((await saved('save-png')).path).equals(png)).toBe(false);
    await page.selectOption('#colormap', '', { force: true });
    expect(readFileSync((await saved('save-png')).path).equals(png)).toBe(true);
  });

  it('compares two sides under the divider, which a tap moves, and tells the values there', async () => {
    const shownOf = () =>
      page.evaluate(async () => {
        await new Promise((frame) => requestAnimationFrame(() => requestAnimationFrame(frame)));
        return {
          clip: getComputedStyle(document.getElementById('left-canvas')!).clipPath,
          left: (document.getElementById('left-canvas') as HTMLCanvasElement).toDataURL(),
          right: (document.getElementById('right-canvas') as HTMLCanvasElement).toDataURL(),
        };
      });
    const before = await shownOf();
    expect(before.left).not.toBe(before.right);
    await page.locator('#stage').scrollIntoViewIfNeeded();
    const box = (await page.locator('#stage').boundingBox())!;
    const values: number[] = [];
    for (const [x, y] of [
      [0.75, 0.3], // the dog's face
      [0.6, 0.97],
    ]) {
      await page.mouse.click(box.x + box.width * x, box.y + box.height * y);
      const match = /^usual −?(\d\.\d\d) · sharp −?(\d\.\d\d)$/.exec((await text('probe-value'))!);
      values.push(Number(match![2]));
      expect(Math.abs(Number(await page.inputValue('#probe-x')) - 480 * x)).toBeLessThan(3);
      expect(Math.abs(Number(await page.inputValue('#divider')) - 100 * x)).toBeLessThan(1);
    }
    expect(values[0]).toBeGreaterThan(values[1] + 0.2);
    await page.focus('#divider');
    await page.keyboard.press('End');
    expect((await shownOf()).clip).not.toBe(before.clip);
    await choose('left', 'original');
    await choose('right', 'original');
    const same = await shownOf();
    expect(same.left).toBe(same.right);
    expect(same.left).not.toBe(before.left);
    await choose('left', 'usual');
    await choose('right', 'sharp');
  });

  it('takes methods, signs, layers, heads and spacings from the library', async () => {
    const options = (id: string) =>
      page.locator(`#${id} option`).evaluateAll((all) => all.map((o) => (o as HTMLOptionElement).value));
    expect(new Set(await options('method'))).toEqual(new Set(methodNames));
    expect(await options('sign')).toEqual(['', 'positive', 'negative', 'absolute', 'signed']);
    await act(() => page.selectOption('#method', 'layercam'));
    await act(() => page.selectOption('#layer', 'conv_pw_11', { force: true }));
    expect(await options('heads')).toEqual(['', 'mean', 'one']);
    await act(() => choose('right', 'atrous'));
    expect(await text('right-tag')).toBe('atrous · 28 × 28');
    expect(new URL(page.url()).hash).toContain('right=atrous&method=layercam&layer=conv_pw_11');
    await act(() => page.selectOption('#method', 'saliency'));
    expect(await options('layer')).toEqual(['']);
    await act(() => page.selectOption('#method', 'gradcam'));
    await act(() => choose('right', 'sharp'));
  });

  it('takes photographs that are picked, dropped, pasted and dragged from other pages, several as a strip', async () => {
    const own = [join(root, 'test/fixtures/images/chelsea.png'), join(root, 'photos/staffie_bengal.jpg')];
    await act(() => page.setInputFiles('#photo-file', own));
    expect(await page.locator('#samples button').count()).toBe(8);
    expect((await saved('save-png')).name).toBe('chelsea.sharp.png');
    await act(() => page.click('#samples button >> nth=7'));
    expect((await saved('save-png')).name).toBe('staffie_bengal.sharp.png');
    const drop = (kind: 'drop' | 'paste' | 'html' | 'address') =>
      page.evaluate(async (kind) => {
        const canvas = new OffscreenCanvas(60, 40);
        canvas.getContext('2d')!.fillRect(0, 0, 20, 20);
        const type = kind === 'drop' ? 'image/webp' : 'image/png';
        const blob = await canvas.convertToBlob({ type });
        const transfer = new DataTransfer();
        if (kind === 'address') transfer.setData('text/uri-list', 'https://example.org/cat.png');
        else if (kind === 'html') {
          const bytes = new Uint8Array(await blob.arrayBuffer());
          transfer.setData(
            'text/html',
            `<img alt="" src="data:image/png;base64,${btoa(String.fromCharCode(...bytes))}">`,
          );
        } else transfer.items.add(new File([blob], `${kind}.${type.slice(6)}`, { type }));
        dispatchEvent(
          kind === 'paste'
            ? new ClipboardEvent('paste', { clipboardData: transfer })
            : new DragEvent('drop', { dataTransfer: transfer, cancelable: true }),
        );
      }, kind);
    await act(() => drop('drop'));
    await act(() => drop('paste'));
    expect((await saved('save-png')).name).toBe('paste.sharp.png');
    await act(() => drop('html'));
    expect((await saved('save-png')).name).toBe('dropped.sharp.png');
    await page.click('#camera-open');
    await page.waitForSelector('#camera[open]');
    await act(() => page.click('#camera button[value=take]'));
    expect((await saved('save-png')).name).toBe('camera.sharp.png');
    await drop('address');
    await page.waitForSelector('#message:not([hidden])');
    expect(await text('message')).toContain('copy the picture and paste it here');
    await act(() => page.click('#samples button >> nth=1'));
  });

  it.each([
    [
      '#photo-file',
      'notes.jpg',
      'This picture cannot be read. notes.jpg: no picture that this browser can decode. Try a PNG or JPEG file.',
    ],
    ['#weights-file', 'notes.h5', /^This weight file cannot be used\. notes\.h5: /],
    [
      '#weights-file',
      'names.txt',
      /^These settings do not fit the network\. labels: expected 1000, one a class, got 2/,
    ],
  ])('says why %s cannot take %s, and what worked stays', async (input, name, message) => {
    const path = join(folder, name);
    writeFileSync(path, name === 'names.txt' ? 'cat\ndog\n' : 'no picture, no weights');
    const facts = await text('network-facts');
    const before = await page.locator('#predictions .explain').allTextContents();
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
    expect(await text('network-facts')).toBe(facts);
    expect(await page.locator('#predictions .explain').allTextContents()).toEqual(before);
    expect(await page.inputValue('#network')).toBe('imagenet');
    await act(() => page.click(`#predictions .explain >> nth=${input === '#photo-file' ? 3 : 0}`));
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

  it('shows the photograph that was asked for last', async () => {
    await page.route(/pinscher_siamese.*\.jpg$/, async (route) => {
      await new Promise((later) => setTimeout(later, 500));
      await route.continue();
    });
    await page.click('#samples button >> nth=2');
    await act(() => page.click('#samples button >> nth=3'));
    await page.waitForTimeout(600);
    expect(await text('credit')).toContain('A Persian and a boxer');
    expect(await page.locator('#samples [aria-pressed=true] img').getAttribute('alt')).toBe('A Persian and a boxer');
    expect(new URL(page.url()).hash).toContain('photo=persian_boxer');
  });

  it('says that its server does not answer', async () => {
    await page.route(/abyssinian_bernard.*\.jpg$/, (route) => route.abort());
    await page.click('#samples button >> nth=4');
    await page.waitForSelector('#message:not([hidden])');
    expect(await text('message')).toMatch(
      /could not be loaded\..*server does not answer\. Is its server still running\?/,
    );
    await page.click('#message-close');
    problems.length = 0;
  });

  it('measures the three modes', async () => {
    await page.click('#measure');
    await page.waitForFunction(() => document.getElementById('measure')!.textContent === 'Measure', null, {
      timeout: 60_000,
    });
    const rows = await page.locator('#measure-rows tr').allTextContents();
    expect(rows.map((row) => /^(pooled7 × 7|dilated224 × 224|atrous28 × 28).*MAC.*s.*GFLOP\/s.*MB$/.test(row))).toEqual(
      [true, true, true],
    );
    expect(await text('measure-status')).toBe('Medians of three runs in turns.');
  });
});
