import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createServer } from 'vite';
import { describe, expect, it, vi } from 'vitest';
import { serve } from '../browser/harness.js';
import { bundlers } from './bundlers.js';
import { photo, weights } from './projects.js';
import { describeBundle, users } from './users.js';

// The package as users get it: `npm pack`, installed into fresh projects, built by their tools, run where they run it.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });
const all = users();

for (const [name, bundle] of Object.entries(bundlers)) describeBundle(name, bundle, all);

describe('without a bundler', () => {
  it('runs from a page with <script type=module>', async () => {
    const out = join(all.inNode, 'page');
    mkdirSync(out);
    const modules = { 'atrous-cam': 'index', 'atrous-cam/worker': 'worker' };
    const imports = Object.fromEntries(
      Object.entries(modules).map(([name, file]) => [name, `/package/dist/${file}.js`]),
    );
    writeFileSync(join(all.inNode, 'src/worker.js'), `import '/package/dist/worker-host.js';\n`); // no import map reaches into workers
    writeFileSync(
      join(out, 'index.html'),
      `<!doctype html><meta charset="utf-8"><script type="importmap">${JSON.stringify({ imports })}</script>
       <script type="module" src="/src/browser.js"></script>`,
    );
    copyFileSync(photo, join(out, 'photo.jpg'));
    copyFileSync(weights, join(out, 'weights.h5'));
    const folders = {
      '/package/': join(all.inNode, 'node_modules/atrous-cam'),
      '/src/': join(all.inNode, 'src'),
      '/': out,
    };
    await using site = await serve({ folders });
    expect(await all.answersOf(site.origin, '/index.html')).toEqual(all.expected);
  });

  it("runs from Vite's development server, which bundles dependencies its own way", async () => {
    const folder = await all.projects.create('vite-dev');
    writeFileSync(join(folder, 'index.html'), '<!doctype html><script type="module" src="/src/browser.js"></script>');
    mkdirSync(join(folder, 'public'));
    copyFileSync(photo, join(folder, 'public/photo.jpg'));
    copyFileSync(weights, join(folder, 'public/weights.h5'));
    const server = await createServer({
      root: folder,
      configFile: false,
      logLevel: 'error',
      server: { host: '127.0.0.1' },
    });
    try {
      await server.listen();
      const [origin] = server.resolvedUrls!.local.map((url) => url.replace(/\/$/, ''));
      expect(await all.answersOf(origin, '/')).toEqual(all.expected);
    } finally {
      await server.close();
    }
  });
});
