import { afterAll, describe, expect, it } from 'vitest';
import type { Network } from '../src/api.js';
import { packWeights } from '../src/calls/pack.js';
import { chainGraph, isPlainChain } from '../src/graph/chain.js';
import { layoutOf } from '../src/graph/levels.js';
import { load } from '../src/index.js';
import { outputStrides } from '../src/plan/modes.js';
import { defaultOutputStride } from '../src/plan/output-stride.js';
import { placedGrid } from '../src/plan/placing.js';
import { Sketch } from './support/graph-sketch.js';
import { loadSketch, packSketch } from './support/load-sketch.js';
import { expectClose } from './support/references.js';
import { vgg } from './support/topology.js';

const vgg16 = vgg([64, 128, 256, 512, 512], [2, 2, 3, 3, 3], 224);

/** Three convolutions of stride 2 with a mean in front of the dense layer, padded as PyTorch does or as TensorFlow's SAME. */
function strided(pad: 'torch' | 'same', h: number, w: number) {
  const s = new Sketch(7);
  let x = s.input(h, w, 3);
  for (const width of [5, 6, 8])
    x =
      pad === 'torch'
        ? s.convAct(x, width, 3, undefined, { stride: 2 })
        : s.act(s.conv(x, width, 3, { stride: 2, pad }));
  return s.finish(s.dense(s.global(x), 3), 'softmax');
}

const open: Network[] = [];
afterAll(() => {
  for (const net of open) net.dispose();
});

async function loaded(...args: Parameters<typeof strided>): Promise<Network> {
  const net = await loadSketch(strided(...args));
  open.push(net);
  return net;
}

/** A finished map in plain float64: point i of the raw map lies at origin + pitch i; linear between points, the outermost ones beyond. */
function plainFinish(
  raw: { width: number; height: number; data: ArrayLike<number> },
  [height, width]: readonly [number, number],
  { origin, pitch }: { origin: readonly [number, number]; pitch: readonly [number, number] },
): Float64Array {
  const normalized = (values: Float64Array) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return values.map((value) => (value - low) / (1e-7 + high - low));
  };
  const part = normalized(Float64Array.from(raw.data, (value) => Math.max(value, 0)));
  const between = (axis: 0 | 1, at: number) => {
    const last = (axis === 0 ? raw.height : raw.width) - 1;
    const point = Math.min(last, Math.max(0, (at - origin[axis]) / pitch[axis]));
    const first = Math.min(Math.floor(point), Math.max(0, last - 1));
    return { first, next: Math.min(first + 1, last), share: point - first };
  };
  return normalized(
    Float64Array.from({ length: height * width }, (_, i) => {
      const [y, x] = [between(0, Math.floor(i / width)), between(1, i % width)];
      const row = (r: number) => part[r * raw.width + x.first] * (1 - x.share) + part[r * raw.width + x.next] * x.share;
      return row(y.first) * (1 - y.share) + row(y.next) * y.share;
    }),
  );
}

const picture = (height: number, width: number) => ({
  width,
  height,
  data: Uint8Array.from({ length: 3 * height * width }, (_, i) => (i * 7919 + (i >> 3) * 104729) % 256),
});

describe('finished maps have their points where `align` puts them', () => {
  const sizes = [40, 51] as const;
  it.each(['torch', 'same'] as const)('%s', async (pad) => {
    const net = await loaded(pad, ...sizes);
    const own = [5, 7] as const;
    const low = pad === 'torch' ? [0, 0] : [-7, -2]; // SAME of an even side pads behind it alone, of an odd one in front as well
    const centre = pad === 'torch' ? [0, 0] : [7, 2];
    for (const outputStride of [8, 4, 1]) {
      const first = low.map((shift) => Math.ceil(shift / outputStride) * outputStride);
      const explained = (align: 'centres' | 'cells', mode: 'pooled' | 'atrous') =>
        net.explain(picture(...sizes), {
          ...{ mode, align, smoothing: 'none', target: 1 },
          ...(mode === 'atrous' && { outputStride }),
        });
      const check = async (
        align: 'centres' | 'cells',
        mode: 'pooled' | 'atrous',
        origin: number[],
        pitch: number[],
      ) => {
        const { raw, map, placement } = await explained(align, mode);
        const expected = { origin, pitch } as unknown as Parameters<typeof plainFinish>[2];
        expect(placement.align).toBe(align);
        expectClose(placement.origin, origin, 1e-12, 'origin');
        expectClose(placement.pitch, pitch, 1e-12, 'pitch');
        if (!map.flat) expectClose(map.data, plainFinish(raw, sizes, expected), 1e-5, `${align}, ${mode}`);
      };
      const at = centre.map((value, axis) => value + first[axis]);
      await check('centres', 'atrous', at, [outputStride, outputStride]);
      const cells = [sizes[0] / own[0], sizes[1] / own[1]]; // cv2.resize: source = (dst + 0.5) h / H - 0.5
      const start = cells.map((cell, axis) => (cell * first[axis]) / 8 + cell / 2 - 0.5);
      await check(
        'cells',
        'atrous',
        start,
        cells.map((cell) => (cell * outputStride) / 8),
      );
      if (outputStride < 8) continue;
      await check('centres', 'pooled', centre, [8, 8]);
      await check(
        'cells',
        'pooled',
        cells.map((cell) => cell / 2 - 0.5),
        cells,
      );
    }
  });
});

it('a picture moved by one stride moves the map by one point', async () => {
  const net = await loaded('torch', 64, 64);
  const input = new Float32Array(64 * 64 * 3);
  for (let y = 24; y < 32; y++)
    for (let x = 16; x < 24; x++) input.fill((y * 31 + x * 17) % 5, 3 * (64 * y + x), 3 * (64 * y + x) + 2);
  const moved = new Float32Array(input.length);
  moved.set(input.subarray(0, input.length - 3 * (64 * 8 + 8)), 3 * (64 * 8 + 8));
  for (const mode of ['pooled', 'atrous'] as const) {
    const map = async (tensor: Float32Array) =>
      (
        await net.explain(
          { tensor },
          {
            ...{ mode, method: 'eigencam', smoothing: 'none' },
            ...(mode === 'atrous' && { outputStride: 2 }),
          },
        )
      ).map.data;
    const [before, after] = [await map(input), await map(moved)];
    const inner = (data: Float32Array, shift: number) =>
      Array.from({ length: 24 * 24 }, (_, i) => data[64 * (16 + shift + Math.floor(i / 24)) + 12 + shift + (i % 24)]);
    expect(Math.max(...inner(before, 0)) - Math.min(...inner(before, 0))).toBeGreaterThan(0.3);
    expectClose(inner(after, 8), inner(before, 0), 1e-2, mode);
  }
});

it('cells and centres are the same for VGG16, whose points are the centres of its cells', () => {
  const layout = layoutOf(chainGraph(vgg16));
  const last = layout.graph.nodes.length - 1;
  for (const align of ['centres', 'cells'] as const)
    for (const mode of ['pooled', 'atrous', 'dilated'] as const)
      expect(placedGrid(layout, mode, last, 4, { align }).origin).toEqual(mode === 'dilated' ? [0, 0] : [7.5, 7.5]);
});

describe('evidence', () => {
  /** Each convolution sees its lower left tap alone, 1 pixel from the centre at strides 1, 2 and 4. */
  const lopsided = () => {
    const { graph, weights } = strided('torch', 64, 64);
    for (const node of graph.nodes) {
      const kernel = weights.get(`${node.name}.kernel`);
      if (node.op !== 'conv' || !kernel) continue;
      const tap = kernel.length / 9;
      kernel.fill(0).fill(0.5, 6 * tap, 7 * tap);
      weights.get(`${node.name}.bias`)!.fill(1);
    }
    return { graph, weights };
  };

  it('lies where the taps do, and maps are moved there in all modes', async () => {
    const net = await loadSketch(lopsided());
    open.push(net);
    const { layer, offset } = await net.evidence();
    expect(offset).toEqual([7, -7]);
    for (const mode of ['pooled', 'atrous', 'dilated'] as const) {
      const of = (align: 'centres' | 'evidence') =>
        net.explain(picture(64, 64), {
          ...{ mode, align, method: 'eigencam', smoothing: 'none' },
          ...(mode === 'atrous' && { outputStride: 4 }),
        });
      const [centres, evidence] = [await of('centres'), await of('evidence')];
      expect(evidence.raw).toEqual(centres.raw);
      const [y, x] = centres.placement.origin;
      expect(evidence.placement).toEqual({ align: 'evidence', origin: [y + 7, x - 7], pitch: centres.placement.pitch });
      expectClose(evidence.map.data, plainFinish(evidence.raw, [64, 64], evidence.placement), 1e-5, mode);
    }
    expect(await net.evidence(layer)).toEqual({ layer, offset });
  });

  it('is kept in packed files, and what is wrong there is refused', async () => {
    const { graph, weights } = lopsided();
    const packed = async (evidence: Record<string, readonly [number, number]>) => {
      const pieces: Uint8Array[] = [];
      const bytes = await packSketch(graph, weights);
      for await (const piece of packWeights(bytes.buffer, { evidence })) pieces.push(piece);
      return new Uint8Array(Buffer.concat(pieces));
    };
    const [layer] = layoutOf(graph).frontier;
    const { name } = graph.nodes[layer];
    const bytes = await packed({ [name]: [-3.5, 2] });
    const net = await load(bytes.buffer, { threads: 1 });
    open.push(net);
    expect(await net.evidence()).toEqual({ layer: name, offset: [-3.5, 2] });
    await expect(packed({ nowhere: [0, 0] })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    const text = Buffer.from(bytes).toString('latin1').replace('[-3.5,2]', '[-3.5,9e9]'.slice(0, 8));
    expect(text.length).toBe(bytes.length);
    await expect(load(new Uint8Array(Buffer.from(text, 'latin1')).buffer)).rejects.toMatchObject({
      code: 'BAD_WEIGHTS',
      message: expect.stringContaining('metadata "evidence"'),
    });
  });
});

describe('the output stride', () => {
  it('is any divisor; by default the finest within ten times the cost of the network, and 1 for the family of VGG', () => {
    const vgg = chainGraph(vgg16);
    expect(isPlainChain(vgg)).toBe(true);
    expect(defaultOutputStride(layoutOf(vgg))).toBe(1);
    const layout = layoutOf(strided('torch', 64, 64).graph);
    expect(outputStrides(layout)).toEqual([8, 4, 2, 1]);
    expect(isPlainChain(layout.graph)).toBe(false);
    expect(defaultOutputStride(layout)).toBe(2);
  });
});
