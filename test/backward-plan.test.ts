import { describe, expect, it } from 'vitest';
import type { Heads, Mode } from '../src/base/types.js';
import { type Layout, layoutOf } from '../src/graph/levels.js';
import { type BackwardRequest, planBackward } from '../src/plan/backward.js';
import { nodeMacs, type Step } from '../src/plan/steps.js';
import { adjointNodes } from '../src/run/backward-run.js';
import { expectWrittenFirst, vggLayout } from './support/plans.js';
import { randomGraphs } from './support/random-graphs.js';

const vgg16 = vggLayout([64, 128, 256, 512, 512], [2, 2, 3, 3, 3], 224);
const uneven = vggLayout([2, 3, 2, 3, 2], [2, 3, 1, 2, 3], 64);
const everything = { outputStride: 1, activations: true, input: true, weights: true } as const;
const cases: [Mode, Heads][] = [
  ['pooled', 'one'],
  ['dilated', 'one'],
  ['atrous', 'one'],
  ['atrous', 'mean'],
];

const plan = (layout: Layout, request: Partial<BackwardRequest>) =>
  planBackward(layout, {
    mode: 'pooled',
    heads: 'one',
    outputStride: 1,
    layers: [],
    activations: false,
    input: false,
    weights: false,
    ...request,
  });

/** Multiply-accumulates of VGG16's convolutions forward, back to their inputs, and back to their weights, in GMAC. */
function gigamacs(steps: readonly Step[], what: 'forward' | 'inputs' | 'weights'): number {
  const { graph } = vgg16.layout;
  let sum = 0;
  for (const step of steps) {
    if (step.op !== 'compute' && step.op !== 'gradient') continue;
    const { h, w } = step.op === 'compute' ? step.y : step.dy;
    const counts =
      step.op === 'compute'
        ? what === 'forward'
        : what === 'weights'
          ? step.weights
          : what === 'inputs' && !!step.dx[0];
    if (counts) sum += nodeMacs(graph, graph.nodes[step.node], h * w) / 1e9;
  }
  return sum;
}

describe('planBackward', () => {
  it.each([
    ['pooled', 'one', 15.3, 15.3],
    ['atrous', 'one', 15.3, 15.3],
    ['atrous', 'mean', 738, 738],
    ['dilated', 'one', 738 + 738 - 118, 738],
  ] as const)('%s, heads %s: computes nothing twice that it need not', (mode, heads, forward, backward) => {
    const { steps } = plan(vgg16.layout, { ...everything, mode, heads });
    expect(gigamacs(steps, 'forward') / forward).toBeCloseTo(1, 2);
    expect(gigamacs(steps, 'inputs') / backward).toBeCloseTo(1, 2);
    expect(gigamacs(steps, 'weights') / backward).toBeCloseTo(1, 2);
  });

  it('needs little memory', () => {
    const bytes = (mode: Mode, heads: Heads) => plan(vgg16.layout, { ...everything, mode, heads }).bytes;
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
    expect(plan(vgg16.layout, { mode, heads, layers })).toMatchObject({ heads: all, group });
  });

  it('goes back no further than it must', () => {
    const [[, second], , , [fourth], [, , last]] = vgg16.blocks;
    const names = (request: Partial<BackwardRequest>) =>
      adjointNodes(plan(vgg16.layout, request)).filter((id) => vgg16.layout.graph.nodes[id].op === 'conv');
    expect(names({ mode: 'atrous', heads: 'each', layers: [last] })).toEqual([]);
    expect(names({ mode: 'dilated', layers: [last] })).toEqual([]);
    expect(names({ layers: [fourth] })).toHaveLength(5);
    expect(names({ layers: [last, second] })).toHaveLength(11);
    expect(names({ weights: true })).toHaveLength(12);
    expect(names({ input: true })).toHaveLength(13);
    expect(gigamacs(plan(vgg16.layout, { mode: 'dilated', layers: [last] }).steps, 'forward') / 738).toBeCloseTo(1, 2);
    expect(gigamacs(plan(vgg16.layout, { mode: 'dilated' }).steps, 'forward') / 738).toBeCloseTo(1, 2);
  });

  describe.each([8e6, 3000, 0])('subtrees up to %i bytes', (subtreeBytes) => {
    it.each(cases)('%s, heads %s: reads only what was written before', (mode, heads) => {
      const { layout, layers } = uneven;
      const made = plan(layout, { ...everything, mode, heads, layers, subtreeBytes });
      const written = expectWrittenFirst(made.steps, [made.input]);
      expect(written.has(made.inputGradient!)).toBe(true);
    });

    it.each(cases)('%s, heads %s: takes each point of each layer once', (mode, heads) => {
      const { layout, layers } = uneven;
      const { steps } = plan(layout, { ...everything, mode, heads, layers, subtreeBytes });
      const taken = new Map<string, number>();
      const points = new Set<string>();
      for (const step of steps) {
        if (step.op !== 'take') continue;
        const { what, node, x, at } = step;
        const key = `${what} ${node}`;
        taken.set(key, (taken.get(key) ?? 0) + x.h * x.w);
        for (let i = 0; i < x.h; i++)
          for (let j = 0; j < x.w; j++) points.add(`${key} ${at.row + i * at.unit} ${at.column + j * at.unit}`);
      }
      expect(points.size).toBe([...taken.values()].reduce((sum, count) => sum + count, 0));
      for (const id of layers) {
        const side = mode === 'dilated' || heads === 'mean' ? 64 : 64 / 2 ** layout.placings[id].level;
        expect(taken.get(`gradient ${id}`)).toBe(side * side);
        expect(taken.get(`activation ${id}`)).toBe(side * side);
      }
    });
  });

  it.each(randomGraphs(1).map((item) => [item.title, item] as const))('%s: reads only what was written', (_, item) => {
    const layout = layoutOf(item.graph);
    for (const [mode, heads] of cases)
      for (const subtreeBytes of [undefined, 0]) {
        const made = plan(layout, { ...everything, mode, heads, layers: item.layers, subtreeBytes });
        const written = expectWrittenFirst(made.steps, [made.input]);
        expect(written.has(made.inputGradient!)).toBe(true);
      }
  });
});
