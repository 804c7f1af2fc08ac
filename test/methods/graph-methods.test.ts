import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ExplainOptions, MethodName } from '../../src/api.js';
import { explain } from '../../src/calls/explain.js';
import type { NodeId } from '../../src/graph/graph.js';
import { layerName } from '../../src/graph/names.js';
import { factsOf, methodNames } from '../../src/methods/facts.js';
import type { Loaded } from '../../src/run/loaded.js';
import { Runtime } from '../../src/wasm/runtime.js';
import { referenceCams } from '../reference/cams.js';
import * as plain from '../reference/graph.js';
import { loadGraph } from '../support/loaded-graph.js';
import { type RandomGraph, randomGraphs } from '../support/random-graphs.js';
import { expectClose, expectWithin } from '../support/references.js';

/** Every method on graphs of many families, in all modes, at the last layer and at earlier ones. */
const MODES = ['pooled', 'atrous', 'dilated'] as const;
const TARGET = 1;

let runtime: Runtime;
beforeAll(async () => {
  runtime = await Runtime.create({ threads: 1, kernels: 'simd' });
});
afterAll(() => runtime.dispose());

const modesOf = ({ graph }: Pick<RandomGraph, 'graph'>) => MODES.filter((mode) => !(graph.only && graph.only !== mode));

describe.each(randomGraphs(1).map((item, at) => [item.title, item, at] as const))('%s', (_, item, family) => {
  const { graph, weights, layers } = item;
  const input = Float32Array.from(item.input);
  let loaded: Loaded;
  let mark: number;
  beforeAll(async () => {
    mark = runtime.arena.mark();
    loaded = await loadGraph(runtime, graph, weights);
  });
  afterAll(() => runtime.arena.release(mark));
  const run = (options: ExplainOptions) =>
    explain(
      loaded,
      { tensor: input },
      { target: TARGET, smoothing: 'none', ...(options.mode === 'atrous' && { outputStride: 1 }), ...options },
    );
  const name = (id: NodeId) => layerName(graph, id);

  const reference = { pooled: plain.pooled, atrous: plain.atrous, dilated: plain.dilated };

  it.each(modesOf(item))('%s: methods of activations and gradients are their definitions', async (mode) => {
    const evaluation = reference[mode](graph, weights, input);
    const score = plain.classScore(graph.head, 'logit', TARGET);
    const own = mode === 'atrous' ? plain.pooled(graph, weights, input) : evaluation;
    for (const id of layers) {
      const a = plain.fieldOf(evaluation, id).data;
      const { c: channels } = graph.nodes[id].shape;
      const heads = mode === 'atrous' ? 'mean' : 'one';
      const g = plain.gradientField(evaluation, id, score, { heads }).data;
      // Of a mean over phases, means over points are taken over as many as the pooled layer has.
      for (const method of [
        'layercam',
        'hirescam',
        'elementwise',
        'xgradcam',
        'eigengradcam',
        'segeigencam',
      ] as const) {
        const { raw } = await run({ mode, method, layer: name(id), heads });
        const expected = referenceCams[method]({ a, g, channels });
        const terms = sizes(a, g, channels); // what rounding is held against: a map may be what sums have left
        const tolerance = /eigen/.test(method) ? 1e-3 : 1e-4;
        expectWithin(raw.data, expected, () => tolerance * terms, `${method} ${name(id)}`);
      }
      const { raw } = await run({ mode, method: 'eigencam', layer: name(id) });
      const most = a.reduce((x, y) => Math.max(x, Math.abs(y)), 0);
      const expected = referenceCams.eigencam({ a, g: a, channels });
      expectWithin(raw.data, expected, () => 1e-3 * most, `eigencam ${name(id)}`);
      const fem = await run({ mode, method: 'fem', layer: name(id), heads });
      expectClose(fem.raw.data, referenceCams.fem({ a, g: a, channels }), 1e-4, `fem ${name(id)}`);
      const gradcam = await run({ mode, method: 'gradcam', layer: name(id), heads: 'one' });
      const alpha = plain.gradCam(own, id, score).alpha;
      expectClose(gradcam.raw.data, weighted(a, alpha), 1e-4, `gradcam ${name(id)}`);
    }
  });

  it.each(modesOf(item))("%s: FullGrad is the sum of the input's and all biases' evidence", async (mode) => {
    const evaluation = reference[mode === 'atrous' ? 'pooled' : mode](graph, weights, input);
    const tape = evaluation.backward(plain.seedsOf(evaluation, plain.classScore(graph.head, 'logit', TARGET)));
    const { h, w, c } = graph.nodes[0].shape;
    const { placings } = loaded.network.layout;
    const dx = tape.map(0);
    const total = plainSum(
      dx.map((g, i) => Math.abs(g * input[i])),
      c,
    );
    for (const [id, node] of graph.nodes.entries()) {
      const bias = weights.get(`${node.name}.${node.op === 'affine' ? 'shift' : 'bias'}`);
      if (!bias || !['conv', 'affine'].includes(node.op) || placings[id].vector || placings[id].head) continue;
      const { h: rows, w: columns } = mode === 'dilated' ? graph.nodes[0].shape : node.shape;
      const evidence = plainSum(
        tape.map(id).map((g, i) => Math.abs(g * bias[i % bias.length])),
        bias.length,
      );
      const { stride } = loaded.network.layout.levels[placings[id].level];
      const [step, origin] = mode === 'dilated' ? [1, [0, 0]] : [stride, placings[id].origin];
      const at = (i: number, from: number, count: number) => Math.min(Math.max((i - from) / step, 0), count - 1);
      for (let y = 0; y < h; y++)
        for (let x = 0; x < w; x++)
          total[y * w + x] += bilinear(evidence, columns, at(y, origin[0], rows), at(x, origin[1], columns));
    }
    const { raw } = await run({ mode, method: 'fullgrad' });
    expectClose(raw.data, total, 1e-4, 'FullGrad');
  });

  it('every method gives a map, each in one of the modes', async () => {
    const inner = { layer: name(layers[layers.length - 1]) };
    const both = { layer: [name(layers[layers.length - 1]), name(layers[0])] };
    const modes = modesOf(item);
    for (const [i, method] of methodNames.filter((one) => !SLOW.includes(one)).entries()) {
      const mode = modes[(i + family) % modes.length];
      const { at, layers: takes } = factsOf(method);
      const isByChannel = method === 'scorecam' || method === 'ablationcam'; // a pass a channel
      for (const options of isByChannel ? [inner] : takes ? [{}, both] : [{}]) {
        const { map, raw } = await run({ mode, method, ...options, outputStride: undefined });
        const what = `${mode} ${method} ${JSON.stringify(options)}`;
        const { h, w } = graph.nodes[0].shape;
        expect(map.data.length, what).toBe(h * w);
        if (at === 'input') expect([raw.width, raw.height], what).toEqual([w, h]);
        expect(
          map.data.every((value) => value >= 0 && value <= 1),
          what,
        ).toBe(true);
      }
    }
  });
});

/** They make hundreds of passes, which graphs have no part in. */
const SLOW: readonly MethodName[] = ['occlusion', 'integrated-gradients', 'smoothgrad'];

/** The largest sum of |G A| over the channels of a point; never quite 0. */
function sizes(a: ArrayLike<number>, g: ArrayLike<number>, channels: number): number {
  const sums = new Float64Array(a.length / channels);
  for (let i = 0; i < a.length; i++) sums[Math.floor(i / channels)] += Math.abs(a[i] * g[i]);
  return sums.reduce((x, y) => Math.max(x, y), 1e-12);
}

/** The sum over channels, each less its least value and over its range. */
function plainSum(values: ArrayLike<number>, channels: number): Float64Array {
  const parts = Array.from({ length: channels }, (_, k) => Array.from(values).filter((_, i) => i % channels === k));
  const ranges = parts.map((part) => [Math.min(...part), Math.max(...part)]);
  return Float64Array.from(parts[0], (_, i) =>
    parts.reduce((sum, part, k) => sum + (part[i] - ranges[k][0]) / (1e-7 + ranges[k][1] - ranges[k][0]), 0),
  );
}

function bilinear(map: Float64Array, columns: number, y: number, x: number): number {
  const [top, left] = [Math.floor(y), Math.floor(x)];
  const value = (i: number, j: number) =>
    map[Math.min(i, map.length / columns - 1) * columns + Math.min(j, columns - 1)];
  const [fy, fx] = [y - top, x - left];
  return (
    (1 - fy) * ((1 - fx) * value(top, left) + fx * value(top, left + 1)) +
    fy * ((1 - fx) * value(top + 1, left) + fx * value(top + 1, left + 1))
  );
}

function weighted(a: ArrayLike<number>, alpha: ArrayLike<number>): Float64Array {
  const { length } = alpha;
  return Float64Array.from({ length: a.length / length }, (_, i) =>
    Array.from(alpha, (weight, k) => weight * a[i * length + k]).reduce((x, y) => x + y, 0),
  );
}
