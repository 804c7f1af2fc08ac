import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Network, PixelInput } from '../../src/api.js';
import type { Mode, Precision } from '../../src/base/types.js';
import { load } from '../../src/index.js';
import { expectClose, readReferences } from '../support/references.js';
import { sharedPath } from '../support/shared.js';

/** The larger reference network (96 pixels, widths 8 to 24) from every format, in every mode. */
const references = readReferences(sharedPath('references/micro-vgg16.reference.safetensors'));
const image: PixelInput = { width: 96, height: 96, data: references.get('image_rgb')!.data as Uint8Array };
const preprocessing = { normalization: 'caffe', fit: 'squash', resize: 'nearest' } as const;
const modes = ['pooled', 'dilated', 'atrous'] as const;
const classes: Record<Mode, { top: number; second: number }> = {
  pooled: { top: 9, second: 7 },
  dilated: { top: 9, second: 2 },
  atrous: { top: 9, second: 7 },
};
const files = [
  'micro-vgg16.keras-official.h5',
  'micro-vgg16.keras-varlen.h5',
  'micro-vgg16.keras-model.h5',
  'micro-vgg16.keras3.weights.h5',
  'micro-vgg16.torchvision.safetensors',
  'micro-vgg16.timm.safetensors',
];
const tolerances: Record<Precision, number> = { exact: 1e-5, fast: 1e-4 };

describe.each(files)('%s', (file) => {
  describe.each(['exact', 'fast'] as const)('%s', (precision) => {
    describe.each(['simd', 'relaxed'] as const)('%s', (kernels) => {
      let net: Network;
      beforeAll(async () => {
        net = await load(sharedPath(`references/${file}`), { precision, kernels, preprocessing });
      });
      afterAll(() => net?.dispose());

      it.each(modes)("%s: logits, Grad-CAM and activations are PyTorch's", async (mode) => {
        const tolerance = tolerances[precision];
        for (const rank of ['top', 'second'] as const)
          for (const score of ['logit', 'probability'] as const) {
            const { logits, raw } = await net.explain(image, { mode, target: classes[mode][rank], score });
            expectClose(logits, references.get(`${mode}.logits`)!.data, tolerance, 'logits');
            expectClose(
              raw.data,
              references.get(`${mode}.${rank}.${score}.gradcam_raw`)!.data,
              tolerance,
              `${rank} ${score}`,
            );
          }
        const layers = ['block3_conv3', 'block4_conv3', 'block5_conv3'];
        for (const [name, { shape, data }] of Object.entries(await net.activations(image, { mode, layers }))) {
          const expected = references.get(`${mode}.${name}_nhwc`)!;
          expect(shape).toEqual(expected.shape);
          expectClose(data, expected.data, tolerance, name);
        }
      });
    });
  });
});

describe('pytorch-grad-cam', () => {
  it.each(modes)("%s: the finished map is pytorch-grad-cam's", async (mode) => {
    const net = await load(sharedPath('references/micro-vgg16.keras-official.h5'), {
      precision: 'exact',
      preprocessing,
    });
    for (const rank of ['top', 'second'] as const) {
      const { map, raw } = await net.explain(image, { mode, target: classes[mode][rank], smoothing: 'none' });
      // Its atrous maps are at full size already, so that it does not shift them by the 7.5 pixels at which the points lie.
      const actual = mode === 'atrous' ? normalized(raw.data) : map.data;
      expectClose(actual, references.get(`${mode}.${rank}.pgc.GradCAM`)!.data, 1e-4, `${rank} map`);
    }
    net.dispose();
  });
});

/** max(raw, 0) from 0 to 1, as a full-size map is finished without a shift. */
function normalized(raw: Float32Array): Float32Array {
  const positive = raw.map((value) => Math.max(0, value));
  const least = positive.reduce((a, b) => Math.min(a, b));
  const most = positive.reduce((a, b) => Math.max(a, b));
  return positive.map((value) => (value - least) / (1e-7 + most - least));
}

it('a network with batch norm, folded, has the logits of the unfolded one', async () => {
  const expected = readReferences(sharedPath('references/micro-vgg16_bn.reference.safetensors'));
  const net = await load(sharedPath('references/micro-vgg16_bn.torchvision.safetensors'), {
    precision: 'exact',
    preprocessing,
  });
  const { logits } = await net.predict(image);
  expectClose(logits, expected.get('logits')!.data, 1e-5, 'logits');
  net.dispose();
});
