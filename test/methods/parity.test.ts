import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ExplainOptions, Network, PixelInput } from '../../src/api.js';
import { load } from '../../src/index.js';
import index from '../fixtures/references/small/index.json' with { type: 'json' };
import { normalized, pytorchMethods } from '../support/methods.js';
import { expectClose, fixturePath, readReferences } from '../support/references.js';

const maps = readReferences(fixturePath('small/methods.reference.safetensors'));
const forward = readReferences(fixturePath('small/micro-vgg16.reference.safetensors'));
const size = index.network.size;
const image: PixelInput = { width: size, height: size, data: forward.get('image_rgb')!.data as Uint8Array };
const preprocessing = { normalization: 'caffe', fit: 'squash', resize: 'nearest' } as const;

let net: Network;
beforeAll(async () => {
  net = await load(fixturePath('small/micro-vgg16.keras-official.h5'), {
    precision: 'exact',
    kernels: 'simd',
    preprocessing,
  });
});
afterAll(() => net.dispose());

const explain = (options: ExplainOptions) => net.explain(image, { smoothing: 'none', ...options });

describe("pytorch-grad-cam's finished maps", () => {
  const cases = [...maps.keys()].filter((key) => key.includes('.pgc.')).map((key) => key.split('.'));
  it.each(cases)('%s, %s class, %s %s', async (modeName, rank, _, name) => {
    const mode = modeName as 'pooled' | 'dilated' | 'atrous';
    const target = index.network[mode][rank as 'top' | 'second'];
    const { map, raw, score } = await explain({ mode, target, method: pytorchMethods[name] });
    expect(score).toBeGreaterThan(0); // for a negative one its Ablation-CAM has the other sign
    // Its atrous maps are at full size already, so that it does not shift them by the 7.5 pixels at which the points lie.
    const actual = mode === 'atrous' ? normalized(raw.data) : map.data;
    expectClose(actual, maps.get(`${mode}.${rank}.pgc.${name}`)!.data, 1e-4, name);
  });
});

describe('atrous, each phase with the gradient of its own head', () => {
  it.each(['top', 'second'] as const)('%s class', async (rank) => {
    const target = index.network.atrous[rank];
    for (const method of ['gradcam', 'hirescam', 'layercam'] as const) {
      const { raw } = await explain({ mode: 'atrous', target, method, heads: 'each' });
      expectClose(raw.data, maps.get(`atrous.${rank}.per_phase.${method}_raw`)!.data, 1e-4, method);
    }
  });
});

it('every reference of a method is compared', () => {
  const compared = [...maps.keys()].filter((key) => key.includes('.pgc.'));
  expect(compared).toHaveLength(2 * (10 + 10 + 2));
});
