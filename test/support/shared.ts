import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = resolve(process.env.ATROUS_CAM_SHARED ?? fileURLToPath(new URL('../../../shared', import.meta.url)));

/** Tests of test/full by the data that they need, of the folder beside the repository or the one that ATROUS_CAM_SHARED names. */
const users = {
  'references/index.json': ['gradients', 'kernels', 'methods', 'references', 'weights'],
  'datasets/dogs-vs-cats-136.tar': ['default-network'],
  pets: ['default-network'],
  'zoo/README.md': ['keras', 'onnx'],
  'cases/expected.json': ['keras', 'onnx'],
};

/** A file of the reference data. */
export const sharedPath = (name: string): string => join(folder, name);

/** The tests whose data are not there, and what to do. */
export function dataLeftOut(): { files: string[]; because: string } | undefined {
  const missing = Object.entries(users).filter(([name]) => !existsSync(sharedPath(name)));
  if (missing.length === 0) return undefined;
  const tests = [...new Set(missing.flatMap(([, names]) => names))];
  return {
    files: tests.map((name) => `test/full/${name}.test.ts`),
    because:
      `Tests were left out (${tests.join(', ')}): "${folder}" has no ${missing.map(([name]) => name).join(', no ')}; ` +
      'test/fixtures/references/README.md tells how to make or get them, and ATROUS_CAM_SHARED names another folder.',
  };
}
