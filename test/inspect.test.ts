import { describe, expect, test } from 'vitest';
import type { Mode, Precision } from '../src/base/types.js';
import { chainGraph } from '../src/graph/chain.js';
import { layoutOf } from '../src/graph/levels.js';
import { inspect, load } from '../src/index.js';
import { planTable } from '../src/plan/table.js';
import { plannedWorkspace } from '../src/run/executor.js';
import { openWeights } from '../src/weights/open.js';
import { fixturePath } from './support/references.js';
import { expectRefused } from './support/weight-files.js';

const modes = ['pooled', 'dilated', 'atrous'] as const;

/** VGG16's topology as Keras' documentation states it. */
function vgg16() {
  let cin = 3;
  const blocks = [
    [64, 64],
    [128, 128],
    [256, 256, 256],
    [512, 512, 512],
    [512, 512, 512],
  ].map((widths, block) =>
    widths.map((cout, i) => {
      const layer = { name: `block${block + 1}_conv${i + 1}`, block, cin, cout };
      cin = cout;
      return layer;
    }),
  );
  const dense = [
    { name: 'fc1', in: 25088, out: 4096 },
    { name: 'fc2', in: 4096, out: 4096 },
    { name: 'predictions', in: 4096, out: 1000 },
  ];
  return { inputSize: 224, blocks, dense };
}

test.each(modes)('VGG16 has 138,357,544 parameters in %s', (mode) => {
  const { parameters, rows } = planTable(layoutOf(chainGraph(vgg16())), mode, 1, 'fast', () => 0);
  expect(parameters).toBe(138_357_544);
  expect(rows.find(({ layer }) => layer === 'block5_conv3')!.output).toEqual(
    mode === 'pooled' ? [14, 14, 512] : [224, 224, 512],
  );
  expect(rows.at(-1)).toEqual({
    layer: 'predictions',
    operation: 'dense',
    stride: undefined,
    output: [1000],
    parameters: 4_097_000,
    macs: 4_096_000,
    bytes: 4000,
  });
});

describe('inspect', () => {
  test.each([
    ['the embedded network', undefined],
    ['a Keras file', fixturePath('small/micro-vgg16.keras-official.h5')],
  ])('says of %s what the loaded network says', async (_, source) => {
    const options = { precision: 'exact', preprocessing: { resize: 'lanczos' } } as const;
    const info = await inspect(source, options);
    const network = await load(source, options);
    try {
      for (const field of ['source', 'parameters', 'inputSize', 'labels', 'layers', 'preprocessing'] as const)
        expect(info[field], field).toEqual(network[field]);
      expect(info.preprocessing.resize).toBe('lanczos');
      for (const mode of modes) expect(info.plan(mode)).toEqual(network.plan(mode));
    } finally {
      network.dispose();
    }
  });

  test('plans with the precision and the output stride that are asked for', async () => {
    const layout = layoutOf((await openWeights()).graph);
    const table = (precision: Precision, mode: Mode, outputStride: number) =>
      planTable(layout, mode, outputStride, precision, ({ steps }) => plannedWorkspace(layout, steps, precision));
    expect((await inspect()).plan('atrous', { outputStride: 4 })).toEqual(table('fast', 'atrous', 4));
    const exact = (await inspect(undefined, { precision: 'exact' })).plan('dilated');
    expect(exact).toEqual(table('exact', 'dilated', 1));
  });

  test('refuses what cannot be', async () => {
    const info = await inspect();
    await expectRefused(
      () => info.plan('pool' as never),
      'BAD_ARGUMENT',
      "mode: expected one of pooled, dilated, atrous, got 'pool'",
    );
    const outputStride = 3 as never;
    await expectRefused(
      () => info.plan('atrous', { outputStride }),
      'BAD_ARGUMENT',
      'outputStride: expected one of 16, 8',
    );
    await expectRefused(
      () => inspect(undefined, { precision: 'half' as never }),
      'BAD_ARGUMENT',
      'precision: expected',
    );
    await expectRefused(() => inspect('no/such.h5'), 'NOT_FOUND', 'no such file');
    await expectRefused(() => inspect(undefined, { signal: AbortSignal.abort() }), 'ABORTED', 'aborted');
  });
});
