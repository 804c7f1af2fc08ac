import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RgbImage } from '../../src/base/types.js';
import { load } from '../../src/index.js';
import { type Browser, bits, root, type Site, serve, startBrowser } from './harness.js';

const folder = join(root, 'examples');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const photo = join(root, 'photos/leonberger_abyssinian.jpg');

let browser: Browser;
let site: Site;
/** What the examples show: Chromium has relaxed SIMD. */
let expected: { overlay: RgbImage; label: string };
beforeAll(async () => {
  browser = await startBrowser();
  site = await serve({ folders: { '/examples/': folder } });
  const net = await load(undefined, { kernels: 'relaxed' });
  const { overlay, target } = await net.explain(photo);
  expected = { overlay: overlay(), label: target.label };
  net.dispose();
});
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]();
  await site?.[Symbol.asyncDispose]();
});

/** The hash (as `bits` makes it) of the RGB pixels that a canvas or an image shows. */
const pixelsOf = (page: Page, selector: string): Promise<string> =>
  page.$eval(selector, async (shown: HTMLCanvasElement | HTMLImageElement) => {
    const { width, height } = shown;
    const context = Object.assign(document.createElement('canvas'), { width, height }).getContext('2d')!;
    context.drawImage(shown, 0, 0);
    const rgb = context.getImageData(0, 0, width, height).data.filter((_, i) => i % 4 < 3);
    const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', rgb));
    return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
  });

const outputIs = (page: Page, pattern: RegExp) =>
  page.waitForFunction((text) => new RegExp(text).test(document.querySelector('output')!.value), pattern.source);

it('web-worker: shows the map, tells how far it is, and stops', async () => {
  const page = await browser.page(site, '/examples/web-worker/index.html');
  await page.setInputFiles('input', photo);
  await outputIs(page, /^\d+ %$/);
  await page.click('button');
  await outputIs(page, /^stopped by the caller$/);
  await page.setInputFiles('input', []);
  await page.setInputFiles('input', photo);
  await outputIs(page, new RegExp(`^What speaks for "${expected.label}"$`));
  expect(await pixelsOf(page, 'canvas')).toBe(bits(expected.overlay.data));
  await page.close();
});

it('cdn-page: runs from another origin without a build', async () => {
  const page = await browser.page(site);
  const address = `https://cdn.jsdelivr.net/npm/atrous-cam@${version}/dist/`;
  await page.route(`${address}**`, (route) =>
    route.fulfill({
      path: join(root, 'dist', route.request().url().slice(address.length)),
      headers: { 'Access-Control-Allow-Origin': '*', 'Content-Type': 'text/javascript' },
    }),
  );
  await page.goto(`${site.origin}/examples/cdn-page/index.html`);
  await outputIs(page, /^0\.7 million parameters are ready\.$/);
  await page.setInputFiles('input', photo);
  await outputIs(page, /^(cat|dog) 0\.\d\d, (cat|dog) 0\.\d\d$/);
  await page.waitForFunction(() => document.querySelector('img')!.naturalWidth > 0);
  expect(await pixelsOf(page, 'img')).toBe(bits(expected.overlay.data));
  await page.close();
});

it('element: two pictures, two networks; a changed target is explained, an error is told', async () => {
  const page = await browser.page(site);
  await page.addInitScript(() => {
    Object.assign(window, { told: [] });
    const tell = (event: Event) => {
      const { detail, message } = event as CustomEvent & ErrorEvent;
      (window as unknown as { told: string[] }).told.push(detail?.target.label ?? message);
    };
    for (const type of ['explained', 'error']) addEventListener(type, tell, true);
  });
  const told = (count: number) =>
    page
      .waitForFunction((count) => (window as unknown as { told: string[] }).told.length >= count, count)
      .then(() => page.evaluate(() => (window as unknown as { told: string[] }).told.splice(0).sort()));
  await page.goto(`${site.origin}/examples/element/index.html`);
  expect(await told(2)).toEqual([expected.label, 'pug rather than Egyptian_cat'].sort());

  const net = await load('imagenet', { kernels: 'relaxed' });
  const target = { for: 'pug', against: 'tabby' };
  const picture = join(root, 'photos/bengal_pug.jpg');
  const { overlay } = await net.explain(picture, { mode: 'pooled', zoom: [1, 2], target, sign: 'signed' });
  net.dispose();
  const first = page.locator('atrous-cam').first();
  await first.evaluate((element) => element.setAttribute('target', 'pug/tabby'));
  expect(await told(1)).toEqual(['pug rather than tabby']);
  expect(await pixelsOf(page, 'atrous-cam >> nth=0 >> canvas')).toBe(bits(overlay().data));
  expect(await first.locator('canvas').getAttribute('aria-label')).toBe('What speaks for pug rather than tabby');
  await first.evaluate((element) => element.setAttribute('target', 'pugg'));
  expect((await told(1))[0]).toMatch(/did you mean "pug"/);
  await page.close();
});
