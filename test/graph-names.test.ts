import { describe, expect, test } from 'vitest';
import { GraphBuilder } from '../src/graph/builder.js';
import type { Graph } from '../src/graph/graph.js';
import { defaultLayer, findNode, layerNames } from '../src/graph/names.js';

const relu = { f: 'relu' } as const;
const same = { size: [3, 3], pad: 'same' } as const;

/** Two residual blocks, named as PyTorch's exporter names them (`named`) or by their weights alone; global mean, dense layer. */
function residual(named: boolean): Graph {
  const b = new GraphBuilder();
  let x = b.input({ h: 8, w: 8, c: 3 }, { name: 'x' });
  x = b.conv(x, 4, same, { name: 'c0', aliases: ['conv1'] });
  x = b.activation(x, relu, { name: 'r0', aliases: named ? ['/relu/Relu'] : [] });
  for (const i of [0, 1]) {
    const module = (path: string) => (named ? [`/layer1/layer1.${i}/${path}`, `layer1.${i}.${path}`] : []);
    const a = b.conv(x, 4, same, { name: `a${i}`, aliases: [`layer1.${i}.conv1`] });
    const ra = b.activation(a, relu, { name: `ra${i}`, aliases: module('relu') });
    const c = b.conv(ra, 4, same, { name: `b${i}`, aliases: [`layer1.${i}.conv2`] });
    const sum = b.combine('add', c, x, { name: `s${i}`, aliases: module('Add') });
    x = b.activation(sum, relu, { name: `rs${i}`, aliases: module('relu') });
  }
  const mean = b.global(x, 'mean', { name: 'pool' });
  return b.finish(b.dense(mean, 5, { name: 'fc' }), 'softmax');
}

const called = (graph: Graph, name: string) => {
  const id = findNode(graph, name);
  return id === undefined ? undefined : graph.nodes[id].name;
};

describe.each([true, false])('a residual network, activations with module names: %s', (named) => {
  const graph = residual(named);

  test.each([
    ['c0', 'r0'],
    ['conv1', 'r0'],
    ['r0', 'r0'],
    ['layer1.1.conv1', 'ra1'],
    ['layer1.1.conv2', 'b1'], // the sum reads it, which is no activation
    ['s1', 'rs1'],
    ['layer1', 'rs1'],
    ['layer1.0', 'rs0'],
    ['layer', undefined],
    ['layer1.', undefined],
    ['', undefined],
    ['fc', 'fc'],
  ])('%s', (name, expected) => expect(called(graph, name)).toBe(expected));

  test('a shared activation means its last use', () => {
    expect(called(graph, 'layer1.0.relu')).toBe(named ? 'rs0' : undefined);
  });

  test('the default layer is the last one with a map', () => {
    expect(graph.nodes[defaultLayer(graph)].name).toBe('rs1');
  });

  test('names of layers', () => {
    expect(layerNames(graph)).toEqual(['c0', 'a0', 'b0', 's0', 'a1', 'b1', 's1']);
    for (const name of layerNames(graph)) expect(findNode(graph, name)).toBeDefined();
  });
});

describe('the default layer', () => {
  const build = (make: (b: GraphBuilder, x: number) => number) => {
    const b = new GraphBuilder();
    const graph = b.finish(make(b, b.input({ h: 8, w: 8, c: 3 }, { name: 'x' })), 'softmax');
    return graph.nodes[defaultLayer(graph)].name;
  };

  test('behind it may stand pools, dense layers, activations and whatever has no map', () => {
    const vgg = build((b, x) => {
      const a = b.activation(b.conv(x, 4, same, { name: 'conv' }), relu, { name: 'relu' });
      const flat = b.dense(b.pool(a, 'max', { size: [2, 2], stride: 2 }, { name: 'pool' }), 6, { name: 'fc1' });
      const normed = b.affine(b.activation(flat, relu, { name: 'relu1' }), { name: 'norm' });
      return b.dense(normed, 5, { name: 'fc2' });
    });
    expect(vgg).toBe('relu');
  });

  test('an affine node behind the ReLU, its own activation, and a classifier made of convolutions', () => {
    const affine = build((b, x) => {
      const a = b.activation(b.conv(x, 4, same, { name: 'conv' }), relu, { name: 'relu' });
      return b.dense(b.global(b.affine(a, { name: 'norm' }), 'mean', { name: 'pool' }), 5, { name: 'fc' });
    });
    expect(affine).toBe('norm');
    const dense = build((b, x) => {
      const a = b.activation(b.affine(b.conv(x, 4, same, { name: 'conv' }), { name: 'norm' }), relu, { name: 'relu' });
      return b.dense(b.global(a, 'mean', { name: 'pool' }), 5, { name: 'fc' });
    });
    expect(dense).toBe('relu');
    const squeeze = build((b, x) => {
      const a = b.activation(b.conv(x, 5, { size: [1, 1] }, { name: 'classifier' }), relu, { name: 'relu' });
      return b.global(a, 'mean', { name: 'pool' });
    });
    expect(squeeze).toBe('relu');
  });

  test('the input, where nothing else has a map', () => {
    expect(build((b, x) => b.dense(x, 5, { name: 'fc' }))).toBe('x');
  });
});
