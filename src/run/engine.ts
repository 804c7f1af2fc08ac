import { throwIfAborted } from '../base/errors.js';
import type { Subject } from '../calls/target.js';
import { lastChannels, pooledStride } from '../graph/topology.js';
import type { RawMap } from '../map/finish.js';
import { convJobs, planWorkspace, type Workspace } from '../operators/convolution.js';
import {
  type ConvStep,
  type FoldStep,
  type HeadStep,
  type Plan,
  type PoolStep,
  type Step,
  stepMacs,
} from '../plan/forward.js';
import { RELU, type View } from '../wasm/job.js';
import { channelSumJob } from '../wasm/ops/cam.js';
import { same3x3 } from '../wasm/ops/conv.js';
import { maxPoolJob } from '../wasm/ops/pool.js';
import type { Runtime } from '../wasm/runtime.js';
import { Head } from './head.js';
import type { PackedNetwork } from './packed-network.js';
import { channelMeans } from './score.js';

/** What every kind of run listens and reports to. */
export interface Watch {
  signal?: AbortSignal;
  /** Share of the convolutions' multiply-accumulates that are done, 0..1. */
  onProgress?: (done: number) => void;
}

/** What a run is for. */
export interface RunRequest extends Watch {
  /** Chooses what to explain once the logits are there. Without it the run ends there: a prediction. */
  subject?: (logits: Float32Array) => Subject;
  onConv?: OnConv;
  /** `pooled`: begins behind this layer, whose output is given (rows, columns, channels), instead of at the input. */
  resume?: { layer: string; activation: Float32Array };
  /** All points at this output stride are in the raw map; `map()` copies them. */
  onRefined?: (outputStride: number, map: () => RawMap) => void;
}

/** Given the output of each convolution (absolute), which it may change; valid during the call only. */
export type OnConv = (step: ConvStep, y: View) => void;

export interface RunResult {
  logits: Float32Array;
  probabilities: Float32Array;
  /** What was chosen, the score's value, and the map: absent in a prediction. */
  explained?: { subject: Subject; score: number; raw: RawMap };
  peakBytes: number;
}

/** Runs a plan on the input (inputSize, inputSize, 3). */
export function runPlan(
  runtime: Runtime,
  network: PackedNetwork,
  plan: Plan,
  input: Float32Array,
  request: RunRequest,
): Promise<RunResult> {
  return inFreeMemory(runtime, (mark) => new Run(runtime, network, plan, request).explain(input, mark));
}

/** Runs some convolutions and pools of a plan. */
export function runSteps(
  runtime: Runtime,
  network: PackedNetwork,
  plan: Plan,
  steps: readonly Step[],
  input: Float32Array,
  onConv: OnConv,
  watch: Watch,
): Promise<void> {
  return inFreeMemory(runtime, () => new Run(runtime, network, plan, { ...watch, onConv }).observe(input, steps));
}

/** Runs a task in the memory above the weights, which is free again afterwards. */
export async function inFreeMemory<T>({ arena }: Runtime, task: (mark: number) => Promise<T>): Promise<T> {
  const mark = arena.mark();
  arena.resetPeak();
  try {
    return await task(mark);
  } finally {
    arena.release(mark);
  }
}

/** Runs the steps that every plan has, on the block of memory at `base`. */
export class StepRunner {
  constructor(
    readonly runtime: Runtime,
    readonly network: PackedNetwork,
    readonly base: number,
    readonly workspace: Workspace,
    readonly signal?: AbortSignal,
  ) {}

  /** A view of the plan with its absolute address. */
  at(v: View): View {
    return { ...v, ptr: v.ptr + this.base };
  }

  async convolve({ layer, x, y, dilation }: ConvStep): Promise<void> {
    const kernel = this.network.convs.get(layer.name)!;
    for (const job of convJobs(this.at(x), kernel, this.at(y), { ...same3x3(dilation), clip: RELU }, this.workspace))
      await this.runtime.runAsync(job, this.signal);
  }

  pool(step: PoolStep): Promise<void> {
    const job = maxPoolJob(this.at(step.x), this.at(step.y), { ...step, size: 2 });
    return this.runtime.runAsync(job, this.signal);
  }
}

class Run {
  readonly #alpha: number;
  readonly #steps: StepRunner;
  #head: { logits: Float32Array; probabilities: Float32Array } | undefined;
  #explained: { subject: Subject; score: number } | undefined;

  constructor(
    readonly runtime: Runtime,
    readonly network: PackedNetwork,
    readonly plan: Plan,
    readonly request: RunRequest,
  ) {
    const { arena } = runtime;
    const channels = lastChannels(network.topology);
    const base = arena.alloc(plan.bytes);
    this.#alpha = arena.alloc(4 * channels);
    const bytes = planWorkspace(plan, network.precision);
    this.#steps = new StepRunner(runtime, network, base, { ptr: arena.alloc(bytes), bytes }, request.signal);
  }

  async explain(input: Float32Array, mark: number): Promise<RunResult> {
    const { arena } = this.runtime;
    const { resume, subject } = this.request;
    const steps = resume ? this.#behind(resume) : this.plan.steps;
    await this.#each(input, steps, (step) => step.op === 'head' && !subject);
    const { logits, probabilities } = this.#head!;
    const explained = this.#explained && { ...this.#explained, raw: this.#rawMap(1) };
    return { logits, probabilities, explained, peakBytes: arena.peakSince(mark) };
  }

  observe(input: Float32Array, steps: readonly Step[]): Promise<void> {
    return this.#each(input, steps, () => false);
  }

  /** The steps behind a layer, whose output is put where they read it. */
  #behind({ layer, activation }: NonNullable<RunRequest['resume']>): readonly Step[] {
    const index = this.plan.steps.findIndex((step) => step.op === 'conv' && step.layer.name === layer);
    const { y } = this.plan.steps[index] as ConvStep;
    this.runtime.arena.f32(this.#steps.at(y).ptr, activation.length).set(activation);
    return this.plan.steps.slice(index + 1);
  }

  /** Runs the steps one after the other until `stop` says that this was the last. */
  async #each(input: Float32Array, steps: readonly Step[], stop: (step: Step) => boolean): Promise<void> {
    const { signal, onProgress } = this.request;
    this.runtime.arena.f32(this.#steps.at(this.plan.input).ptr, input.length).set(input);
    const total = steps.reduce((sum, step) => sum + stepMacs(step), 0);
    let done = 0;
    for (const step of steps) {
      throwIfAborted(signal);
      await this.#step(step);
      if (stop(step)) return;
      done += stepMacs(step);
      if (step.op === 'conv') onProgress?.(done / total);
    }
  }

  #step(step: Step): Promise<void> | void {
    switch (step.op) {
      case 'conv':
        return this.#convolve(step);
      case 'pool':
        return this.#steps.pool(step);
      case 'head':
        return this.#runHead(step);
      case 'fold':
        return this.#fold(step);
      case 'refined':
        this.request.onRefined?.(step.outputStride, () => this.#rawMap(step.outputStride / this.plan.outputStride));
    }
  }

  async #convolve(step: ConvStep): Promise<void> {
    await this.#steps.convolve(step);
    this.request.onConv?.(step, this.#steps.at(step.y));
  }

  async #runHead(step: HeadStep): Promise<void> {
    const { runtime, network, request, plan } = this;
    const { arena } = runtime;
    const { signal } = request;
    const mark = arena.mark();
    const head = new Head(runtime, network);
    this.#head = await head.forward([this.#steps.at(step.x)], step.size, { signal });
    if (request.subject) {
      const { logits, probabilities } = this.#head;
      const subject = request.subject(logits);
      const { value, gradient } = subject.score(logits, probabilities);
      const dpooled = await head.backward(gradient, { signal });
      const side = network.topology.inputSize / (plan.mode === 'dilated' ? 1 : pooledStride(network.topology));
      const alpha = channelMeans(arena.f32(dpooled, network.dense[0].in), step.x.c, side * side);
      arena.f32(this.#alpha, step.x.c).set(alpha);
      this.#explained = { subject, score: value };
    }
    arena.release(mark);
  }

  #fold({ x, y }: FoldStep): Promise<void> {
    const job = channelSumJob(this.#steps.at(x), this.#alpha, this.#steps.at(y));
    return this.runtime.runAsync(job, this.request.signal);
  }

  /** Every `every`-th point of the raw map, copied. */
  #rawMap(every: number): RawMap {
    const { raw } = this.plan;
    const all = this.runtime.arena.f32(this.#steps.at(raw).ptr, raw.h * raw.w);
    if (every === 1) return { width: raw.w, height: raw.h, data: all.slice() };
    const [width, height] = [raw.w / every, raw.h / every];
    const data = Float32Array.from({ length: width * height }, (_, i) => {
      const y = Math.floor(i / width) * every;
      return all[y * raw.w + (i % width) * every];
    });
    return { width, height, data };
  }
}
