import type { GraphBuilder, Names, WindowOptions } from '../../graph/builder.js';
import type { Activation, HeadKind, NodeId, PoolKind, Shape } from '../../graph/graph.js';
import { combined, constant, type Numbers, numbersOf, once, repeated } from '../computed.js';
import { type GraphAndTensors, type KernelAndBias, NetworkBuilder } from '../network-builder.js';
import { badWeights, quote } from '../source.js';
import { plainTensor, type RawTensor, transposedTensor } from '../tensor.js';
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
  /** Columns, where they are not as many as the rows. */
  columns?: number;
  /** 1 by default. */
  stride?: number;
  dilation?: number;
  /** Rows and columns at each side; by default as many as keep the size at stride 1. `same`: as TensorFlow. */
  pad?: number | 'same';
  /** Whether there may be more than one group; the weights tell how many. */
  grouped?: boolean;
}

/** Red, green and blue in 0 .. 1. */
const IMAGENET = { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };

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

/** A network in the making: PyTorch's layers by the names of their modules, each with its tensors from the dictionary. */
export class Layers {
  /** What neither names nor shapes tell, in sentences for people. */
  readonly assumptions: string[] = [];
  readonly #network: NetworkBuilder;

  constructor(readonly tensors: StateDictionary) {
    this.#network = new NetworkBuilder(tensors.source);
  }

  get builder(): GraphBuilder {
    return this.#network.builder;
  }

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

  conv(x: NodeId, name: string, options: ConvOptions): NodeId {
    const { tensors } = this;
    const { stride, dilation = 1, pad, grouped = false } = options;
    const raw = tensors.take(`${name}.weight`, 4);
    const [cout, cin, rows, columns] = raw.shape;
    const { c } = this.shape(x);
    if (grouped ? cin < 1 || c % cin !== 0 : cin !== c)
      throw tensors.notUnderstood(raw, `expected ${grouped ? 'a part of ' : ''}${c} input channels`);
    const taps = [options.taps].flat();
    if (!taps.includes(rows) || columns !== (options.columns ?? rows))
      throw tensors.notUnderstood(raw, `expected ${taps.join(' or ')} x ${options.columns ?? taps.join(' or ')} taps`);
    const side = (count: number) => (typeof pad === 'number' ? pad : (dilation * (count - 1)) / 2);
    const padding = pad === 'same' ? pad : ([side(rows), side(columns), side(rows), side(columns)] as const);
    const weights = this.#weights(name, raw, [rows, columns, cin, cout]);
    const window = { stride, dilation, pad: padding, groups: c / cin };
    return this.#network.conv(x, weights, window, this.#names(name, raw));
  }

  /** Batch normalization: part of the convolution before it, where nothing else reads that. */
  norm(x: NodeId, name: string, epsilon = 1e-5): NodeId {
    const { c } = this.shape(x);
    const [mean, variance] = ['running_mean', 'running_var'].map((what) => this.#vector(`${name}.${what}`, c));
    const isLearned = this.tensors.has(`${name}.weight`);
    const learned = (what: string, otherwise: number) =>
      isLearned ? this.#numbers(this.#vector(`${name}.${what}`, c)) : repeated(otherwise, c);
    const deviations = once(async () => (await this.#variances(variance)).map((value) => Math.sqrt(value + epsilon)));
    const scale = combined([learned('weight', 1), deviations], ([w, d]) => w / d);
    const shift = combined([learned('bias', 0), this.#numbers(mean), scale], ([b, m, s]) => b - m * s);
    return this.#network.affine(x, { scale, shift }, this.#names(name, mean));
  }

  convNorm(x: NodeId, { conv, norm, epsilon, activation, as, ...options }: ConvNormOptions): NodeId {
    const normed = this.norm(this.conv(x, conv, options), norm, epsilon);
    return activation ? this.activation(normed, activation, as) : normed;
  }

  layerNorm(x: NodeId, name: string, epsilon: number): NodeId {
    const { c } = this.shape(x);
    const [weight, bias] = ['weight', 'bias'].map((what) => this.#vector(`${name}.${what}`, c));
    const affine = { scale: this.#numbers(weight), shift: this.#numbers(bias) };
    return this.#network.layerNorm(x, epsilon, affine, this.#names(name, weight));
  }

  /** Each channel times a number of its own. */
  scale(x: NodeId, tensor: string, dimensions: number): NodeId {
    const { c } = this.shape(x);
    const raw = this.tensors.take(tensor, dimensions);
    if (raw.shape[0] !== c || raw.shape.slice(1).some((side) => side !== 1))
      throw this.tensors.notUnderstood(raw, `expected ${c} numbers`);
    const affine = { scale: this.#numbers(raw), shift: repeated(0, c) };
    return this.#network.affine(x, affine, this.#names(tensor, raw));
  }

  /** The picture as a network from TensorFlow wants it, -1 .. 1, instead of less ImageNet's mean over its deviation. */
  fromUnitDeviation(x: NodeId, name: string): NodeId {
    const [means, deviations] = [IMAGENET.mean, IMAGENET.deviation];
    const scale = constant(deviations.map((deviation) => deviation / 0.5));
    const shift = constant(means.map((mean) => (mean - 0.5) / 0.5));
    return this.#network.affine(x, { scale, shift }, this.names(name));
  }

  /** A dense layer on a vector, or on a map flattened in PyTorch's order (channel, row, column); also one kept as a convolution. */
  linear(x: NodeId, name: string): NodeId {
    const { tensors } = this;
    const raw = tensors.take(`${name}.weight`, tensors.shape(`${name}.weight`)?.length === 4 ? 4 : 2);
    const { h, w, c } = this.shape(x);
    const [out, ...sides] = raw.shape;
    const fits = sides.length === 1 ? sides[0] === h * w * c : sides[0] === c && sides[1] === h && sides[2] === w;
    if (!fits) throw tensors.notUnderstood(raw, `expected ${h * w * c} inputs`);
    return this.#network.dense(x, this.#weights(name, raw, [h * w * c, out], h * w), this.#names(name, raw));
  }

  /** A dense layer for each point of a map: a 1x1 convolution, also one kept as such. */
  pointwise(x: NodeId, name: string): NodeId {
    const { tensors } = this;
    const raw = tensors.take(`${name}.weight`, tensors.shape(`${name}.weight`)?.length === 4 ? 4 : 2);
    const [out, inputs, ...taps] = raw.shape;
    if (inputs !== this.shape(x).c || taps.some((side) => side !== 1))
      throw tensors.notUnderstood(raw, `expected ${this.shape(x).c} inputs`);
    return this.#network.conv(x, this.#weights(name, raw, [1, 1, inputs, out]), {}, this.#names(name, raw));
  }

  /** @param as the module's name, which may stand for several uses */
  activation(x: NodeId, name: FunctionName, as?: string): NodeId {
    const { name: before } = this.builder.nodes[x];
    return this.#network.activation(x, functions[name], this.names(`${before}.${name}`, as === undefined ? [] : [as]));
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
  finish(logits: NodeId, head: HeadKind): Promise<GraphAndTensors> {
    return this.#network.finish(logits, head);
  }

  /** Kernel and bias of a layer. The file has the outputs first, then the inputs; `inner` numbers behind each of these. */
  #weights(name: string, raw: RawTensor, shape: readonly number[], inner = shape[0] * shape[1]): KernelAndBias {
    const { source } = this.tensors;
    const kernel = transposedTensor(source, raw, shape, inner);
    const bias = `${name}.bias`;
    if (!this.tensors.has(bias)) return { kernel };
    return { kernel, bias: plainTensor(source, this.#vector(bias, raw.shape[0])) };
  }

  #vector(name: string, size: number): RawTensor {
    const raw = this.tensors.take(name, 1);
    if (raw.shape[0] !== size) throw this.tensors.notUnderstood(raw, `expected ${size} numbers`);
    return raw;
  }

  #numbers(raw: RawTensor): Numbers {
    return numbersOf(this.tensors.source, plainTensor(this.tensors.source, raw));
  }

  async #variances(raw: RawTensor): Promise<Float64Array> {
    const values = await this.#numbers(raw)();
    const at = values.findIndex((value) => value < 0);
    if (at >= 0)
      throw badWeights(
        this.tensors.source,
        `tensor ${quote(raw.name)}: expected variances, got ${values[at]} at [${at}]`,
      );
    return values;
  }
}
