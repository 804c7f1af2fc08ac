import { throwIfAborted } from '../base/errors.js';
import type { Heads, Precision } from '../base/types.js';
import { pooledStride } from '../graph/topology.js';
import {
  adjointForm,
  convInputGradientJobs,
  convWeightGradientJobs,
  weightGradientBytes,
  workspaceBytes,
} from '../operators/convolution.js';
import {
  adjointLayers,
  type BackwardPlan,
  type BackwardStep,
  backwardMacs,
  type ConvGradientStep,
  type HeadsStep,
  type WeightGradientStep,
} from '../plan/backward.js';
import { phase, type View } from '../wasm/job.js';
import { same3x3 } from '../wasm/ops/conv.js';
import { maxPoolBackwardJob } from '../wasm/ops/pool.js';
import { reluBackwardJob } from '../wasm/ops/relu.js';
import type { Runtime } from '../wasm/runtime.js';
import { type AdjointKernels, adjointBytes } from './adjoint.js';
import { StepRunner, type Watch } from './engine.js';
import { Head } from './head.js';
import type { LayerMaps } from './layer-map.js';
import type { PackedNetwork } from './packed-network.js';
import type { ScoreFunction } from './score.js';
import { type WeightGradient, WeightSums } from './weight-sums.js';

/** What a backward run needs to know beside its plan. */
export interface BackwardOptions extends Watch {
  heads: Heads;
  outputStride: number;
  precision: Precision;
  guided: boolean;
  score: ScoreFunction;
  weights: boolean;
  /** Where the plan's `take` steps copy to. */
  maps: LayerMaps;
}

/** What it computes beside the maps. */
export interface BackwardOutput {
  score: number;
  scores: Float32Array;
  logits: Float32Array;
  probabilities: Float32Array;
  input?: Float32Array;
  weights?: Map<string, WeightGradient>;
  peakBytes: number;
}

/** Makes sure that all memory of a gradient is there, adjoint kernels included, so that it fails now or never. */
export function reserveMemory(
  runtime: Runtime,
  network: PackedNetwork,
  plan: BackwardPlan,
  { precision, weights }: Pick<BackwardOptions, 'precision' | 'weights'>,
): void {
  const adjoint = adjointBytes(network, adjointLayers(plan), precision);
  const run = plan.bytes + workspaceOf(plan, network.precision, precision) + 256;
  const head = Head.bytes(network, rowsOf(plan, weights));
  const sums = weights ? WeightSums.bytes(network.topology) : 0;
  runtime.arena.reserve(adjoint.kept + Math.max(adjoint.workspace, run + head + sums));
}

/** Rows that the head keeps: those of one group, or, where its weights' gradients are wanted, all. */
const rowsOf = (plan: BackwardPlan, weights: boolean): number => (weights ? plan.heads : plan.group);

/** Bytes of workspace that the convolutions of a plan need. */
function workspaceOf({ steps }: BackwardPlan, forward: Precision, backward: Precision): number {
  return steps.reduce((most, step) => Math.max(most, stepWorkspace(step, forward, backward)), 0);
}

function stepWorkspace(step: BackwardStep, forward: Precision, backward: Precision): number {
  switch (step.op) {
    case 'conv':
      return workspaceBytes(step, forward);
    case 'conv-gradient':
      return workspaceBytes({ ...step, layer: adjointForm(step.layer), x: step.dy }, backward);
    case 'weight-gradient':
      return weightGradientBytes(step, backward);
    default:
      return 0;
  }
}

/** Runs a backward plan in the memory above the adjoint kernels. */
export class BackwardRun {
  readonly #steps: StepRunner;
  readonly #head: Head;
  readonly #sums: WeightSums | undefined;
  readonly #scores: Float32Array;
  #network: { logits: Float32Array; probabilities: Float32Array } | undefined;
  /** Rows of the head that are in use. */
  #rows = 0;

  constructor(
    readonly runtime: Runtime,
    readonly network: PackedNetwork,
    readonly plan: BackwardPlan,
    readonly adjoints: AdjointKernels,
    readonly options: BackwardOptions,
  ) {
    const { arena } = runtime;
    const { precision, weights, signal } = options;
    const base = arena.alloc(plan.bytes);
    const bytes = workspaceOf(plan, network.precision, precision);
    this.#steps = new StepRunner(runtime, network, base, { ptr: arena.alloc(bytes), bytes }, signal);
    this.#head = new Head(runtime, network, rowsOf(plan, weights));
    this.#sums = weights ? new WeightSums(arena, network.topology) : undefined;
    this.#scores = new Float32Array(plan.heads);
  }

  async run(input: Float32Array, mark: number): Promise<BackwardOutput> {
    const { plan, options, runtime, network } = this;
    const { arena } = runtime;
    arena.f32(this.#steps.at(plan.input).ptr, input.length).set(input);
    const total = plan.steps.reduce((sum, step) => sum + backwardMacs(network.topology, step), 0);
    let done = 0;
    for (const step of plan.steps) {
      throwIfAborted(options.signal);
      await this.#step(step);
      const macs = backwardMacs(network.topology, step);
      done += macs;
      if (macs > 0) options.onProgress?.(done / total);
    }
    await this.#denseWeights();
    const { inputGradient } = plan;
    return {
      ...this.#network!,
      score: options.heads === 'mean' ? mean(this.#scores) : this.#scores[0],
      scores: this.#scores,
      input: inputGradient && arena.f32(this.#steps.at(inputGradient).ptr, input.length).slice(),
      weights: this.#sums?.read(),
      peakBytes: arena.peakSince(mark),
    };
  }

  #step(step: BackwardStep): Promise<void> | void {
    switch (step.op) {
      case 'conv':
        return this.#steps.convolve(step);
      case 'pool':
        return this.#steps.pool(step);
      case 'heads':
        return this.#heads(step);
      case 'take':
        return this.options.maps[step.what].get(step.layer.name)!.put(this.runtime.arena, this.#at(step.x), step.at);
      case 'relu-gradient': {
        const dy = this.#at(step.dy);
        return this.#run(reluBackwardJob(this.#at(step.y), dy, dy, this.options));
      }
      case 'conv-gradient':
        return this.#convGradient(step);
      case 'weight-gradient':
        return this.#weightGradient(step);
      case 'pool-gradient':
        return this.#run(
          maxPoolBackwardJob(this.#at(step.x), this.#at(step.dy), this.#at(step.dx), { ...step, size: 2 }),
        );
    }
  }

  /** The heads of a group of phases, forward and back. */
  async #heads({ x, dx, size, rate, at }: HeadsStep): Promise<void> {
    const { heads, guided, signal } = this.options;
    const phases = (v: View) =>
      Array.from({ length: rate * rate }, (_, i) => phase(this.#at(v), rate, Math.floor(i / rate), i % rate));
    const first = this.#sums ? this.#rows : 0;
    const maps = phases(x);
    const { logits, probabilities } = await this.#head.forward(maps, size, { first, signal });
    const classes = logits.length / maps.length;
    const row = (values: Float32Array, i: number) => values.subarray(i * classes, (i + 1) * classes);
    this.#network ??= { logits: row(logits, 0).slice(), probabilities: row(probabilities, 0).slice() };
    const dlogits = new Float32Array(logits.length);
    for (let i = 0; i < maps.length; i++) {
      const { value, gradient } = this.options.score(row(logits, i), row(probabilities, i));
      this.#scores[this.#phaseIndex(at.row + Math.floor(i / rate) * at.spacing, at.column + (i % rate) * at.spacing)] =
        value;
      const share = heads === 'mean' ? 1 / this.plan.heads : 1;
      dlogits.set(
        gradient.map((g) => g * share),
        i * classes,
      );
    }
    this.#rows += maps.length;
    if (!dx) return;
    await this.#head.backward(dlogits, { first, guided, signal });
    await this.#head.backwardPool(maps, phases(dx), size, { first, signal });
  }

  /** Number of the phase (row, column) of the last layer's rate among those that have a head, row by row. */
  #phaseIndex(row: number, column: number): number {
    if (this.plan.heads === 1) return 0;
    const { outputStride } = this.options;
    return (row * (pooledStride(this.network.topology) / outputStride) + column) / outputStride;
  }

  async #convGradient({ layer, dy, dx, dilation }: ConvGradientStep): Promise<void> {
    const adjoint = this.adjoints.get(layer.name)!;
    const { workspace } = this.#steps;
    const call = same3x3(dilation);
    for (const job of convInputGradientJobs(this.#at(dy), adjoint, this.#at(dx), call, false, workspace))
      await this.#run(job);
  }

  async #weightGradient({ layer, x, dy, dilation }: WeightGradientStep): Promise<void> {
    const sum = this.#sums!.of(layer);
    const how = { precision: this.options.precision, accumulate: sum.begun };
    sum.begun = true;
    const { workspace } = this.#steps;
    const call = same3x3(dilation);
    for (const job of convWeightGradientJobs(this.#at(x), this.#at(dy), layer, call, sum, how, workspace))
      await this.#run(job);
  }

  /** The dense layers' gradients, of all heads at once. */
  async #denseWeights(): Promise<void> {
    if (!this.#sums) return;
    for (const [i, layer] of this.network.topology.dense.entries()) {
      const { kernel, bias } = this.#sums.of(layer);
      await this.#head.weightGradients(i, this.#rows, kernel, bias, this.options.signal);
    }
  }

  #at(v: View): View {
    return this.#steps.at(v);
  }

  #run(job: Parameters<Runtime['runAsync']>[0]): Promise<void> {
    return this.runtime.runAsync(job, this.options.signal);
  }
}

const mean = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
