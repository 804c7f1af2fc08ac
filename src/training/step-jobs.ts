import type { Mode } from '../base/types.js';
import { type ConvLayer, convLayers, headCells, lastChannels, pooledStride } from '../graph/topology.js';
import { type Job, type View, view } from '../wasm/job.js';
import {
  type Batch,
  batchFloats,
  batchPoolBackwardJob,
  batchPoolJob,
  batchReluJob,
  momentsFloats,
  type Normalization,
  normalizerGradientJobs,
  normalizerJobs,
  pictureViews,
  tall,
} from '../wasm/ops/batch.js';
import { biasGradientJob } from '../wasm/ops/conv-gradient.js';
import { gemmJob, type Matrix, matrix, transpose } from '../wasm/ops/gemm.js';
import { dropoutJob } from '../wasm/ops/optimizer.js';
import { maxPoolBackwardJob, maxPoolJob } from '../wasm/ops/pool.js';
import { reluBackwardJob } from '../wasm/ops/relu.js';
import { softmaxCrossEntropyBackwardJob, softmaxCrossEntropyJob } from '../wasm/ops/softmax.js';
import { winogradJobs, winogradPlan, winogradWeightBytes, winogradWeightsJob } from '../wasm/ops/winograd.js';
import { winogradGradientBytes, winogradWeightGradientJobs } from '../wasm/ops/winograd-gradient.js';
import type { Runtime } from '../wasm/runtime.js';
import { type Layout, type ParameterSlot, paddedChannels } from './parameters.js';

/** Addresses of the arrays that a layout describes. */
export interface StateAddresses {
  readonly parameters: number;
  readonly gradients: number;
  readonly statistics: number;
}

export interface StepOptions {
  /** Pictures of a batch. */
  readonly pictures: number;
  readonly mode: Exclude<Mode, 'atrous'>;
  /** Share of the hidden dense units that is dropped. */
  readonly dropout: number;
  /** Whether training, too, normalises by the running statistics. */
  readonly fixedStatistics: boolean;
}

/** A job, or one that needs the step's own seed. */
type Step = Job | ((seed: number) => Job);

/** A convolution's rate in `dilated`. */
const rateOf = ({ block, rate = 2 ** block }: ConvLayer & { rate?: number }): number => rate;

/** Tiles of a pass: a task of few channels is short, so more of them make up for what starting a job on several threads costs. */
const tilesOf = (cin: number, cout: number): number =>
  Math.max(128, Math.min(1024, 2 ** Math.floor(Math.log2(2 ** 19 / (cin * cout)))));

/** The same for weight gradients, whose transforms are the larger part. */
const gradientTilesOf = (cin: number, cout: number): number => 4 * tilesOf(cin, cout);

interface ConvNode {
  readonly dilation: number;
  readonly x: Batch;
  readonly z: Batch;
  readonly y: Batch;
  readonly pooled: boolean;
  readonly kernel: number;
  readonly dkernel: number;
  readonly norm: Normalization;
}

interface DenseNode {
  readonly x: Matrix;
  readonly y: Matrix;
  /** The gradients at x and y; at x in the shape of x. */
  readonly dx: Matrix;
  readonly dy: Matrix;
  readonly kernel: Matrix;
  readonly dkernel: Matrix;
  readonly bias: number;
  readonly dbias: number;
  readonly last: boolean;
}

/**
 * A network on a batch of pictures: forward with batch normalization, loss, and all gradients, as lists of jobs on maps that are
 * allocated once. A map lies in memory for the whole batch; of each convolution its output z and what the next layer reads are kept.
 * Gradients of maps take two buffers in turn.
 */
export class StepJobs {
  /** The pictures, 4 channels. */
  readonly input: Batch;
  /** (pictures, classes) */
  readonly logits: number;
  readonly targets: number;
  /** (pictures) */
  readonly loss: number;
  readonly #runtime: Runtime;
  readonly #layout: Layout;
  readonly #state: StateAddresses;
  readonly #convs: ConvNode[] = [];
  readonly #dense: DenseNode[] = [];
  readonly #gradients: [number, number];
  readonly #workspace: { ptr: number; bytes: number };
  /** Transformed weights of the convolution at hand. */
  readonly #weights: number;
  readonly #share: number;
  readonly #options: StepOptions;
  /** Where the mode's one pool before the head writes; the last convolution's own pool where there is one. */
  readonly #pooled: Batch;

  constructor(runtime: Runtime, layout: Layout, state: StateAddresses, options: StepOptions) {
    this.#runtime = runtime;
    this.#layout = layout;
    this.#state = state;
    this.#options = options;
    const { pictures } = options;
    const { topology } = layout;
    const { inputSize: size } = topology;
    const classes = topology.dense.at(-1)!.out;
    const gap = options.mode === 'dilated' ? pooledStride(topology) : 1;
    this.input = this.#map({ pictures, h: size, w: size, c: paddedChannels(3), gap });
    this.#pooled = this.#addConvs();
    const largest = Math.max(...this.#convs.map(({ z }) => batchFloats(z)));
    this.#gradients = [this.#floats(largest), this.#floats(largest)];
    const bytes = Math.max(
      ...this.#convs.flatMap(({ x, z, dilation }) => [
        workspaceOf(x, z, dilation),
        workspaceOf(z, x, dilation),
        winogradGradientBytes(tall(x), z.c, dilation, gradientTilesOf(x.c, z.c)),
      ]),
    );
    this.#workspace = { ptr: runtime.arena.alloc(bytes), bytes };
    this.#weights = runtime.arena.alloc(
      Math.max(...this.#convs.flatMap(({ x, z }) => [winogradWeightBytes(x.c, z.c), winogradWeightBytes(z.c, x.c)])),
    );
    this.#addDense();
    this.logits = this.#dense.at(-1)!.y.ptr;
    this.targets = this.#floats(pictures * classes);
    this.loss = this.#floats(pictures);
    this.#share = this.#floats(pictures);
    runtime.arena.f32(this.#share, pictures).fill(1 / pictures);
  }

  /** The jobs of logits and losses. `training`: with the batch's statistics and dropout. */
  forward(training: boolean, seed = 0): Job[] {
    const convs = this.#convsForward(training && !this.#options.fixedStatistics);
    const dense = this.#dense.flatMap(({ x, y, kernel, bias, last }, i): Step[] => [
      gemmJob(x, kernel, y, { bias, relu: !last }),
      ...(training && !last ? this.#drop(y, i) : []),
    ]);
    const { rows, cols } = this.#dense.at(-1)!.y;
    const loss = { x: this.logits, targets: this.targets, loss: this.loss, rows, columns: cols };
    return withSeed([...convs, ...this.#headPool(), ...dense, softmaxCrossEntropyJob(loss)], seed);
  }

  /** The jobs that move the running statistics to a batch's by the share `momentum`. */
  statistics(momentum: number): Job[] {
    return this.#convsForward(true, momentum);
  }

  #convsForward(batchStatistics: boolean, momentum?: number): Job[] {
    return this.#convs.flatMap(({ x, z, y, dilation, pooled, kernel, norm }) => [
      ...this.#convolve(x, kernel, z, dilation, false),
      ...normalizerJobs(z, norm, batchStatistics, momentum),
      pooled ? batchPoolJob(z, y.ptr, norm) : batchReluJob(z, y.ptr, norm),
    ]);
  }

  /** The jobs of the gradients of the mean loss at all parameters, after those of `forward(true, seed)`. */
  backward(seed: number): Job[] {
    const { dy, y } = this.#dense.at(-1)!;
    const sizes = { rows: y.rows, columns: y.cols };
    const loss = { x: this.logits, targets: this.targets, dy: this.#share, dx: dy.ptr, ...sizes };
    const dense = this.#dense.flatMap((node, i) => this.#denseBackward(node, i)).reverse();
    return withSeed([softmaxCrossEntropyBackwardJob(loss), ...dense.flat(), ...this.#convsBackward()], seed);
  }

  #denseBackward({ x, dx, dy, kernel, dkernel, dbias }: DenseNode, i: number): Step[][] {
    const steps: Step[] = [
      gemmJob(transpose(x), dy, dkernel),
      biasGradientJob(view(dy.ptr, dy.rows, 1, dy.cols), dbias, false),
      gemmJob(dy, transpose(kernel), dx),
    ];
    if (i > 0) {
      const [y, d] = [x, dx].map(({ ptr, rows, cols }) => view(ptr, rows, 1, cols));
      steps.push(...this.#drop(dx, i - 1), reluBackwardJob(y, d, d));
    }
    return [steps];
  }

  #drop({ ptr, rows, cols }: Matrix, layer: number): Step[] {
    const { dropout: rate } = this.#options;
    return rate > 0 ? [(seed) => dropoutJob(ptr, rows * cols, { rate, seed: (seed + layer) | 0 })] : [];
  }

  /** From the gradient at the last pool's output, which lies in the first buffer. */
  #convsBackward(): Job[] {
    let [here, there] = this.#gradients;
    const jobs: Job[] = this.#headPoolBackward(here, there);
    if (jobs.length > 0) [here, there] = [there, here];
    for (const [i, { x, z, dilation, pooled, kernel, dkernel, norm }] of [...this.#convs.entries()].reverse()) {
      if (pooled) {
        jobs.push(batchPoolBackwardJob(z, here, there, norm));
        [here, there] = [there, here];
      }
      jobs.push(...normalizerGradientJobs(z, here, norm, !this.#options.fixedStatistics));
      const dz = { ...z, ptr: here };
      const how = { dilation, accumulate: false, mostTiles: gradientTilesOf(x.c, z.c) };
      jobs.push(...winogradWeightGradientJobs(tall(x), tall(dz), dkernel, how, this.#workspace));
      if (i > 0) jobs.push(...this.#convolve(dz, kernel, { ...x, ptr: there }, dilation, true));
      [here, there] = [there, here];
    }
    return jobs;
  }

  /** y = conv3x3(x), or the gradient at its input, without bias. */
  #convolve(x: Batch, kernel: number, y: Batch, dilation: number, adjoint: boolean): Job[] {
    const weights = { ptr: this.#weights, bias: 0, cin: x.c, cout: y.c };
    const options = { dilation, mostTiles: tilesOf(x.c, y.c) };
    return [
      winogradWeightsJob(kernel, this.#weights, x.c, y.c, adjoint),
      ...winogradJobs(tall(x), weights, tall(y), options, this.#workspace),
    ];
  }

  /** `dilated` has no pool between its blocks and one of 32 x 32 before the head. */
  #headPool(): Job[] {
    if (this.#options.mode === 'pooled') return [];
    const maps = pictureViews(this.#pooled);
    return pictureViews(this.#convs.at(-1)!.y).map((x, i) => maxPoolJob(x, maps[i], headPool(x, maps[i])));
  }

  #headPoolBackward(dy: number, dx: number): Job[] {
    if (this.#options.mode === 'pooled') return [];
    const { y } = this.#convs.at(-1)!;
    const gradients = pictureViews({ ...this.#pooled, ptr: dy });
    const targets = pictureViews({ ...y, ptr: dx });
    return pictureViews(y).map((x, i) => maxPoolBackwardJob(x, gradients[i], targets[i], headPool(x, gradients[i])));
  }

  /** Adds the convolutions; returns what the head reads. */
  #addConvs(): Batch {
    const { topology, convs } = this.#layout;
    const { mode } = this.#options;
    const { parameters, gradients, statistics } = this.#state;
    const at = (base: number, { first }: ParameterSlot) => base + 4 * first;
    let x = this.input;
    for (const [i, layer] of convLayers(topology).entries()) {
      const slots = convs[i];
      const pooled = mode === 'pooled' && layer === topology.blocks[layer.block].at(-1);
      const dilation = mode === 'pooled' ? 1 : rateOf(layer);
      const shape = { ...x, c: layer.cout };
      const z = this.#map(shape);
      const y = this.#map(pooled ? { ...shape, h: shape.h / 2, w: shape.w / 2 } : shape);
      const norm = {
        gamma: at(parameters, slots.gamma),
        beta: at(parameters, slots.beta),
        dgamma: at(gradients, slots.gamma),
        dbeta: at(gradients, slots.beta),
        running: at(statistics, slots.running),
        affine: this.#floats(6 * layer.cout),
        moments: this.#floats(momentsFloats(z)),
      };
      const [kernel, dkernel] = [at(parameters, slots.kernel), at(gradients, slots.kernel)];
      this.#convs.push({ x, z, y, dilation, pooled, kernel, dkernel, norm });
      x = y;
    }
    const cells = headCells(topology);
    return mode === 'pooled' ? x : this.#map({ ...x, h: cells, w: cells, gap: 0 });
  }

  #addDense(): void {
    const { topology, dense } = this.#layout;
    const { parameters, gradients } = this.#state;
    const { ptr, pictures, gap } = this.#pooled;
    const side = headCells(topology);
    const channels = lastChannels(topology);
    const inRow = (base: number): Matrix => ({
      ...matrix(base, pictures, side * side * channels),
      row: (side + gap) * side * channels,
    });
    let x = inRow(ptr);
    let dx = inRow(this.#gradients[0]);
    topology.dense.forEach((layer, i) => {
      const { kernel, bias } = dense[i];
      const of = (base: number) => matrix(base + 4 * kernel.first, layer.in, layer.out);
      const y = matrix(this.#floats(pictures * layer.out), pictures, layer.out);
      const dy = matrix(this.#floats(pictures * layer.out), pictures, layer.out);
      const biases = { bias: parameters + 4 * bias.first, dbias: gradients + 4 * bias.first };
      const last = i === dense.length - 1;
      this.#dense.push({ x, y, dx, dy, kernel: of(parameters), dkernel: of(gradients), ...biases, last });
      [x, dx] = [y, dy];
    });
  }

  /** A batch of maps, all zero. */
  #map(shape: Omit<Batch, 'ptr'>): Batch {
    const { pictures, h, w, c, gap } = shape;
    return { ptr: this.#floats(batchFloats(shape)), pictures, h, w, c, gap };
  }

  /** Address of so many zeros. */
  #floats(length: number): number {
    const { arena } = this.#runtime;
    const ptr = arena.alloc(4 * length);
    arena.f32(ptr, length).fill(0);
    return ptr;
  }
}

const workspaceOf = (x: Batch, y: Batch, dilation: number): number =>
  winogradPlan(tall(x), y.c, dilation, tilesOf(x.c, y.c)).bytes;

const headPool = (x: View, y: View) => ({ size: x.h / y.h, stride: x.h / y.h, dilation: 1, offsetY: 0, offsetX: 0 });

const withSeed = (steps: readonly Step[], seed: number): Job[] =>
  steps.map((step) => (typeof step === 'function' ? step(seed) : step));
