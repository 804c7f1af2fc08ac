import type { Mode } from '../base/types.js';
import type { NodeId } from '../graph/graph.js';
import { operatorOf } from '../operators/table.js';
import { type Job, view } from '../wasm/job.js';
import { denseJob } from '../wasm/ops/dense.js';
import { gemmJob, matrix } from '../wasm/ops/gemm.js';
import { copyJob } from '../wasm/ops/map.js';
import { globalJob, poolJob } from '../wasm/ops/pool.js';
import type { Runtime } from '../wasm/runtime.js';
import { HeadGradients, windowOf } from './head-gradients.js';
import { type Batch, cellsOf, type FrontMaps, HeadLayout, type HeadStorage } from './head-layout.js';
import { type HeadOutput, headOutput } from './head-output.js';
import type { PackedNetwork } from './packed-network.js';
import type { WeightSums } from './weight-sums.js';

interface Options {
  first?: number;
  signal?: AbortSignal;
}

/**
 * What stands behind the last maps: pools, means, dense layers, softmax or sigmoid, on a batch of maps, one row a map.
 * What the forward pass computes is kept for the backward pass, in the arena, until the caller releases it.
 *
 * In `dilated` the maps have the input's size: pools with a stride are left out, and in front of a flatten stands one
 * max pool that leaves the cells that its dense layer expects.
 */
export class Head {
  readonly #layout: HeadLayout;
  readonly #values: HeadStorage;
  /** Flattened maps in front of dense layers whose input is not a row of numbers yet: (rows, inputs). */
  readonly #flat = new Map<NodeId, number>();
  readonly #probabilities: number;
  #gradients: HeadGradients | undefined;

  /** @param rows the most maps it is used for, all together */
  constructor(
    readonly runtime: Runtime,
    readonly network: PackedNetwork,
    readonly mode: Mode,
    readonly rows = 1,
  ) {
    const { arena } = runtime;
    const { nodes, logits } = network.graph;
    this.#layout = new HeadLayout(network, mode);
    this.#values = this.#layout.allocate((floats) => arena.alloc(4 * rows * floats));
    for (const id of this.#layout.ids)
      if (this.#layout.isFlattening(id)) this.#flat.set(id, arena.alloc(4 * rows * this.#layout.inputs(id)));
    this.#probabilities = arena.alloc(4 * rows * nodes[logits].shape.c);
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
    const batch = { maps, first, count: maps.values().next().value!.length };
    for (const id of this.#layout.ids)
      for (const job of this.#forwardJobs(id, batch)) await this.runtime.runAsync(job, signal);
    return this.#read(batch, signal);
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
    this.#gradients ??= new HeadGradients(this.runtime, this.#layout, this.#values, this.rows);
    await this.#gradients.backward(dlogits, { maps, first, guided, signal });
  }

  /** The gradients at the maps in front, from those at the nodes that read them: `dmaps` are overwritten. */
  async backwardToMaps(maps: FrontMaps, dmaps: FrontMaps, { first = 0, signal }: Options = {}): Promise<void> {
    await this.#gradients!.toMaps(maps, dmaps, { first, signal });
  }

  /**
   * The sum over a map in front of the gradient at it, for each channel, of the first row. Undefined where it is not
   * simply the sum at what the head made of the map.
   */
  channelSums(id: NodeId): Float64Array | undefined {
    return this.#gradients!.channelSums(id);
  }

  /** The gradients of the head's weights, summed over the first `count` rows, are added to the sums. */
  async weightGradients(count: number, sums: WeightSums, signal?: AbortSignal): Promise<void> {
    const inputOf = (id: NodeId) => this.#inputPtr(id, 0);
    await this.#gradients!.weights({ count, sums, inputOf, signal });
  }

  #forwardJobs(id: NodeId, batch: Batch): Job[] {
    const node = this.network.graph.nodes[id];
    if (this.#layout.isPassed(id)) return [];
    const values = this.#values;
    const [from] = node.from;
    const rows = Array.from({ length: batch.count }, (_, row) => row);
    const x = (row: number) => values.map(from, batch, row);
    const y = (row: number) => values.map(id, batch, row);
    switch (node.op) {
      case 'pool':
        return rows.map((row) => poolJob(node.kind, x(row), y(row), windowOf(node), node.beyond));
      case 'global':
        return rows.map((row) => globalJob(node.kind, x(row), y(row), 1));
      case 'dense':
        return [...this.#flattenJobs(id, batch), this.#denseJob(id, batch)];
    }
    if (values.ownerOf(id) !== id && this.#layout.isDenseRelu(id)) return []; // done with the dense layer
    const inputs = node.from.map((input) =>
      values.isFront(input) ? values.map(input, batch, 0) : values.rows(input, batch),
    );
    const packed = this.network.packed[id];
    const workspace = { ptr: 0, bytes: 0 };
    return operatorOf(node).forward({ node, x: inputs, y: values.rows(id, batch), rate: 1, packed, workspace });
  }

  #denseJob(id: NodeId, batch: Batch): Job {
    const { readers } = this.network.layout;
    const { first, count } = batch;
    const relu = readers[id].length === 1 && this.#layout.isDenseRelu(readers[id][0]);
    const { kernel, bias } = this.network.packed[id].at;
    const [inputs, out] = [this.#layout.inputs(id), this.network.graph.nodes[id].shape.c];
    const x = this.#inputPtr(id, first);
    const y = this.#values.rows(id, batch).ptr;
    if (count === 1) return denseJob({ x, w: kernel, b: bias, y, in: inputs, out, relu });
    return gemmJob(matrix(x, count, inputs), matrix(kernel, inputs, out), matrix(y, count, out), { bias, relu });
  }

  /** The rows in front of a dense layer, in (row, column, channel) order. */
  #flattenJobs(id: NodeId, batch: Batch): Job[] {
    const flat = this.#flat.get(id);
    if (flat === undefined) return [];
    const { nodes } = this.network.graph;
    const [from] = nodes[id].from;
    const { h, w, c } = nodes[from].shape;
    return Array.from({ length: batch.count }, (_, row) => {
      const x = this.#values.map(from, batch, row);
      const y = view(flat + 4 * (batch.first + row) * h * w * c, h, w, c);
      if (this.mode !== 'dilated') return [copyJob(x, y, {})];
      return cellsOf(x, y).map(([part, cell]) => globalJob('max', part, cell, 1));
    }).flat();
  }

  /** Where the input of a dense layer lies, from a row on. */
  #inputPtr(id: NodeId, first: number): number {
    const flat = this.#flat.get(id);
    const [from] = this.network.graph.nodes[id].from;
    return flat !== undefined
      ? flat + 4 * first * this.#layout.inputs(id)
      : this.#values.rows(from, { first, count: 1 }).ptr;
  }

  #read(batch: Batch, signal?: AbortSignal): Promise<HeadOutput> {
    const { layout, graph } = this.network;
    const { c: columns } = graph.nodes[graph.logits].shape;
    const x = this.#values.rows(graph.logits, batch).ptr;
    const y = this.#probabilities + 4 * batch.first * columns;
    return headOutput(this.runtime, layout, x, batch.count, signal, y);
  }
}
