/** The page of `atrous-cam serve`: other networks than the one it opens with, and every kind of visitor. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../e2e/command.js';
import {
  act,
  done,
  expectAccessible,
  open,
  page,
  pictures,
  problems,
  requests,
  site,
  text,
  usePage,
} from './demo-page.js';
import { root, serve } from './harness.js';

const fixture = (name: string) => join(root, 'test/fixtures/references/small', name);
const folder = temporaryFolder();
usePage();

describe('other networks', () => {
  beforeAll(async () => {
    await open('#network=cats-and-dogs&target=cat&left=original', () => {
      const sizes: number[] = [];
      const read = Blob.prototype.arrayBuffer;
      Object.assign(window, { sizes });
      Blob.prototype.arrayBuffer = function () {
        sizes.push(this.size);
        return read.call(this);
      };
    });
    await done();
  });
  afterAll(() => page.close());

  it('of VGG’s family sharpen point by point, stop, and go on', async () => {
    expect(await text('right-tag')).toBe('sharp · 224 × 224');
    expect(await page.locator('#predictions .explain').count()).toBe(2);
    await page.evaluate(() => {
      const tag = document.getElementById('right-tag')!;
      new MutationObserver((_, observer) => {
        if (!/28 × 28 so far/.test(tag.textContent!)) return;
        observer.disconnect();
        document.getElementById('stop')!.click();
      }).observe(tag, { childList: true });
    });
    await page.click('#samples button >> nth=5');
    await page.waitForFunction(() => document.getElementById('stop')!.textContent === 'Go on');
    expect(await text('status')).toBe('Stopped.');
    expect(await text('right-tag')).toMatch(/so far$/);
    await act(() => page.click('#stop'));
    expect(await text('right-tag')).toBe('sharp · 224 × 224');
    expect(await page.isDisabled('#save-npy')).toBe(false);
  });

  it('of the visitor are read from disk, kept, used again, and removed', async () => {
    await act(() => page.setInputFiles('#weights-file', fixture('micro-vgg16.keras-official.h5')));
    expect(await text('network-facts')).toContain('10 classes · 64 × 64 pixels');
    const sizes = await page.evaluate(() => (window as unknown as { sizes: number[] }).sizes);
    expect(sizes.filter((size) => size > 1024)).toEqual([]); // the first kilobyte tells a photograph's format
    expect(requests.some((url) => /hdf5-library-/.test(url))).toBe(true);
    await page.waitForFunction(() => location.hash.includes('network=micro'));
    const before = await page.locator('#predictions .explain').allTextContents();
    expect(before).toHaveLength(5);

    await page.reload();
    await done();
    expect(await page.inputValue('#network')).toBe('micro-vgg16.keras-official.h5');
    expect(await page.locator('#predictions .explain').allTextContents()).toEqual(before);
    await act(() => page.fill('#target', 'class 3').then(() => page.press('#target', 'Enter')));
    expect(await text('announcer')).toContain('class 3');
  });

  it('take names of classes and other numbers than the file states', async () => {
    const names = join(folder, 'ten.txt');
    writeFileSync(names, Array.from({ length: 10 }, (_, i) => `name ${i}`).join('\n'));
    await page.uncheck('#keep');
    const file = fixture('micro-vgg16.torchvision.safetensors');
    await act(() => page.setInputFiles('#weights-file', [names, file]));
    expect(await page.inputValue('#network')).toBe('*');
    const before = await page.locator('#predictions .explain').allTextContents();
    await act(() => page.selectOption('#normalization', 'tf', { force: true }));
    const after = await page.locator('#predictions .explain').allTextContents();
    expect(after).not.toEqual(before);
    expect(after[0]).toContain('name ');
    await expectAccessible();
  });

  it('are removed; what is not there any more is said', async () => {
    await act(() => page.selectOption('#network', 'micro-vgg16.keras-official.h5'));
    await act(() => page.click('#remove'));
    expect(await text('network-facts')).toContain('1000 classes');
    expect(await page.locator('#predictions .explain[aria-pressed=true]').count()).toBe(1);
    expect(await page.locator('#network option').count()).toBe(3); // the included ones, and the one of this visit
    const left = await page.evaluate(async () => {
      const kept = await (await navigator.storage.getDirectory()).getDirectoryHandle('weights');
      const names: string[] = [];
      for await (const name of (kept as unknown as { keys(): AsyncIterable<string> }).keys()) names.push(name);
      return names;
    });
    expect(left).toEqual([]);
    await page.goto(`${site.origin}/?again#network=gone.h5&photo=own`);
    await page.waitForSelector('#message:not([hidden])');
    await done();
    expect(await text('message')).toMatch(/Your photograph is not here any more/);
    expect(await text('network-facts')).toContain('1000 classes');
    expect(problems).toEqual([]);
  });
});

describe('every visitor', () => {
  it('can do everything with the keyboard alone', async () => {
    await open();
    await done();
    const focused = () =>
      page.evaluate(
        () =>
          document.activeElement!.id ||
          (document.activeElement as HTMLInputElement).name ||
          document.activeElement!.ariaLabel ||
          document.activeElement!.textContent,
      );
    const cat = await page.locator('#predictions .explain:has-text("tiger cat")').textContent();
    const order: (string | null)[] = [];
    for (let i = 0; i < 80; i++) {
      await page.keyboard.press('Tab');
      const name = await focused();
      if (order.includes(name) && name === order[0]) break;
      order.push(name);
    }
    for (const id of [
      'Skip to the picture',
      'divider',
      'sharpest',
      'probe-x',
      'photo-file',
      'vs tiger cat',
      'target',
      'left',
      'right',
      'method',
      'sign',
      'scale-of',
      'opacity',
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
      for (let i = 0; i < 80 && (await focused()) !== id; i++) await page.keyboard.press('Tab');
      expect(await focused()).toBe(id);
    };
    await goTo(cat);
    await act(() => page.keyboard.press('Enter'));
    expect(await focused()).toBe(cat);
    expect(await page.locator('#predictions .explain[aria-pressed=true]').textContent()).toBe(cat);
    await goTo('left');
    await page.keyboard.press('ArrowLeft');
    expect(await text('left-tag')).toBe('photo');
    await goTo('divider');
    await page.keyboard.press('ArrowRight');
    expect(await page.inputValue('#divider')).toBe('20.5');
    await page.close();
  });

  it('finds the settings of the address, as far as they can be', async () => {
    await open('#photo=terrier_bengal&target=tabby&left=original&colormap=viridis&opacity=30&method=nonsense&right=up');
    await done();
    expect(await page.locator('#samples [aria-pressed=true] img').getAttribute('alt')).toBe(
      'A bull terrier and a Bengal',
    );
    expect(await text('left-tag')).toBe('photo');
    expect([
      await page.inputValue('#colormap'),
      await page.inputValue('#opacity'),
      await page.inputValue('#method'),
    ]).toEqual(['viridis', '30', 'gradcam']);
    expect(await page.locator('#predictions .explain[aria-pressed=true]').textContent()).toMatch(/^tabby/);
    await act(() =>
      page.evaluate(() => {
        location.hash = '#photo=persian_boxer&colormap=zzz';
      }),
    );
    expect(await page.inputValue('#colormap')).toBe('');
    await act(() => page.selectOption('#network', 'cats-and-dogs'));
    expect(new URL(page.url()).hash).toBe('#photo=persian_boxer&network=cats-and-dogs');
    expect(await page.locator('#predictions .explain').count()).toBe(2);
    await act(() => page.goBack());
    expect(await page.inputValue('#network')).toBe('imagenet');
    expect(await page.locator('#predictions .explain[aria-pressed=true]').textContent()).toMatch(/^boxer/);
    await page.evaluate(() => {
      location.hash = '#photo=persian_boxer&target=unicorn';
    });
    await page.waitForSelector('#message:not([hidden])');
    expect(await text('message')).toContain('no class of this network is called “unicorn”');
    expect(new URL(page.url()).hash).toBe('#photo=persian_boxer');
    expect(await page.locator('#samples [aria-pressed=true] img').getAttribute('alt')).toBe('A Persian and a boxer');
    await page.close();
  });

  it('is served without the headers as well, on one thread', async () => {
    await using plain = await serve({ folders: { '/demo/': join(root, 'dist/demo') } });
    await open('', () => {}, plain, '/demo/index.html');
    await done();
    expect(await text('network-facts')).toContain('one thread');
    expect(await text('machine')).toContain(
      'Computing on one thread, because the server sends no COOP and COEP headers',
    );
    expect(await text('right-tag')).toBe('sharp · zooms 1 and 2');
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

  it('sees a page without findings of axe, at any width, light and dark', async () => {
    await open();
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await done();
    for (const [width, height] of [
      [1440, 1000],
      [1024, 800],
      [390, 844],
    ])
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.setViewportSize({ width, height });
        await page.emulateMedia({ colorScheme });
        expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
        await expectAccessible();
        await page.evaluate(() => scrollTo(0, 600));
        if (width === 390) expect((await page.locator('#stage').boundingBox())!.y).toBe(0); // it stays in sight
        const path = join(pictures, `demo-${width}-${colorScheme}.png`);
        await page.evaluate(() => scrollTo(0, 0));
        expect((await page.screenshot({ path })).length).toBeGreaterThan(20_000);
      }
    await page.close();
  });
});
