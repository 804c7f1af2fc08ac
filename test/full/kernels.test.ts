import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { init, type Kernels } from '../../src/kernels.js';
import { checkKernelCase, type KernelCase, titleOf } from '../support/kernel-cases.js';
import { builds } from '../support/kernels.js';
import { readReferences } from '../support/references.js';
import { sharedPath } from '../support/shared.js';

// All single operations computed by PyTorch in float64; test/kernels.test.ts has the smallest ones.
const cases: KernelCase[] = JSON.parse(readFileSync(sharedPath('references/index.json'), 'utf8')).kernels;
const references = readReferences(sharedPath('references/kernels.safetensors'));

describe.each(builds)('kernels, $kernels, $threads threads', (build) => {
  describe.each([
    ['exact', 2e-6],
    ['fast', 1e-5],
  ] as const)('%s', (precision, tolerance) => {
    let k: Kernels;
    beforeAll(async () => {
      k = await init({ ...build, precision });
    });
    afterAll(() => k.dispose());

    it.each(cases.map((item) => ({ title: titleOf(item), item })))('$title', ({ item }) => {
      checkKernelCase(k, item, references, tolerance);
    });
  });
});
