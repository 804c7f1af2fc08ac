import type { Activation, Graph, HeadKind, NodeId } from '../../src/graph/graph.js';
import { GELU, HARD_SIGMOID, HARD_SWISH, RELU, RELU6, SIGMOID, SILU, Sketch } from './graph-sketch.js';

/** A small network with random weights, and an input. */
export interface RandomGraph {
  title: string;
  graph: Graph;
  weights: Map<string, Float32Array>;
  input: Float32Array;
  /** Nodes whose maps are worth explaining: the one in front of the head first, then earlier ones. */
  layers: NodeId[];
}

interface Drawing {
  logits: NodeId;
  head?: HeadKind;
  layers: NodeId[];
}

/** 3x3 of stride 2 beside 1x1 of stride 2, or beside every second point with zeros for the new channels (ResNet's options). */
function residual(s: Sketch, x: NodeId): Drawing {
  const first = s.convAct(x, 6, 3);
  let y = first;
  for (const width of [9, 12]) {
    const inner = s.convAct(y, width, 3, RELU, { stride: 2 });
    const main = s.conv(inner, width, 3, { pad: ONE });
    const order = Array.from({ length: width }, (_, k) => (k < s.channels(y) ? k : -1));
    const beside = s.pick([true, false])
      ? s.conv(y, width, 1, { stride: 2 })
      : s.reorder(s.pool(y, 'max', 1, { stride: 2 }), order);
    y = s.act(s.add(main, beside));
  }
  return { logits: s.dense(s.global(y), 5), layers: [y, first] };
}

/** A stem with a max pool, and a mean pool in front of the 1x1 convolution of the shortcut (ResNet-D). */
function resnetD(s: Sketch, x: NodeId): Drawing {
  const stem = s.convAct(x, 5, s.pick([3, 5, 7]), RELU, { stride: 2 });
  const pooled = s.pool(stem, 'max', 3, { stride: 2, pad: ONE });
  const narrow = s.convAct(s.convAct(pooled, 6, 1), 6, 3, RELU, { stride: 2 });
  const main = s.conv(narrow, 10, 1);
  const beside = s.conv(s.pool(pooled, 'mean', 2, { stride: 2, ceil: true }), 10, 1);
  const y = s.act(s.add(main, beside));
  return { logits: s.dense(s.global(y), 4), layers: [y, narrow, stem] };
}

/** Pre-activation and concatenation (DenseNet). */
function preActivation(s: Sketch, x: NodeId): Drawing {
  let y = s.conv(x, 6, 3, { pad: ONE, stride: s.pick([1, 2]) });
  const layers: NodeId[] = [];
  for (const block of [0, 1]) {
    for (const _ of [0, 1]) {
      const inner = s.convAct(s.act(s.affine(y)), 7, 1);
      y = s.concat(y, s.conv(inner, 4, 3, { pad: ONE }));
    }
    layers.unshift(y);
    if (block === 0) y = s.pool(s.conv(s.act(s.affine(y)), 8, 1), 'mean', 2, { stride: 2 });
  }
  const last = s.act(s.affine(y));
  return { logits: s.dense(s.global(last), 6), layers: [last, ...layers] };
}

/** Inverted residuals with squeeze-and-excite (MobileNetV3, EfficientNet). */
function inverted(s: Sketch, x: NodeId): Drawing {
  const [act, inner, gate] = s.pick<[Activation, Activation, Activation]>([
    [HARD_SWISH, RELU, HARD_SIGMOID],
    [SILU, SILU, SIGMOID],
  ]);
  let y = s.convAct(x, 6, 3, act, { stride: 2 });
  const layers: NodeId[] = [];
  for (const [size, stride, width] of [
    [3, 1, 6],
    [5, 2, 8],
    [3, 1, 8],
  ]) {
    const wide = s.act(s.depthwise(s.convAct(y, 2 * s.channels(y), 1, act), size, { stride }), act);
    layers.unshift(wide);
    const narrow = s.conv(s.excite(wide, 4, inner, gate), width, 1);
    y = stride === 1 && width === s.channels(y) ? s.add(narrow, y) : narrow;
  }
  const last = s.convAct(y, 14, 1, act);
  return { logits: s.dense(s.act(s.dense(s.global(last), 8), act), 5), layers: [last, ...layers] };
}

/** TensorFlow's padding, whose sides depend on the input's size (MobileNetV1, Xception). */
function same(s: Sketch, x: NodeId): Drawing {
  const options = { stride: 2, pad: 'same' } as const;
  const stem = s.act(s.conv(x, 6, 3, options), RELU6);
  const deep = s.act(s.conv(s.act(s.depthwise(stem, 3, options), RELU6), 9, 1), RELU6);
  const pooled = s.pool(s.conv(deep, 10, 3, { pad: 'same' }), 'max', 3, options);
  const y = s.act(s.add(pooled, s.conv(deep, 10, 1, options)), RELU6);
  const last = s.act(s.conv(y, 8, s.pick([2, 3]), { pad: s.pick(['same', 'same-lower']) }), RELU6);
  const { h, w } = s.builder.shape(last);
  const mean = s.pick([true, false]) ? s.global(last) : s.pool(last, 'mean', [h, w], { stride: 2 });
  return { logits: s.conv(mean, 5, 1), layers: [last, deep, stem] };
}

/** Windows without padding, a flatten, one output (LeNet, MesoNet). */
function valid(s: Sketch, x: NodeId): Drawing {
  const first = s.act(s.conv(x, 5, 5));
  const second = s.act(s.conv(s.pool(first, 'max', 2, { stride: 2 }), 8, 5));
  const last = s.affine(s.act(s.conv(s.pool(second, 'mean', 2, { stride: 2 }), 8, 3, { pad: ONE })));
  const hidden = s.act(s.dense(s.pool(last, 'max', 2, { stride: 2 }), 7), { f: 'leaky-relu', slope: 0.1 });
  return { logits: s.dense(hidden, 1), head: 'sigmoid', layers: [last, second, first] };
}

/** Pools whose last windows hang over, fire modules, a convolution as classifier in front of the mean (SqueezeNet). */
function ceiling(s: Sketch, x: NodeId): Drawing {
  let y = s.act(s.conv(x, 6, 3, { stride: 2 }));
  const layers: NodeId[] = [];
  for (const kind of ['max', 'mean'] as const) {
    const squeezed = s.convAct(s.pool(y, kind, 3, { stride: 2, ceil: true }), 4, 1);
    y = s.concat(s.convAct(squeezed, 5, 1), s.convAct(squeezed, 5, 3));
    layers.unshift(y);
  }
  const last = s.convAct(y, 6, 1, { f: 'leaky-relu', slope: 0.1 }); // all classes have some evidence
  return { logits: s.global(last), layers: [last, ...layers] };
}

/** Patches, wide depthwise windows, layer norm (ConvNeXt). */
function normalized(s: Sketch, x: NodeId): Drawing {
  let y = s.layerNorm(s.conv(x, 6, s.pick([2, 4]), { stride: s.pick([2, 4]) }));
  const layers: NodeId[] = [];
  for (const width of [6, 10]) {
    if (width !== s.channels(y)) y = s.conv(s.layerNorm(y), width, 2, { stride: 2 });
    const gelu: Activation = s.pick([GELU, { f: 'gelu', approximate: true }]);
    const wide = s.act(s.conv(s.layerNorm(s.depthwise(y, 7)), 2 * width, 1), gelu);
    y = s.add(s.affine(s.conv(wide, width, 1)), y);
    layers.unshift(y);
  }
  return { logits: s.dense(s.layerNorm(s.global(y)), 5), layers };
}

/** Groups, channel shuffle and split (ResNeXt, ShuffleNet). */
function grouped(s: Sketch, x: NodeId): Drawing {
  const stem = s.convAct(x, 8, 3, RELU, { stride: 2 });
  const main = s.conv(s.convAct(s.convAct(stem, 8, 1), 8, 3, RELU, { stride: 2, groups: s.pick([2, 4]) }), 8, 1);
  const strided = s.act(s.concat(main, s.conv(s.depthwise(stem, 3, { stride: 2 }), 8, 1)));
  const shuffled = s.reorder(
    strided,
    Array.from({ length: 16 }, (_, k) => (k % 2) * 8 + Math.floor(k / 2)),
  );
  const half = (from: number) => Array.from({ length: 8 }, (_, k) => from + k);
  const branch = s.convAct(s.depthwise(s.convAct(s.reorder(shuffled, half(8)), 8, 1), 3), 8, 1);
  const y = s.concat(s.reorder(shuffled, half(0)), branch);
  return { logits: s.dense(s.global(y), 5), layers: [y, strided, stem] };
}

/** Branches of several windows, rows and columns apart, and strides without padding (Inception). */
function branches(s: Sketch, x: NodeId): Drawing {
  const stem = s.act(s.conv(x, 6, 3, { stride: s.pick([1, 2]) }));
  const pooled = s.conv(s.pool(stem, 'mean', 3, { pad: ONE, beyond: s.pick(['nothing', 'zero']) }), 4, 1);
  const rows = s.act(s.conv(s.act(s.conv(stem, 4, [1, 7], { pad: [0, 3, 0, 3] })), 4, [7, 1], { pad: [3, 0, 3, 0] }));
  const joined = s.concat(s.act(s.conv(stem, 3, 1)), rows, s.act(pooled), s.convAct(stem, 3, 3, RELU, { dilation: 2 }));
  const reduced = s.concat(
    s.act(s.conv(joined, 5, 3, { stride: 2 })),
    s.pool(joined, 'max', 3, { stride: 2 }),
    s.act(s.conv(s.convAct(joined, 4, 1), 4, 3, { stride: 2 })),
  );
  return {
    logits: s.dense(s.global(reduced, s.pick(['mean', 'max'])), 6),
    head: 'sigmoid',
    layers: [reduced, joined, stem],
  };
}

/** Convolutions and 2x2 pools; the last pool and the dense layers are the head (VGG). */
function plain(s: Sketch, x: NodeId): Drawing {
  const layers: NodeId[] = [];
  let y = x;
  for (const width of [5, 8, 9]) {
    if (y !== x) y = s.pool(y, 'max', 2, { stride: 2 });
    y = s.convAct(s.convAct(y, width, 3), width, 3);
    layers.unshift(y);
  }
  const hidden = s.act(s.dense(s.pool(y, 'max', 2, { stride: 2 }), 9));
  return { logits: s.dense(hidden, 6), layers };
}

/** One of each activation. */
function activations(s: Sketch, x: NodeId): Drawing {
  let y = s.conv(x, 6, 3, { pad: ONE, stride: 2 });
  const all: Activation[] = [
    { f: 'prelu' },
    { f: 'elu', alpha: 0.7 },
    { f: 'selu' },
    { f: 'tanh' },
    { f: 'softplus' },
    { f: 'leaky-relu', slope: 0.2 },
    { f: 'clip', low: -0.5, high: 1.5 },
    { f: 'hard-sigmoid', slope: 0.2, offset: 0.5 },
  ];
  const layers = all.map((activation) => {
    y = s.act(s.conv(y, s.whole(4, 7), s.pick([1, 3]), { pad: 'same', stride: 1 }), activation);
    return y;
  });
  const strided = s.act(s.conv(y, 8, 3, { stride: 2, pad: ONE }), { f: 'prelu' });
  const gated = s.multiply(s.convAct(strided, 6, 1, SIGMOID), s.convAct(strided, 6, 3, { f: 'tanh' }));
  return { logits: s.dense(s.global(gated), 3), head: 'sigmoid', layers: [gated, strided, layers[3]] };
}

/** Pads as nodes of their own, crops, strides of 3, dilations, a pool that sees zeros (Keras' ResNet, DRN). */
function padded(s: Sketch, x: NodeId): Drawing {
  const stem = s.act(s.conv(s.pad(x, [2, 1, 3, 2]), 5, 5, { stride: 2 }), { f: 'elu', alpha: 1 });
  const pooled = s.pool(s.pad(stem, ONE), 'max', 3, { stride: 2, beyond: s.pick(['nothing', 'zero']) });
  const dilatedOnes = s.convAct(s.convAct(pooled, 6, 3, RELU, { dilation: 2 }), 6, 3, RELU, { dilation: 3 });
  const cropped = s.pad(dilatedOnes, [-1, 0, 0, -1]);
  const last = s.convAct(cropped, 8, 3, RELU, { stride: s.pick([1, 3]) });
  return { logits: s.dense(s.global(last), 5), layers: [last, dilatedOnes, stem] };
}

const ONE = [1, 1, 1, 1] as const;

/** Families by name, and the sizes that their inputs have. */
const FAMILIES = {
  residual,
  resnetD,
  preActivation,
  inverted,
  same,
  valid,
  ceiling,
  normalized,
  grouped,
  branches,
  plain,
  activations,
  padded,
} satisfies Record<string, (s: Sketch, x: NodeId) => Drawing>;

const SIZES = [
  [20, 20],
  [33, 33],
  [32, 32],
  [29, 36],
  [45, 27],
  [31, 31],
  [38, 23],
] as const;

export type Family = keyof typeof FAMILIES;

export const families = Object.keys(FAMILIES) as Family[];

/** A network of a family: for one seed always the same. */
export function randomGraph(family: Family, seed: number): RandomGraph {
  const s = new Sketch(seed * 101 + families.indexOf(family));
  const [h, w] = s.pick(SIZES);
  const { logits, head = 'softmax', layers } = FAMILIES[family](s, s.input(h, w, s.pick([3, 3, 1])));
  return { title: `${family} ${seed}, ${h} x ${w}`, layers, ...s.finish(logits, head) };
}

/** Networks of every family, `each` of them. */
export const randomGraphs = (each: number): RandomGraph[] =>
  families.flatMap((family) => Array.from({ length: each }, (_, seed) => randomGraph(family, seed)));
