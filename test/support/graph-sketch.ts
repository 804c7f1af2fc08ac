import { GraphBuilder, type WindowOptions } from '../../src/graph/builder.js';
import {
  type Activation,
  type Graph,
  type HeadKind,
  type NodeId,
  type PoolKind,
  weightShapes,
} from '../../src/graph/graph.js';
import { seeded } from './random.js';

export type Windowing = Omit<WindowOptions, 'size'> & { groups?: number };

/** A graph builder that thinks up names, knows the usual sequences, and throws dice. */
export class Sketch {
  readonly builder = new GraphBuilder();
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = seeded(seed);
  }

  /** One of several. */
  pick<T>(all: readonly T[]): T {
    return all[Math.floor(this.#next() * all.length)];
  }

  /** A whole number from `low` to `high`. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.#next() * (high - low + 1));
  }

  input(h: number, w: number, c: number): NodeId {
    return this.builder.input({ h, w, c }, { name: 'input' });
  }

  channels(id: NodeId): number {
    return this.builder.shape(id).c;
  }

  conv(x: NodeId, cout: number, size: number | readonly [number, number], options: Windowing = {}): NodeId {
    const [rows, columns] = typeof size === 'number' ? [size, size] : size;
    return this.builder.conv(x, cout, { size: [rows, columns], ...options }, this.#name('conv'));
  }

  /** A convolution that keeps the size, but for its stride, as PyTorch networks pad it; then an activation. */
  convAct(x: NodeId, cout: number, size: number, f: Activation = RELU, options: Windowing = {}): NodeId {
    const side = ((options.dilation ?? 1) * (size - 1)) / 2;
    return this.act(this.conv(x, cout, size, { pad: [side, side, side, side], ...options }), f);
  }

  depthwise(x: NodeId, size: number, options: Omit<Windowing, 'groups'> = {}): NodeId {
    const side = (size - 1) / 2;
    return this.conv(x, this.channels(x), size, {
      pad: [side, side, side, side],
      ...options,
      groups: this.channels(x),
    });
  }

  pool(
    x: NodeId,
    kind: PoolKind,
    size: number | readonly [number, number],
    options: Omit<Windowing, 'groups'> & { beyond?: 'nothing' | 'zero' } = {},
  ): NodeId {
    const [rows, columns] = typeof size === 'number' ? [size, size] : size;
    return this.builder.pool(x, kind, { size: [rows, columns], ...options }, this.#name(`${kind}-pool`));
  }

  /** Zeros around a map; negative numbers crop. */
  pad(x: NodeId, pad: readonly [number, number, number, number]): NodeId {
    return this.builder.pool(x, 'mean', { size: [1, 1], pad, beyond: 'zero' }, this.#name('pad'));
  }

  global(x: NodeId, kind: PoolKind = 'mean'): NodeId {
    return this.builder.global(x, kind, this.#name('global'));
  }

  dense(x: NodeId, out: number): NodeId {
    return this.builder.dense(x, out, this.#name('dense'));
  }

  affine(x: NodeId): NodeId {
    return this.builder.affine(x, this.#name('affine'));
  }

  layerNorm(x: NodeId): NodeId {
    return this.builder.layerNorm(x, 1e-6, this.#name('norm'));
  }

  act(x: NodeId, activation: Activation = RELU): NodeId {
    return this.builder.activation(x, activation, this.#name(activation.f));
  }

  add(a: NodeId, b: NodeId): NodeId {
    return this.builder.combine('add', a, b, this.#name('add'));
  }

  multiply(a: NodeId, b: NodeId): NodeId {
    return this.builder.combine('multiply', a, b, this.#name('multiply'));
  }

  concat(...from: NodeId[]): NodeId {
    return this.builder.concat(from, this.#name('concat'));
  }

  reorder(x: NodeId, order: readonly number[]): NodeId {
    return this.builder.channels(x, order, this.#name('channels'));
  }

  /** Squeeze-and-excite: channels are weighted by what their means say. */
  excite(x: NodeId, width: number, inner: Activation, gate: Activation): NodeId {
    const squeezed = this.act(this.dense(this.global(x), width), inner);
    return this.multiply(x, this.act(this.dense(squeezed, this.channels(x)), gate));
  }

  finish(logits: NodeId, head: HeadKind): { graph: Graph; weights: Map<string, Float32Array>; input: Float32Array } {
    const graph = this.builder.finish(logits, head);
    const { h, w, c } = graph.nodes[0].shape;
    return { graph, weights: this.#weights(graph), input: this.#uniform(h * w * c, 1) };
  }

  /** Weights with which values keep their size from layer to layer (He et al. 2015). */
  #weights(graph: Graph): Map<string, Float32Array> {
    const weights = new Map<string, Float32Array>();
    for (const node of graph.nodes)
      for (const [what, shape] of Object.entries(weightShapes(graph, node))) {
        const size = shape.reduce((product, n) => product * n, 1);
        const fanIn = size / node.shape.c;
        const spread = { kernel: Math.sqrt(6 / fanIn), bias: 0.2, scale: 0.3, shift: 0.3, slope: 0.15 }[what] ?? 0;
        const centre = { scale: 1, slope: 0.25 }[what] ?? 0;
        weights.set(
          `${node.name}.${what}`,
          this.#uniform(size, spread).map((value) => centre + value),
        );
      }
    return weights;
  }

  #uniform(length: number, limit: number): Float32Array {
    return Float32Array.from({ length }, () => limit * (2 * this.#next() - 1));
  }

  #name(kind: string): { name: string } {
    return { name: `${kind}${this.builder.nodes.length}` };
  }
}

export const RELU: Activation = { f: 'relu' };
export const RELU6: Activation = { f: 'clip', low: 0, high: 6 };
export const SILU: Activation = { f: 'silu' };
export const HARD_SWISH: Activation = { f: 'hard-swish' };
export const SIGMOID: Activation = { f: 'sigmoid' };
/** As MobileNetV3 and ONNX have it. */
export const HARD_SIGMOID: Activation = { f: 'hard-sigmoid', slope: 1 / 6, offset: 0.5 };
export const GELU: Activation = { f: 'gelu', approximate: false };
