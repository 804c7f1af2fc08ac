import type { Precision } from '../base/types.js';
import type { Layout } from '../graph/levels.js';
import type { ConvKernel, Workspace } from '../operators/convolution.js';
import type { Backward, Forward } from '../operators/operator.js';
import { operatorOf } from '../operators/table.js';
import type { ComputeStep, CopyStep, GradientStep, Step } from '../plan/steps.js';
import type { Job, View } from '../wasm/job.js';
import { copyJob } from '../wasm/ops/map.js';
import type { Runtime } from '../wasm/runtime.js';
import type { AdjointKernels } from './adjoint.js';
import { clearView } from './clear-view.js';
import type { PackedNetwork } from './packed-network.js';
import type { WeightSums } from './weight-sums.js';

/** What every kind of run listens and reports to. */
export interface Watch {
  signal?: AbortSignal;
  /** Share of the convolutions' multiply-accumulates that are done, 0..1. */
  onProgress?: (done: number) => void;
}

/** How gradients are computed. */
export interface GradientOptions {
  readonly precision: Precision;
  readonly guided: boolean;
  readonly adjoints: AdjointKernels;
  readonly sums?: WeightSums;
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

/** Runs a plan's steps on its block of memory: what forward and backward runs share. */
export class Executor {
  constructor(
    readonly runtime: Runtime,
    readonly network: PackedNetwork,
    /** Address of the plan's memory. */
    readonly base: number,
    readonly workspace: Workspace,
    readonly signal?: AbortSignal,
    /** Jobs of steps that ran before at the same addresses. */
    readonly kept?: Map<ComputeStep, readonly Job[]>,
  ) {}

  /** A view of the plan with its absolute address. */
  at(v: View): View {
    return { ...v, ptr: v.ptr + this.base };
  }

  async compute(step: ComputeStep): Promise<void> {
    const jobs = this.kept?.get(step) ?? this.#jobsOf(step);
    this.kept?.set(step, jobs);
    for (const job of jobs) await this.runtime.runAsync(job, this.signal);
  }

  #jobsOf(step: ComputeStep): readonly Job[] {
    const node = this.network.graph.nodes[step.node];
    const call = { ...forwardCall(this.network, step, (v) => this.at(v)), workspace: this.workspace };
    return operatorOf(node).forward(call);
  }

  /** The gradients at a node's weights first: that at its input may take the place of the one it is made of. */
  async gradient(step: GradientStep, { precision, guided, adjoints, sums }: GradientOptions): Promise<void> {
    const node = this.network.graph.nodes[step.node];
    const operator = operatorOf(node);
    const call = {
      ...backwardCall(this.network, step, (v) => this.at(v), precision),
      guided,
      adjoints: adjoints.get(node.name),
      workspace: this.workspace,
    };
    if (step.weights && sums) {
      const sum = sums.of(node);
      for (const job of operator.weightGradient!(call, sum.at, sum.begun))
        await this.runtime.runAsync(job, this.signal);
      sum.begun = true;
    }
    for (const job of operator.backward(call)) await this.runtime.runAsync(job, this.signal);
  }

  async copy({ x, y, accumulate }: CopyStep): Promise<void> {
    const to = this.at(y);
    if (x) return this.runtime.runAsync(copyJob(this.at(x), to, { accumulate }), this.signal);
    clearView(this.runtime.arena, to);
  }
}

function forwardCall(
  { graph, packed }: PackedNetwork,
  { node, x, y, call, clip }: ComputeStep,
  at: (v: View) => View,
): Omit<Forward, 'workspace'> {
  return { node: graph.nodes[node], x: x.map(at), y: at(y), ...call, clip, packed: packed[node] };
}

function backwardCall(
  { graph, packed }: PackedNetwork,
  { node, x, dy, dx, accumulate, call }: GradientStep,
  at: (v: View) => View,
  precision: Precision,
): Omit<Backward, 'workspace' | 'guided'> {
  const views = (all: readonly (View | undefined)[]) => all.map((v) => v && at(v));
  return {
    node: graph.nodes[node],
    x: views(x),
    dy: at(dy),
    dx: views(dx),
    accumulate,
    channels: graph.nodes[node].from.map((from) => graph.nodes[from].shape.c),
    ...call,
    packed: packed[node],
    precision,
  };
}

/** `workspaceOf` of a network whose weights are not loaded: its kernels are laid out nowhere. */
export function plannedWorkspace(layout: Layout, steps: readonly Step[], precision: Precision): number {
  const { graph } = layout;
  const packed = graph.nodes.map(
    (node) => operatorOf(node).pack?.({ graph, node }, precision, () => 0).packed ?? { at: {} },
  );
  return workspaceOf({ graph, layout, precision, packed, adjoints: new Map() }, steps, precision);
}

/** Bytes of workspace that steps need; `precision` is that of the gradients. */
export function workspaceOf(network: PackedNetwork, steps: readonly Step[], precision: Precision): number {
  const here = (v: View) => v;
  return steps.reduce((most, step) => {
    if (step.op !== 'compute' && step.op !== 'gradient') return most;
    const operator = operatorOf(network.graph.nodes[step.node]);
    if (step.op === 'compute') return Math.max(most, operator.workspace?.(forwardCall(network, step, here)) ?? 0);
    const adjoints = adjointShapes(network, step);
    const call = { ...backwardCall(network, step, here, precision), guided: false, adjoints };
    return Math.max(most, operator.backwardWorkspace?.(call, step.weights) ?? 0);
  }, 0);
}

/** Adjoint kernels as far as their workspace depends on them; they need not be made yet. */
function adjointShapes({ packed }: PackedNetwork, { node }: GradientStep): readonly ConvKernel[] | undefined {
  return packed[node].convs?.map((kernel) => {
    const { cin, cout } = kernel.layer;
    return { ...kernel, layer: { ...kernel.layer, cin: cout, cout: cin } } as ConvKernel;
  });
}
