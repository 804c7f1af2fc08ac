/** Makes demo/thumbnails from photos, scaled by a browser: `node scripts/makers/thumbnails.js`, after a photograph was added. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { launchOptions } from '../find-browser.js';

const root = resolve(fileURLToPath(new URL('../..', import.meta.url)));
const WIDTH = 192; // twice what the page shows
const QUALITY = 0.42;

const browser = await chromium.launch(launchOptions());
const page = await browser.newPage();
mkdirSync(join(root, 'demo/thumbnails'), { recursive: true });
const shown = readFileSync(join(root, 'demo/photo.ts'), 'utf8');
for (const name of readdirSync(join(root, 'photos')).filter((file) => shown.includes(`thumbnails/${file}`))) {
  const source = readFileSync(join(root, 'photos', name)).toString('base64');
  const base64 = await page.evaluate(
    async ({ source, width, quality }) => {
      const blob = await (await fetch(`data:image/jpeg;base64,${source}`)).blob();
      const whole = await createImageBitmap(blob);
      const height = Math.round((whole.height * width) / whole.width);
      const small = await createImageBitmap(blob, { resizeWidth: width, resizeHeight: height, resizeQuality: 'high' });
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [width, height];
      canvas.getContext('2d')?.drawImage(small, 0, 0);
      return canvas.toDataURL('image/jpeg', quality).split(',')[1];
    },
    { source, width: WIDTH, quality: QUALITY },
  );
  writeFileSync(join(root, 'demo/thumbnails', name), Buffer.from(base64, 'base64'));
}
await browser.close();
