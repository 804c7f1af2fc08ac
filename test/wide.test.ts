import { describe, expect, it } from 'vitest';
import type { KernelSet } from '../src/base/types.js';
import { weightShapes } from '../src/graph/graph.js';
import { layoutOf } from '../src/graph/levels.js';
import { planForward } from '../src/plan/forward.js';
import { planFreely } from '../src/plan/wide.js';
import { runPlan } from '../src/run/engine.js';
import { classScore } from '../src/run/score.js';
import { Runtime } from '../src/wasm/runtime.js';
import { loadGraph } from './support/loaded-graph.js';
import { expectWrittenFirst, vggLayout } from './support/plans.js';
import { randomFloats } from './support/random.js';
import { randomGraphs } from './support/random-graphs.js';
import { expectClose } from './support/references.js';

/** `dilated` by tiles of 6x6, all phases together. */

const WIDE = [64, 128, 256, 512, 512] as const;
const vgg16 = vggLayout([...WIDE], [2, 2, 3, 3, 3], 224);
const [last] = vgg16.layout.frontier;
const dilated = { mode: 'dilated', head: true } as const;
const isWide = (
  layout: typeof vgg16.layout,
  precision: 'fast' | 'exact' = 'fast',
  mode: 'dilated' | 'pooled' = 'dilated',
) =>
  planFreely({ layout, precision }, { mode, head: true }).steps.some((step) => step.op === 'compute' && step.call.wide);

describe('a plan with wide tiles', () => {
  it('is made for the dilated maps of large networks of the family of VGG, and for nothing else', () => {
    const { layout } = vgg16;
    expect(isWide(layout)).toBe(true);
    expect(isWide(layout, 'exact')).toBe(false);
    expect(isWide(layout, 'fast', 'pooled')).toBe(false);
    expect(isWide(vggLayout([...WIDE], [2, 2, 3, 3, 3], 128).layout)).toBe(false); // weights cost more than they save
    expect(isWide(vggLayout([...WIDE], [2, 2, 3, 3, 3], 640).layout)).toBe(false); // maps might not fit
    expect(isWide(vggLayout([8, 16, 32, 64, 64], [2, 2, 3, 3, 3], 224).layout)).toBe(false);
    const other = randomGraphs(1).find(({ graph }) => graph.nodes.some(({ op }) => op === 'add'))!;
    expect(isWide(layoutOf(other.graph))).toBe(false);
  });

  it('computes each node once and holds two maps at a time', () => {
    const { layout } = vgg16;
    const plan = planFreely({ layout, precision: 'fast' }, { ...dilated, fold: last });
    const computed = plan.steps.flatMap((step) => (step.op === 'compute' ? [step.node] : []));
    expect(new Set(computed).size).toBe(computed.length);
    expect(plan.macs).toBe(planForward(layout, { ...dilated, fold: last }).macs);
    expect(plan.bytes).toBeLessThan(2 * 4 * 224 * 224 * 512 + 1e6);
    const small = vggLayout([4, 8, 8, 4, 4], [1, 2, 3, 1, 2], 64).layout;
    const { steps, input } = planForward(small, { ...dilated, fold: small.frontier[0], wide: true });
    expectWrittenFirst(steps, [input!]);
  });
});

describe.each(['simd', 'relaxed'] as const)('a network computed by wide tiles, %s', (kernels: KernelSet) => {
  it('has the maps and logits of one that is not, to rounding, whatever the number of threads', async () => {
    const { layout } = vggLayout([8, 128, 132], [1, 2, 2], 52);
    const { graph } = layout;
    const [fold] = layout.frontier;
    const weights = new Map<string, Float32Array>();
    for (const [seed, node] of graph.nodes.entries())
      for (const [part, shape] of Object.entries(weightShapes(graph, node))) {
        const scale = part === 'bias' ? 0.1 : Math.sqrt(6 / (shape.reduce((a, b) => a * b) / shape[shape.length - 1]));
        const length = shape.reduce((a, b) => a * b);
        weights.set(
          `${node.name}.${part}`,
          randomFloats(length, seed + 1).map((value) => scale * value),
        );
      }
    const input = randomFloats(52 * 52 * 3, 99);
    const run = async (threads: number, wide: boolean) => {
      const runtime = await Runtime.create({ threads, kernels });
      try {
        const { network } = await loadGraph(runtime, graph, weights, 'fast');
        const plan = planForward(network.layout, { ...dilated, fold, ...(wide && { wide }) });
        const subject = () => ({ index: 0, label: '', score: classScore('logit', 0) });
        const { logits, explained } = await runPlan(runtime, network, plan, input, { subject });
        return { logits: logits!, raw: explained!.raw.data };
      } finally {
        runtime.dispose();
      }
    };
    const plain = await run(1, false);
    const one = await run(1, true);
    expect(one.raw).not.toEqual(plain.raw);
    expectClose(one.logits, Float64Array.from(plain.logits), 1e-5, 'logits');
    expectClose(one.raw, Float64Array.from(plain.raw), 2e-5, 'raw');
    expect(await run(2, true)).toEqual(one);
  });
});
