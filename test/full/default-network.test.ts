import { afterAll, beforeAll, expect, it } from 'vitest';
import { load, type Network } from '../../src/index.js';
import { evaluate } from '../../src/training.js';
import { sharedPath } from '../support/shared.js';

/** The bundled network on pictures that are not in the repository. */
let net: Network;
beforeAll(async () => {
  net = await load(undefined, { kernels: 'simd' });
});
afterAll(() => net?.dispose());

/** Of the first network, which was trained in PyTorch: what this package's own has to reach. */
const LEAST = { val: 0.9555, pets: 0.87 };

it('is as accurate as the first network on its validation pictures', async () => {
  const { accuracy, pictures } = await evaluate(net, sharedPath('datasets/dogs-vs-cats-136.tar'));
  console.log(`val: ${accuracy} of ${pictures}`);
  expect(accuracy).toBeGreaterThanOrEqual(LEAST.val);
});

it('is as accurate as the first network on photographs from elsewhere', async () => {
  const { accuracy, pictures, confusion } = await evaluate(net, sharedPath('pets'));
  console.log(`pets: ${accuracy} of ${pictures}, ${JSON.stringify(confusion)}`);
  expect(accuracy).toBeGreaterThanOrEqual(LEAST.pets);
});
