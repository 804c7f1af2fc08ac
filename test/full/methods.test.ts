import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Network, PixelInput } from '../../src/api.js';
import type { Mode } from '../../src/base/types.js';
import { load } from '../../src/index.js';
import { normalized, pytorchMethods } from '../support/methods.js';
import { expectClose, readReferences } from '../support/references.js';
import { sharedPath } from '../support/shared.js';

/** Every method that pytorch-grad-cam has, and the maps of each phase, on the larger reference network. */
const references = readReferences(sharedPath('references/micro-vgg16.reference.safetensors'));
const image: PixelInput = { width: 96, height: 96, data: references.get('image_rgb')!.data as Uint8Array };
const classes: Record<Mode, { top: number; second: number }> = {
  pooled: { top: 9, second: 7 },
  dilated: { top: 9, second: 2 },
  atrous: { top: 9, second: 7 },
};
let net: Network;
beforeAll(async () => {
  net = await load(sharedPath('references/micro-vgg16.keras-official.h5'), {
    precision: 'exact',
    preprocessing: { normalization: 'caffe', fit: 'squash', resize: 'nearest' },
  });
});
afterAll(() => net?.dispose());

describe("pytorch-grad-cam's finished maps", () => {
  const cases = [...references.keys()].filter((key) => key.includes('.pgc.')).map((key) => key.split('.'));
  it('are all there', () => expect(cases).toHaveLength(44));

  it.each(cases)('%s, %s class, %s %s', async (modeName, rank, _, name) => {
    const mode = modeName as Mode;
    const target = classes[mode][rank as 'top' | 'second'];
    const { map, raw } = await net.explain(image, { mode, target, method: pytorchMethods[name], smoothing: 'none' });
    // Its atrous maps are at full size already, so that it does not shift them by the 7.5 pixels at which the points lie.
    const actual = mode === 'atrous' ? normalized(raw.data) : map.data;
    expectClose(actual, references.get(`${mode}.${rank}.pgc.${name}`)!.data, 1e-4, name);
  });
});

it.each(['top', 'second'] as const)('each phase with the gradient of its own head: %s class', async (rank) => {
  for (const method of ['gradcam', 'hirescam', 'layercam'] as const) {
    const { raw } = await net.explain(image, { mode: 'atrous', target: classes.atrous[rank], method, heads: 'each' });
    expectClose(raw.data, references.get(`atrous.${rank}.per_phase.${method}_raw`)!.data, 1e-4, method);
  }
});
