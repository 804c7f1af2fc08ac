import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Browser, bits, serve, startBrowser } from './harness.js';

interface Probe {
  worker: boolean;
  isolated: boolean;
  evalAllowed: boolean;
  wasmAllowed: boolean;
  values: Float32Array;
}

describe('the browser harness', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser?.[Symbol.asyncDispose]());

  it.each([
    { isolated: false, csp: false, where: 'page' },
    { isolated: true, csp: false, where: 'page' },
    { isolated: false, csp: true, where: 'page' },
    { isolated: false, csp: false, where: 'worker' },
    { isolated: true, csp: false, where: 'worker' },
    { isolated: true, csp: true, where: 'worker' },
  ] as const)('runs a module with %o', async ({ isolated, csp, where }) => {
    const site = await serve({ isolated, csp });
    try {
      const probe = await browser.run<Probe>(site, 'probe', { values: [1.5, -0, null, 1e-45] }, { where });
      expect(probe).toMatchObject({ worker: where === 'worker', isolated, evalAllowed: !csp, wasmAllowed: true });
      expect(probe.values).toBeInstanceOf(Float32Array);
      expect(bits(probe.values)).toBe(bits(Float32Array.of(1.5, -0, Number.NaN, 1e-45)));
    } finally {
      await site[Symbol.asyncDispose]();
    }
  });

  it.each(['page', 'worker'] as const)('passes on what a job on a %s throws', async (where) => {
    const site = await serve();
    try {
      await expect(browser.run(site, 'probe', { fail: 'now' }, { where })).rejects.toThrow('asked to fail: now');
      await expect(browser.run(site, 'missing', {}, { where })).rejects.toThrow(/missing\.js/);
    } finally {
      await site[Symbol.asyncDispose]();
    }
  });

  it('serves nothing outside its folders', async () => {
    const site = await serve();
    try {
      for (const path of ['/', '/package.json', '/jobs/..%2f..%2f..%2fpackage.json', '/dist/'])
        expect([path, (await fetch(site.origin + path)).status]).toEqual([path, 404]);
    } finally {
      await site[Symbol.asyncDispose]();
    }
  });
});
