import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { load, readImage } from '../src/index.js';
import { boxMask, energyInMask, inputBox } from '../src/metrics.js';

const root = join(import.meta.dirname, '..');

it("`npm start` draws README's first picture, and it shows what its caption says", async () => {
  const folder = mkdtempSync(join(tmpdir(), 'atrous-cam-start-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const { start } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).scripts;
  const script = start.split(' node ')[1];
  const out = join(folder, 'deep', 'out.png');
  const said = execFileSync(process.execPath, [script, out], { cwd: root, encoding: 'utf8' });
  expect(said).toContain('Leonberg (255) with probability 0.302');
  const [made, shown] = [await readImage(out), await readImage(join(root, 'docs/leonberger_abyssinian.png'))];
  expect([made.width, made.height]).toEqual([shown.width, shown.height]);

  const net = await load('imagenet', { threads: 1 });
  const photo = join(root, 'photos/leonberger_abyssinian.jpg');
  const target = ['tabby', 'tiger_cat', 'Persian_cat', 'Siamese_cat', 'Egyptian_cat'];
  const cat = { x: 313, y: 121, width: 164, height: 206 }; // photos/ATTRIBUTION.md
  const share = async (options: object) => {
    const { map, rect } = await net.explain(photo, { mode: 'pooled', target, ...options });
    return energyInMask(map, boxMask(inputBox(cat, rect, map.width), map.width, map.height));
  };
  expect(await share({ align: 'cells' })).toBeLessThan(0.35);
  expect(await share({ zoom: [1, 2, 3] })).toBeGreaterThan(0.7);
  net.dispose();
});
