import { copyFileSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { staticImports } from '../../scripts/checks/static-imports.js';
import { type Browser, serve, startBrowser } from '../browser/harness.js';
import type { Bundle } from './bundlers.js';
import { type Answer, type Answers, answersInNode, Projects, photo, root, weights } from './projects.js';

/** Projects of users, a browser, and what the package says in Node. */
export interface Users {
  readonly projects: Projects;
  /** The folder of a project for Node. */
  readonly inNode: string;
  /** What the page found. */
  answersOf(origin: string, path: string): Promise<Answers>;
  /** What it must find: the same numbers everywhere. */
  readonly expected: Answers;
}

/** Makes them before a file's tests and removes them afterwards. */
export function users(): Users {
  let projects: Projects;
  let browser: Browser;
  let inNode: string;
  let expected: Answer;
  beforeAll(async () => {
    projects = new Projects();
    [browser, inNode] = await Promise.all([startBrowser(), projects.create('node')]);
    expected = await answersInNode(inNode);
  });
  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
    projects?.[Symbol.dispose]();
  });
  return {
    get projects() {
      return projects;
    },
    get inNode() {
      return inNode;
    },
    get expected() {
      return { page: expected, worker: expected, ownWorker: expected };
    },
    async answersOf(origin, path) {
      const page = await browser.page({ origin, [Symbol.asyncDispose]: async () => {} }, path);
      try {
        // polls, because a development server may load the page once more
        const answers = await page.waitForFunction(
          () => (globalThis as unknown as { answers: Promise<Answers> }).answers,
        );
        return await answers.jsonValue();
      } finally {
        await page.close();
      }
    },
  };
}

/** That a bundler's output runs, and holds no more than it must. */
export function describeBundle(name: string, bundle: Bundle, all: Users): void {
  describe(`built by ${name}`, () => {
    let out: string;
    beforeAll(async () => {
      const folder = await all.projects.create(name);
      out = join(folder, 'out');
      mkdirSync(out);
      await bundle(folder, out);
    });

    it('gives the numbers that Node gives', async () => {
      copyFileSync(photo, join(out, 'photo.jpg'));
      copyFileSync(weights, join(out, 'weights.h5'));
      await using site = await serve({ folders: { '/': out } });
      expect(await all.answersOf(site.origin, '/browser.html')).toEqual(all.expected);
    });

    it('leaves out what is not imported', () => {
      const script = /src="([^"]*\.js)"/.exec(readFileSync(join(out, 'png.html'), 'utf8'))![1];
      const loaded = [...staticImports(join(out, script))]; // esbuild writes chunks that nothing imports any more
      const code = loaded.map((file) => readFileSync(file, 'utf8')).join('');
      expect(code.includes('AGFzbQ')).toBe(false); // WebAssembly's first bytes as base64: the kernels
      expect(code.includes('block5_conv3')).toBe(false);
      const library = [...staticImports(join(root, 'dist/index.js'))].reduce(
        (sum, file) => sum + statSync(file).size,
        0,
      );
      expect(code.length).toBeLessThan(library / 3); // pako and upng-js, and what webpack dares not drop
    });
  });
}
