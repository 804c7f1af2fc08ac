import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { init, type Kernels } from '../src/kernels.js';

const source = readFileSync(new URL('../src/kernels.ts', import.meta.url), 'utf8');

/** The examples of the documentation, by the line of code that follows them. */
const examples = [...source.matchAll(/@example\n([\s\S]*?)\*\/\n\s*(.*)/g)].map(([, comment, call]) => ({
  call,
  code: comment.replace(/^ *\* ?/gm, ''),
}));

describe('the examples of the kernels', () => {
  let k: Kernels;
  beforeAll(async () => {
    k = await init({ kernels: 'simd', threads: 1 });
  });
  afterAll(() => k.dispose());

  it.each(examples)('$call', async ({ call, code }) => {
    const last = /^\s*k\.(\w+)\(.*\); \/\/ (about )?([-\d., ]+)$/m.exec(code);
    const body = last ? code.replace(last[0], `return ${last[0].trim()}`) : code;
    const run = new Function('k', 'init', `return (async () => { ${body}\n })()`);
    const result = await run(call.includes('init') ? undefined : k, () => init({ kernels: 'simd', threads: 1 }));
    if (last) for (const [i, number] of last[3].split(', ').entries()) expect(result[i]).toBeCloseTo(Number(number), 5);
  });

  it('are found, and stand at every kind of call', () => {
    expect(examples.length).toBeGreaterThan(12);
  });
});
