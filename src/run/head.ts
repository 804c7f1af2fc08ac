import type { Mode } from '../base/types.js';
import type { NodeId, NodeOf } from '../graph/graph.js';
import type { Layout } from '../graph/levels.js';
import { operatorOf } from '../operators/table.js';
import { type Job, type View, view } from '../wasm/job.js';
import { denseInputGradientJob, denseJob } from '../wasm/ops/dense.js';
import { gemmJob, matrix, transpose } from '../wasm/ops/gemm.js';
import { activationJob, copyJob } from '../wasm/ops/map.js';
import { globalBackwardJob, globalJob, poolBackwardJob, poolJob } from '../wasm/ops/pool.js';
import { softmaxJob } from '../wasm/ops/softmax.js';
import type { Runtime } from '../wasm/runtime.js';
import { clearView } from './clear-view.js';
import type { PackedNetwork } from './packed-network.js';
import type { WeightSums } from './weight-sums.js';

/** What a head says of each row: (rows, classes). A single sigmoid output z is two classes, with -z and z. */
export interface HeadOutput {
  logits: Float32Array;
  probabilities: Float32Array;
}

/** The maps in front of the head, one for each row, by node. */
export type FrontMaps = ReadonlyMap<NodeId, readonly View[]>;

/** How a head node's value lies in memory. */
interface Value {
  readonly h: number;
  readonly w: number;
  readonly c: number;
  /** Address of (rows, h, w, c); undefined where the value is that of another node or of the maps in front. */
  readonly ptr?: number;
  /** Whose value it is: its own, or that of the node in front, which it changes in place or only passes on. */
  readonly of: NodeId;
}

type Options = { first?: number; signal?: AbortSignal };

/** Classes of a network: outputs, or two where there is a single sigmoid. */
export function classesOf({ graph }: Pick<Layout, 'graph'>): number {
  const { c } = graph.nodes[graph.logits].shape;
  return graph.head === 'sigmoid' && c === 1 ? 2 : c;
}

/** Logits and probabilities of `count` rows of the network's own outputs at `x`; `y` is room for as many numbers. */
export async function headOutput(
  runtime: Runtime,
  layout: Layout,
  x: number,
  count: number,
  signal?: AbortSignal,
  y?: number,
): Promise<HeadOutput> {
  const { arena } = runtime;
  const { graph } = layout;
  const { c: columns } = graph.nodes[graph.logits].shape;
  const to = y ?? arena.alloc(4 * count * columns);
  const rows = (ptr: number) => view(ptr, 1, count, columns);
  const job =
    graph.head === 'softmax'
      ? softmaxJob({ x, y: to, rows: count, columns })
      : activationJob(rows(x), rows(to), { f: 'sigmoid' });
  await runtime.runAsync(job, signal);
  const copy = (ptr: number) => arena.f32(ptr, count * columns).slice();
  const [logits, probabilities] = [copy(x), copy(to)];
  if (classesOf(layout) === columns) return { logits, probabilities };
  const pairs = (values: Float32Array, other: (value: number) => number) =>
    Float32Array.from({ length: 2 * count }, (_, i) => (i % 2 ? values[i >> 1] : other(values[i >> 1])));
  return { logits: pairs(logits, (z) => -z), probabilities: pairs(probabilities, (p) => 1 - p) };
}

/**
 * What stands behind the last maps: pools, means, dense layers, softmax or sigmoid, on a batch of maps, one row a map. What the forward pass
 * computes is kept for the backward pass, in the arena, until the caller releases it.
 *
 * In `dilated` the maps have the input's size: pools with a stride are left out, and in front of a flatten stands one max pool
 * that leaves the cells that its dense layer expects.
 */
export class Head {
  readonly #ids: readonly NodeId[];
  readonly #values: ReadonlyMap<NodeId, Value>;
  /** Flattened maps in front of dense layers whose input is not a row of numbers yet: (rows, inputs). */
  readonly #flat = new Map<NodeId, number>();
  readonly #probabilities: number;
  /** The gradient at each value, made by the first backward pass. */
  #gradients: ReadonlyMap<NodeId, Value> | undefined;
  readonly #flatGradients = new Map<NodeId, number>();

  /** @param rows the most maps it is used for, all together */
  constructor(
    readonly runtime: Runtime,
    readonly network: PackedNetwork,
    readonly mode: Mode,
    readonly rows = 1,
  ) {
    const { arena } = runtime;
    const { graph, placings } = network.layout;
    this.#ids = graph.nodes.map((_, id) => id).filter((id) => placings[id].head);
    this.#values = this.#layOut((floats) => arena.alloc(4 * rows * floats));
    for (const id of this.#ids)
      if (this.#isFlattening(id)) this.#flat.set(id, arena.alloc(4 * rows * this.#inputs(id)));
    this.#probabilities = arena.alloc(4 * rows * graph.nodes[graph.logits].shape.c);
  }

  /** Bytes that a head takes, gradients included. */
  static bytes(network: PackedNetwork, rows: number): number {
    const { graph, placings } = network.layout;
    const floats = graph.nodes.reduce((sum, node, id) => {
      if (!placings[id].head) return sum;
      const { h, w, c } = node.shape;
      const x = graph.nodes[node.from[0]].shape;
      return sum + h * w * c + 16 + (node.op === 'dense' ? x.h * x.w * x.c + 16 : 0);
    }, 0);
    return 4 * rows * (2 * floats + graph.nodes[graph.logits].shape.c + 16) + 64 * placings.length;
  }

  /** Logits and probabilities of maps; they become the rows from `first` on. */
  async forward(maps: FrontMaps, { first = 0, signal }: Options = {}): Promise<HeadOutput> {
    const count = maps.values().next().value!.length;
    for (const id of this.#ids)
      for (const job of this.#forwardJobs(id, maps, first, count)) await this.runtime.runAsync(job, signal);
    return this.#read(first, count, signal);
  }

  /**
   * From dlogits (rows, classes), gradients of one score a row, back to the nodes that read the maps in front.
   *
   * @param guided ReLU's backward passes positive gradients only
   */
  async backward(
    dlogits: Float32Array,
    maps: FrontMaps,
    { first = 0, guided = false, signal }: Options & { guided?: boolean } = {},
  ): Promise<void> {
    const { graph } = this.network.layout;
    this.#gradients ??= this.#layOut((floats) => this.runtime.arena.alloc(4 * this.rows * floats));
    const own = this.#ownGradient(dlogits);
    const { c } = graph.nodes[graph.logits].shape;
    const count = own.length / c;
    this.runtime.arena.f32(this.#rowsView(this.#gradients, graph.logits, first, count).ptr, own.length).set(own);
    const begun = new Set<NodeId>([this.#valueOf(graph.logits).of]);
    for (const id of [...this.#ids].reverse())
      for (const job of this.#backwardJobs(id, maps, first, count, guided, begun))
        await this.runtime.runAsync(job, signal);
  }

  /** The gradients at the maps in front, from those at the nodes that read them: `dmaps` are overwritten. */
  async backwardToMaps(maps: FrontMaps, dmaps: FrontMaps, { first = 0, signal }: Options = {}): Promise<void> {
    for (const [id, views] of dmaps) {
      const readers = this.#readersOfMap(id);
      const overlaps = readers.some((reader) => this.#hasOverlaps(reader, views[0]));
      if (overlaps) for (const dx of views) clearView(this.runtime.arena, dx);
      for (const [i, reader] of readers.entries())
        for (const job of this.#mapJobs(id, reader, maps.get(id)!, views, first, overlaps || i > 0))
          await this.runtime.runAsync(job, signal);
    }
  }

  /** Whether the cells that a flattening layer sees of a map of `dilated` share points. */
  #hasOverlaps(id: NodeId, { h, w }: View): boolean {
    if (this.mode !== 'dilated' || !this.#isFlattening(id)) return false;
    const { nodes } = this.network.graph;
    const cells = nodes[nodes[id].from[0]].shape;
    return h % cells.h !== 0 || w % cells.w !== 0;
  }

  /**
   * The sum over a map in front of the gradient at it, for each channel, of the first row. Means and max pools pass their gradients on whole, so
   * that it is the sum at what they made; undefined where something else reads the map.
   */
  channelSums(id: NodeId): Float64Array | undefined {
    const { nodes } = this.network.layout.graph;
    const sums = new Float64Array(nodes[id].shape.c);
    for (const reader of this.#readersOfMap(id)) {
      const node = nodes[reader];
      const whole = node.op === 'global' || node.op === 'dense' || (node.op === 'pool' && node.beyond === 'nothing');
      if (!whole) return undefined;
      const flat = this.#flatGradients.get(reader);
      const at = flat ?? this.#gradients!.get(this.#valueOf(reader).of)!.ptr!;
      const { h, w, c } = this.#valueOf(reader);
      const gradient = this.runtime.arena.f32(at, flat === undefined ? h * w * c : this.#inputs(reader));
      for (let i = 0; i < gradient.length; i++) sums[i % sums.length] += gradient[i];
    }
    return sums;
  }

  /** The gradients of the head's weights, summed over the first `count` rows, are added to the sums. */
  async weightGradients(count: number, sums: WeightSums, signal?: AbortSignal): Promise<void> {
    for (const id of this.#ids) {
      const node = this.network.graph.nodes[id];
      if (this.network.packed[id].at.kernel === undefined && !operatorOf(node).weightGradient) continue;
      if (Object.keys(this.network.packed[id].at).length === 0) continue;
      const { at } = sums.of(node);
      const jobs = node.op === 'dense' ? this.#denseSums(id, count, at) : this.#vectorSums(id, count, at);
      for (const job of jobs) await this.runtime.runAsync(job, signal);
    }
  }

  /** dw (in, out) and db (out) are overwritten. */
  #denseSums(id: NodeId, count: number, at: Readonly<Record<string, number>>): Job[] {
    const { arena } = this.runtime;
    const inputs = this.#inputs(id);
    const out = this.network.graph.nodes[id].shape.c;
    const x = matrix(this.#inputPtr(id, 0), count, inputs);
    const dy = matrix(this.#rowsView(this.#gradients!, id, 0, count).ptr, count, out);
    const ones = arena.alloc(4 * count);
    arena.f32(ones, count).fill(1);
    return [
      gemmJob(transpose(x), dy, matrix(at.kernel, inputs, out)),
      gemmJob(matrix(ones, 1, count), dy, matrix(at.bias, 1, out)),
    ];
  }

  #vectorSums(id: NodeId, count: number, at: Readonly<Record<string, number>>): Job[] {
    const node = this.network.graph.nodes[id];
    const operator = operatorOf(node);
    const x = [this.#rowsView(this.#values, node.from[0], 0, count)];
    const dy = this.#rowsView(this.#gradients!, id, 0, count);
    const rest = { dx: [], accumulate: [], rate: 1, guided: false, precision: this.network.precision };
    const call = { node, x, dy, packed: this.network.packed[id], ...rest };
    const bytes = operator.backwardWorkspace?.(call, true) ?? 0;
    const workspace = { ptr: this.runtime.arena.alloc(bytes), bytes };
    return operator.weightGradient!({ ...call, workspace }, at, false);
  }

  /** Where each node's value lies; `alloc` gets floats a row. */
  #layOut(alloc: (floats: number) => number): Map<NodeId, Value> {
    const { graph, readers, placings } = this.network.layout;
    const values = new Map<NodeId, Value>();
    for (const id of this.#ids) {
      const node = graph.nodes[id];
      const [from] = node.from;
      const shape = this.#isFull(id) ? { ...graph.nodes[0].shape, c: node.shape.c } : node.shape;
      const told = node.op === 'activation' && (node.activation.f === 'relu' || node.activation.f === 'clip');
      const inPlace = told && placings[from].head && readers[from].length === 1 && values.get(from)?.ptr !== undefined;
      if (this.#isPassed(id)) values.set(id, { ...shape, of: placings[from].head ? values.get(from)!.of : from });
      else if (inPlace) values.set(id, { ...values.get(from)!, of: values.get(from)!.of });
      else values.set(id, { ...shape, ptr: alloc(shape.h * shape.w * shape.c), of: id });
    }
    return values;
  }

  /** Whether a node only passes a map on: pools of `dilated`. */
  #isPassed(id: NodeId): boolean {
    return this.mode === 'dilated' && this.network.graph.nodes[id].op === 'pool';
  }

  /** Whether a node's map has the input's size: those of `dilated` in front of the flatten. */
  #isFull(id: NodeId): boolean {
    return this.mode === 'dilated' && !this.network.layout.placings[id].vector;
  }

  /** Whether a dense layer's input has to be made one row of numbers first. */
  #isFlattening(id: NodeId): boolean {
    const { graph, placings } = this.network.layout;
    const node = graph.nodes[id];
    return (
      node.op === 'dense' && !placings[node.from[0]].vector && (this.mode === 'dilated' || !placings[node.from[0]].head)
    );
  }

  /** Floats of a row of a dense layer's input. */
  #inputs(id: NodeId): number {
    const { nodes } = this.network.graph;
    const { h, w, c } = nodes[nodes[id].from[0]].shape;
    return h * w * c;
  }

  #valueOf(id: NodeId): Value {
    return this.#values.get(id)!;
  }

  /** Rows of a node's value, or of the gradient at it, as one map: vectors as (1, rows, c), maps one below the other. */
  #rowsView(values: ReadonlyMap<NodeId, Value>, id: NodeId, first: number, count: number): View {
    const { h, w, c, of } = values.get(id)!;
    const ptr = values.get(of)!.ptr! + 4 * first * h * w * c;
    return h === 1 && w === 1 ? view(ptr, 1, count, c) : view(ptr, count * h, w, c);
  }

  /** A node's map of one row: the head's own, or one in front. */
  #mapOf(id: NodeId, maps: FrontMaps, first: number, row: number): View {
    const value = this.#values.get(id);
    const of = value?.of ?? id;
    if (!this.#values.get(of)) return maps.get(of)![row];
    const { h, w, c } = this.#valueOf(of);
    return view(this.#valueOf(of).ptr! + 4 * (first + row) * h * w * c, h, w, c);
  }

  #inputPtr(id: NodeId, first: number): number {
    const flat = this.#flat.get(id);
    const [from] = this.network.graph.nodes[id].from;
    return flat !== undefined ? flat + 4 * first * this.#inputs(id) : this.#rowsView(this.#values, from, first, 1).ptr;
  }

  #forwardJobs(id: NodeId, maps: FrontMaps, first: number, count: number): Job[] {
    const node = this.network.graph.nodes[id];
    if (this.#isPassed(id)) return [];
    const rows = Array.from({ length: count }, (_, row) => row);
    const [from] = node.from;
    const x = (row: number) => this.#mapOf(from, maps, first, row);
    switch (node.op) {
      case 'pool':
        return rows.map((row) =>
          poolJob(node.kind, x(row), this.#mapOf(id, maps, first, row), taps(node), node.beyond),
        );
      case 'global':
        return rows.map((row) => globalJob(node.kind, x(row), this.#mapOf(id, maps, first, row), 1));
      case 'dense':
        return [...this.#flattenJobs(id, maps, first, count), this.#denseJob(id, first, count)];
    }
    if (node.op === 'activation' && this.#valueOf(id).of !== id && this.#isRelu(id)) return []; // done with the dense layer
    const y = this.#rowsView(this.#values, id, first, count);
    const inputs = node.from.map((input) =>
      this.#values.get(input) && this.#values.get(this.#valueOf(input).of)
        ? this.#rowsView(this.#values, input, first, count)
        : this.#mapOf(input, maps, first, 0),
    );
    const packed = this.network.packed[id];
    return operatorOf(node).forward({ node, x: inputs, y, rate: 1, packed, workspace: { ptr: 0, bytes: 0 } });
  }

  /** Whether a node is the ReLU of the dense layer in front of it, in place. */
  #isRelu(id: NodeId): boolean {
    const { nodes } = this.network.graph;
    const node = nodes[id];
    return node.op === 'activation' && node.activation.f === 'relu' && nodes[node.from[0]].op === 'dense';
  }

  #denseJob(id: NodeId, first: number, count: number): Job {
    const { readers } = this.network.layout;
    const [reader] = readers[id];
    const relu = readers[id].length === 1 && this.#isRelu(reader);
    const { kernel, bias } = this.network.packed[id].at;
    const [inputs, out] = [this.#inputs(id), this.network.graph.nodes[id].shape.c];
    const x = this.#inputPtr(id, first);
    const y = this.#rowsView(this.#values, id, first, count).ptr;
    if (count === 1) return denseJob({ x, w: kernel, b: bias, y, in: inputs, out, relu });
    return gemmJob(matrix(x, count, inputs), matrix(kernel, inputs, out), matrix(y, count, out), { bias, relu });
  }

  /** The rows in front of a dense layer, in (row, column, channel) order. */
  #flattenJobs(id: NodeId, maps: FrontMaps, first: number, count: number): Job[] {
    const flat = this.#flat.get(id);
    if (flat === undefined) return [];
    const { nodes } = this.network.graph;
    const [from] = nodes[id].from;
    const { h, w, c } = nodes[from].shape;
    return Array.from({ length: count }, (_, row) => {
      const x = this.#mapOf(from, maps, first, row);
      const y = view(flat + 4 * (first + row) * h * w * c, h, w, c);
      return this.mode === 'dilated' ? cellsOf(x, y).map(([part, cell]) => cellJob(part, cell)) : [copyJob(x, y, {})];
    }).flat();
  }

  #read(first: number, count: number, signal?: AbortSignal): Promise<HeadOutput> {
    const { layout, graph } = this.network;
    const { c: columns } = graph.nodes[graph.logits].shape;
    const x = this.#rowsView(this.#values, graph.logits, first, count).ptr;
    return headOutput(this.runtime, layout, x, count, signal, this.#probabilities + 4 * first * columns);
  }

  /** dlogits as the network's own outputs have it: of a single sigmoid's -z and z that of z. */
  #ownGradient(dlogits: Float32Array): Float32Array {
    const { graph } = this.network;
    if (classesOf(this.network.layout) === graph.nodes[graph.logits].shape.c) return dlogits;
    return Float32Array.from({ length: dlogits.length / 2 }, (_, i) => dlogits[2 * i + 1] - dlogits[2 * i]);
  }

  /** Whether the gradient at a node's input is that at a map in front. */
  #isFront(id: NodeId): boolean {
    const value = this.#values.get(id);
    return !value || !this.#values.get(value.of);
  }

  #backwardJobs(id: NodeId, maps: FrontMaps, first: number, count: number, guided: boolean, begun: Set<NodeId>): Job[] {
    const node = this.network.graph.nodes[id];
    if (this.#isPassed(id) || !begun.has(this.#valueOf(id).of)) return [];
    if (node.op === 'dense') return this.#denseBackward(id, first, count, begun);
    const wanted = node.from.map((from) => !this.#isFront(from));
    if (!wanted.some((want) => want)) return [];
    const accumulate = node.from.map(
      (from) =>
        !this.#isFront(from) && this.#valueOf(from).of !== this.#valueOf(id).of && begun.has(this.#valueOf(from).of),
    );
    for (const [i, from] of node.from.entries()) if (wanted[i]) begun.add(this.#valueOf(from).of);
    if (node.op === 'pool' || node.op === 'global')
      return Array.from({ length: count }, (_, row) => {
        const [from] = node.from;
        const dx = this.#gradientMap(from, first, row);
        return windowBackward(
          node,
          this.#mapOf(from, maps, first, row),
          this.#gradientMap(id, first, row),
          dx,
          accumulate[0],
        );
      });
    const told = this.#valueOf(id).of !== id;
    const values = (from: NodeId) => this.#rowsView(this.#values, from, first, count);
    const x = told
      ? [values(id)]
      : node.from.map((from) => (this.#isFront(from) ? this.#mapOf(from, maps, first, 0) : values(from)));
    const dy = this.#rowsView(this.#gradients!, id, first, count);
    const dx = node.from.map((from, i) =>
      wanted[i] ? this.#rowsView(this.#gradients!, from, first, count) : undefined,
    );
    const rest = { rate: 1, guided, packed: this.network.packed[id], precision: this.network.precision };
    return operatorOf(node).backward({ node, x, dy, dx, accumulate, workspace: { ptr: 0, bytes: 0 }, ...rest });
  }

  #gradientMap(id: NodeId, first: number, row: number): View {
    const { h, w, c, of } = this.#gradients!.get(id)!;
    return view(this.#gradients!.get(of)!.ptr! + 4 * (first + row) * h * w * c, h, w, c);
  }

  /** dx = dy times the transposed weights. */
  #denseBackward(id: NodeId, first: number, count: number, begun: Set<NodeId>): Job[] {
    const { arena } = this.runtime;
    const { nodes } = this.network.graph;
    const [from] = nodes[id].from;
    const [inputs, out] = [this.#inputs(id), nodes[id].shape.c];
    const { kernel } = this.network.packed[id].at;
    const dy = this.#rowsView(this.#gradients!, id, first, count).ptr;
    let accumulate = false;
    let dx: number;
    if (this.#isFlattening(id)) {
      if (!this.#flatGradients.has(id)) this.#flatGradients.set(id, arena.alloc(4 * this.rows * inputs));
      dx = this.#flatGradients.get(id)! + 4 * first * inputs;
    } else if (this.#isFront(from)) return [];
    else {
      accumulate = begun.has(this.#valueOf(from).of);
      begun.add(this.#valueOf(from).of);
      dx = this.#rowsView(this.#gradients!, from, first, count).ptr;
    }
    const to = accumulate ? arena.alloc(4 * count * inputs) : dx;
    // Closed rows of one head's ReLU are not even read.
    const node = nodes[from];
    const isMasked = node.op === 'activation' && node.activation.f === 'relu' && !this.#isFront(from) && !accumulate;
    const mask = isMasked ? this.#rowsView(this.#values, from, first, 1).ptr : 0;
    const product =
      count === 1
        ? denseInputGradientJob({ dy, w: kernel, mask, dx: to, in: inputs, out })
        : gemmJob(matrix(dy, count, out), transpose(matrix(kernel, inputs, out)), matrix(to, count, inputs));
    if (!accumulate) return [product];
    return [product, copyJob(view(to, 1, count, inputs), view(dx, 1, count, inputs), { accumulate: true })];
  }

  /** Head nodes that read a map in front, by way of what only passes it on. */
  #readersOfMap(id: NodeId): NodeId[] {
    const { readers, placings } = this.network.layout;
    return readers[id]
      .filter((reader) => placings[reader].head)
      .flatMap((reader) => (this.#isPassed(reader) ? this.#readersOfMap(reader) : [reader]));
  }

  #mapJobs(
    id: NodeId,
    reader: NodeId,
    maps: readonly View[],
    dmaps: readonly View[],
    first: number,
    accumulate: boolean,
  ): Job[] {
    const node = this.network.graph.nodes[reader];
    return dmaps.flatMap((dx, row) => {
      if (node.op === 'dense') return this.#unflattenJobs(reader, maps[row], dx, first + row, accumulate);
      const dy = this.#gradientMap(reader, first, row);
      if (node.op === 'pool' || node.op === 'global') return [windowBackward(node, maps[row], dy, dx, accumulate)];
      throw new Error(`internal: node ${id} is read by ${node.op}`);
    });
  }

  #unflattenJobs(id: NodeId, x: View, dx: View, row: number, accumulate: boolean): Job[] {
    const { nodes } = this.network.graph;
    const { h, w, c } = nodes[nodes[id].from[0]].shape;
    const dy = view(this.#flatGradients.get(id)! + 4 * row * h * w * c, h, w, c);
    if (this.mode !== 'dilated') return [copyJob(dy, dx, { accumulate })];
    const cells = cellsOf(x, dy);
    const parts = cellsOf(dx, dy);
    return cells.map(([part, cell], i) => globalBackwardJob('max', part, cell, parts[i][0], 1, accumulate));
  }
}

const taps = ({ window: { rows, columns, stride, dilation, top, left } }: NodeOf<'pool'>) => ({
  ...{ rows, columns, stride, dilation, startY: -top, startX: -left },
});

function windowBackward(
  node: NodeOf<'pool'> | NodeOf<'global'>,
  x: View,
  dy: View,
  dx: View,
  accumulate: boolean,
): Job {
  if (node.op === 'global') return globalBackwardJob(node.kind, x, dy, dx, 1, accumulate);
  return poolBackwardJob(node.kind, x, dy, dx, taps(node), node.beyond, accumulate);
}

/** The parts of x that the cells of y stand for, and the cells: as near to equal as whole points allow, as adaptive pools have them. */
function cellsOf(x: View, y: View): [View, View][] {
  const bounds = (i: number, cells: number, side: number) => [
    Math.floor((i * side) / cells),
    Math.ceil(((i + 1) * side) / cells),
  ];
  return Array.from({ length: y.h * y.w }, (_, i) => {
    const [top, bottom] = bounds(Math.floor(i / y.w), y.h, x.h);
    const [left, right] = bounds(i % y.w, y.w, x.w);
    const part = { ...x, ptr: x.ptr + 4 * (top * x.row + left * x.pix), h: bottom - top, w: right - left };
    return [part, { ...y, ptr: y.ptr + 4 * (Math.floor(i / y.w) * y.row + (i % y.w) * y.pix), h: 1, w: 1 }];
  });
}

const cellJob = (x: View, y: View): Job => globalJob('max', x, y, 1);
