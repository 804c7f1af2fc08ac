import type { Heads, Mode } from '../base/types.js';
import {
  type ConvLayer,
  convLayers,
  denseParameters,
  pooledStride,
  requireMode,
  type Topology,
} from '../graph/topology.js';
import { phase, type View } from '../wasm/job.js';
import { type PoolStep, planLastMap, type Step, stepMacs } from './forward.js';
import { CHILDREN, childAt, isSubtree, type Lattice, ORIGIN, Stack, SUBTREE_BYTES } from './phase-tree.js';

/**
 * What a gradient does, in order, before anything runs: pure data like a `Plan`, of which it takes the forward steps. Gradient maps are
 * called d + the name of the map.
 */
export type BackwardStep =
  | Step
  | HeadsStep
  | TakeStep
  | ReluGradientStep
  | ConvGradientStep
  | WeightGradientStep
  | PoolGradientStep;

/** The head of each phase of x (phases are `rate` pixels apart), and the gradient of the score at x. */
export interface HeadsStep {
  readonly op: 'heads';
  readonly x: View;
  /** Absent where no gradient is wanted. */
  readonly dx?: View;
  /** Side of the max pool in front of the dense layers. */
  readonly size: number;
  readonly rate: number;
  /** Where x lies. */
  readonly at: Lattice;
}

/** These points of a layer's activation, or of the gradient at it, belong to the result. */
export interface TakeStep {
  readonly op: 'take';
  readonly what: 'activation' | 'gradient';
  readonly layer: ConvLayer;
  readonly x: View;
  readonly at: Lattice;
}

/** dy = dy where y, the ReLU's output, is positive, else 0. */
export interface ReluGradientStep {
  readonly op: 'relu-gradient';
  readonly y: View;
  readonly dy: View;
}

/** dx = the gradient at the input of a convolution, from dy behind its ReLU's gradient. */
export interface ConvGradientStep {
  readonly op: 'conv-gradient';
  readonly layer: ConvLayer;
  readonly dy: View;
  readonly dx: View;
  readonly dilation: number;
}

/** The gradients of a convolution's kernel and bias += this node's. */
export interface WeightGradientStep {
  readonly op: 'weight-gradient';
  readonly layer: ConvLayer;
  readonly x: View;
  readonly dy: View;
  readonly dilation: number;
}

/** dx = (or, where windows of several children overlap, +=) the gradient of a pool step at its input x. */
export interface PoolGradientStep extends Omit<PoolStep, 'op' | 'y'> {
  readonly op: 'pool-gradient';
  readonly dy: View;
  readonly dx: View;
  readonly accumulate: boolean;
}

export interface BackwardPlan {
  readonly steps: readonly BackwardStep[];
  /** The network's input (inputSize, inputSize, 3), and the gradient at it if wanted. */
  readonly input: View;
  readonly inputGradient?: View;
  /** Bytes of memory that the maps need at most at a time. */
  readonly bytes: number;
  /** Heads in all, and those of the largest group that runs at once. */
  readonly heads: number;
  readonly group: number;
}

/** What of a network's gradients is wanted. */
export interface BackwardRequest {
  readonly mode: Mode;
  /** Only `atrous` has more than one head: that of phase (0,0), whose gradients are the pooled network's, or those of all phases. */
  readonly heads: Heads;
  readonly outputStride: number;
  /** Layers at whose output the gradient is wanted. */
  readonly layers: readonly ConvLayer[];
  /** Whether the activations of these layers are wanted too. */
  readonly activations: boolean;
  readonly input: boolean;
  readonly weights: boolean;
  /** As `SUBTREE_BYTES`. */
  readonly subtreeBytes?: number;
}

/**
 * Plans a gradient as a walk over the phase tree, the same tree as the forward pass has. A node computes its block and keeps the
 * outputs, lets its children add the gradient at its output, and goes back through the block; then its maps are dropped. So only the
 * maps of one path live at a time, and nothing is computed twice, except in `dilated`, where the head needs the whole last map
 * first: there an ordinary forward pass comes before, and the walk computes all but the last convolution again.
 */
export function planBackward(topology: Topology, request: BackwardRequest): BackwardPlan {
  requireMode(topology, request.mode);
  return new BackwardWalk(topology, request).plan();
}

/**
 * Block `level` on the pixels `at`: one phase, or, in a subtree that is computed as one interleaved map, the phases that are
 * `dilation` of these pixels apart.
 */
interface Node {
  readonly level: number;
  readonly at: Lattice;
  readonly dilation: number;
}

type Window = Pick<PoolStep, 'stride' | 'dilation' | 'offsetY' | 'offsetX'>;

class BackwardWalk {
  readonly #steps: BackwardStep[] = [];
  readonly #memory = new Stack();
  readonly #layers: readonly ConvLayer[];
  readonly #wanted: ReadonlySet<string>;
  /** Spacing of the points of the last maps: a node of a smaller rate has one child only. */
  readonly #spacing: number;
  /** Index of the first layer at whose output a gradient is needed; -1: the input. */
  readonly #floor: number;
  /** In `dilated`, the gradient at the whole map of the last block, already behind the last ReLU's gradient. */
  #lastGradient: View | undefined;

  constructor(
    readonly topology: Topology,
    readonly request: BackwardRequest,
  ) {
    const { mode, heads, layers, outputStride } = request;
    this.#layers = convLayers(topology);
    this.#wanted = new Set(layers.map((layer) => layer.name));
    const onePath = mode === 'pooled' || (mode === 'atrous' && heads === 'one');
    this.#spacing = onePath ? pooledStride(topology) : mode === 'dilated' ? 1 : outputStride;
    const indices = layers.map((layer) => this.#indexOf(layer));
    this.#floor = request.input ? -1 : request.weights ? 0 : Math.min(...indices, Number.POSITIVE_INFINITY);
  }

  plan(): BackwardPlan {
    const n = this.topology.inputSize;
    const inputGradient = this.request.input ? this.#memory.alloc(n, n, 3) : undefined;
    const dilated = this.request.mode === 'dilated';
    const input = dilated ? this.#firstPass() : this.#memory.alloc(n, n, 3);
    if (!dilated || this.#floor < this.#indexOf(this.#lastOfBlocks) || this.request.weights)
      this.#visit({ level: 0, at: ORIGIN, dilation: 1 }, input, inputGradient);
    const groups = this.#steps.map((step) => (step.op === 'heads' ? step.rate ** 2 : 0));
    return {
      steps: this.#steps,
      input,
      inputGradient,
      bytes: this.#memory.peak,
      heads: groups.reduce((sum, heads) => sum + heads, 0),
      group: Math.max(...groups),
    };
  }

  /** `dilated`: forward to the whole map of the last block, what lies behind it, and the gradient there, which stays. Returns the input. */
  #firstPass(): View {
    const { inputSize: n } = this.topology;
    const layer = this.#lastOfBlocks;
    const dx = this.#isNeeded(layer) ? this.#memory.alloc(n, n, layer.cout) : undefined;
    const { steps, input, lastMap } = planLastMap(this.topology, this.#memory);
    this.#steps.push(...steps);
    this.#take('activation', layer, lastMap, ORIGIN);
    this.#degrid(0, lastMap, dx);
    if (dx) {
      this.#take('gradient', layer, dx, ORIGIN);
      this.#steps.push({ op: 'relu-gradient', y: lastMap, dy: dx });
    }
    this.#memory.release(lastMap.ptr);
    this.#lastGradient = dx;
    return input;
  }

  /** The degridding layers from number i on and the head, from the map x that they read; dx is the gradient at x. */
  #degrid(i: number, x: View, dx: View | undefined): void {
    const layer = this.topology.degrid?.[i];
    if (!layer) {
      this.#heads(x, dx, 2 * pooledStride(this.topology), ORIGIN, 1);
      return;
    }
    const y = this.#convolve(layer, x, ORIGIN, layer.rate);
    const dy = this.#isNeeded(layer) ? this.#memory.alloc(y.h, y.w, y.c) : undefined;
    this.#degrid(i + 1, y, dy);
    if (dy) this.#backward([layer], { at: ORIGIN, dilation: layer.rate }, x, dx, [y], dy);
  }

  /** A node and all below it, from its input x; dx is the gradient at x. */
  #visit(node: Node, x: View, dx: View | undefined): void {
    const mark = this.#memory.mark();
    const { level, at, dilation } = node;
    const layers = this.topology.blocks[level];
    const maps = this.#forward(node, x);
    if (this.#isLeaf(node) && this.#lastGradient) {
      this.#backward(layers, node, x, dx, maps, phase(this.#lastGradient, at.spacing, at.row, at.column));
    } else {
      const y = maps[maps.length - 1];
      const needed = this.#isNeeded(layers.at(-1)!);
      const dy = needed ? this.#memory.alloc(y.h, y.w, y.c) : undefined;
      if (this.#isLeaf(node)) this.#heads(y, dy, 2, at, dilation);
      else this.#descend(node, y, dy);
      if (dy) this.#backward(layers, node, x, dx, maps, dy);
    }
    this.#memory.release(mark);
  }

  /** The outputs of a block's convolutions; in `dilated` without the last one of all, which nothing needs any more. */
  #forward(node: Node, x: View): View[] {
    const { level, at, dilation } = node;
    const layers = this.topology.blocks[level].slice(0, this.#isLeaf(node) && this.#lastGradient ? -1 : undefined);
    let from = x;
    return layers.map((layer) => {
      from = this.#convolve(layer, from, at, dilation);
      return from;
    });
  }

  /** The output of a convolution. */
  #convolve(layer: ConvLayer, x: View, at: Lattice, dilation: number): View {
    const y = this.#memory.alloc(x.h, x.w, layer.cout);
    this.#steps.push({ op: 'conv', layer, x, y, dilation, at });
    this.#take('activation', layer, y, at);
    return y;
  }

  /** The children of a node, which give the gradient dy at its output y. */
  #descend({ level, at, dilation }: Node, y: View, dy: View | undefined): void {
    const all = at.spacing * dilation >= this.#spacing;
    const bytes = this.request.subtreeBytes ?? SUBTREE_BYTES;
    if (all && (dilation > 1 || isSubtree(this.topology, level + 1, y, bytes))) {
      const child = { level: level + 1, at, dilation: 2 * dilation };
      this.#child(child, y, dy, { stride: 1, dilation, offsetY: 0, offsetX: 0 }, false);
      return;
    }
    for (const [i, [top, left]] of (all ? CHILDREN : CHILDREN.slice(0, 1)).entries()) {
      const child = { level: level + 1, at: childAt(at, top, left), dilation: 1 };
      this.#child(child, y, dy, { stride: 2, dilation: 1, offsetY: top, offsetX: left }, i > 0);
    }
  }

  /** One child of a node: pooled from y, or, in `dilated`, a view of y whose gradient is a view of dy. */
  #child(child: Node, y: View, dy: View | undefined, window: Window, accumulate: boolean): void {
    const { stride, offsetY, offsetX } = window;
    if (this.request.mode === 'dilated') {
      const view = (v: View) => phase(v, stride, offsetY, offsetX);
      this.#visit(child, view(y), dy && view(dy));
      return;
    }
    const mark = this.#memory.mark();
    const alloc = () => this.#memory.alloc(y.h / stride, y.w / stride, y.c);
    const x = alloc();
    const dx = dy && alloc();
    const block = child.level - 1;
    this.#steps.push({ op: 'pool', block, x: y, y: x, ...window });
    this.#visit(child, x, dx);
    if (dy && dx) this.#steps.push({ op: 'pool-gradient', block, x: y, dy: dx, dx: dy, ...window, accumulate });
    this.#memory.release(mark);
  }

  /** Back through a block's layers: from dy at the last of its outputs `maps` to dx at its input x, as far as anything is wanted. */
  #backward(
    layers: readonly ConvLayer[],
    { at, dilation }: Omit<Node, 'level'>,
    x: View,
    dx: View | undefined,
    maps: readonly View[],
    dy: View,
  ): void {
    const { weights } = this.request;
    const mark = this.#memory.mark();
    const widest = Math.max(0, ...layers.slice(0, -1).map((layer) => layer.cout));
    const pair = [1, 2].slice(0, layers.length - 1).map(() => this.#memory.alloc(x.h, x.w, widest));
    let gradient = dy;
    for (let i = layers.length - 1; i >= 0 && this.#isNeeded(layers[i]); i--) {
      const layer = layers[i];
      const spare = pair[i % pair.length];
      const to = i === 0 ? dx : { ...spare, c: layer.cin, pix: layer.cin, row: x.w * layer.cin };
      const further = to && this.#indexOf(layer) > this.#floor;
      if (i < maps.length) {
        this.#take('gradient', layer, gradient, at);
        if (further || weights) this.#steps.push({ op: 'relu-gradient', y: maps[i], dy: gradient });
      }
      const from = i > 0 ? maps[i - 1] : x;
      if (weights) this.#steps.push({ op: 'weight-gradient', layer, x: from, dy: gradient, dilation });
      if (!further) break;
      this.#steps.push({ op: 'conv-gradient', layer, dy: gradient, dx: to, dilation });
      gradient = to;
    }
    this.#memory.release(mark);
  }

  #heads(x: View, dx: View | undefined, size: number, at: Lattice, rate: number): void {
    this.#steps.push({ op: 'heads', x, dx, size, rate, at });
  }

  #take(what: TakeStep['what'], layer: ConvLayer, x: View, at: Lattice): void {
    const wanted = this.#wanted.has(layer.name) && (what === 'gradient' || this.request.activations);
    if (wanted) this.#steps.push({ op: 'take', what, layer, x, at });
  }

  #isLeaf({ level }: Node): boolean {
    return level === this.topology.blocks.length - 1;
  }

  get #lastOfBlocks(): ConvLayer {
    return this.topology.blocks.at(-1)!.at(-1)!;
  }

  #indexOf(layer: ConvLayer): number {
    return this.#layers.indexOf(layer);
  }

  /** Whether the gradient at a layer's output is needed. */
  #isNeeded(layer: ConvLayer): boolean {
    return this.#indexOf(layer) >= this.#floor;
  }
}

/** Multiply-accumulates of a step. */
export function backwardMacs(topology: Topology, step: BackwardStep): number {
  if (step.op === 'heads') {
    const once = topology.dense.reduce((sum, layer) => sum + denseParameters(layer), 0);
    return once * step.rate ** 2 * (step.dx ? 2 : 1);
  }
  if (step.op === 'conv-gradient' || step.op === 'weight-gradient')
    return 9 * step.layer.cin * step.layer.cout * step.dy.h * step.dy.w;
  return step.op === 'conv' ? stepMacs(step) : 0;
}

/** The convolutions that a plan goes back through. */
export const adjointLayers = (plan: BackwardPlan): ConvLayer[] => [
  ...new Set(plan.steps.flatMap((step) => (step.op === 'conv-gradient' ? [step.layer] : []))),
];
