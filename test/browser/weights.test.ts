import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { root, serve, startBrowser } from './harness.js';
import weights from './jobs/weights.js';

const files = ['micro-vgg16.torchvision.safetensors', 'micro-vgg16.keras-official.h5'];
const folder = join(root, 'test/fixtures/references/small');

test('Chromium reads weight files as Node does, on a page and in a worker', async () => {
  const inNode = await weights({
    library: pathToFileURL(join(root, 'dist/index.js')).href,
    files: files.map((file) => pathToFileURL(join(folder, file)).href),
  });
  expect(inNode[0].logits).toHaveLength(10);
  expect(new Set(inNode[0].logits).size).toBe(10);
  expect(inNode[1]).toEqual(inNode[0]);
  const withWorker = [inNode[0], { ...inNode[1], workers: 1 }];
  await using browser = await startBrowser();
  const task = { library: '/dist/index.js', files: files.map((file) => `/files/${file}`) };
  const noBlobs = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'";
  for (const csp of [true, noBlobs]) {
    await using site = await serve({ csp, folders: { '/files/': folder } });
    for (const where of ['page', 'worker'] as const)
      expect(await browser.run(site, 'weights', task, { where }), `${where}, ${csp}`).toEqual(withWorker);
  }
});
