import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Heads, Precision } from '../src/base/types.js';
import type { Graph, NodeId } from '../src/graph/graph.js';
import { weightShapes } from '../src/graph/graph.js';
import { planForward } from '../src/plan/forward.js';
import { gridOf } from '../src/plan/modes.js';
import { runPlan } from '../src/run/engine.js';
import { type GradientRequest, gradientsOf } from '../src/run/gradient-pass.js';
import { LayerMap } from '../src/run/layer-map.js';
import { packNetwork } from '../src/run/packed-network.js';
import { classScore } from '../src/run/score.js';
import { Runtime } from '../src/wasm/runtime.js';
import type { Tensor } from '../src/weights/types.js';
import * as plain from './reference/graph.js';
import { type RandomGraph, randomGraphs } from './support/random-graphs.js';
import { expectClose, expectNear } from './support/references.js';

/** The engine on random graphs of many families, against plain float64 and against itself. */

const graphs = randomGraphs(3);
const MODES = ['pooled', 'atrous', 'dilated'] as const;
let runtime: Runtime;
beforeAll(async () => {
  runtime = await Runtime.create({ threads: 2, kernels: 'simd' });
});
afterAll(() => runtime.dispose());

/** Tensors from plain arrays. */
function tensorsOf(graph: Graph, weights: RandomGraph['weights']): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const node of graph.nodes)
    for (const [part, shape] of Object.entries(weightShapes(graph, node))) {
      const name = `${node.name}.${part}`;
      tensors.set(name, { name, shape, copyInto: async (target) => target.set(weights.get(name)!) });
    }
  return tensors;
}

async function open({ graph, weights }: RandomGraph, precision: Precision = 'exact') {
  const mark = runtime.arena.mark();
  const network = await packNetwork(runtime, { graph, tensors: tensorsOf(graph, weights), parameters: 1 }, precision);
  return { network, close: () => runtime.arena.release(mark) };
}

type Opened = Awaited<ReturnType<typeof open>>['network'];

/** A node's whole map in a mode, the logits, and the streamed Grad-CAM of a node in front of the head. */
async function forward(
  network: Opened,
  input: Float32Array,
  mode: (typeof MODES)[number],
  options: {
    take?: NodeId[];
    outputStride?: number;
    fold?: NodeId;
    target?: number;
    subtreeBytes?: number;
  },
) {
  const { layout } = network;
  const { take = [], outputStride = 1, fold, target = 0, subtreeBytes } = options;
  const plan = planForward(layout, { mode, take, outputStride, fold, head: true, subtreeBytes });
  const maps = new Map(take.map((id) => [id, new LayerMap(layout, mode, id, outputStride)]));
  const result = await runPlan(runtime, network, plan, input, {
    onTake: (id, x, at) => maps.get(id)!.put(runtime.arena, x, at),
    subject: fold === undefined ? undefined : () => ({ index: target, label: '', score: classScore('logit', target) }),
  });
  return { maps, logits: result.logits!, raw: result.explained?.raw };
}

const modesOf = ({ graph }: RandomGraph) => MODES.filter((mode) => !(graph.only && graph.only !== mode));

describe.each(graphs.map((item) => [item.title, item] as const))('%s', (_, item) => {
  const { graph, weights, input, layers } = item;
  const x = Float32Array.from(input);
  const reference = { pooled: plain.pooled, atrous: plain.atrous, dilated: plain.dilated };

  it.each(modesOf(item))('%s: logits and maps are those of plain float64', async (mode) => {
    const { network, close } = await open(item);
    const evaluation = reference[mode](graph, weights, x);
    const { maps, logits } = await forward(network, x, mode, { take: [...layers] });
    const own = evaluation.logits();
    expectClose(logits.length === own.length ? logits : [logits[1]], own, 1e-5, 'logits');
    for (const id of layers) {
      const field = plain.fieldOf(evaluation, id);
      const { grid, data } = maps.get(id)!;
      expect([grid.h, grid.w], graph.nodes[id].name).toEqual([field.h, field.w]);
      expectClose(data, field.data, 1e-5, graph.nodes[id].name);
    }
    close();
  });

  it.each(modesOf(item))('%s: Grad-CAM in front of the head', async (mode) => {
    const { network, close } = await open(item);
    const [layer] = layers;
    expect(network.layout.frontier).toEqual([layer]);
    const { raw } = await forward(network, x, mode, { fold: layer, target: 0 });
    const score = plain.classScore(graph.head, 'logit', 0);
    const cam = plain.gradCam(reference[mode](graph, weights, x), layer, score, { heads: 'one' });
    expectClose(raw!.data, cam.data, 1e-4, 'raw');
    close();
  });

  it('atrous: the own phase has the bits of pooled, subtrees those of single phases, output strides nest', async () => {
    const { network, close } = await open(item, 'fast');
    const [layer] = layers;
    const pooled = await forward(network, x, 'pooled', { take: [...layers], fold: layer });
    const atrous = await forward(network, x, 'atrous', { take: [...layers], fold: layer });
    expect(atrous.logits).toEqual(pooled.logits);
    for (const id of layers) {
      const { grid, data } = atrous.maps.get(id)!;
      const own = pooled.maps.get(id)!;
      const { c } = graph.nodes[id].shape;
      const part = Float32Array.from(own.data, (__, i) => {
        const [pixel, k] = [Math.floor(i / c), i % c];
        const row = Math.floor(pixel / own.grid.w) * grid.period - grid.low[0] / grid.spacing;
        const column = (pixel % own.grid.w) * grid.period - grid.low[1] / grid.spacing;
        return data[(row * grid.w + column) * c + k];
      });
      expect(part, graph.nodes[id].name).toEqual(own.data);
    }
    const single = await forward(network, x, 'atrous', { take: [...layers], fold: layer, subtreeBytes: 0 });
    for (const id of layers) expect(single.maps.get(id)!.data).toEqual(atrous.maps.get(id)!.data);
    expect(single.raw).toEqual(atrous.raw);
    const { stride } = network.layout.levels[network.layout.placings[layer].level];
    const fine = gridOf(network.layout, 'atrous', layer, 1);
    for (const every of [2, 3, 4].filter((step) => stride % step === 0)) {
      const { raw } = await forward(network, x, 'atrous', { fold: layer, outputStride: every });
      const { low } = gridOf(network.layout, 'atrous', layer, every);
      const nested = Float32Array.from(raw!.data, (__, i) => {
        const row = Math.floor(i / raw!.width) * every + low[0] - fine.low[0];
        return atrous.raw!.data[row * fine.w + (i % raw!.width) * every + low[1] - fine.low[1]];
      });
      expect(raw!.data, `output stride ${every}`).toEqual(nested);
    }
    close();
  });

  it.each(modesOf(item))('%s: gradients are those of plain float64', async (mode) => {
    const { network, close } = await open(item);
    const evaluation = reference[mode](graph, weights, x);
    const variants: Exclude<Heads, 'each'>[] = mode === 'atrous' ? ['one', 'mean'] : ['one'];
    for (const heads of variants)
      for (const kind of ['logit', 'probability'] as const) {
        const score = plain.classScore(graph.head, kind, 0);
        const request: GradientRequest = {
          mode,
          heads,
          score: classScore(kind, 0, graph.head),
          layers,
          activations: true,
          input: true,
          weights: true,
        };
        const result = await gradientsOf({ runtime, network }, x, request);
        const tape = evaluation.backward(plain.seedsOf(evaluation, score, heads), { weights: true });
        expectNear(result.input!, tape.map(0), 1e-5, `${heads} ${kind} input`);
        for (const id of layers) {
          const field = plain.gradientField(evaluation, id, score, { heads });
          expectNear(result.layers.get(id)!.gradient, field.data, 1e-5, `${heads} ${kind} ${graph.nodes[id].name}`);
        }
        for (const [name, parts] of result.weights!)
          for (const [part, { data }] of Object.entries(parts))
            expectNear(data, tape.weights.get(`${name}.${part}`)!, 1e-5, `${heads} ${kind} ${name}.${part}`);
      }
    close();
  });
});
