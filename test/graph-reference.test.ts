import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../src/graph/builder.js';
import type { NodeId } from '../src/graph/graph.js';
import {
  atrous,
  classScore,
  dilated,
  type Evaluation,
  erf,
  every,
  fieldOf,
  findLevels,
  gradCam,
  gradientField,
  lattice,
  type PlainScore,
  pooled,
  scoreOf,
  seedsOf,
  shiftsOf,
} from './reference/graph.js';
import { type PlainNetwork, plainLogits, plainMaps } from './reference/plain-network.js';
import { RELU, Sketch } from './support/graph-sketch.js';
import { randomFloats, seeded } from './support/random.js';
import { randomGraphs } from './support/random-graphs.js';
import { expectClose } from './support/references.js';

const graphs = randomGraphs(2);
/** Of differences: so small that hardly any ReLU or maximum changes its side. */
const STEP = 1e-8;

describe('erf', () => {
  it.each([
    [0.5, 0.5204998778130465],
    [-1, -0.8427007929497149],
    [2, 0.9953222650189527],
    [3, 0.9999779095030014],
    [7, 1],
  ])('of %d', (x, expected) => expect(erf(x)).toBeCloseTo(expected, 14));
});

describe('levels', () => {
  const along = (levels: ReturnType<typeof findLevels>) => levels.all.slice(1).map(({ first: [row] }) => row);

  it.each([
    ['padded as in PyTorch', 224, { pad: [1, 1, 1, 1] }, [0, 0, 0], 0],
    ['SAME at even sizes', 224, { pad: 'same' }, [-1, -1, -1], 7],
    ['SAME at odd sizes', 225, { pad: 'same' }, [0, 0, 0], 0],
    ['without padding', 224, {}, [-1, -1, -1], 7],
  ] as const)('of 3x3 windows of stride 2, %s', (_, side, options, firsts, origin) => {
    const s = new Sketch(0);
    let x = s.input(side, side, 3);
    for (let i = 0; i < 3; i++) x = s.conv(x, 4, 3, { stride: 2, ...options });
    const levels = findLevels(s.finish(s.global(x), 'softmax').graph);
    expect(along(levels)).toEqual(firsts);
    expect(levels.originOf[x]).toEqual([origin, origin]);
  });

  it('of VGG: the last pool belongs to the head', () => {
    const s = new Sketch(0);
    let x = s.input(64, 64, 3);
    for (const width of [2, 3, 4, 5]) x = s.pool(s.convAct(x, width, 3), 'max', 2, { stride: 2 });
    const last = s.convAct(x, 6, 3);
    const levels = findLevels(s.finish(s.dense(s.pool(last, 'max', 2, { stride: 2 }), 5), 'softmax').graph);
    expect(levels.all.map(({ stride }) => stride)).toEqual([1, 2, 4, 8, 16]);
    expect(levels.originOf[last]).toEqual([7.5, 7.5]);
  });

  it('take the smallest of the numbers that nodes have which enter them, in any order', () => {
    const s = new Sketch(0);
    const x = s.input(32, 32, 3);
    const y = s.add(s.conv(x, 4, 1, { stride: 2 }), s.conv(x, 4, 3, { stride: 2, pad: 'same' }));
    const levels = findLevels(s.finish(s.global(y), 'softmax').graph);
    expect(levels.all[1].first).toEqual([-1, -1]);
    expect(levels.originOf[y]).toEqual([0.5, 0.5]); // the mean of 0 and 1
    expect(lattice(levels, 2, 1).shifts).toEqual([
      [-1, 0],
      [-1, 0],
    ]);
  });

  it('count a pad as the start of the next window', () => {
    const s = new Sketch(0);
    const padded = s.pad(s.input(32, 32, 3), [1, 0, 1, 1]);
    const y = s.conv(padded, 4, 3, { stride: 2 });
    const levels = findLevels(s.finish(s.global(y), 'softmax').graph);
    expect(levels.all[1].first).toEqual([0, -1]);
    expect(levels.originOf[y]).toEqual([0, 1]);
  });

  it('cannot be entered over different strides', () => {
    const s = new Sketch(0);
    const x = s.input(32, 32, 3);
    const y = s.concat(s.conv(s.conv(x, 2, 2, { stride: 2 }), 2, 2, { stride: 2 }), s.conv(x, 2, 4, { stride: 4 }));
    expect(() => findLevels(s.finish(s.global(y), 'softmax').graph)).toThrow('level 4');
  });
});

describe('VGG, against the reference of networks of five blocks', () => {
  const { network, graph, weights, input, ids } = vgg();
  const x = { data: Float64Array.from(input), h: 32, w: 32, c: 3 };

  it.each(['pooled', 'atrous', 'dilated'] as const)('all maps in %s', (mode) => {
    const evaluation = { pooled, atrous, dilated }[mode](graph, weights, input);
    for (const [name, map] of plainMaps(network, mode, x))
      expectClose(fieldOf(evaluation, ids.get(name)!).data, Float64Array.from(map.data), 1e-12, name);
    expectClose(evaluation.logits(), plainLogits(network, x, mode === 'dilated' ? mode : 'pooled'), 1e-12, 'logits');
  });
});

/** A network of five blocks of one convolution each, as numbers and as a graph. */
function vgg() {
  const builder = new GraphBuilder();
  const network: PlainNetwork = { blocks: [], degridding: [], dense: [] };
  const weights = new Map<string, Float64Array>();
  const ids = new Map<string, NodeId>();
  const layer = (name: string, size: number, out: number) => {
    const [kernel, bias] = [size * out, out].map((length, i) => {
      const scale = i === 0 ? Math.sqrt(6 / size) : 0.1;
      return Float64Array.from(randomFloats(length, 10 * ids.size + i), (value) => scale * value);
    });
    weights.set(`${name}.kernel`, kernel).set(`${name}.bias`, bias);
    return { name, kernel, bias };
  };
  const relu = (y: NodeId, name: string) => builder.activation(y, RELU, { name: `${name}/relu` });
  let y = builder.input({ h: 32, w: 32, c: 3 }, { name: 'input' });
  for (const [block, width] of [3, 4, 5, 6, 7].entries()) {
    const name = `block${block + 1}`;
    network.blocks.push([layer(name, 9 * builder.shape(y).c, width)]);
    y = relu(builder.conv(y, width, { size: [3, 3], pad: [1, 1, 1, 1] }, { name }), name);
    ids.set(name, y);
    y = builder.pool(y, 'max', { size: [2, 2], stride: 2 }, { name: `pool${block + 1}` });
  }
  for (const [i, out] of [8, 5].entries()) {
    const name = `fc${i + 1}`;
    network.dense.push(layer(name, builder.shape(y).c, out));
    y = builder.dense(y, out, { name });
    ids.set(name, y);
    if (i === 0) y = relu(y, name);
  }
  return { network, graph: builder.finish(y, 'softmax'), weights, ids, input: randomFloats(32 * 32 * 3, 99) };
}

describe.each(graphs)('$title', ({ graph, weights, input, layers }) => {
  const score = classScore(graph.head, 'logit', 0);
  const evaluations = { pooled, dilated, atrous };

  it('has in atrous its own map and logits at shift 0', () => {
    const [own, all] = [pooled(graph, weights, input), atrous(graph, weights, input)];
    expect(all.logits()).toEqual(own.logits());
    for (const id of layers) {
      const field = fieldOf(all, id);
      const phases = field.shifts.map(({ length }) => length);
      expect(every(field, field.own, [phases[0], phases[1]])).toEqual(own.map(id));
    }
  });

  it("has at output stride s every s-th point of output stride 1, counted from the own phase's", () => {
    const all = atrous(graph, weights, input);
    const { strideOf } = findLevels(graph);
    for (const id of layers) {
      const [stride, dense] = [strideOf[id], fieldOf(all, id)];
      for (let s = 1; s <= stride; s++) {
        if (stride % s !== 0) continue;
        const { h, w, c, data } = fieldOf(all, id, s);
        expect(every(dense, [dense.own[0] % s, dense.own[1] % s], [s, s])).toEqual({ h, w, c, data });
      }
    }
  });

  it.each(['pooled', 'dilated', 'atrous'] as const)('has the gradients that differences have, in %s', (mode) => {
    const heads = mode === 'atrous' ? 'mean' : 'one';
    const loss = classScore(graph.head, 'loss', 1);
    const valueAt = (at: number, direction: Map<string, Float64Array>): number => {
      const moved = (name: string, data: Float32Array) =>
        Float64Array.from(data, (value, k) => value + at * direction.get(name)![k]);
      const movedWeights = new Map([...weights].map(([name, data]) => [name, moved(name, data)]));
      return scoreOf(evaluations[mode](graph, movedWeights, moved('input', input)), loss, heads);
    };
    const evaluation = evaluations[mode](graph, weights, input);
    const gradients = evaluation.backward(seedsOf(evaluation, loss, heads), { weights: true });
    const own = new Map([...gradients.weights, ['input', gradients.map(0)]]);
    const next = seeded(1);
    const direction = new Map([...own].map(([name, { length }]) => [name, directionOf(length, next)]));
    const slope = [...own].reduce((sum, [name, data]) => sum + dot(data, direction.get(name)!), 0);
    const difference = (valueAt(STEP, direction) - valueAt(-STEP, direction)) / (2 * STEP);
    const size = Math.sqrt([...own.values()].reduce((sum, data) => sum + dot(data, data), 0));
    expect(size).toBeGreaterThan(0);
    expect(Math.abs(slope - difference) / size, `${slope} for ${difference}`).toBeLessThan(1e-5);
  });

  it.each(['pooled', 'dilated', 'atrous'] as const)('has biases whose gradients are sums over maps, in %s', (mode) => {
    const evaluation = evaluations[mode](graph, weights, input);
    const heads = mode === 'atrous' ? 'mean' : 'one';
    const gradients = evaluation.backward(seedsOf(evaluation, score, heads), { weights: true });
    for (const [id, { name, op, shape }] of graph.nodes.entries()) {
      if (op !== 'conv' && op !== 'dense') continue;
      const sums = new Float64Array(shape.c);
      for (const shift of shiftsOf(evaluation, id, 1).all)
        for (const [at, d] of gradients.map(id, shift).entries()) sums[at % shape.c] += d;
      expectClose(gradients.weights.get(`${name}.bias`)!, sums, 1e-10, name);
    }
  });

  it("has as gradient of the mean score the share of each phase's own", () => {
    const all = atrous(graph, weights, input);
    const { strideOf } = findLevels(graph);
    for (const id of layers.filter((layer) => strideOf[layer] === strideOf[graph.logits])) {
      const each = gradientField(all, id, score, { heads: 'each' });
      const mean = gradientField(all, id, score, { heads: 'mean' });
      const phases = each.shifts[0].length * each.shifts[1].length;
      expectClose(
        mean.data,
        each.data.map((d) => d / phases),
        1e-10,
        graph.nodes[id].name,
      );
    }
  });

  it('has the Grad-CAM of pooled in the own phase of atrous', () => {
    const [layer] = layers;
    const own = gradCam(pooled(graph, weights, input), layer, score);
    const all = atrous(graph, weights, input);
    for (const heads of ['one', 'each'] as const) {
      const cam = gradCam(all, layer, score, { heads });
      const phases = cam.shifts.map(({ length }) => length);
      expect(every(cam, cam.own, [phases[0], phases[1]]).data).toEqual(own.data);
    }
  });
});

const directionOf = (length: number, next: () => number): Float64Array =>
  Float64Array.from({ length }, () => 2 * next() - 1);

const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, i) => sum + value * b[i], 0);

describe('away from borders', () => {
  const windows = [{ pad: [1, 1, 1, 1] }, { pad: 'same' }, {}, { pad: [0, 1, 1, 0], dilation: 2 }] as const;

  it.each(windows)('a phase is the network on the moved picture: %o', (options) => {
    const network = (input: Float32Array) => {
      const s = new Sketch(5);
      const x = s.input(44, 41, 2);
      const y = s.act(s.conv(x, 4, 3, { stride: 2, ...options }));
      const last = s.conv(s.pool(y, s.pick(['max', 'mean']), 3, { stride: 2, pad: [1, 1, 1, 1] }), 3, 3);
      return { ...s.finish(s.global(last), 'softmax'), input, last };
    };
    const picture = randomFloats(44 * 41 * 2, 3);
    const { graph, weights, last } = network(picture);
    const all = atrous(graph, weights, picture);
    for (const [dy, dx] of shiftsOf(all, last, 1).all) {
      const moved = picture.map((_, at) => {
        const [i, j, k] = [Math.floor(at / 82) + dy, Math.floor(at / 2) % 41, at % 2];
        return picture[(i * 41 + j + dx) * 2 + k] ?? 0;
      });
      const [phase, own]: Evaluation[] = [all, pooled(graph, weights, moved)];
      const [a, b] = [phase.map(last, [dy, dx]), own.map(last)];
      for (let i = 3; i < 5; i++)
        for (let j = 3; j < 5; j++) {
          const at = (i * a.w + j) * a.c;
          expect(a.data.subarray(at, at + a.c)).toEqual(b.data.subarray(at, at + a.c));
        }
    }
  });
});

describe('a score', () => {
  const logits = Float64Array.of(0.3, -1.2, 2);

  it.each([
    ['softmax', logits, 3],
    ['sigmoid', logits, 3],
    ['sigmoid', logits.slice(0, 1), 2],
  ] as const)('has its own derivative: %s of %o', (head, at, classes) => {
    for (let target = 0; target < classes; target++)
      for (const kind of ['logit', 'probability', 'loss'] as const) {
        const score: PlainScore = classScore(head, kind, target);
        const { gradient } = score(at);
        for (let j = 0; j < at.length; j++) {
          const moved = (by: number) => score(at.map((z, i) => z + (i === j ? by : 0))).value;
          expect(gradient[j], `${kind} of ${target}`).toBeCloseTo((moved(1e-6) - moved(-1e-6)) / 2e-6, 8);
        }
      }
  });
});
