import type { NormalizationName, RgbImage } from '../base/types.js';
import { NORMALIZATIONS } from '../image/normalization.js';
import { DRAW_FIELDS, DRAWS, type Draw, drawFields, drawJob } from '../wasm/ops/augment.js';
import { adamJob, sgdJob } from '../wasm/ops/optimizer.js';
import type { Runtime } from '../wasm/runtime.js';
import { type Drawing, plainDraw } from './augment.js';
import type { TrainingConfig } from './options.js';
import { type Layout, shareCells, type TrainingState } from './parameters.js';
import { StepJobs } from './step-jobs.js';

/** A picture of a batch, and its label. */
export interface Example {
  readonly image: RgbImage;
  readonly label: number;
}

/** What a batch gave: the mean loss, and how many most probable classes were right. */
export interface BatchResult {
  loss: number;
  correct: number;
}

/** What is taken from a byte, and what it is multiplied with then, in the network's order of channels; the fourth channel stays 0. */
function byteScaling(normalization: NormalizationName): { mean: number[]; scale: number[] } {
  const { unit, mean, deviation } = NORMALIZATIONS[normalization];
  return {
    mean: [...mean.map((value) => unit * value), 0],
    scale: [...deviation.map((value) => 1 / (unit * value)), 0],
  };
}

/** The network at one input size, in the wasm memory, with its state. Everything is allocated once. */
export class StageRun {
  readonly #runtime: Runtime;
  readonly #layout: Layout;
  readonly #config: TrainingConfig;
  readonly #jobs: StepJobs;
  readonly #addresses: { parameters: number; gradients: number; mean: number; squares: number; statistics: number };
  readonly #draws: number;
  readonly #constants: { mean: number; scale: number };
  readonly #images: number;
  readonly #imageBytes: number;
  readonly #shared: boolean;

  constructor(
    runtime: Runtime,
    layout: Layout,
    config: TrainingConfig,
    state: TrainingState,
    { fixedStatistics, cacheSide, shared = false }: { fixedStatistics: boolean; cacheSide: number; shared?: boolean },
  ) {
    this.#runtime = runtime;
    this.#layout = layout;
    this.#config = config;
    const put = (values: ArrayLike<number>) => {
      const ptr = runtime.arena.alloc(4 * values.length);
      runtime.arena.f32(ptr, values.length).set(values);
      return ptr;
    };
    const { mean, scale } = byteScaling(config.normalization);
    this.#constants = { mean: put(mean), scale: put(scale) };
    this.#addresses = {
      parameters: put(state.parameters),
      gradients: put(new Float32Array(layout.parameters)),
      mean: put(state.moments[0]),
      squares: put(state.moments[1]),
      statistics: put(state.statistics),
    };
    const { batch: pictures, mode, dropout } = config;
    this.#draws = put(new Float32Array(pictures * DRAWS * DRAW_FIELDS));
    this.#imageBytes = 64 * Math.ceil((3 * cacheSide ** 2 + 1) / 64);
    this.#images = runtime.arena.alloc(pictures * this.#imageBytes);
    this.#shared = shared;
    this.#shareCells();
    this.#jobs = new StepJobs(runtime, layout, this.#addresses, { pictures, mode, dropout, fixedStatistics });
  }

  get side(): number {
    return this.#layout.topology.inputSize;
  }

  /** One step: forward, backward, optimiser. An abort leaves the state as it was before. */
  async train(
    examples: readonly Example[],
    drawings: readonly Drawing[],
    { step, rate, seed, signal }: { step: number; rate: number; seed: number; signal?: AbortSignal },
  ): Promise<BatchResult> {
    const jobs = this.#jobs;
    const statistics = this.#statistics().slice();
    try {
      this.#draw(examples, drawings);
      this.#label(examples, drawings);
      for (const job of [...jobs.forward(true, seed), ...jobs.backward(seed)])
        await this.#runtime.runAsync(job, signal);
    } catch (error) {
      this.#statistics().set(statistics); // the forward pass has moved them
      throw error;
    }
    this.#optimize(step, rate);
    return this.#result(examples.length);
  }

  /** Moves the running statistics to those of a batch of pictures, as they are, by the share `momentum`. */
  async calibrate(examples: readonly Example[], momentum: number, signal?: AbortSignal): Promise<void> {
    this.#draw(examples, this.#plainDrawings(examples));
    for (const job of this.#jobs.statistics(momentum)) await this.#runtime.runAsync(job, signal);
  }

  /** Losses and right answers of at most a batch of pictures, as they are. */
  async evaluate(examples: readonly Example[], signal?: AbortSignal): Promise<BatchResult> {
    const drawings = this.#plainDrawings(examples);
    this.#draw(examples, drawings);
    this.#label(examples, drawings);
    for (const job of this.#jobs.forward(false)) await this.#runtime.runAsync(job, signal);
    return this.#result(examples.length);
  }

  #plainDrawings(examples: readonly Example[]): Drawing[] {
    const { side } = this;
    const nothing = { ...plainDraw({ width: side, height: side }, side), right: 0 };
    return examples.map(({ image }) => ({ own: plainDraw(image, side), other: nothing, share: 0 }));
  }

  /** A copy of the state. */
  state(): TrainingState {
    const { parameters, mean, squares } = this.#addresses;
    const copy = (ptr: number, length: number) => this.#runtime.arena.f32(ptr, length).slice();
    const n = this.#layout.parameters;
    return {
      parameters: copy(parameters, n),
      moments: [copy(mean, n), copy(squares, this.#config.optimizer === 'adamw' ? n : 0)],
      statistics: this.#statistics().slice(),
    };
  }

  #statistics(): Float32Array {
    return this.#runtime.arena.f32(this.#addresses.statistics, this.#layout.statistics);
  }

  #draw(examples: readonly Example[], drawings: readonly Drawing[]): void {
    const { arena } = this.#runtime;
    const place = (i: number) => this.#images + i * this.#imageBytes;
    examples.forEach(({ image }, i) => {
      arena.u8(place(i), image.data.length).set(image.data);
    });
    const fields = (draw: Draw, i: number) => {
      const { width, height } = examples[i].image;
      return drawFields(draw, place(i), width, height);
    };
    const all = drawings.flatMap(({ own, other }, i) => [
      ...fields(own, i),
      ...fields(other, (i + 1) % examples.length),
    ]);
    arena.i32(this.#draws, all.length).set(all);
    const bgr = NORMALIZATIONS[this.#config.normalization].channels[0] === 2;
    const batch = { ...this.#jobs.input, pictures: examples.length };
    this.#runtime.run(drawJob(this.#draws, batch, { bgr, ...this.#constants }));
  }

  #label(examples: readonly Example[], drawings: readonly Drawing[]): void {
    const classes = this.#classes;
    const targets = this.#runtime.arena.f32(this.#jobs.targets, this.#config.batch * classes).fill(0);
    examples.forEach(({ label }, i) => {
      const { share } = drawings[i];
      targets[i * classes + label] += 1 - share;
      targets[i * classes + examples[(i + 1) % examples.length].label] += share;
    });
  }

  get #classes(): number {
    return this.#layout.topology.dense.at(-1)!.out;
  }

  #optimize(step: number, rate: number): void {
    const { decaying, parameters: all } = this.#layout;
    const { optimizer, weightDecay, momentum } = this.#config;
    const { parameters, gradients, mean, squares } = this.#addresses;
    for (const [first, end, decay] of [
      [0, decaying, weightDecay],
      [decaying, all, 0],
    ]) {
      const [w, g, m, v] = [parameters, gradients, mean, squares].map((ptr) => ptr + 4 * first);
      const part = { w, g, m, v, n: end - first };
      this.#runtime.run(
        optimizer === 'adamw' ? adamJob(part, { rate, decay, step }) : sgdJob(part, { rate, decay, momentum }),
      );
    }
    this.#shareCells();
  }

  #shareCells(): void {
    const { parameters } = this.#layout;
    if (this.#shared) shareCells(this.#layout, this.#runtime.arena.f32(this.#addresses.parameters, parameters));
  }

  /** Loss and right answers of the first `count` pictures. */
  #result(count: number): BatchResult {
    const classes = this.#classes;
    const { arena } = this.#runtime;
    const { logits, targets, loss } = this.#jobs;
    const best = (values: Float32Array) => values.indexOf(values.reduce((a, b) => Math.max(a, b)));
    const row = (ptr: number, i: number) => arena.f32(ptr + 4 * i * classes, classes);
    let correct = 0;
    for (let i = 0; i < count; i++) if (best(row(logits, i)) === best(row(targets, i))) correct++;
    return { loss: arena.f32(loss, count).reduce((sum, value) => sum + value, 0) / count, correct };
  }
}
