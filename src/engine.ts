import type { RawMap } from './cam.js';
import { convJobs, type Workspace, workspaceBytes } from './convolution.js';
import { channelMeans, logitGradient, pooledGradient } from './gradient.js';
import { type HeadResult, runHead } from './head.js';
import type { PackedNetwork } from './network.js';
import { type ConvStep, type FoldStep, type HeadStep, type Plan, type Step, stepMacs } from './plan.js';
import { lastChannels, pooledStride } from './topology.js';
import type { OutputStride, Precision, Score } from './types.js';
import type { View } from './wasm/job.js';
import { channelSumJob } from './wasm/ops/cam.js';
import { maxPoolJob } from './wasm/ops/pool.js';
import { type Runtime, throwIfAborted } from './wasm/runtime.js';

/** What both kinds of run listen and report to. */
interface Watch {
  signal?: AbortSignal;
  /** Share of the convolutions' multiply-accumulates that are done, 0..1. */
  onProgress?: (done: number) => void;
}

/** What a run is for. */
export interface RunRequest extends Watch {
  /** Chooses the class to explain once the logits are there. Without it the run ends there: a prediction. */
  target?: (logits: Float32Array) => number;
  score?: Score;
  /** All points at this output stride are in the raw map; `map()` copies them. */
  onRefined?: (outputStride: OutputStride, map: () => RawMap) => void;
}

export interface RunResult {
  logits: Float32Array;
  probabilities: Float32Array;
  /** What the target function chose, the score's value, and the map: absent in a prediction. */
  explained?: { target: number; score: number; raw: RawMap };
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

/** Runs some convolutions and pools of a plan; `onConv` is given the output of each convolution, valid during the call only. */
export function runSteps(
  runtime: Runtime,
  network: PackedNetwork,
  plan: Plan,
  steps: readonly Step[],
  input: Float32Array,
  onConv: (step: ConvStep, pixel: (y: number, x: number) => Float32Array) => void,
  watch: Watch,
): Promise<void> {
  return inFreeMemory(runtime, () => new Run(runtime, network, plan, watch).observe(input, steps, onConv));
}

/** Runs a task in the memory above the weights, which is free again afterwards. */
async function inFreeMemory<T>({ arena }: Runtime, task: (mark: number) => Promise<T>): Promise<T> {
  const mark = arena.mark();
  arena.resetPeak();
  try {
    return await task(mark);
  } finally {
    arena.release(mark);
  }
}

/** Bytes of workspace that the convolutions of a plan need. */
export const planWorkspace = (plan: Plan, precision: Precision): number =>
  plan.steps.reduce((most, step) => (step.op === 'conv' ? Math.max(most, workspaceBytes(step, precision)) : most), 0);

class Run {
  readonly #base: number;
  readonly #alpha: number;
  readonly #workspace: Workspace;
  #head: HeadResult | undefined;
  #explained: { target: number; score: number } | undefined;

  constructor(
    readonly runtime: Runtime,
    readonly network: PackedNetwork,
    readonly plan: Plan,
    readonly request: RunRequest,
  ) {
    const { arena } = runtime;
    const channels = lastChannels(network.topology);
    this.#base = arena.alloc(plan.bytes);
    this.#alpha = arena.alloc(4 * channels);
    const bytes = planWorkspace(plan, network.precision);
    this.#workspace = { ptr: arena.alloc(bytes), bytes };
  }

  async explain(input: Float32Array, mark: number): Promise<RunResult> {
    const { arena } = this.runtime;
    await this.#each(input, this.plan.steps, (step) => step.op === 'head' && !this.request.target);
    const { logits, probabilities } = this.#head!;
    const explained = this.#explained && { ...this.#explained, raw: this.#rawMap(1) };
    return { logits, probabilities, explained, peakBytes: arena.peakSince(mark) };
  }

  observe(input: Float32Array, steps: readonly Step[], onConv: Parameters<typeof runSteps>[5]): Promise<void> {
    return this.#each(input, steps, (step) => {
      if (step.op !== 'conv') return false;
      const { ptr, row, pix, c } = this.#at(step.y);
      onConv(step, (y, x) => this.runtime.arena.f32(ptr + 4 * (y * row + x * pix), c));
      return false;
    });
  }

  /** Runs the steps one after the other until `stop` says that this was the last. */
  async #each(input: Float32Array, steps: readonly Step[], stop: (step: Step) => boolean): Promise<void> {
    const { signal, onProgress } = this.request;
    this.runtime.arena.f32(this.#base + this.plan.input.ptr, input.length).set(input);
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
    const { runtime, request } = this;
    switch (step.op) {
      case 'conv':
        return this.#convolve(step);
      case 'pool':
        return runtime.runAsync(maxPoolJob(this.#at(step.x), this.#at(step.y), { ...step, size: 2 }), request.signal);
      case 'head':
        return this.#runHead(step);
      case 'fold':
        return this.#fold(step);
      case 'refined':
        request.onRefined?.(step.outputStride, () => this.#rawMap(step.outputStride / this.plan.outputStride));
    }
  }

  async #convolve({ layer, x, y, dilation }: ConvStep): Promise<void> {
    const kernel = this.network.convs.get(layer.name)!;
    for (const job of convJobs(this.#at(x), kernel, this.#at(y), dilation, this.#workspace))
      await this.runtime.runAsync(job, this.request.signal);
  }

  async #runHead(step: HeadStep): Promise<void> {
    const { runtime, network, request, plan } = this;
    const { arena } = runtime;
    const mark = arena.mark();
    const head = await runHead(runtime, network, { ...step, x: this.#at(step.x) }, request.signal);
    this.#head = head;
    if (request.target) {
      const target = request.target(head.logits);
      const kind = request.score ?? 'logit';
      const dlogits = logitGradient(head.probabilities, target, kind);
      const gradient = await pooledGradient(runtime, network, head, dlogits, request.signal);
      const side = network.topology.inputSize / (plan.mode === 'dilated' ? 1 : pooledStride(network.topology));
      arena.f32(this.#alpha, step.x.c).set(channelMeans(gradient, step.x.c, side * side));
      this.#explained = { target, score: (kind === 'logit' ? head.logits : head.probabilities)[target] };
    }
    arena.release(mark);
  }

  #fold(step: FoldStep): Promise<void> {
    return this.runtime.runAsync(channelSumJob(this.#at(step.x), this.#alpha, this.#at(step.y)), this.request.signal);
  }

  #at(v: View): View {
    return { ...v, ptr: v.ptr + this.#base };
  }

  /** Every `every`-th point of the raw map, copied. */
  #rawMap(every: number): RawMap {
    const { raw } = this.plan;
    const all = this.runtime.arena.f32(this.#base + raw.ptr, raw.h * raw.w);
    if (every === 1) return { width: raw.w, height: raw.h, data: all.slice() };
    const [width, height] = [raw.w / every, raw.h / every];
    const data = Float32Array.from({ length: width * height }, (_, i) => {
      const y = Math.floor(i / width) * every;
      return all[y * raw.w + (i % width) * every];
    });
    return { width, height, data };
  }
}
