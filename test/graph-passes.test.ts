import { describe, expect, test } from 'vitest';
import { GraphBuilder, type WindowOptions } from '../src/graph/builder.js';
import { type Graph, type NodeId, weightShapes } from '../src/graph/graph.js';
import {
  affinesBackwards,
  type Draft,
  padsIntoWindows,
  simplify,
  type Vectors,
  withoutUnused,
} from '../src/graph/passes.js';
import { pooled } from './reference/graph.js';
import { expectClose } from './support/references.js';

const wave = (length: number, phase: number) => Float64Array.from({ length }, (_, i) => Math.sin(1.3 * i + phase));

/** A graph with vectors for all its nodes; kernels are waves. */
function draft(graph: Graph): Draft {
  const vectors = new Map<string, Vectors>();
  for (const [id, node] of graph.nodes.entries()) {
    const shapes = Object.entries(weightShapes(graph, node)).filter(([key]) => key !== 'kernel');
    const made = shapes.map(([key, [c]], i) => [key, wave(c, id + i).map((x) => (key === 'scale' ? 1.2 + x : x))]);
    if (made.length > 0) vectors.set(node.name, Object.fromEntries(made));
  }
  return { graph, vectors };
}

/** The logits, kernels times their factors. */
function logits({ graph, vectors }: Draft): Float64Array {
  const weights = new Map<string, Float64Array>();
  for (const node of graph.nodes)
    for (const [key, shape] of Object.entries(weightShapes(graph, node))) {
      const { factor, ...named } = vectors.get(node.name) ?? {};
      const plain = wave(
        shape.reduce((a, b) => a * b, 1),
        node.name.length,
      );
      const kernel = plain.map((value, i) => value * (factor?.[i % factor.length] ?? 1));
      weights.set(`${node.name}.${key}`, key === 'kernel' ? kernel : named[key as 'bias']!);
    }
  const { h, w, c } = graph.nodes[0].shape;
  return pooled(graph, weights, wave(h * w * c, 0.5)).logits();
}

/** A network of one map between an input of 9 x 8 x 3 and a dense layer of the largest of each channel. */
function network(make: (b: GraphBuilder, x: NodeId) => NodeId): Draft {
  const b = new GraphBuilder();
  const map = make(b, b.input({ h: 9, w: 8, c: 3 }, { name: 'x' }));
  return draft(b.finish(b.dense(b.global(map, 'max', { name: 'global' }), 4, { name: 'fc' }), 'softmax'));
}

const names = ({ graph }: Draft) => graph.nodes.map(({ name }) => name);

function expectSame(before: Draft, after: Draft): void {
  expectClose(logits(after), logits(before), 1e-12, 'logits');
}

describe('pads go into windows', () => {
  type Sides = [number, number, number, number];
  const pad = (b: GraphBuilder, x: NodeId, sides: Sides) =>
    b.pool(x, 'max', { size: [1, 1], pad: sides, beyond: 'zero' }, { name: 'pad' });
  const conv = (options: Partial<WindowOptions>) => (b: GraphBuilder, x: NodeId) =>
    b.conv(x, 4, { size: [3, 3], ...options }, { name: 'window' });
  const pool =
    (kind: 'max' | 'mean', options: Partial<WindowOptions> & { beyond?: 'zero' } = {}) =>
    (b: GraphBuilder, x: NodeId) =>
      b.pool(x, kind, { size: [3, 3], ...options }, { name: 'window' });
  const cases: [string, Sides, (b: GraphBuilder, x: NodeId) => NodeId, boolean][] = [
    ['a convolution', [1, 2, 0, 1], conv({}), true],
    [
      'a strided and dilated one with its own padding',
      [0, 1, 2, 0],
      conv({ stride: 2, dilation: 2, pad: [1, 0, 2, 1] }),
      true,
    ],
    ['a convolution behind a cropping', [-1, 0, -2, -1], conv({}), true],
    ['a convolution that pads what was cropped', [-1, 1, 1, 1], conv({ pad: [1, 0, 0, 0] }), false],
    ['a convolution that pads another side', [-1, 1, 1, 1], conv({ pad: [0, 1, 1, 1] }), true],
    ['a convolution that pads the far side of a cropping', [1, 1, -2, 1], conv({ pad: [1, 1, 1, 1] }), false],
    ['a max pool', [1, 1, 1, 1], pool('max', { stride: 2 }), true],
    ['a max pool with its own padding', [1, 1, 1, 1], pool('max', { pad: [1, 0, 0, 0] }), false],
    ['a max pool that sees beyond the far side', [1, 1, 0, 0], pool('max', { stride: 2, ceil: true }), false],
    ['a mean pool', [1, 0, 0, 1], pool('mean'), true],
    ['a mean pool that counts zeros already', [1, 0, 0, 1], pool('mean', { pad: [1, 1, 1, 1], beyond: 'zero' }), true],
    ['a mean pool behind a cropping', [-1, -1, 0, 0], pool('mean', { stride: 2 }), true],
  ];

  test.each(cases)('%s', (_, sides, window, merges) => {
    const before = network((b, x) => window(b, pad(b, x, sides)));
    const after = withoutUnused(padsIntoWindows(before));
    expect(names(after).includes('pad')).toBe(!merges);
    expectSame(before, after);
  });

  test('all readers or none', () => {
    const two = (second: (b: GraphBuilder, x: NodeId) => NodeId) =>
      network((b, x) => {
        const padded = pad(b, x, [1, 1, 1, 1]);
        return b.concat([conv({})(b, padded), second(b, padded)], { name: 'join' });
      });
    const both = two((b, x) => b.pool(x, 'mean', { size: [3, 3] }, { name: 'mean' }));
    expect(names(simplify(both))).not.toContain('pad');
    expectSame(both, simplify(both));
    const one = two((b, x) =>
      b.pool(b.activation(x, { f: 'tanh' }, { name: 'tanh' }), 'max', { size: [3, 3] }, { name: 'max' }),
    );
    expect(names(simplify(one))).toContain('pad');
    expectSame(one, simplify(one));
  });

  test('a pad of a pad, and a pad that the logits are', () => {
    const twice = network((b, x) => {
      const first = b.pool(x, 'max', { size: [1, 1], pad: [1, 0, 0, 1], beyond: 'zero' }, { name: 'first' });
      return conv({})(b, pad(b, first, [0, 2, 1, 0]));
    });
    expect(names(simplify(twice))).toEqual(['x', 'window', 'global', 'fc']);
    expectSame(twice, simplify(twice));
    const b = new GraphBuilder();
    const fc = b.dense(b.input({ h: 2, w: 2, c: 3 }, { name: 'x' }), 3, { name: 'fc' });
    const cropped = b.pool(fc, 'max', { size: [1, 1], beyond: 'zero' }, { name: 'pad' });
    expect(names(simplify(draft(b.finish(cropped, 'softmax'))))).toEqual(['x', 'fc', 'pad']);
  });
});

describe('scales and shifts go backwards', () => {
  const affine = (b: GraphBuilder, x: NodeId, name = 'norm') => b.affine(x, { name, aliases: [`alias of ${name}`] });

  test.each<[string, (b: GraphBuilder, x: NodeId) => NodeId]>([
    ['a convolution', (b, x) => b.conv(x, 6, { size: [3, 2], pad: 'same' }, { name: 'into' })],
    ['a grouped convolution', (b, x) => b.conv(x, 6, { size: [3, 3], groups: 3 }, { name: 'into' })],
    ['a layer norm', (b, x) => b.layerNorm(x, 1e-3, { name: 'into' })],
    ['another scale', (b, x) => b.affine(b.activation(x, { f: 'tanh' }, { name: 'tanh' }), { name: 'into' })],
    ['a dense layer', (b, x) => b.dense(x, 5, { name: 'into' })],
  ])('into %s, which takes the names', (_, make) => {
    const before = network((b, x) => affine(b, affine(b, make(b, x), 'first'), 'second'));
    const after = simplify(before);
    const into = after.graph.nodes.find(({ name }) => name === 'into')!;
    expect(after.graph.nodes.filter(({ op }) => op === 'affine').length).toBe(into.op === 'affine' ? 1 : 0);
    expect(into.aliases).toEqual(['first', 'alias of first', 'second', 'alias of second']);
    expectSame(before, after);
  });

  test('not where another node reads the convolution, nor past an activation, a padding or the input', () => {
    const shared = network((b, x) => {
      const conv = b.conv(x, 4, { size: [3, 3] }, { name: 'conv' });
      return b.combine('add', affine(b, conv), conv, { name: 'sum' });
    });
    const activated = network((b, x) => {
      const conv = b.conv(affine(b, x, 'input norm'), 4, { size: [3, 3] }, { name: 'conv' });
      return affine(b, b.activation(conv, { f: 'relu' }, { name: 'relu' }));
    });
    for (const before of [shared, activated]) {
      expect(names(simplify(before))).toEqual(names(before));
      expectSame(before, simplify(before));
    }
  });

  test('the logits, and a factor of 1 leaves the kernel alone', () => {
    const b = new GraphBuilder();
    const fc = b.dense(b.input({ h: 2, w: 2, c: 3 }, { name: 'x' }), 3, { name: 'fc' });
    const before = draft(b.finish(affine(b, fc), 'softmax'));
    const shift = new Map([...before.vectors, ['norm', { scale: new Float64Array(3).fill(1), shift: wave(3, 2) }]]);
    for (const [of, hasFactor] of [
      [before, true],
      [{ ...before, vectors: shift }, false],
    ] as const) {
      const after = affinesBackwards(of);
      expect(after.graph.logits).toBe(1);
      expect(Boolean(after.vectors.get('fc')!.factor)).toBe(hasFactor);
      expectSame(of, after);
    }
  });
});

test('what the logits do not depend on goes', () => {
  const before = network((b, x) => {
    const conv = b.conv(x, 4, { size: [3, 3] }, { name: 'conv' });
    b.activation(b.conv(conv, 2, { size: [3, 3] }, { name: 'aside' }), { f: 'relu' }, { name: 'beside' });
    return b.activation(conv, { f: 'relu' }, { name: 'relu' });
  });
  const after = withoutUnused(before);
  expect(names(after)).toEqual(['x', 'conv', 'relu', 'global', 'fc']);
  expect([...after.vectors.keys()]).toEqual(['conv', 'fc']);
  expectSame(before, after);
});
