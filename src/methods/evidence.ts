import { gaussian, mulberry32 } from '../base/random.js';
import type { RgbImage } from '../base/types.js';
import type { Graph, Node, NodeId, Shape } from '../graph/graph.js';
import type { Layout } from '../graph/levels.js';
import type { Offset } from '../plan/placing.js';
import type { GradientRequest, GradientResult } from '../run/gradient-pass.js';
import type { PackedNetwork } from '../run/packed-network.js';
import type { Runtime } from '../wasm/runtime.js';

/** A network whose weights lie in memory. */
interface InMemory {
  readonly runtime: Runtime;
  readonly network: PackedNetwork;
}

/** What the measurement borrows from the library, so that it can be loaded by itself. */
export interface Tools {
  readonly gradientsOf: (of: InMemory, input: Float32Array, request: GradientRequest) => Promise<GradientResult>;
  readonly layoutOf: (graph: Graph) => Layout;
  /** The network's input of a picture of the input's size. */
  readonly inputOf: (picture: RgbImage) => Float32Array;
}

/** Pictures, one point of each. Their mean is good to about 2 pixels at a stride of 32. */
const PICTURES = 24;
/** Pixels to each side over which the noise is averaged, twice: that gives the placement which photographs give. */
const BLUR = 8;
/** Mean and standard deviation of the pictures' bytes. */
const [GREY, CONTRAST] = [118, 60];

/**
 * How far the evidence that a layer's points see lies from the centres of their windows, in pixels of the input, rows and columns: the
 * centroid of the squared gradient of a point, all channels together, at the input; the mean over inner points of pictures of seeded noise,
 * rounded to tenths. It depends on the network and the layer alone. The idea of weighing a window by its gradient is the effective
 * receptive field's (Luo et al., NIPS 2016).
 *
 * @param loaded with nothing on the arena but what is kept
 * @throws AtrousCamError OUT_OF_MEMORY, ABORTED
 */
export async function measureEvidence(
  { runtime, network }: InMemory,
  layer: NodeId,
  { gradientsOf, layoutOf, inputOf }: Tools,
  signal?: AbortSignal,
): Promise<Offset> {
  const { graph, layout } = network;
  const [{ shape: input }, { shape }] = [graph.nodes[0], graph.nodes[layer]];
  const { origin, level } = layout.placings[layer];
  const { stride } = layout.levels[level];
  const { arena } = runtime;
  const mode = graph.only ?? 'pooled';
  const draw = gaussian(mulberry32(0));
  const next = () => inputOf(blurredNoise(input, draw));
  const gradientOf = async (network: PackedNetwork, x: Float32Array) =>
    (await gradientsOf({ runtime, network }, x, { mode, score: firstLogit, input: true, signal })).input!;
  await gradientOf(network, next()); // makes the kernels that gradients need, which stay, before anything else takes memory
  const mark = arena.mark();
  try {
    const kernel = arena.alloc(4 * shape.h * shape.w * shape.c);
    const bias = arena.alloc(4);
    const probe = networkTo(network, layer, { kernel, bias }, layoutOf);
    let [rows, columns, count] = [0, 0, 0];
    for (let i = 0; i < PICTURES; i++) {
      const at = [inner(shape.h, i), inner(shape.w, Math.floor(i / 3))] as const;
      arena.f32(bias, 1)[0] = 0;
      const weights = arena.f32(kernel, shape.h * shape.w * shape.c);
      const first = (at[0] * shape.w + at[1]) * shape.c;
      weights.fill(0).fill(1, first, first + shape.c);
      const centre = centroid(await gradientOf(probe, next()), input);
      if (!centre) continue; // a point that sees nothing here
      rows += centre[0] - origin[0] - stride * at[0];
      columns += centre[1] - origin[1] - stride * at[1];
      count++;
    }
    const tenths = (sum: number) => Math.round((10 * sum) / Math.max(1, count)) / 10 + 0; // no -0
    return [tenths(rows), tenths(columns)];
  } finally {
    arena.release(mark);
  }
}

const firstLogit = (logits: Float32Array) => ({
  value: logits[0],
  gradient: Float32Array.from(logits, (_, i) => (i === 0 ? 1 : 0)),
});

/** Of three points in the middle of a side, a seventh of it apart, the i-th. */
function inner(side: number, i: number): number {
  const step = Math.round(side / 7);
  return Math.min(side - 1, Math.max(0, Math.floor((side - 1) / 2) + step * ((i % 3) - 1)));
}

/** The network as far as a layer, and a dense layer of one output on its map. */
function networkTo(
  network: PackedNetwork,
  layer: NodeId,
  dense: { readonly kernel: number; readonly bias: number },
  layoutOf: Tools['layoutOf'],
): PackedNetwork {
  const { graph, packed } = network;
  const needed = new Set([layer]);
  for (let id = layer; id > 0; id--) if (needed.has(id)) for (const from of graph.nodes[id].from) needed.add(from);
  const order = [...needed].sort((a, b) => a - b);
  const place = new Map(order.map((id, i) => [id, i]));
  const nodes = order.map((id): Node => {
    const node = graph.nodes[id];
    return { ...node, from: node.from.map((from) => place.get(from)!) };
  });
  const shape = { h: 1, w: 1, c: 1 };
  nodes.push({ op: 'dense', name: 'one point', aliases: [], from: [nodes.length - 1], shape });
  const probe: Graph = { ...graph, nodes, logits: nodes.length - 1, head: 'softmax' };
  const weights = [...order.map((id) => packed[id]), { at: { ...dense } }];
  return { ...network, graph: probe, layout: layoutOf(probe), packed: weights };
}

/** A grey or coloured picture of normally distributed bytes that vary over some `BLUR` pixels. */
function blurredNoise({ h, w }: Shape, draw: () => number): RgbImage {
  const data = new Uint8Array(3 * h * w);
  for (let channel = 0; channel < 3; channel++) {
    let plane: Float64Array = Float64Array.from({ length: h * w }, draw);
    for (let twice = 0; twice < 2; twice++) plane = meanOfRows(meanOfRows(plane, w), h);
    const deviation = Math.sqrt(plane.reduce((sum, value) => sum + value * value, 0) / plane.length);
    for (const [i, value] of plane.entries())
      data[3 * i + channel] = Math.min(255, Math.max(0, Math.round(GREY + (CONTRAST * value) / deviation)));
  }
  return { width: w, height: h, data };
}

/** Means over `BLUR` values to each side along rows, transposed. */
function meanOfRows(plane: Float64Array, w: number): Float64Array {
  const h = plane.length / w;
  const out = new Float64Array(plane.length);
  for (let y = 0; y < h; y++)
    for (let x = 0; x < w; x++) {
      const [from, to] = [Math.max(0, x - BLUR), Math.min(w - 1, x + BLUR)];
      let sum = 0;
      for (let at = from; at <= to; at++) sum += plane[y * w + at];
      out[x * h + y] = sum / (to - from + 1);
    }
  return out;
}

/** Centre of the squares of a gradient, rows and columns; undefined where it is 0 everywhere. */
function centroid(gradient: Float32Array, { h, w, c }: Shape): Offset | undefined {
  let [sum, rows, columns] = [0, 0, 0];
  for (let i = 0; i < h * w; i++) {
    let power = 0;
    for (let k = c * i; k < c * i + c; k++) power += gradient[k] ** 2;
    sum += power;
    rows += power * Math.floor(i / w);
    columns += power * (i % w);
  }
  return sum > 0 ? [rows / sum, columns / sum] : undefined;
}
