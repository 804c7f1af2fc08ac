import { GraphBuilder, type Names, type WindowOptions } from '../../graph/builder.js';
import {
  type Activation,
  type Graph,
  type HeadKind,
  type NodeId,
  type PoolKind,
  type Shape,
  weightShapes,
} from '../../graph/graph.js';
import { simplify, type Vectors } from '../../graph/passes.js';
import { badWeights, quote } from '../source.js';
import { numbersTensor, type RawTensor, readVector, transposedTensor } from '../tensor.js';
import type { Tensor } from '../types.js';
import type { StateDictionary } from './dictionary.js';

/** Activations by the names of PyTorch's modules, in small letters. */
export const functions = {
  relu: { f: 'relu' },
  relu6: { f: 'clip', low: 0, high: 6 },
  silu: { f: 'silu' },
  sigmoid: { f: 'sigmoid' },
  hardswish: { f: 'hard-swish' },
  hardsigmoid: { f: 'hard-sigmoid', slope: 1 / 6, offset: 0.5 },
  gelu: { f: 'gelu', approximate: false },
} as const satisfies Record<string, Activation>;

export type FunctionName = keyof typeof functions;

export interface ConvOptions {
  /** Rows and columns that the family's convolution has; a list where it has several kinds. */
  taps: number | readonly number[];
  /** 1 by default. */
  stride?: number;
  dilation?: number;
  /** Rows and columns at each side; by default as many as keep the size at stride 1. `same`: as TensorFlow. */
  pad?: number | 'same';
  /** Whether there may be more than one group; the weights tell how many. */
  grouped?: boolean;
}

/** A convolution, its batch normalization and what follows. */
export interface ConvNormOptions extends ConvOptions {
  conv: string;
  norm: string;
  /** PyTorch's 1e-5 by default. */
  epsilon?: number;
  activation?: FunctionName;
  /** The module of the activation, as users may call it. */
  as?: string;
}

/** Squeeze and excitation. */
export interface SqueezeOptions {
  readonly module: string;
  /** Its two dense layers. */
  readonly layers: readonly [reduce: string, expand: string];
  readonly activation: FunctionName;
  readonly gate: FunctionName;
}

/** A kernel as the file has it, (outputs, inputs, rows, columns) or (outputs, inputs): `inner` is the size of what comes behind the inputs. */
interface Kernel {
  readonly raw: RawTensor;
  readonly inner: number;
}

/** A network in the making: PyTorch's layers by the names of their modules, each with its tensors from the dictionary. */
export class Layers {
  readonly builder = new GraphBuilder();
  /** What neither names nor shapes tell, in sentences for people. */
  readonly assumptions: string[] = [];
  readonly #kernels = new Map<string, Kernel>();
  readonly #vectors = new Map<string, () => Promise<Vectors>>();

  constructor(readonly tensors: StateDictionary) {}

  shape(x: NodeId): Shape {
    return this.builder.shape(x);
  }

  /** The picture: as many channels as the first convolution reads. */
  input([h, w]: readonly [number, number], first: string): NodeId {
    const raw = this.tensors.take(`${first}.weight`, 4);
    const [, c] = raw.shape;
    if (c !== 3 && c !== 1) throw this.tensors.notUnderstood(raw, `it reads ${c} channels, and pictures have 3 or 1`);
    return this.builder.input({ h, w, c }, { name: 'input' });
  }

  conv(x: NodeId, name: string, { taps, stride, dilation = 1, pad, grouped = false }: ConvOptions): NodeId {
    const { tensors } = this;
    const raw = tensors.take(`${name}.weight`, 4);
    const [cout, cin, rows, columns] = raw.shape;
    const { c } = this.shape(x);
    if (grouped ? cin < 1 || c % cin !== 0 : cin !== c)
      throw tensors.notUnderstood(raw, `expected ${grouped ? 'a part of ' : ''}${c} input channels`);
    if (rows !== columns || ![taps].flat().includes(rows))
      throw tensors.notUnderstood(raw, `expected ${[taps].flat().join(' or ')} rows and columns`);
    const side = typeof pad === 'number' ? pad : (dilation * (rows - 1)) / 2;
    const window: WindowOptions = {
      size: [rows, columns],
      stride,
      dilation,
      pad: pad === 'same' ? pad : [side, side, side, side],
    };
    this.#weighted(name, raw, rows * columns);
    return this.builder.conv(x, cout, { ...window, groups: c / cin }, this.#names(name, raw));
  }

  /** Batch normalization: part of the convolution before it, where nothing else reads that. */
  norm(x: NodeId, name: string, epsilon = 1e-5): NodeId {
    const { c } = this.shape(x);
    const [mean, variance] = ['running_mean', 'running_var'].map((what) => this.#vector(`${name}.${what}`, c));
    const isLearned = this.tensors.has(`${name}.weight`);
    const [weight, bias] = ['weight', 'bias'].map((what) => isLearned && this.#vector(`${name}.${what}`, c));
    this.#vectors.set(name, async () => {
      const deviations = (await this.#variances(variance)).map((value) => Math.sqrt(value + epsilon));
      const scale = weight ? (await this.#read(weight)).map((w, i) => w / deviations[i]) : deviations.map((d) => 1 / d);
      const [means, shift] = [await this.#read(mean), bias ? await this.#read(bias) : new Float64Array(c)];
      return { scale, shift: shift.map((b, i) => b - means[i] * scale[i]) };
    });
    return this.builder.affine(x, this.#names(name, mean));
  }

  convNorm(x: NodeId, { conv, norm, epsilon, activation, as, ...options }: ConvNormOptions): NodeId {
    const normed = this.norm(this.conv(x, conv, options), norm, epsilon);
    return activation ? this.activation(normed, activation, as) : normed;
  }

  layerNorm(x: NodeId, name: string, epsilon: number): NodeId {
    const { c } = this.shape(x);
    const [weight, bias] = ['weight', 'bias'].map((what) => this.#vector(`${name}.${what}`, c));
    this.#vectors.set(name, async () => ({ scale: await this.#read(weight), shift: await this.#read(bias) }));
    return this.builder.layerNorm(x, epsilon, this.#names(name, weight));
  }

  /** Each channel times a number of its own. */
  scale(x: NodeId, tensor: string, dimensions: number): NodeId {
    const { c } = this.shape(x);
    const raw = this.tensors.take(tensor, dimensions);
    if (raw.shape[0] !== c || raw.shape.slice(1).some((side) => side !== 1))
      throw this.tensors.notUnderstood(raw, `expected ${c} numbers`);
    this.#vectors.set(tensor, async () => ({ scale: await this.#read(raw), shift: new Float64Array(c) }));
    return this.builder.affine(x, this.#names(tensor, raw));
  }

  /** A dense layer on a vector, or on a map flattened in PyTorch's order (channel, row, column); also one kept as a convolution. */
  linear(x: NodeId, name: string): NodeId {
    const { tensors } = this;
    const raw = tensors.take(`${name}.weight`, tensors.shape(`${name}.weight`)?.length === 4 ? 4 : 2);
    const { h, w, c } = this.shape(x);
    const [out, ...sides] = raw.shape;
    const fits = sides.length === 1 ? sides[0] === h * w * c : sides[0] === c && sides[1] === h && sides[2] === w;
    if (!fits) throw tensors.notUnderstood(raw, `expected ${h * w * c} inputs`);
    this.#weighted(name, raw, h * w);
    return this.builder.dense(x, out, this.#names(name, raw));
  }

  /** A dense layer for each point of a map: a 1x1 convolution, also one kept as such. */
  pointwise(x: NodeId, name: string): NodeId {
    const { tensors } = this;
    const raw = tensors.take(`${name}.weight`, tensors.shape(`${name}.weight`)?.length === 4 ? 4 : 2);
    const [out, inputs, ...taps] = raw.shape;
    if (inputs !== this.shape(x).c || taps.some((side) => side !== 1))
      throw tensors.notUnderstood(raw, `expected ${this.shape(x).c} inputs`);
    this.#weighted(name, raw, 1);
    return this.builder.conv(x, out, { size: [1, 1] }, this.#names(name, raw));
  }

  /** @param as the module's name, which may stand for several uses */
  activation(x: NodeId, name: FunctionName, as?: string): NodeId {
    const { name: before } = this.builder.nodes[x];
    return this.builder.activation(x, functions[name], this.names(`${before}.${name}`, as === undefined ? [] : [as]));
  }

  pool(x: NodeId, kind: PoolKind, name: string, options: WindowOptions & { beyond?: 'nothing' | 'zero' }): NodeId {
    return this.builder.pool(x, kind, options, this.names(name));
  }

  maxPool(x: NodeId, name: string, size: number, stride: number, pad = 0, ceil = false): NodeId {
    return this.pool(x, 'max', name, { size: [size, size], stride, pad: [pad, pad, pad, pad], ceil });
  }

  mean(x: NodeId, name: string): NodeId {
    return this.builder.global(x, 'mean', this.names(name));
  }

  add(x: NodeId, y: NodeId, name: string): NodeId {
    return this.builder.combine('add', x, y, this.names(name));
  }

  concat(from: readonly NodeId[], name: string): NodeId {
    return this.builder.concat(from, this.names(name));
  }

  /** Each channel times a function of the means of all. */
  squeeze(x: NodeId, { module, layers: [reduce, expand], activation, gate }: SqueezeOptions): NodeId {
    const means = this.mean(x, `${module}.avgpool`);
    const reduced = this.activation(this.linear(means, reduce), activation);
    const factors = this.activation(this.linear(reduced, expand), gate);
    return this.builder.combine('multiply', x, factors, this.names(module));
  }

  /** A node's name, and what else users know it by: its name in the file. */
  names(name: string, aliases: readonly string[] = []): Names {
    const { prefix, rename } = this.tensors.place;
    return { name, aliases: prefix === '' || rename ? aliases : [...aliases, `${prefix}${name}`] };
  }

  #names(name: string, raw: RawTensor): Names {
    const inFile = raw.name.replace(/\.(weight|running_mean)$/, '');
    return { name, aliases: inFile === name ? [] : [inFile] };
  }

  /** The finished network: normalizations are part of the layers before them, kernels stay in the file until they are copied. */
  async finish(logits: NodeId, head: HeadKind): Promise<{ graph: Graph; tensors: Map<string, Tensor> }> {
    const vectors = new Map<string, Vectors>();
    for (const [name, read] of this.#vectors) vectors.set(name, await read());
    const made = simplify({ graph: this.builder.finish(logits, head), vectors });
    const tensors = new Map<string, Tensor>();
    for (const node of made.graph.nodes) {
      const of = made.vectors.get(node.name);
      for (const [what, shape] of Object.entries(weightShapes(made.graph, node))) {
        const name = `${node.name}.${what}`;
        const numbers = of?.[what as 'bias' | 'scale' | 'shift'] ?? new Float64Array(node.shape.c);
        tensors.set(
          name,
          what === 'kernel'
            ? this.#kernel(node.name, shape, of?.factor)
            : numbersTensor(this.tensors.source, name, numbers),
        );
      }
    }
    return { graph: made.graph, tensors };
  }

  #kernel(name: string, shape: readonly number[], factor: Float64Array | undefined): Tensor {
    const { raw, inner } = this.#kernels.get(name)!;
    return transposedTensor(this.tensors.source, raw, shape, inner, factor && (async () => factor));
  }

  /** Weights and bias of a convolution or dense layer. */
  #weighted(name: string, raw: RawTensor, inner: number): void {
    this.#kernels.set(name, { raw, inner });
    const bias = this.tensors.has(`${name}.bias`) && this.#vector(`${name}.bias`, raw.shape[0]);
    if (bias) this.#vectors.set(name, async () => ({ bias: await this.#read(bias) }));
  }

  #vector(name: string, size: number): RawTensor {
    const raw = this.tensors.take(name, 1);
    if (raw.shape[0] !== size) throw this.tensors.notUnderstood(raw, `expected ${size} numbers`);
    return raw;
  }

  async #read(raw: RawTensor): Promise<Float64Array> {
    return Float64Array.from(await readVector(this.tensors.source, raw));
  }

  async #variances(raw: RawTensor): Promise<Float64Array> {
    const values = await this.#read(raw);
    const at = values.findIndex((value) => value < 0);
    if (at >= 0)
      throw badWeights(
        this.tensors.source,
        `tensor ${quote(raw.name)}: expected variances, got ${values[at]} at [${at}]`,
      );
    return values;
  }
}
