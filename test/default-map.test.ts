import { describe, expect, it } from 'vitest';
import type { ExplainOptions, Explanation } from '../src/api.js';
import { Sketch } from './support/graph-sketch.js';
import { type loadSketch, sketchLoader } from './support/load-sketch.js';

/** Strided convolutions down to a stride, then a mean, or a flatten whose dense layer weighs places differently. */
function sketch(stride: 16 | 32, head: 'mean' | 'flatten' = 'mean') {
  const s = new Sketch(5);
  let x = s.input(64, 64, 3);
  for (let at = 1; at < stride; at *= 2) x = s.convAct(x, 4, 3, undefined, { stride: 2 });
  return s.finish(s.dense(head === 'mean' ? s.global(x) : x, 3), 'softmax');
}

/** The last convolution sees the whole map, so that a dense layer stands on a map of one point. */
function point(side: number) {
  const s = new Sketch(5);
  let x = s.input(side, side, 3);
  for (let at = 1; at < 32; at *= 2) x = s.convAct(x, 4, 3, undefined, { stride: 2 });
  return s.finish(s.dense(s.act(s.dense(s.act(s.conv(x, 6, 2)), 5)), 3), 'softmax');
}

/** A head of two vectors: a mean, beside a dense layer on the map itself. */
function split() {
  const s = new Sketch(5);
  let x = s.input(64, 64, 3);
  for (let at = 1; at < 32; at *= 2) x = s.convAct(x, 4, 3, undefined, { stride: 2 });
  return s.finish(s.add(s.dense(s.global(x), 3), s.dense(x, 3)), 'softmax');
}

const picture = {
  width: 128,
  height: 128,
  data: Uint8Array.from({ length: 3 * 128 * 128 }, (_, i) => 128 + 90 * Math.sin(i / 50) + ((i * 37) % 31)),
};

const loaded = sketchLoader();

const numbers = ({ mode, outputStride, zoom, raw, map }: Explanation) => ({ mode, outputStride, zoom, raw, map });

describe('the map that is made where no option names its kind', () => {
  const best = { mode: 'pooled', zoom: [1, 2] } as const;
  const ordinary = { mode: 'atrous' } as const;
  it.each<[string, Parameters<typeof loadSketch>[0], ExplainOptions, ExplainOptions]>([
    ['stride 32 and a mean', sketch(32), {}, best],
    [
      'what does not change the kind',
      sketch(32),
      { target: 1, sign: 'signed', align: 'cells', augSmooth: false },
      best,
    ],
    ['another combination', sketch(32), { combine: 'mean' }, best],
    ['stride 16', sketch(16), {}, ordinary],
    ['a dense layer on the map', sketch(32, 'flatten'), {}, ordinary],
    ['a dense layer on the map, beside a mean', split(), {}, ordinary],
    ['a dense layer on a map of one point', point(64), {}, ordinary],
    ['another method', sketch(32), { method: 'layercam' }, ordinary],
    ['an output stride', sketch(32), { outputStride: 8 }, ordinary],
    ['a smoothing', sketch(32), { smoothing: 'none' }, ordinary],
    ['a mode', sketch(32), { mode: 'atrous' }, ordinary],
    ['a zoom', sketch(16), { zoom: 2 }, { mode: 'pooled', zoom: 2 }],
    ['no zoom', sketch(32), { zoom: 1 }, { mode: 'pooled', zoom: 1 }],
    ['a zoom and an output stride', sketch(32), { zoom: 2, outputStride: 32 }, { mode: 'atrous', zoom: 2 }],
  ])('%s: %#', async (_, made, options, named) => {
    const net = await loaded(made);
    const found = await net.explain(picture, options);
    expect(numbers(found)).toEqual(numbers(await net.explain(picture, { ...options, ...named })));
    const { mode, zoom } = net.estimate(options);
    expect({ mode, zoom }).toEqual({ mode: found.mode, zoom: found.zoom });
    expect({ mode, zoom }).toEqual({ mode: named.mode, zoom: [named.zoom ?? 1].flat() });
  });

  it('is of one size where there are no pixels to resample', async () => {
    const net = await loaded(sketch(32));
    const { tensor } = await net.preprocess(picture);
    expect(numbers(await net.explain({ tensor }))).toEqual(numbers(await net.explain({ tensor }, { mode: 'atrous' })));
    expect((await net.explain(await net.preprocess(picture))).zoom).toEqual([1, 2]);
  });

  it('is of one size where branches would differ at another', async () => {
    const s = new Sketch(5);
    const side = 63;
    const input = s.input(side, side, 3);
    const beside = s.conv(input, 4, 2, { stride: 2, pad: [1, 1, 0, 0] }); // 126 pixels would make 64 points
    let x = s.add(s.conv(input, 4, 3, { stride: 2, pad: [1, 1, 1, 1] }), beside); // and here 63
    for (let at = 2; at < 32; at *= 2) x = s.convAct(x, 4, 3, undefined, { stride: 2 });
    const net = await loaded(s.finish(s.dense(s.global(x), 3), 'softmax'));
    expect(numbers(await net.explain(picture))).toEqual(numbers(await net.explain(picture, { mode: 'atrous' })));
    await expect(net.explain(picture, { zoom: [1, 2] })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });
});
