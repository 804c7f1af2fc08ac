import { describe, expect, it } from 'vitest';
import type { Heads, Mode } from '../src/base/types.js';
import type { Topology } from '../src/graph/topology.js';
import { adjointLayers, type BackwardRequest, type BackwardStep, planBackward } from '../src/plan/backward.js';
import type { View } from '../src/wasm/job.js';
import { elements, vgg } from './support/topology.js';

const vgg16 = vgg([64, 128, 256, 512, 512], [2, 2, 3, 3, 3], 224);
const uneven = vgg([2, 3, 2, 3, 2], [2, 3, 1, 2, 3], 64);
const everything = { outputStride: 1, activations: true, input: true, weights: true } as const;
const cases: [Mode, Heads][] = [
  ['pooled', 'one'],
  ['dilated', 'one'],
  ['atrous', 'one'],
  ['atrous', 'mean'],
];

const plan = (topology: Topology, request: Partial<BackwardRequest>) =>
  planBackward(topology, {
    mode: 'pooled',
    heads: 'one',
    outputStride: 1,
    layers: [],
    activations: false,
    input: false,
    weights: false,
    ...request,
  });

/** Direct multiply-accumulates of the steps of a kind, in GMAC. */
const gigamacs = (steps: readonly BackwardStep[], op: 'conv' | 'conv-gradient' | 'weight-gradient'): number => {
  let sum = 0;
  for (const step of steps)
    if (step.op === op) {
      const { h, w } = 'y' in step ? step.y : step.dy;
      sum += (9 * step.layer.cin * step.layer.cout * h * w) / 1e9;
    }
  return sum;
};

describe('planBackward', () => {
  it.each([
    ['pooled', 'one', 15.3, 15.3],
    ['atrous', 'one', 15.3, 15.3],
    ['atrous', 'mean', 738, 738],
    ['dilated', 'one', 738 + 738 - 118, 738],
  ] as const)('%s, heads %s: computes nothing twice that it need not', (mode, heads, forward, backward) => {
    const { steps } = plan(vgg16, { ...everything, mode, heads });
    expect(gigamacs(steps, 'conv') / forward).toBeCloseTo(1, 2);
    expect(gigamacs(steps, 'conv-gradient') / backward).toBeCloseTo(1, 2);
    expect(gigamacs(steps, 'weight-gradient') / backward).toBeCloseTo(1, 2);
  });

  it('needs little memory', () => {
    const bytes = (mode: Mode, heads: Heads) => plan(vgg16, { ...everything, mode, heads }).bytes;
    expect(bytes('pooled', 'one')).toBeLessThan(110e6);
    expect(bytes('atrous', 'mean')).toBeLessThan(190e6);
    expect(bytes('dilated', 'one')).toBeLessThan(270e6);
  });

  it.each([
    ['pooled', 'one', 1, 1],
    ['atrous', 'one', 1, 1],
    ['dilated', 'one', 1, 1],
    ['atrous', 'mean', 256, 16],
    ['atrous', 'each', 256, 16],
  ] as const)('%s, heads %s: %i heads, %i at a time', (mode, heads, all, group) => {
    const layers = [vgg16.blocks[4][2]];
    expect(plan(vgg16, { mode, heads, layers })).toMatchObject({ heads: all, group });
  });

  it('goes back no further than it must', () => {
    const [[, second], , , [fourth], [, , last]] = vgg16.blocks;
    const names = (request: Partial<BackwardRequest>) => adjointLayers(plan(vgg16, request)).map(({ name }) => name);
    expect(names({ mode: 'atrous', heads: 'each', layers: [last] })).toEqual([]);
    expect(names({ mode: 'dilated', layers: [last] })).toEqual([]);
    expect(names({ layers: [fourth] })).toHaveLength(5);
    expect(names({ layers: [last, second] })).toHaveLength(11);
    expect(names({ weights: true })).toHaveLength(12);
    expect(names({ input: true })).toHaveLength(13);
    expect(gigamacs(plan(vgg16, { mode: 'dilated', layers: [last] }).steps, 'conv') / 738).toBeCloseTo(1, 2);
    expect(gigamacs(plan(vgg16, { mode: 'dilated' }).steps, 'conv') / 738).toBeCloseTo(1, 2);
  });

  describe.each([8e6, 3000, 0])('subtrees up to %i bytes', (subtreeBytes) => {
    it.each(cases)('%s, heads %s: reads only what was written before', (mode, heads) => {
      const layers = uneven.blocks.flat();
      const { steps, input, inputGradient } = plan(uneven, { ...everything, mode, heads, layers, subtreeBytes });
      const written = new Set(elements(input));
      const write = (v: View) => {
        for (const element of elements(v)) written.add(element);
      };
      for (const step of steps) {
        for (const v of reads(step)) {
          let missing = 0;
          for (const element of elements(v)) if (!written.has(element)) missing++;
          expect(missing, `${step.op} reads elements that nothing wrote`).toBe(0);
        }
        const v = writes(step);
        if (v) write(v);
      }
      for (const element of elements(inputGradient!)) expect(written.has(element)).toBe(true);
    });

    it.each(cases)('%s, heads %s: takes each point of each layer once', (mode, heads) => {
      const layers = uneven.blocks.flat();
      const { steps } = plan(uneven, { ...everything, mode, heads, layers, subtreeBytes });
      const taken = new Map<string, number>();
      const points = new Set<string>();
      for (const step of steps) {
        if (step.op !== 'take') continue;
        const { what, layer, x, at } = step;
        const key = `${what} ${layer.name}`;
        taken.set(key, (taken.get(key) ?? 0) + x.h * x.w);
        for (let i = 0; i < x.h; i++)
          for (let j = 0; j < x.w; j++) points.add(`${key} ${at.row + i * at.spacing} ${at.column + j * at.spacing}`);
      }
      expect(points.size).toBe([...taken.values()].reduce((sum, count) => sum + count, 0));
      for (const { name, block } of layers) {
        const side = mode === 'dilated' || heads === 'mean' ? 64 : 64 / 2 ** block;
        expect(taken.get(`gradient ${name}`)).toBe(side * side);
        expect(taken.get(`activation ${name}`)).toBe(side * side);
      }
    });
  });
});

function reads(step: BackwardStep): View[] {
  switch (step.op) {
    case 'conv':
    case 'pool':
    case 'heads':
    case 'take':
      return [step.x];
    case 'relu-gradient':
      return [step.y, step.dy];
    case 'conv-gradient':
      return [step.dy];
    case 'weight-gradient':
      return [step.x, step.dy];
    case 'pool-gradient':
      return step.accumulate ? [step.x, step.dy, step.dx] : [step.x, step.dy];
    default:
      return [];
  }
}

function writes(step: BackwardStep): View | undefined {
  switch (step.op) {
    case 'conv':
    case 'pool':
      return step.y;
    case 'heads':
    case 'conv-gradient':
    case 'pool-gradient':
      return step.dx;
    default:
      return undefined;
  }
}
