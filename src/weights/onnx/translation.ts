import { GraphBuilder, type Names, type WindowOptions } from '../../graph/builder.js';
import type { Activation, Node, NodeId, PoolKind, Shape } from '../../graph/graph.js';
import type { Vectors } from '../../graph/passes.js';
import { badWeights } from '../source.js';
import type { Call } from './call.js';
import type { Kernel } from './kernel.js';
import {
  channelRuns,
  type Dim,
  dimsOf,
  indexOfChannel,
  inOwnOrder,
  isWhole,
  positions,
  runsOnly,
  sizeOf,
  type View,
} from './layout.js';
import { moduleOfWeight, modulePath } from './modules.js';
import { type Constant, type MapValue, mapValue } from './values.js';

/** Numbers by channel that all nodes may have together: twenty times what the largest known classifier has. */
const mostNumbers = 1 << 24;

/** Comparisons of numbers that patterns and constants may take: a second's. */
const mostWork = 1 << 28;

/** How far from 1 the product of 6 and a sixth may be, as files have it in float32. */
const rounding = 2e-7;

/** Characters of a module's path. */
const longestPath = 256;

/** How many scales of one node a function of it is looked for among. */
const mostScaled = 64;

/** Outputs of a convolution or dense layer; no bias is 0, no factor 1. */
interface Outputs {
  out: number;
  bias?: Float64Array;
  factor?: Float64Array;
}

/** The graph that is made of a file, and its weights so far. Operators' translations add nodes by it. */
export class Translation {
  readonly builder = new GraphBuilder();
  /** By node name. */
  readonly vectors = new Map<string, Vectors>();
  readonly kernels = new Map<string, Kernel>();
  /** Paths of modules that aliases are. */
  readonly modules = new Set<string>();
  readonly #vectors = new Set<NodeId>();
  readonly #names = new Set<string>();
  readonly #scaled = new Map<NodeId, NodeId[]>();
  readonly #aliases = new Map<NodeId, string[]>();
  readonly #uses = new Map<string, number>();
  #numbers = 0;
  #work = 0;

  constructor(
    /** The file, for messages. */
    readonly source: string,
    readonly opset: number,
    /** Pictures at once that the file was made for. */
    readonly pictures: number,
    /** How far a constant of the file may be from the one it stands for, such as the square root of 2. */
    readonly tolerance: number,
    /** Names of values of the file that several nodes read, so that they name none of them. */
    readonly shared: ReadonlySet<string>,
    /** Operators that the file defines itself. */
    readonly functions: ReadonlySet<string>,
  ) {}

  input(shape: Shape, name: string): NodeId {
    this.#names.add(name);
    return this.builder.input(shape, { name });
  }

  node(id: NodeId): Node {
    return this.builder.nodes[id];
  }

  shape(id: NodeId): Shape {
    return this.builder.shape(id);
  }

  /** Whether a node is one vector a picture: a global mean, a dense layer or what is made of them. A map of 1 x 1 is none. */
  isVector(id: NodeId): boolean {
    return this.#vectors.has(id);
  }

  near(value: number, expected: number): boolean {
    return Math.abs(value - expected) <= this.tolerance * (Math.abs(expected) || 1e-2);
  }

  /** What a new node is called; `part` tells apart what one node of the file becomes several nodes of. */
  names(call: Call, part = ''): Names {
    const { name, outputs, module } = call.node;
    const base = (name || outputs[0]) + part;
    const unique = this.#unique(base);
    if (part !== '') return { name: unique };
    const weight = call.node.inputs[1];
    const [owner, path] = [
      weight && !this.shared.has(weight) ? moduleOfWeight(weight) : undefined,
      module ?? modulePath(name),
    ].map((found) => (found && found.length <= longestPath ? found : undefined));
    for (const found of [owner, path]) if (found) this.modules.add(found);
    const aliases = [name, ...outputs, owner, path].filter((alias): alias is string => !!alias && alias !== unique);
    return { name: unique, aliases: [...new Set(aliases)] };
  }

  #unique(base: string): string {
    let use = this.#uses.get(base) ?? 1;
    let name = base;
    for (; this.#names.has(name); use++) name = `${base}#${use + 1}`;
    this.#uses.set(base, use);
    this.#names.add(name);
    return name;
  }

  /** Names of a node of the file that changes nothing: they are the node's that it reads, too. */
  also(id: NodeId, call: Call): void {
    const { name, outputs } = call.node;
    const aliases = this.#aliases.get(id) ?? [];
    aliases.push(...[name, ...outputs].filter(Boolean));
    this.#aliases.set(id, aliases);
  }

  /** The nodes with all their names. */
  get nodes(): Node[] {
    return this.builder.nodes.map((node, id) => {
      const more = this.#aliases.get(id);
      return more ? { ...node, aliases: [...new Set([...node.aliases, ...more])] } : node;
    });
  }

  /** A map as its node has it, rows, columns and channels each a dimension of its own behind the pictures. */
  nchw(call: Call, view: View): NodeId {
    const { dims } = view;
    if (dims.length !== 4)
      throw call.refuse(`expected pictures of rows and columns, got a tensor of ${dims.length} dimensions`);
    const { h, w } = this.shape(view.node);
    const [pictures, channels, rows, columns] = dims;
    if (!isWhole(rows, 'h', h) || !isWhole(columns, 'w', w) || !runsOnly(pictures, 'n') || !runsOnly(channels, 'c'))
      throw call.refuse('rows, columns and channels are mixed up or turned before it, which is not understood');
    return this.ordered(call, view).node;
  }

  mapDims(id: NodeId): Dim[] {
    return dimsOf(this.shape(id), 'nchw', this.pictures);
  }

  /** The same tensor with the node's channels in the order in which the tensor runs through them. */
  ordered(call: Call, { node, dims }: View): MapValue {
    const order = positions(channelRuns(dims), 'c');
    if (order.every((channel, i) => channel === i)) return mapValue(node, dims);
    return mapValue(this.channels(call, node, [...order], '.channels'), inOwnOrder(dims));
  }

  conv(call: Call, x: NodeId, kernel: Kernel, of: Outputs & WindowOptions & { groups: number }): NodeId {
    return this.#weighted(this.builder.conv(x, of.out, of, this.names(call)), kernel, of);
  }

  dense(call: Call, x: NodeId, kernel: Kernel, of: Outputs): NodeId {
    const id = this.builder.dense(x, of.out, this.names(call));
    this.#vectors.add(id);
    return this.#weighted(id, kernel, of);
  }

  #weighted(id: NodeId, kernel: Kernel, { bias, factor }: Outputs): NodeId {
    const { name, shape } = this.node(id);
    this.kernels.set(name, kernel);
    this.vectors.set(name, { bias: bias ?? new Float64Array(this.spend(shape.c)), ...(factor && { factor }) });
    return id;
  }

  pool(call: Call, x: NodeId, kind: PoolKind, of: WindowOptions & { beyond?: 'nothing' | 'zero' }, part = ''): NodeId {
    return this.#passed(x, this.builder.pool(x, kind, of, this.names(call, part)));
  }

  global(call: Call, x: NodeId, kind: PoolKind): NodeId {
    if (this.isVector(x)) return x;
    const id = this.builder.global(x, kind, this.names(call));
    this.#vectors.add(id);
    return id;
  }

  /** x * scale + shift; several in a row are one. */
  affine(call: Call, x: NodeId, scale: Float64Array | number, shift: Float64Array | number, part = ''): NodeId {
    const { c } = this.shape(x);
    const before = this.node(x);
    let [a, b] = [this.#byChannel(scale, c), this.#byChannel(shift, c)];
    let base = x;
    if (before.op === 'affine') {
      const inner = this.vectors.get(before.name)!;
      b = b.map((value, i) => value + inner.shift![i] * a[i]);
      a = a.map((value, i) => value * inner.scale![i]);
      [base] = before.from;
    }
    if (a.every((value) => Math.abs(value - 1) <= rounding) && b.every((value) => value === 0)) {
      if (part === '') this.also(base, call);
      return base;
    }
    const id = this.#passed(base, this.builder.affine(base, this.names(call, part)));
    this.vectors.set(this.node(id).name, { scale: a, shift: b });
    this.#scaled.set(base, [...this.scaledOf(base), id].slice(-mostScaled));
    return id;
  }

  /** The latest nodes that scale and shift a node. */
  scaledOf(id: NodeId): readonly NodeId[] {
    return this.#scaled.get(id) ?? [];
  }

  #byChannel(value: Float64Array | number, c: number): Float64Array {
    this.spend(c);
    return typeof value === 'number' ? new Float64Array(c).fill(value) : value;
  }

  layerNorm(
    call: Call,
    x: NodeId,
    epsilon: number,
    scale: Float64Array | number,
    shift: Float64Array | number,
  ): NodeId {
    const id = this.#passed(x, this.builder.layerNorm(x, epsilon, this.names(call)));
    const { c } = this.shape(x);
    this.vectors.set(this.node(id).name, { scale: this.#byChannel(scale, c), shift: this.#byChannel(shift, c) });
    return id;
  }

  activation(call: Call, x: NodeId, activation: Activation, part = ''): NodeId {
    return this.#passed(x, this.builder.activation(x, activation, this.names(call, part)));
  }

  prelu(call: Call, x: NodeId, slope: Float64Array): NodeId {
    const id = this.activation(call, x, { f: 'prelu' });
    this.vectors.set(this.node(id).name, { slope: this.#byChannel(slope, slope.length) });
    return id;
  }

  combine(call: Call, op: 'add' | 'multiply', a: NodeId, b: NodeId, part = ''): NodeId {
    const id = this.builder.combine(op, a, b, this.names(call, part));
    if (this.isVector(a) && this.isVector(b)) this.#vectors.add(id);
    return id;
  }

  concat(call: Call, from: readonly NodeId[], part = ''): NodeId {
    const id = this.builder.concat(from, this.names(call, part));
    if (from.every((x) => this.isVector(x))) this.#vectors.add(id);
    return id;
  }

  channels(call: Call, x: NodeId, order: readonly number[], part = ''): NodeId {
    this.spend(order.length);
    return this.#passed(x, this.builder.channels(x, order, this.names(call, part)));
  }

  /** What is made of a vector alone is one, too, unless it was padded to a map. */
  #passed(x: NodeId, id: NodeId): NodeId {
    const { h, w } = this.shape(id);
    if (this.isVector(x) && h * w === 1) this.#vectors.add(id);
    return id;
  }

  /** Counts numbers that are kept in memory; a hostile file could ask for any number of them. */
  spend(numbers: number): number {
    this.#numbers += numbers;
    if (this.#numbers > mostNumbers)
      throw badWeights(this.source, `ONNX: its constants are more than ${mostNumbers} numbers`);
    return numbers;
  }

  /** Counts comparisons; a hostile file could ask for any number of them. */
  work(comparisons: number): void {
    this.#work += comparisons;
    if (this.#work > mostWork) throw badWeights(this.source, 'ONNX: its constants take too long to understand');
  }

  /** The numbers of a constant by the channels of a node that it is combined with; refused where they differ between points. */
  async byChannel(call: Call, of: Constant, { node, dims }: View): Promise<Float64Array> {
    const values = await of.numbers();
    this.work(values.length);
    const missing = dims.length - of.shape.length;
    if (missing < 0) throw call.refuse(`a constant of shape [${of.shape}] for a tensor of ${dims.length} dimensions`);
    const shape = dims.map((_, d) => of.shape[d - missing] ?? 1);
    if (shape.some((size, d) => size !== 1 && size !== sizeOf(dims[d])))
      throw call.refuse(`a constant of shape [${of.shape}] for a tensor of shape [${dims.map(sizeOf)}]`);
    const { c } = this.shape(node);
    const vector = new Float64Array(this.spend(c));
    for (let channel = 0; channel < c; channel++) {
      let at = 0;
      for (const [d, dim] of dims.entries()) at = at * shape[d] + (shape[d] === 1 ? 0 : indexOfChannel(dim, channel));
      vector[channel] = values[at];
    }
    const varies = dims.filter((_, d) => shape[d] > 1);
    if (varies.some((dim) => !runsOnly(dim, 'c'))) {
      const channels = positions(varies.flat(), 'c');
      if (values.some((value, i) => value !== vector[channels[i]]))
        throw call.refuse('its constants differ from point to point, where only one number a channel is understood');
    }
    return vector;
  }
}
