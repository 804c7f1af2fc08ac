import { describe, expect, it } from 'vitest';
import type { Explanation } from '../src/api.js';
import { resizedGraph } from '../src/graph/resized.js';
import { fitMap } from '../src/metrics/fit-map.js';
import { Sketch } from './support/graph-sketch.js';
import { sketchLoader } from './support/load-sketch.js';
import { expectClose } from './support/references.js';

/** A residual block behind a strided convolution, then a mean; or a flatten whose dense layer weighs all cells alike, or not. */
function sketch(h: number, w: number, head: 'mean' | 'alike' | 'apart' = 'mean') {
  const s = new Sketch(11);
  let x = s.convAct(s.input(h, w, 3), 6, 3, undefined, { stride: 2 });
  const beside = s.conv(x, 8, 1, { stride: 2 });
  const main = s.conv(s.convAct(x, 8, 3, undefined, { stride: 2 }), 8, 3, { pad: [1, 1, 1, 1] });
  x = s.act(s.add(main, beside));
  const hidden = s.act(s.dense(head === 'mean' ? s.global(x) : x, 5));
  const made = s.finish(s.dense(hidden, 3), 'softmax');
  if (head !== 'alike') return made;
  const kernel = made.weights.get(`${made.graph.nodes.find(({ op }) => op === 'dense')!.name}.kernel`)!;
  for (let i = 40; i < kernel.length; i++) kernel[i] = kernel[i % 40];
  return made;
}

const loaded = sketchLoader();

const [H, W] = [36, 43];
const picture = {
  width: 2 * W,
  height: 2 * H,
  data: Uint8Array.from({ length: 12 * H * W }, (_, i) => 128 + 90 * Math.sin(i / 50) + ((i * 37) % 31)),
};
const SETTINGS = [
  { mode: 'pooled' },
  { mode: 'atrous', outputStride: 2 },
  { mode: 'atrous', outputStride: 1, method: 'layercam' },
  { mode: 'dilated' },
  { mode: 'pooled', method: 'saliency' },
] as const;

describe('a graph for another size', () => {
  it.each([
    [36, 43, 72, 86],
    [36, 43, 54, 65],
    [33, 41, 20, 62],
  ])('%i x %i as %i x %i has the shapes that it is built with', (h, w, toH, toW) => {
    expect(resizedGraph(sketch(h, w).graph, toH, toW).graph).toEqual(sketch(toH, toW).graph);
  });

  it('keeps windows of SAME where they start', () => {
    const build = (side: number) => {
      const s = new Sketch(1);
      const x = s.conv(s.conv(s.input(side, side, 3), 4, 3, { stride: 2, pad: 'same' }), 4, 5, { pad: 'same' });
      return s.finish(s.dense(s.global(x), 2), 'softmax').graph;
    };
    expect(resizedGraph(build(32), 64, 64).graph).toEqual(build(64));
  });
});

describe('zoom', () => {
  it.each(SETTINGS)('%j at 2 is the network of twice the size; what it says is its own', async (settings) => {
    const small = await loaded(sketch(H, W));
    const large = await loaded({ ...sketch(2 * H, 2 * W), weights: sketch(H, W).weights });
    const own = await small.explain(picture, settings);
    const target = own.target.index;
    const expected = await large.explain(picture, { ...settings, target });
    const zoomed = await small.explain(picture, { ...settings, zoom: 2 });
    expect(zoomed.raw).toEqual(expected.raw);
    expect(zoomed.map).toEqual(expected.map);
    expect(zoomed.placement).toEqual(expected.placement);
    for (const field of ['predictions', 'logits', 'probabilities', 'target'] as const)
      expect(zoomed[field]).toEqual(own[field]);
    expect(zoomed.score).toBeCloseTo(own.score, 5);
    expect(zoomed.zoom).toEqual([2]);
  });

  it('several are combined at the size of the largest', async () => {
    const net = await loaded(sketch(H, W));
    const of = (options: object): Promise<Explanation> =>
      net.explain(picture, { mode: 'atrous', target: 1, ...options });
    const [one, two] = [await of({}), await of({ zoom: 2 })];
    const doubled = Float64Array.from({ length: 4 * H * W }, (_, i) => {
      const [y, x] = [Math.floor(i / (2 * W)), i % (2 * W)];
      const at = (position: number, last: number) => Math.min(last, Math.max(0, (position + 0.5) / 2 - 0.5));
      const [v, u] = [at(y, H - 1), at(x, W - 1)];
      const [y0, x0] = [Math.min(Math.floor(v), H - 2), Math.min(Math.floor(u), W - 2)];
      const value = (dy: number, dx: number) => one.map.data[(y0 + dy) * W + x0 + dx];
      const row = (dy: number) => value(dy, 0) * (1 - u + x0) + value(dy, 1) * (u - x0);
      return row(0) * (1 - v + y0) + row(1) * (v - y0);
    });
    const rules = {
      mean: (a: number, b: number) => (a + b) / 2,
      product: (a: number, b: number) => a * b,
      'geometric-mean': (a: number, b: number) => Math.sqrt(a * b),
    } as const;
    for (const [combine, rule] of Object.entries(rules)) {
      const both = await of({ zoom: [2, 1], combine });
      const values = doubled.map((value, i) => rule(value, two.map.data[i]));
      const [low, high] = [Math.min(...values), Math.max(...values)];
      expectClose(both.raw.data, values, 1e-5, combine);
      expectClose(
        both.map.data,
        values.map((value) => (value - low) / (high - low)),
        1e-4,
        combine,
      );
      expect([both.map.width, both.map.height]).toEqual([2 * W, 2 * H]);
      expect(both.score).toBe(one.score);
    }
    expect((await of({ zoom: [1, 2] })).map.data).toEqual((await of({ zoom: [1, 2], combine: 'product' })).map.data);
  });

  it('a first dense layer that weighs all cells alike is a mean of them, another one is refused', async () => {
    const alike = sketch(H, W, 'alike');
    const net = await loaded(alike);
    const [first] = alike.graph.nodes.filter(({ op }) => op === 'dense');
    const cells = 9 * 11;
    const weights = new Map(alike.weights);
    // The same head behind a mean: one cell's rows, times the number of cells.
    const mean = sketch(2 * H, 2 * W);
    const names = mean.graph.nodes.filter(({ op }) => op === 'dense').map(({ name }) => name);
    const old = alike.graph.nodes.filter(({ op }) => op === 'dense').map(({ name }) => name);
    for (const [i, name] of names.entries())
      for (const part of ['kernel', 'bias']) weights.set(`${name}.${part}`, alike.weights.get(`${old[i]}.${part}`)!);
    weights.set(
      `${names[0]}.kernel`,
      alike.weights
        .get(`${first.name}.kernel`)!
        .slice(0, 40)
        .map((value) => cells * value),
    );
    const large = await loaded({ graph: mean.graph, weights });
    const zoomed = await net.explain(picture, { mode: 'pooled', zoom: 2, target: 0 });
    const expected = await large.explain(picture, { mode: 'pooled', target: 0 });
    expectClose(zoomed.raw.data, expected.raw.data, 1e-4, 'raw');

    const apart = await loaded(sketch(H, W, 'apart'));
    await expect(apart.explain(picture, { zoom: [1, 2] })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringMatching(
        new RegExp(`^zoom: this network takes pictures of ${H} x ${W} only, because .*; leave zoom out$`),
      ),
    });
  });

  it('takes a dense layer on a map of one point for one on the mean of more', async () => {
    const build = (side: number, hasMean: boolean) => {
      const s = new Sketch(3);
      const x = s.act(s.conv(s.convAct(s.input(side, side, 3), 4, 3, undefined, { stride: 2 }), 6, 4));
      return s.finish(s.dense(s.act(s.dense(hasMean ? s.global(x) : x, 5)), 3), 'softmax');
    };
    const [own, large] = [build(8, false), build(16, true)];
    const values = [...own.weights.values()];
    const net = await loaded(own);
    const twin = await loaded({
      ...large,
      weights: new Map([...large.weights.keys()].map((name, i) => [name, values[i]])),
    });
    const options = { mode: 'pooled', target: 1 } as const;
    const wanted = await twin.explain(picture, options);
    expectClose((await net.explain(picture, { ...options, zoom: 2 })).raw.data, wanted.raw.data, 1e-5, 'raw');
  });

  it('costs its area, refines, and refuses what cannot be', async () => {
    const net = await loaded(sketch(H, W));
    const cost = (zoom: number | number[]) => net.estimate({ mode: 'pooled', zoom }).macs;
    expect(cost([1, 2])).toBe(5 * cost(1));
    const sizes = new Set<number>();
    const progress: number[] = [];
    const onProgress = ({ done, map }: { done: number; map?: Float32Array }) => {
      progress.push(done);
      if (map) sizes.add(map.length);
    };
    await net.explain(picture, { mode: 'atrous', outputStride: 1, zoom: [1, 2], onProgress });
    expect([...sizes]).toEqual([4 * H * W]);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(progress.at(-1)).toBeCloseTo(1, 6);
    for (const zoom of [0, -1, 9, Number.NaN, [], 'two'] as number[])
      await expect(net.explain(picture, { zoom })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    const tensor = new Float32Array(3 * H * W);
    await expect(net.explain({ tensor }, { zoom: 2 })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
  });
});

it('a picture that is preprocessed already stands for the picture, its photograph included', async () => {
  const net = await loaded(sketch(H, W));
  const prepared = await net.preprocess(picture, { preprocessing: { fit: 'crop' } });
  for (const options of [{ zoom: 1 }, { zoom: [1, 2] }, { method: 'layercam' }] as const) {
    const all = { ...options, preprocessing: { fit: 'crop' } } as const;
    const { seconds: _, overlay, ...wanted } = await net.explain(picture, all);
    const { seconds: __, overlay: own, ...found } = await net.explain(prepared, all);
    expect(found).toEqual(wanted);
    expect(own()).toEqual(overlay());
  }
});

it('metrics measure a finer map at the size of the mask: means of what a pixel covers', () => {
  const map = { width: 3, height: 2, data: [1, 2, 3, 5, 6, 7] };
  expect(fitMap(map, 3, 2)).toBe(map);
  // The left pixel covers the first column and half of the second one, of both rows.
  expectClose(fitMap(map, 2, 1).data, [(1 + 5 + (2 + 6) / 2) / 3, ((2 + 6) / 2 + 3 + 7) / 3], 1e-6, 'fit');
});
