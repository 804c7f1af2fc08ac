import { throwIfAborted } from '../base/errors.js';
import type { Heads, Mode, Precision } from '../base/types.js';
import { classesOf, type NodeId } from '../graph/graph.js';
import type { BackwardPlan } from '../plan/backward.js';
import { ownPhase } from '../plan/lattice.js';
import { engineMode } from '../plan/modes.js';
import { type HeadStep, headMacs, type Step, stepMacs } from '../plan/steps.js';
import { phase, type View } from '../wasm/job.js';
import type { Runtime } from '../wasm/runtime.js';
import { type AdjointKernels, adjointBytes } from './adjoint.js';
import { Executor, type Watch, workspaceOf } from './executor.js';
import { Head } from './head.js';
import type { HeadOutput } from './head-output.js';
import type { LayerMaps } from './layer-map.js';
import type { PackedNetwork } from './packed-network.js';
import type { ScoreFunction } from './score.js';
import { type WeightGradient, WeightSums } from './weight-sums.js';

/** What a backward run needs to know beside its plan. */
export interface BackwardOptions extends Watch {
  mode: Mode;
  heads: Heads;
  outputStride: number;
  precision: Precision;
  guided: boolean;
  score: ScoreFunction;
  weights: boolean;
  /** Shift of the first row and column of phases that have a head. */
  low: readonly [number, number];
  /** Where the plan's `take` steps copy to. */
  maps: LayerMaps;
}

/** What it computes beside the maps. */
export interface BackwardOutput extends HeadOutput {
  score: number;
  scores: Float32Array;
  input?: Float32Array;
  weights?: Map<string, WeightGradient>;
  peakBytes: number;
}

/** The convolutions that a plan goes back through. */
export const adjointNodes = (plan: BackwardPlan): NodeId[] => [
  ...new Set(plan.steps.flatMap((step) => (step.op === 'gradient' && step.dx[0] ? [step.node] : []))),
];

/** Makes sure that all memory of a gradient is there, adjoint kernels included, so that it fails now or never. */
export function reserveMemory(
  runtime: Runtime,
  network: PackedNetwork,
  plan: BackwardPlan,
  { precision, weights }: Pick<BackwardOptions, 'precision' | 'weights'>,
): void {
  const adjoint = adjointBytes(network, adjointNodes(plan), precision);
  const run = plan.bytes + workspaceOf(network, plan.steps, precision) + 256;
  const head = Head.bytes(network, rowsOf(plan, weights));
  const sums = weights ? WeightSums.bytes(network.graph) : 0;
  runtime.arena.reserve(adjoint.kept + Math.max(adjoint.workspace, run + head + sums));
}

/** Rows that the head keeps: those of one group, or, where its weights' gradients are wanted, all. */
const rowsOf = (plan: BackwardPlan, weights: boolean): number => (weights ? plan.heads : plan.group);

/** Runs a backward plan in the memory above the adjoint kernels. */
export class BackwardRun {
  readonly #steps: Executor;
  readonly #head: Head;
  readonly #sums: WeightSums | undefined;
  readonly #scores: Float32Array;
  #network: HeadOutput | undefined;
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
    const { precision, weights, signal, mode } = options;
    const base = arena.alloc(plan.bytes);
    const bytes = workspaceOf(network, plan.steps, precision);
    this.#steps = new Executor(runtime, network, base, { ptr: arena.alloc(bytes), bytes }, signal);
    this.#head = new Head(runtime, network, engineMode(network.layout, mode), rowsOf(plan, weights));
    this.#sums = weights ? new WeightSums(arena, network.graph) : undefined;
    this.#scores = new Float32Array(plan.heads);
  }

  async run(input: Float32Array, mark: number): Promise<BackwardOutput> {
    const { plan, options, runtime, network } = this;
    const { arena } = runtime;
    arena.f32(this.#steps.at(plan.input).ptr, input.length).set(input);
    const { placings } = network.layout;
    const once = headMacs(network.graph, (id) => placings[id].head);
    let done = 0;
    for (const step of plan.steps) {
      throwIfAborted(options.signal);
      await this.#step(step);
      const macs = step.op === 'head' ? once * step.rate ** 2 * (step.dx ? 2 : 1) : stepMacs(network.graph, step);
      done += macs;
      if (macs > 0) options.onProgress?.(Math.min(1, done / plan.macs));
    }
    if (this.#sums) await this.#head.weightGradients(this.#rows, this.#sums, options.signal);
    const { inputGradient } = plan;
    const own = this.#ownIndex();
    return {
      ...this.#network!,
      score: options.heads === 'mean' ? mean(this.#scores) : this.#scores[own],
      scores: this.#scores,
      input: inputGradient && arena.f32(this.#steps.at(inputGradient).ptr, input.length).slice(),
      weights: this.#sums?.read(),
      peakBytes: arena.peakSince(mark),
    };
  }

  #step(step: Step): Promise<void> | void {
    const { options, adjoints } = this;
    switch (step.op) {
      case 'compute':
        return this.#steps.compute(step);
      case 'copy':
        return this.#steps.copy(step);
      case 'head':
        return this.#heads(step);
      case 'take':
        return options.maps[step.what].get(step.node)!.put(this.runtime.arena, this.#steps.at(step.x), step.at);
      case 'gradient':
        return this.#steps.gradient(step, { ...options, adjoints, sums: this.#sums });
      default:
        throw new Error(`internal: ${step.op} in a backward plan`);
    }
  }

  /** The heads of a group of phases, forward and back. The own phase's score is asked for first. */
  async #heads({ x, dx, rate, at }: HeadStep): Promise<void> {
    const { guided, signal } = this.options;
    const phases = (v: View) =>
      Array.from({ length: rate * rate }, (_, i) => phase(this.#steps.at(v), rate, Math.floor(i / rate), i % rate));
    const all = (views: ReadonlyMap<NodeId, View>) => new Map([...views].map(([id, v]) => [id, phases(v)]));
    const first = this.#sums ? this.#rows : 0;
    const maps = all(x);
    const output = await this.#head.forward(maps, { first, signal });
    const dlogits = this.#score(output, rate, at);
    this.#rows += rate * rate;
    if (!dx) return;
    await this.#head.backward(dlogits, maps, { first, guided, signal });
    await this.#head.backwardToMaps(maps, all(dx), { first, signal });
  }

  /** The scores of a group's heads, and their gradients (rows, classes). */
  #score({ logits, probabilities }: HeadOutput, rate: number, at: HeadStep['at']): Float32Array {
    const classes = classesOf(this.network.graph);
    const own = ownPhase(at);
    const ownRow = rate > 1 && own ? own.y * rate + own.x : 0;
    const share = this.options.heads === 'mean' ? 1 / this.plan.heads : 1;
    const dlogits = new Float32Array(logits.length);
    const rows = Array.from({ length: logits.length / classes }, (_, i) => i).filter((i) => i !== ownRow);
    for (const i of [ownRow, ...rows]) {
      const part = (values: Float32Array) => values.subarray(i * classes, (i + 1) * classes);
      this.#network ??= { logits: part(logits).slice(), probabilities: part(probabilities).slice() };
      const { value, gradient } = this.options.score(part(logits), part(probabilities));
      this.#scores[this.#phaseIndex(at, rate, i)] = value;
      dlogits.set(
        gradient.map((g) => g * share),
        i * classes,
      );
    }
    return dlogits;
  }

  /** Number of a phase among those that have a head, row by row. */
  #phaseIndex(at: HeadStep['at'], rate: number, i: number): number {
    if (this.plan.heads === 1) return 0;
    const { low, outputStride } = this.options;
    const side = Math.sqrt(this.plan.heads);
    const row = (at.row + Math.floor(i / rate) * at.unit - low[0]) / outputStride;
    const column = (at.column + (i % rate) * at.unit - low[1]) / outputStride;
    return row * side + column;
  }

  #ownIndex(): number {
    if (this.plan.heads === 1) return 0;
    const { low, outputStride } = this.options;
    return (-low[0] / outputStride) * Math.sqrt(this.plan.heads) - low[1] / outputStride;
  }
}

const mean = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
