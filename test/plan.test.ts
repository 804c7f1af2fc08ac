import { describe, expect, it } from 'vitest';
import { planMode, type Step, stepMacs } from '../src/plan/forward.js';
import type { View } from '../src/wasm/job.js';
import { elements, vgg } from './support/topology.js';

const vgg16 = vgg([64, 128, 256, 512, 512], [2, 2, 3, 3, 3], 224);

describe('planMode', () => {
  it.each([
    ['pooled', 16, [1.94, 2.77, 4.62, 4.62, 1.39]],
    ['atrous', 8, [1.94, 2.77, 4.62, 4.62, 5.55]],
    ['atrous', 4, [1.94, 2.77, 4.62, 18.5, 22.2]],
    ['atrous', 2, [1.94, 2.77, 18.5, 74.0, 88.8]],
    ['atrous', 1, [1.94, 11.1, 74.0, 296, 355]],
    ['dilated', 1, [1.94, 11.1, 74.0, 296, 355]],
  ] as const)('%s at output stride %i costs what the arithmetic says', (mode, stride, expected) => {
    const { steps } = planMode(vgg16, mode, stride);
    const macs = [0, 0, 0, 0, 0];
    for (const step of steps) if (step.op === 'conv') macs[step.layer.block] += stepMacs(step) / 1e9;
    macs.forEach((value, block) => {
      expect(value / expected[block]).toBeCloseTo(1, 2);
    });
  });

  it('needs little memory', () => {
    expect(planMode(vgg16, 'pooled').bytes).toBeLessThan(45e6);
    expect(planMode(vgg16, 'atrous').bytes).toBeLessThan(100e6);
    expect(planMode(vgg16, 'dilated').bytes).toBeLessThan(200e6);
  });

  it.each([1, 2, 4, 8, 16] as const)(
    'atrous at stride %i folds every point once, coarse points first',
    (outputStride) => {
      const { steps, raw } = planMode(vgg([4, 4, 4, 4, 4], [1, 2, 3, 1, 2], 64), 'atrous', outputStride);
      const folded = new Set<number>();
      let twice = 0;
      const points = [...elements(raw)];
      const refined: number[] = [];
      for (const step of steps) {
        if (step.op === 'fold')
          for (const element of elements(step.y)) {
            if (folded.has(element)) twice++;
            folded.add(element);
          }
        if (step.op === 'refined') {
          refined.push(step.outputStride);
          const every = step.outputStride / outputStride;
          const onGrid = points.filter((_, i) => Math.floor(i / raw.w) % every === 0 && (i % raw.w) % every === 0);
          expect(onGrid.every((element) => folded.has(element))).toBe(true);
        }
      }
      expect(twice).toBe(0);
      expect(folded.size).toBe(points.length);
      expect(refined).toEqual([16, 8, 4, 2, 1].filter((s) => s >= outputStride));
    },
  );

  it.each(['pooled', 'dilated', 'atrous'] as const)('%s reads only what was written before', (mode) => {
    const { steps, input } = planMode(vgg([2, 3, 2, 3, 2], [2, 3, 1, 2, 3], 64), mode);
    const written = new Set(elements(input));
    const read = (step: Step & { x: View }) => {
      let missing = 0;
      for (const element of elements(step.x)) if (!written.has(element)) missing++;
      expect(missing, `${step.op} reads elements that nothing wrote`).toBe(0);
    };
    for (const step of steps) {
      if (step.op === 'refined') continue;
      read(step);
      if (step.op !== 'head') for (const element of elements(step.y)) written.add(element);
    }
  });
});
