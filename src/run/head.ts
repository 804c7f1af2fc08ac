import { headCells, lastChannels } from '../graph/topology.js';
import { type View, view } from '../wasm/job.js';
import { denseInputGradientJob, denseJob } from '../wasm/ops/dense.js';
import { gemmJob, matrix, transpose } from '../wasm/ops/gemm.js';
import { maxPoolBackwardJob, maxPoolJob } from '../wasm/ops/pool.js';
import { reluBackwardJob } from '../wasm/ops/relu.js';
import { softmaxJob } from '../wasm/ops/softmax.js';
import type { Runtime } from '../wasm/runtime.js';
import type { PackedNetwork } from './packed-network.js';

/** Rows of a head that run at once: `count` rows from `first` on. */
interface Rows {
  first: number;
  count: number;
}

/**
 * The max pool, the dense layers with ReLU between them and the softmax, on a batch of maps: one row a map. What the forward pass
 * computes is kept for the backward pass, in the arena, until the caller releases it.
 */
export class Head {
  /** Input of each dense layer, the logits behind them: (rows, in) ... (rows, out). The first is the pooled map (cells, cells, channels). */
  readonly #values: readonly number[];
  readonly #probabilities: number;
  /** The gradient at each of the values; made by the first backward pass. */
  #gradients: readonly number[] = [];

  /** @param rows the most maps it is used for, all together */
  constructor(
    readonly runtime: Runtime,
    readonly network: PackedNetwork,
    readonly rows = 1,
  ) {
    this.#values = this.#alloc();
    this.#probabilities = runtime.arena.alloc(4 * rows * this.#classes);
  }

  /** Bytes that a head takes, gradients included. */
  static bytes({ dense }: PackedNetwork, rows: number): number {
    const floats = widthsOf(dense).reduce((sum, width) => sum + width + 16, 0);
    return 4 * rows * (2 * floats + dense[dense.length - 1].out + 16);
  }

  /** Logits and probabilities (maps, classes) of maps whose max pool has windows of `size` pixels; they become the rows from `first` on. */
  async forward(
    maps: readonly View[],
    size: number,
    { first = 0, signal }: { first?: number; signal?: AbortSignal } = {},
  ): Promise<{ logits: Float32Array; probabilities: Float32Array }> {
    const { runtime, network } = this;
    const rows = { first, count: maps.length };
    for (const [i, x] of maps.entries())
      await runtime.runAsync(maxPoolJob(x, this.#pooled(this.#values, first + i), windowOf(size)), signal);
    for (const [i, { kernel, bias, in: inputs, out }] of network.dense.entries()) {
      const relu = i < network.dense.length - 1;
      const [x, y] = [this.#at(this.#values, i, first), this.#at(this.#values, i + 1, first)];
      const job =
        rows.count === 1
          ? denseJob({ x, w: kernel, b: bias, y, in: inputs, out, relu })
          : gemmJob(matrix(x, rows.count, inputs), matrix(kernel, inputs, out), matrix(y, rows.count, out), {
              bias,
              relu,
            });
      await runtime.runAsync(job, signal);
    }
    const x = this.#at(this.#values, network.dense.length, first);
    const y = this.#probabilities + 4 * first * this.#classes;
    await runtime.runAsync(softmaxJob({ x, y, rows: rows.count, columns: this.#classes }), signal);
    const copy = (ptr: number) => runtime.arena.f32(ptr, rows.count * this.#classes).slice();
    return { logits: copy(x), probabilities: copy(y) };
  }

  /**
   * Back through the dense layers: from dlogits (rows, classes), gradients of one score a row, to the gradient at the pooled maps
   * (rows, cells, cells, channels), whose address it returns.
   *
   * @param guided ReLU's backward passes positive gradients only
   */
  async backward(
    dlogits: Float32Array,
    { first = 0, guided = false, signal }: { first?: number; guided?: boolean; signal?: AbortSignal } = {},
  ): Promise<number> {
    const { runtime, network } = this;
    if (this.#gradients.length === 0) this.#gradients = this.#alloc();
    const rows = { first, count: dlogits.length / this.#classes };
    runtime.arena.f32(this.#at(this.#gradients, network.dense.length, first), dlogits.length).set(dlogits);
    for (let i = network.dense.length - 1; i >= 0; i--) {
      await this.#backwardDense(i, rows, signal);
      if (i > 0) await this.#backwardRelu(i, rows, guided, signal);
    }
    return this.#at(this.#gradients, 0, first);
  }

  /** The gradient at the maps that `forward` was given, from that at the pooled maps: `dmaps` are overwritten. */
  async backwardPool(
    maps: readonly View[],
    dmaps: readonly View[],
    size: number,
    { first = 0, signal }: { first?: number; signal?: AbortSignal } = {},
  ): Promise<void> {
    for (const [i, x] of maps.entries()) {
      const dy = this.#pooled(this.#gradients, first + i);
      const options = { ...windowOf(size), accumulate: false };
      await this.runtime.runAsync(maxPoolBackwardJob(x, dy, dmaps[i], options), signal);
    }
  }

  /** The gradients of dense layer i, summed over the first `count` rows: dw (in, out) and db (out) are overwritten. */
  async weightGradients(i: number, count: number, dw: number, db: number, signal?: AbortSignal): Promise<void> {
    const { runtime, network } = this;
    const { in: inputs, out } = network.dense[i];
    const x = matrix(this.#values[i], count, inputs);
    const dy = matrix(this.#gradients[i + 1], count, out);
    await runtime.runAsync(gemmJob(transpose(x), dy, matrix(dw, inputs, out)), signal);
    const ones = runtime.arena.alloc(4 * count);
    runtime.arena.f32(ones, count).fill(1);
    await runtime.runAsync(gemmJob(matrix(ones, 1, count), dy, matrix(db, 1, out)), signal);
  }

  /** dx = dy times the transposed weights of dense layer i. */
  #backwardDense(i: number, { first, count }: Rows, signal?: AbortSignal): Promise<void> {
    const { in: inputs, out, kernel } = this.network.dense[i];
    const [dx, dy] = [this.#at(this.#gradients, i, first), this.#at(this.#gradients, i + 1, first)];
    const mask = i > 0 ? this.#at(this.#values, i, first) : 0; // closed rows of one head are not even read
    const job =
      count === 1
        ? denseInputGradientJob({ dy, w: kernel, mask, dx, in: inputs, out })
        : gemmJob(matrix(dy, count, out), transpose(matrix(kernel, inputs, out)), matrix(dx, count, inputs));
    return this.runtime.runAsync(job, signal);
  }

  /** Through the ReLU in front of dense layer i. */
  #backwardRelu(i: number, { first, count }: Rows, guided: boolean, signal?: AbortSignal): Promise<void> {
    const rows = (values: readonly number[]) => view(this.#at(values, i, first), 1, count, this.network.dense[i].in);
    const dy = rows(this.#gradients);
    return this.runtime.runAsync(reluBackwardJob(rows(this.#values), dy, dy, { guided }), signal);
  }

  get #classes(): number {
    return this.network.dense[this.network.dense.length - 1].out;
  }

  #alloc(): number[] {
    return widthsOf(this.network.dense).map((width) => this.runtime.arena.alloc(4 * this.rows * width));
  }

  #at(values: readonly number[], i: number, row: number): number {
    return values[i] + 4 * row * widthsOf(this.network.dense)[i];
  }

  #pooled(values: readonly number[], row: number): View {
    const cells = headCells(this.network.topology);
    return view(this.#at(values, 0, row), cells, cells, lastChannels(this.network.topology));
  }
}

/** Floats a row of each dense layer's input, and of the logits. */
const widthsOf = (dense: PackedNetwork['dense']): number[] => [
  ...dense.map((layer) => layer.in),
  dense[dense.length - 1].out,
];

const windowOf = (size: number) => ({ size, stride: size, dilation: 1, offsetY: 0, offsetX: 0 });
