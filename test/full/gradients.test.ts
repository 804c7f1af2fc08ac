import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Network, PixelInput } from '../../src/api.js';
import { load } from '../../src/index.js';
import { gradientCases } from '../support/gradients.js';
import { expectNear, readReferences } from '../support/references.js';
import { sharedPath } from '../support/shared.js';

/** The larger reference network (96 pixels, widths 8 to 24): every gradient that its file has. */
const references = readReferences(sharedPath('references/micro-vgg16.reference.safetensors'));
const image: PixelInput = { width: 96, height: 96, data: references.get('image_rgb')!.data as Uint8Array };
const preprocessing = { normalization: 'caffe', fit: 'squash', resize: 'nearest' } as const;
const file = sharedPath('references/micro-vgg16.torchvision.safetensors');
const classes = {
  pooled: { top: 9, second: 7 },
  dilated: { top: 9, second: 2 },
  atrous: { top: 9, second: 7 },
};

/**
 * What lies before a tie: in float32 two maxima of one window of block 4's pool are equal within rounding (the last test below shows
 * them), and fused multiplications round the second one up, so that it takes the gradient that the first has in float64.
 */
const behindTie = ['block4_conv3', 'block3_conv3', 'input'].map((name) => `atrous.top.dense.d${name}_nhwc`);
const tie = { row: 8, columns: [52, 60], channel: 2 };

describe.each(['simd', 'relaxed'] as const)('%s', (kernels) => {
  let [exact, fast]: Network[] = [];
  beforeAll(async () => {
    exact = await load(file, { precision: 'exact', kernels, preprocessing });
    fast = await load(file, { precision: 'fast', kernels, preprocessing });
  });
  afterAll(() => {
    exact.dispose();
    fast.dispose();
  });

  it.each(gradientCases(references))("$mode: $title is PyTorch's in float64", async (item) => {
    const { mode, rank, options, compare } = item;
    const asked = { ...options, target: classes[mode][rank] };
    expect(compare.length).toBe(item.all);
    const result = await exact.gradients(image, asked);
    const fastBack = await exact.gradients(image, { ...asked, precision: 'fast' });
    const wholly = await fast.gradients(image, asked);
    let [worst, where] = [0, ''];
    for (const { key, of } of compare) {
      const expected = references.get(key)!.data;
      const tied = kernels === 'relaxed' && behindTie.includes(key);
      expectNear(of(result), expected, tied ? 1e-3 : 1e-5, key);
      expectNear(of(fastBack), expected, tied ? 1e-3 : 1e-4, `${key}, backward fast`);
      const apart = difference(of(wholly), expected);
      if (apart >= worst) [worst, where] = [apart, key];
    }
    console.log(`${mode}, ${item.title}: wholly fast differs by ${worst.toExponential(1)} at most (${where})`);
  });

  it.each(['pooled', 'dilated', 'atrous'] as const)(
    '%s: ReLUs that a fast forward pass decides otherwise',
    async (mode) => {
      const layers = exact.layers;
      const a = await exact.activations(image, { mode, layers });
      const b = await fast.activations(image, { mode, layers });
      let [flipped, all] = [0, 0];
      for (const name of layers) {
        const other = b[name].data;
        a[name].data.forEach((value, i) => {
          if (value > 0 !== other[i] > 0) flipped++;
        });
        all += other.length;
      }
      console.log(`${mode}: ${flipped} of ${all} ReLUs differ between an exact and a fast forward pass`);
      expect(flipped).toBeLessThan(all / 1000);
    },
  );
});

it('two maxima of block 4 tie in float32', () => {
  const { shape, data } = references.get('atrous.block4_conv3_nhwc')!;
  const [first, second] = tie.columns.map((column) => data[(tie.row * shape[2] + column) * shape[3] + tie.channel]);
  expect(Math.abs(first / second - 1)).toBeLessThan(2 ** -22);
});

/** |actual - expected| / |expected| */
function difference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [sum, norm] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    sum += (actual[i] - expected[i]) ** 2;
    norm += expected[i] ** 2;
  }
  return Math.sqrt(sum / norm);
}
