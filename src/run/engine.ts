import { throwIfAborted } from '../base/errors.js';
import type { Subject } from '../calls/target.js';
import type { NodeId } from '../graph/graph.js';
import type { RawMap } from '../map/finish.js';
import type { Plan } from '../plan/forward.js';
import type { Lattice } from '../plan/lattice.js';
import { engineMode, gridOf } from '../plan/modes.js';
import type { ComputeStep, FoldStep, HeadStep, Step } from '../plan/steps.js';
import { stepMacs } from '../plan/steps.js';
import { type Job, type View, view } from '../wasm/job.js';
import { channelSumJob } from '../wasm/ops/cam.js';
import type { Runtime } from '../wasm/runtime.js';
import { Executor, inFreeMemory, type Watch, workspaceOf } from './executor.js';
import { Head } from './head.js';
import type { HeadOutput } from './head-output.js';
import type { KeptPass } from './kept-pass.js';
import type { PackedNetwork } from './packed-network.js';

/** What a run is for. */
export interface RunRequest extends Watch {
  /** Chooses what to explain once the logits are there. Without it no gradient is computed: a prediction. */
  subject?: (logits: Float32Array) => Subject;
  onTake?: OnTake;
  /** Keeps the maps in front of the head and of the fold or, where it has them, takes them instead of computing. */
  pass?: KeptPass;
  /** The maps that the plan is given, (rows, columns, channels). */
  given?: ReadonlyMap<NodeId, Float32Array>;
  /** All points at this output stride are in the raw map; `map()` copies them. */
  onRefined?: (outputStride: number, map: () => RawMap) => void;
}

/** Given each taken map (absolute), which it may change; valid during the call only. */
export type OnTake = (node: NodeId, x: View, at: Lattice) => void;

export interface RunResult extends Partial<HeadOutput> {
  /** What was chosen, the score's value, and the map: absent in a prediction. */
  explained?: { subject: Subject; score: number; raw: RawMap };
  peakBytes: number;
}

/** What runs of one plan have in common, while its memory lies at the same addresses. */
interface Kept {
  workspace?: number;
  base?: number;
  at?: number;
  jobs: Map<ComputeStep, readonly Job[]>;
}

/**
 * Jobs of plans that ran before. Making plans and jobs anew took a quarter of the time of a small network (MobileNetV3-small,
 * one thread: 12.5 ms of processor time a prediction, 9.9 ms with both kept).
 */
const KEPT = new WeakMap<PackedNetwork, WeakMap<Plan, Kept>>();

function keptJobs(network: PackedNetwork, plan: Plan): Kept {
  const plans = KEPT.get(network) ?? new WeakMap<Plan, Kept>();
  KEPT.set(network, plans);
  const kept = plans.get(plan) ?? { jobs: new Map() };
  plans.set(plan, kept);
  return kept;
}

/** Runs a forward plan on the input (rows, columns, channels). */
export function runPlan(
  runtime: Runtime,
  network: PackedNetwork,
  plan: Plan,
  input: Float32Array,
  request: RunRequest,
): Promise<RunResult> {
  return inFreeMemory(runtime, (mark) => new Run(runtime, network, plan, request).run(input, mark));
}

class Run {
  readonly #steps: Executor;
  readonly #alpha: number;
  /** The explained node. */
  readonly #fold: NodeId | undefined;
  #head: HeadOutput | undefined;
  #explained: { subject: Subject; score: number } | undefined;

  constructor(
    readonly runtime: Runtime,
    readonly network: PackedNetwork,
    readonly plan: Plan,
    readonly request: RunRequest,
  ) {
    const { arena } = runtime;
    const base = arena.alloc(plan.bytes);
    this.#fold = plan.fold;
    this.#alpha = arena.alloc(this.#fold === undefined ? 0 : 4 * network.graph.nodes[this.#fold].shape.c);
    const kept = keptJobs(network, plan);
    kept.workspace ??= workspaceOf(network, plan.steps, network.precision);
    const workspace = { ptr: arena.alloc(kept.workspace), bytes: kept.workspace };
    if (kept.base !== base || kept.at !== workspace.ptr) kept.jobs = new Map();
    [kept.base, kept.at] = [base, workspace.ptr];
    this.#steps = new Executor(runtime, network, base, workspace, request.signal, kept.jobs);
  }

  async run(input: Float32Array, mark: number): Promise<RunResult> {
    const { plan, request, runtime, network } = this;
    const { arena } = runtime;
    const { signal, onProgress } = request;
    if (plan.input) arena.f32(this.#steps.at(plan.input).ptr, input.length).set(input);
    for (const [id, values] of request.given ?? [])
      arena.f32(this.#steps.at(plan.given.get(id)!).ptr, values.length).set(values);
    let done = 0;
    const { pass } = request;
    const skips = pass?.complete;
    for (const step of plan.steps) {
      throwIfAborted(signal);
      if (skips && (step.op === 'compute' || step.op === 'copy')) continue;
      if (pass && (step.op === 'head' || step.op === 'fold')) this.#keep(pass, step);
      await this.#step(step);
      const macs = stepMacs(network.graph, step);
      done += macs;
      if (macs > 0) onProgress?.(done / plan.macs);
    }
    pass?.finish();
    const explained = this.#explained && { ...this.#explained, raw: this.#rawMap(plan.outputStride) };
    return { ...this.#head, explained, peakBytes: arena.peakSince(mark) };
  }

  #keep(pass: KeptPass, step: HeadStep | FoldStep): void {
    const views = (step.op === 'head' ? [...step.x.values()] : [step.x]).map((x) => this.#steps.at(x));
    if (pass.complete) pass.restore(this.runtime.arena, step, views);
    else pass.save(this.runtime.arena, step, views);
  }

  #step(step: Step): Promise<void> | void {
    switch (step.op) {
      case 'compute':
        return this.#steps.compute(step);
      case 'copy':
        return this.#steps.copy(step);
      case 'take':
        return this.request.onTake?.(step.node, this.#steps.at(step.x), step.at);
      case 'head':
        return this.#runHead(step);
      case 'fold':
        return this.#runFold(step);
      case 'refined':
        return this.request.onRefined?.(step.outputStride, () => this.#rawMap(step.outputStride));
      case 'gradient':
        throw new Error('internal: a gradient in a forward plan');
    }
  }

  async #runHead(step: HeadStep): Promise<void> {
    const { runtime, network, request, plan } = this;
    const { arena } = runtime;
    const { signal } = request;
    const mark = arena.mark();
    const head = new Head(runtime, network, engineMode(network.layout, plan.mode));
    const maps = new Map([...step.x].map(([id, x]) => [id, [this.#steps.at(x)]]));
    this.#head = await head.forward(maps, { signal });
    if (request.subject && this.#fold !== undefined) {
      const { logits, probabilities } = this.#head;
      const subject = request.subject(logits);
      const { value, gradient } = subject.score(logits, probabilities);
      await head.backward(gradient, maps, { signal });
      const [x] = maps.get(this.#fold)!;
      const sums = head.channelSums(this.#fold) ?? (await this.#sumsOfMap(head, maps, x));
      const points = x.h * x.w;
      arena.f32(this.#alpha, x.c).set(Float32Array.from(sums, (sum) => sum / points));
      this.#explained = { subject, score: value };
    }
    arena.release(mark);
  }

  /** The sums of the gradient at the explained map itself. */
  async #sumsOfMap(head: Head, maps: ReadonlyMap<NodeId, View[]>, x: View): Promise<Float64Array> {
    const { arena } = this.runtime;
    const dx = view(arena.alloc(4 * x.h * x.w * x.c), x.h, x.w, x.c);
    await head.backwardToMaps(maps, new Map([[this.#fold!, [dx]]]), { signal: this.request.signal });
    const sums = new Float64Array(x.c);
    const gradient = arena.f32(dx.ptr, x.h * x.w * x.c);
    for (let i = 0; i < gradient.length; i++) sums[i % x.c] += gradient[i];
    return sums;
  }

  #runFold({ x, y }: FoldStep): Promise<void> {
    const job = channelSumJob(this.#steps.at(x), this.#alpha, this.#steps.at(y));
    return this.runtime.runAsync(job, this.request.signal);
  }

  /** The raw map's points at an output stride, copied. */
  #rawMap(outputStride: number): RawMap {
    const { plan, network } = this;
    const { w, h } = plan.raw!;
    const all = this.runtime.arena.f32(this.#steps.at(plan.raw!).ptr, h * w);
    const fine = gridOf(network.layout, plan.mode, this.#fold!, plan.outputStride);
    const grid = gridOf(network.layout, plan.mode, this.#fold!, outputStride);
    const every = grid.spacing / fine.spacing;
    const [top, left] = [0, 1].map((axis) => (grid.low[axis] - fine.low[axis]) / fine.spacing);
    const data = Float32Array.from({ length: grid.h * grid.w }, (_, i) => {
      const y = top + Math.floor(i / grid.w) * every;
      return all[y * w + left + (i % grid.w) * every];
    });
    return { width: grid.w, height: grid.h, data };
  }
}
