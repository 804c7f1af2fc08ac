import { classesOf, type NodeId, type NodeOf } from '../graph/graph.js';
import { operatorOf } from '../operators/table.js';
import { type Job, type View, view } from '../wasm/job.js';
import { denseInputGradientJob } from '../wasm/ops/dense.js';
import { gemmJob, matrix, transpose } from '../wasm/ops/gemm.js';
import { copyJob } from '../wasm/ops/map.js';
import { globalBackwardJob, poolBackwardJob } from '../wasm/ops/pool.js';
import type { Runtime } from '../wasm/runtime.js';
import { clearView } from './clear-view.js';
import { type Batch, cellsOf, type FrontMaps, type HeadLayout, type HeadStorage } from './head-layout.js';
import type { PackedNetwork } from './packed-network.js';
import type { WeightSums } from './weight-sums.js';

/** One backward pass of a batch; `begun` are the nodes whose gradients hold something already. */
interface Pass extends Batch {
  readonly guided: boolean;
  readonly begun: Set<NodeId>;
}

/** What the weights' gradients are summed over, into what; `inputOf` is where a dense layer's input lies. */
interface WeightPass {
  readonly count: number;
  readonly sums: WeightSums;
  readonly inputOf: (id: NodeId) => number;
  readonly signal?: AbortSignal;
}

/** The gradients at a head's values, made by its first backward pass. */
export class HeadGradients {
  readonly #network: PackedNetwork;
  readonly #gradients: HeadStorage;
  /** The gradients at flattened maps: (rows, inputs). */
  readonly #flat = new Map<NodeId, number>();

  constructor(
    readonly runtime: Runtime,
    readonly layout: HeadLayout,
    readonly values: HeadStorage,
    readonly rows: number,
  ) {
    this.#network = layout.network;
    this.#gradients = layout.allocate((floats) => runtime.arena.alloc(4 * rows * floats));
  }

  /** From dlogits (rows, classes) back to the nodes that read the maps in front. */
  async backward(
    dlogits: Float32Array,
    { maps, first, guided, signal }: Omit<Batch, 'count'> & { guided: boolean; signal?: AbortSignal },
  ): Promise<void> {
    const { nodes, logits } = this.#network.graph;
    const own = this.#ownGradient(dlogits);
    const begun = new Set<NodeId>([this.values.ownerOf(logits)]);
    const pass = { maps, first, count: own.length / nodes[logits].shape.c, guided, begun };
    this.runtime.arena.f32(this.#gradients.rows(logits, pass).ptr, own.length).set(own);
    for (const id of [...this.layout.ids].reverse())
      for (const job of this.#jobs(id, pass)) await this.runtime.runAsync(job, signal);
  }

  /** The gradients at the maps in front, from those at the nodes that read them: `dmaps` are overwritten. */
  async toMaps(
    maps: FrontMaps,
    dmaps: FrontMaps,
    { first, signal }: { first: number; signal?: AbortSignal },
  ): Promise<void> {
    for (const [id, views] of dmaps) {
      const readers = this.layout.readersOfMap(id);
      const overlaps = readers.some((reader) => this.layout.hasOverlaps(reader, views[0]));
      if (overlaps) for (const dx of views) clearView(this.runtime.arena, dx);
      for (const [i, reader] of readers.entries())
        for (const [row, dx] of views.entries())
          for (const job of this.#mapJobs(reader, maps.get(id)![row], dx, first + row, overlaps || i > 0))
            await this.runtime.runAsync(job, signal);
    }
  }

  /**
   * The sum over a map in front of the gradient at it, for each channel, of the first row. Means and max pools pass
   * their gradients on whole, so that it is the sum at what they made; undefined where something else reads the map.
   */
  channelSums(id: NodeId): Float64Array | undefined {
    const { nodes } = this.#network.graph;
    const sums = new Float64Array(nodes[id].shape.c);
    for (const reader of this.layout.readersOfMap(id)) {
      const node = nodes[reader];
      const whole = node.op === 'global' || node.op === 'dense' || (node.op === 'pool' && node.beyond === 'nothing');
      if (!whole) return undefined;
      const flat = this.#flat.get(reader);
      const { ptr, h, w, c } = this.#gradients.own(reader, 0);
      const gradient = this.runtime.arena.f32(flat ?? ptr, flat === undefined ? h * w * c : this.layout.inputs(reader));
      for (let i = 0; i < gradient.length; i++) sums[i % sums.length] += gradient[i];
    }
    return sums;
  }

  /** The gradients of the head's weights, summed over the first `count` rows, are added to the sums. */
  async weights({ count, sums, inputOf, signal }: WeightPass): Promise<void> {
    for (const id of this.layout.ids) {
      const node = this.#network.graph.nodes[id];
      if (this.#network.packed[id].at.kernel === undefined && !operatorOf(node).weightGradient) continue;
      if (Object.keys(this.#network.packed[id].at).length === 0) continue;
      const { at } = sums.of(node);
      const jobs = node.op === 'dense' ? this.#denseSums(id, count, at, inputOf(id)) : this.#vectorSums(id, count, at);
      for (const job of jobs) await this.runtime.runAsync(job, signal);
    }
  }

  /** dw (in, out) and db (out) are overwritten. */
  #denseSums(id: NodeId, count: number, at: Readonly<Record<string, number>>, input: number): Job[] {
    const { arena } = this.runtime;
    const inputs = this.layout.inputs(id);
    const out = this.#network.graph.nodes[id].shape.c;
    const x = matrix(input, count, inputs);
    const dy = matrix(this.#gradients.rows(id, { first: 0, count }).ptr, count, out);
    const ones = arena.alloc(4 * count);
    arena.f32(ones, count).fill(1);
    return [
      gemmJob(transpose(x), dy, matrix(at.kernel, inputs, out)),
      gemmJob(matrix(ones, 1, count), dy, matrix(at.bias, 1, out)),
    ];
  }

  #vectorSums(id: NodeId, count: number, at: Readonly<Record<string, number>>): Job[] {
    const node = this.#network.graph.nodes[id];
    const operator = operatorOf(node);
    const rows = { first: 0, count };
    const x = [this.values.rows(node.from[0], rows)];
    const dy = this.#gradients.rows(id, rows);
    const rest = { dx: [], accumulate: [], rate: 1, guided: false, precision: this.#network.precision };
    const call = { node, x, dy, packed: this.#network.packed[id], ...rest };
    const bytes = operator.backwardWorkspace?.(call, true) ?? 0;
    const workspace = { ptr: this.runtime.arena.alloc(bytes), bytes };
    return operator.weightGradient!({ ...call, workspace }, at, false);
  }

  /** dlogits as the network's own outputs have it: of a single sigmoid's -z and z that of z. */
  #ownGradient(dlogits: Float32Array): Float32Array {
    const { graph } = this.#network;
    if (classesOf(graph) === graph.nodes[graph.logits].shape.c) return dlogits;
    return Float32Array.from({ length: dlogits.length / 2 }, (_, i) => dlogits[2 * i + 1] - dlogits[2 * i]);
  }

  /** From the gradient at a node to those at its inputs, but for maps in front. */
  #jobs(id: NodeId, pass: Pass): Job[] {
    const node = this.#network.graph.nodes[id];
    const { values } = this;
    const { begun, guided } = pass;
    const owner = values.ownerOf(id);
    if (this.layout.isPassed(id) || !begun.has(owner)) return [];
    if (node.op === 'dense') return this.#denseJobs(id, pass);
    const wanted = node.from.map((from) => !values.isFront(from));
    if (!wanted.some((want) => want)) return [];
    const accumulate = node.from.map(
      (from, i) => wanted[i] && values.ownerOf(from) !== owner && begun.has(values.ownerOf(from)),
    );
    for (const [i, from] of node.from.entries()) if (wanted[i]) begun.add(values.ownerOf(from));
    if (node.op === 'pool' || node.op === 'global') return this.#windowJobs(node, id, pass, accumulate[0]);
    const x =
      owner !== id // in place: what it made tells as much as what it read
        ? [values.rows(id, pass)]
        : node.from.map((from) => (values.isFront(from) ? values.map(from, pass, 0) : values.rows(from, pass)));
    const dy = this.#gradients.rows(id, pass);
    const dx = node.from.map((from, i) => (wanted[i] ? this.#gradients.rows(from, pass) : undefined));
    const rest = { rate: 1, guided, packed: this.#network.packed[id], precision: this.#network.precision };
    return operatorOf(node).backward({ node, x, dy, dx, accumulate, workspace: { ptr: 0, bytes: 0 }, ...rest });
  }

  #windowJobs(node: NodeOf<'pool'> | NodeOf<'global'>, id: NodeId, pass: Pass, accumulate: boolean): Job[] {
    const [from] = node.from;
    return Array.from({ length: pass.count }, (_, row) => {
      const [dy, dx] = [id, from].map((of) => this.#gradients.own(of, pass.first + row));
      return windowBackward(node, this.values.map(from, pass, row), dy, dx, accumulate);
    });
  }

  /** dx = dy times the transposed weights. */
  #denseJobs(id: NodeId, pass: Pass): Job[] {
    const { arena } = this.runtime;
    const { values } = this;
    const { nodes } = this.#network.graph;
    const { first, count, begun } = pass;
    const [from] = nodes[id].from;
    const [inputs, out] = [this.layout.inputs(id), nodes[id].shape.c];
    const { kernel } = this.#network.packed[id].at;
    const dy = this.#gradients.rows(id, pass).ptr;
    const isFlattening = this.layout.isFlattening(id);
    if (!isFlattening && values.isFront(from)) return [];
    const accumulate = !isFlattening && begun.has(values.ownerOf(from));
    if (!isFlattening) begun.add(values.ownerOf(from));
    const dx = isFlattening ? this.#flatRoom(id) + 4 * first * inputs : this.#gradients.rows(from, pass).ptr;
    const to = accumulate ? arena.alloc(4 * count * inputs) : dx;
    // Closed rows of one head's ReLU are not even read.
    const node = nodes[from];
    const isMasked = node.op === 'activation' && node.activation.f === 'relu' && !values.isFront(from) && !accumulate;
    const mask = isMasked ? values.rows(from, { first, count: 1 }).ptr : 0;
    const product =
      count === 1
        ? denseInputGradientJob({ dy, w: kernel, mask, dx: to, in: inputs, out })
        : gemmJob(matrix(dy, count, out), transpose(matrix(kernel, inputs, out)), matrix(to, count, inputs));
    if (!accumulate) return [product];
    return [product, copyJob(view(to, 1, count, inputs), view(dx, 1, count, inputs), { accumulate: true })];
  }

  #flatRoom(id: NodeId): number {
    if (!this.#flat.has(id)) this.#flat.set(id, this.runtime.arena.alloc(4 * this.rows * this.layout.inputs(id)));
    return this.#flat.get(id)!;
  }

  /** From a head node's gradient to that at the map in front that it reads. */
  #mapJobs(reader: NodeId, x: View, dx: View, row: number, accumulate: boolean): Job[] {
    const node = this.#network.graph.nodes[reader];
    if (node.op === 'dense') return this.#unflattenJobs(reader, x, dx, row, accumulate);
    if (node.op === 'pool' || node.op === 'global')
      return [windowBackward(node, x, this.#gradients.own(reader, row), dx, accumulate)];
    throw new Error(`internal: a map in front of the head is read by ${node.op}`);
  }

  #unflattenJobs(id: NodeId, x: View, dx: View, row: number, accumulate: boolean): Job[] {
    const { nodes } = this.#network.graph;
    const { h, w, c } = nodes[nodes[id].from[0]].shape;
    const dy = view(this.#flat.get(id)! + 4 * row * h * w * c, h, w, c);
    if (this.layout.mode !== 'dilated') return [copyJob(dy, dx, { accumulate })];
    const parts = cellsOf(dx, dy);
    return cellsOf(x, dy).map(([part, cell], i) => globalBackwardJob('max', part, cell, parts[i][0], 1, accumulate));
  }
}

/** A pool's window in the coordinates of its map. */
export function windowOf({ window }: NodeOf<'pool'>) {
  const { rows, columns, stride, dilation, top, left } = window;
  return { rows, columns, stride, dilation, startY: -top, startX: -left };
}

function windowBackward(
  node: NodeOf<'pool'> | NodeOf<'global'>,
  x: View,
  dy: View,
  dx: View,
  accumulate: boolean,
): Job {
  if (node.op === 'global') return globalBackwardJob(node.kind, x, dy, dx, 1, accumulate);
  return poolBackwardJob(node.kind, x, dy, dx, windowOf(node), node.beyond, accumulate);
}
