import { describe, expect, it } from 'vitest';
import type { NodeId } from '../src/graph/graph.js';
import { layoutOf } from '../src/graph/levels.js';
import { planForward } from '../src/plan/forward.js';
import { stepMacs } from '../src/plan/steps.js';
import { Sketch } from './support/graph-sketch.js';
import { expectWrittenFirst, vggLayout } from './support/plans.js';
import { randomGraphs } from './support/random-graphs.js';
import { elements } from './support/topology.js';

const vgg16 = vggLayout([64, 128, 256, 512, 512], [2, 2, 3, 3, 3], 224);
const [last] = vgg16.layout.frontier;
const explained = { head: true, fold: last } as const;

describe('planForward', () => {
  it.each([
    ['pooled', 16, [1.94, 2.77, 4.62, 4.62, 1.39]],
    ['atrous', 8, [1.94, 2.77, 4.62, 4.62, 5.55]],
    ['atrous', 4, [1.94, 2.77, 4.62, 18.5, 22.2]],
    ['atrous', 2, [1.94, 2.77, 18.5, 74.0, 88.8]],
    ['atrous', 1, [1.94, 11.1, 74.0, 296, 355]],
    ['dilated', 1, [1.94, 11.1, 74.0, 296, 355]],
  ] as const)('%s at output stride %i costs what the arithmetic says', (mode, outputStride, expected) => {
    const { layout } = vgg16;
    const { steps } = planForward(layout, { mode, outputStride, ...explained });
    const macs = [0, 0, 0, 0, 0];
    for (const step of steps)
      if (step.op === 'compute') macs[layout.placings[step.node].level] += stepMacs(layout.graph, step) / 1e9;
    macs.forEach((value, level) => {
      expect(value / expected[level]).toBeCloseTo(1, 2);
    });
  });

  it('needs little memory', () => {
    const bytes = (mode: 'pooled' | 'atrous' | 'dilated') => planForward(vgg16.layout, { mode, ...explained }).bytes;
    expect(bytes('pooled')).toBeLessThan(35e6);
    expect(bytes('atrous')).toBeLessThan(50e6);
    expect(bytes('dilated')).toBeLessThan(150e6);
  });

  it.each([1, 2, 4, 8, 16] as const)(
    'atrous at stride %i folds every point once, coarse points first',
    (outputStride) => {
      const { layout } = vggLayout([4, 4, 4, 4, 4], [1, 2, 3, 1, 2], 64);
      const plan = planForward(layout, { mode: 'atrous', outputStride, head: true, fold: layout.frontier[0] });
      const raw = plan.raw!;
      const folded = new Set<number>();
      let twice = 0;
      const points = [...elements(raw)];
      const refined: number[] = [];
      for (const step of plan.steps) {
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
    const { layout } = vggLayout([2, 3, 2, 3, 2], [2, 3, 1, 2, 3], 64);
    const { steps, input } = planForward(layout, { mode, head: true, fold: layout.frontier[0] });
    expectWrittenFirst(steps, [input!]);
  });

  it.each(randomGraphs(1).map((item) => [item.title, item] as const))('%s: reads only what was written', (_, item) => {
    const layout = layoutOf(item.graph);
    const [fold] = layout.frontier;
    for (const mode of ['pooled', 'dilated', 'atrous'] as const)
      for (const subtreeBytes of [undefined, 0]) {
        const plan = planForward(layout, { mode, head: true, fold, take: item.layers, subtreeBytes });
        const written = expectWrittenFirst(plan.steps, [plan.input!]);
        expect(written.has(plan.raw!)).toBe(true);
      }
  });
});

describe('concatenations', () => {
  /** Steps that copy, of a graph whose maps are joined by `join`, three convolutions one after the other. */
  const copies = (join: (s: Sketch, maps: NodeId[], last: NodeId) => NodeId) => {
    const s = new Sketch(3);
    const first = s.convAct(s.input(12, 12, 3), 5, 3);
    const maps = [first];
    let x = first;
    for (let i = 0; i < 3; i++) {
      const y = s.convAct(x, 3, 3);
      maps.push(y);
      x = join(s, maps, y);
    }
    const { graph } = s.finish(s.dense(s.global(s.convAct(x, 4, 1)), 2), 'softmax');
    const layout = layoutOf(graph);
    const { steps } = planForward(layout, { mode: 'pooled', head: true, fold: layout.frontier[0] });
    return steps.filter((step) => step.op === 'compute' && graph.nodes[step.node].op === 'concat').length;
  };
  it('of all maps so far, or of the last one and the next, have nothing to copy', () => {
    expect(copies((s, maps) => s.concat(...maps))).toBe(0);
    let joined: NodeId | undefined;
    expect(
      copies((s, [first], last) => {
        joined = s.concat(joined ?? first, last);
        return joined;
      }),
    ).toBe(0);
  });

  it('copy a map that is there twice, or lies in another one already', () => {
    expect(copies((s, _, last) => s.concat(last, last))).toBe(3);
    expect(copies((s, maps, last) => s.concat(last, ...maps.slice(0, -1)))).toBeGreaterThan(0);
  });
});
