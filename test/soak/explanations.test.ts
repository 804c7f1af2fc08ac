import { expect, test } from 'vitest';
import { load } from '../../src/index.js';
import { bits } from '../browser/harness.js';
import { fixturePath } from '../support/references.js';

test('1,000 explanations in one process take no more memory than 200', async () => {
  const network = await load(fixturePath('small/micro-vgg16.torchvision.safetensors'), { threads: 2 });
  const data = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * i) % 251);
  const modes = ['pooled', 'dilated', 'atrous'] as const;
  const first = new Map<string, string>();
  let after200 = 0;
  for (let i = 0; i < 1000; i++) {
    const mode = modes[i % modes.length];
    const { raw } = await network.explain({ width: 64, height: 64, data }, { mode });
    const print = bits(raw.data);
    expect(print).toBe(first.get(mode) ?? print);
    first.set(mode, print);
    if (i === 200) after200 = process.memoryUsage.rss();
  }
  const growth = process.memoryUsage.rss() - after200;
  console.log(
    `resident set: ${(after200 / 1e6).toFixed(0)} MB after 200, ${(growth / 1e6).toFixed(1)} MB more after 1,000`,
  );
  expect(growth).toBeLessThan(32e6);
  network.dispose();
});

test('100 networks loaded and disposed of leave nothing behind', async () => {
  const path = fixturePath('small/micro-vgg16.torchvision.safetensors');
  let after20 = 0;
  for (let i = 0; i < 100; i++) {
    (await load(path, { threads: 2 })).dispose();
    if (i === 20) after20 = process.memoryUsage.rss();
  }
  expect(process.memoryUsage.rss() - after20).toBeLessThan(64e6);
});
