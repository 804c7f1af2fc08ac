import type { Mode } from '../base/types.js';
import { type ConvLayer, lastChannels, pooledStride, requireMode, type Topology } from '../graph/topology.js';
import { phase, type View } from '../wasm/job.js';
import { CHILDREN, childAt, isSubtree, type Lattice, ORIGIN, Stack } from './phase-tree.js';

/**
 * What a mode does, in order, before anything runs: pure data that can be printed, tested and drawn. Addresses are bytes from
 * the start of the block of memory that the run gets.
 */
export type Step = ConvStep | PoolStep | HeadStep | FoldStep | RefinedStep;

/** y = relu(conv3x3(x)) at `dilation`, which is relative to the view. */
export interface ConvStep {
  readonly op: 'conv';
  readonly layer: ConvLayer;
  readonly x: View;
  readonly y: View;
  readonly dilation: number;
  /** Where y lies: its element (i, j) belongs to pixel (row + spacing i, column + spacing j) of the input. */
  readonly at: Lattice;
}

/** y(i, j) = the largest of x at (offsetY + stride i + {0, dilation}, offsetX + stride j + {0, dilation}), -inf beyond the edges. */
export interface PoolStep {
  readonly op: 'pool';
  readonly block: number;
  readonly x: View;
  readonly y: View;
  readonly stride: number;
  readonly dilation: number;
  readonly offsetY: number;
  readonly offsetX: number;
}

/** The size x size max pool in front of the dense layers, the dense layers, and the gradient of the score at the pool: alpha. */
export interface HeadStep {
  readonly op: 'head';
  readonly x: View;
  readonly size: number;
}

/** The points of a view of the last activation become points of the raw map: y = sum_k alpha_k x_k. */
export interface FoldStep {
  readonly op: 'fold';
  readonly x: View;
  readonly y: View;
}

/** All points of the map at this output stride are there. */
export interface RefinedStep {
  readonly op: 'refined';
  readonly outputStride: number;
}

export interface Plan {
  readonly mode: Mode;
  readonly outputStride: number;
  readonly steps: readonly Step[];
  /** The network's input (inputSize, inputSize, 3). */
  readonly input: View;
  /** The raw map, one float a point. */
  readonly raw: View;
  /** Bytes of memory that the maps need at most at a time. */
  readonly bytes: number;
  /** Multiply-accumulates of the convolutions. */
  readonly macs: number;
}

/**
 * Plans a mode as a walk over the phase tree (depth first, child (0,0) first). A node is a phase of rate 2^level; its block runs
 * on it as an ordinary dense convolution. `atrous` pools towards each child, `dilated` takes the child as a view; `pooled` is
 * the path to phase (0,0) alone, that is `atrous` at the largest output stride.
 *
 * Throws UNSUPPORTED for a mode that the network does not have.
 */
export function planMode(topology: Topology, mode: Mode, outputStride = 1): Plan {
  requireMode(topology, mode);
  const walk = new Walk(
    topology,
    mode,
    mode === 'atrous' ? outputStride : mode === 'pooled' ? pooledStride(topology) : 1,
  );
  return walk.plan();
}

/**
 * The forward part of `dilated` alone: the steps from the input to the whole map of the last block. Both lie on `memory`, the map above
 * the input, so that releasing it keeps the input.
 */
export function planLastMap(topology: Topology, memory: Stack): { steps: readonly Step[]; input: View; lastMap: View } {
  return new Walk(topology, 'dilated', 1, memory).lastMap();
}

class Walk {
  readonly #steps: Step[] = [];
  readonly #memory: Stack;
  readonly #last: number;
  readonly #input: View;
  readonly #raw: View;
  /** `dilated` keeps its last map whole: its head needs all of it before alpha is known. */
  readonly #lastMap: View | undefined;

  constructor(
    readonly topology: Topology,
    readonly mode: Mode,
    readonly outputStride: number,
    memory = new Stack(),
  ) {
    const n = topology.inputSize;
    this.#memory = memory;
    this.#last = topology.blocks.length - 1;
    this.#input = memory.alloc(n, n, 3);
    this.#raw = memory.alloc(n / outputStride, n / outputStride, 1);
    if (mode === 'dilated') this.#lastMap = memory.alloc(n, n, lastChannels(topology));
  }

  plan(): Plan {
    if (this.#lastMap) {
      const x = this.#degrid(this.lastMap().lastMap);
      this.#steps.push({ op: 'head', x, size: 2 * pooledStride(this.topology) });
      this.#steps.push({ op: 'fold', x, y: this.#raw });
      this.#steps.push({ op: 'refined', outputStride: 1 });
    } else this.#visit(0, this.#input, ORIGIN, true);
    const outputStride = this.outputStride;
    const macs = this.#steps.reduce((sum, step) => sum + stepMacs(step), 0);
    return {
      mode: this.mode,
      outputStride,
      steps: this.#steps,
      input: this.#input,
      raw: this.#raw,
      bytes: this.#memory.peak,
      macs,
    };
  }

  /** The degridding layers, on the whole last map and another one in turn; returns where the last one's output lies. */
  #degrid(lastMap: View): View {
    const { degrid = [] } = this.topology;
    let [x, y] = [lastMap, degrid.length > 0 ? this.#memory.alloc(lastMap.h, lastMap.w, lastMap.c) : lastMap];
    for (const layer of degrid) {
      this.#steps.push({ op: 'conv', layer, x, y, dilation: layer.rate, at: ORIGIN });
      [x, y] = [y, x];
    }
    return x;
  }

  /** In `dilated`: the steps to the whole map of the last block. */
  lastMap(): { steps: readonly Step[]; input: View; lastMap: View } {
    this.#visit(0, this.#input, ORIGIN, false);
    return { steps: this.#steps, input: this.#input, lastMap: this.#lastMap! };
  }

  /**
   * Block `level` on one phase of rate 2^level, then its children. `first` is true on the path to phase (0,0),
   * where the head runs, and where the map is refined each time the other three children of a node are done.
   */
  #visit(level: number, x: View, at: Lattice, first: boolean): void {
    const mark = this.#memory.mark();
    const rate = at.spacing;
    const y = this.#block(level, x, at, 1);
    if (level === this.#last) {
      this.#leaves(y, at, first);
    } else {
      const all = rate >= this.outputStride;
      if (!first && isSubtree(this.topology, level + 1, y)) this.#subtree(level + 1, y, at, 2);
      else {
        const children = all ? this.#childMap(y) : undefined;
        for (const [dy, dx] of all ? CHILDREN : CHILDREN.slice(0, 1)) {
          const child = children ? phase(children, 2, dy, dx) : this.#memory.alloc(y.h / 2, y.w / 2, y.c);
          this.#pool(level, y, child, { stride: 2, dilation: 1, offsetY: dy, offsetX: dx });
          this.#visit(level + 1, child, childAt(at, dy, dx), first && dy + dx === 0);
        }
        if (first && all) this.#steps.push({ op: 'refined', outputStride: rate });
      }
    }
    this.#memory.release(mark);
  }

  /** Blocks `level` and deeper on all phases of x at once: an interleaved map whose phases are `dilation` apart. */
  #subtree(level: number, above: View, at: Lattice, dilation: number): void {
    const mark = this.#memory.mark();
    const x = this.#childMap(above);
    this.#pool(level - 1, above, x, { stride: 1, dilation: dilation / 2, offsetY: 0, offsetX: 0 });
    const y = this.#block(level, x, at, dilation);
    if (level === this.#last) this.#leaves(y, at, false);
    else this.#subtree(level + 1, y, at, 2 * dilation);
    this.#memory.release(mark);
  }

  /** The convolutions of a block, from x to a new map, or, at the end of `dilated`, to the node's points of the last map. */
  #block(level: number, x: View, at: Lattice, dilation: number): View {
    const layers = this.topology.blocks[level];
    const whole = level === this.#last ? this.#lastMap : undefined;
    const out = whole ? phase(whole, at.spacing, at.row, at.column) : this.#memory.alloc(x.h, x.w, layers.at(-1)!.cout);
    const mark = this.#memory.mark();
    const widest = Math.max(0, ...layers.slice(0, -1).map((layer) => layer.cout));
    const pair = [1, 2].slice(0, layers.length - 1).map(() => this.#memory.alloc(x.h, x.w, widest));
    let from = x;
    layers.forEach((layer, i) => {
      const spare = pair[i % 2];
      const to = i === layers.length - 1 ? out : { ...spare, c: layer.cout, pix: layer.cout, row: x.w * layer.cout };
      this.#steps.push({ op: 'conv', layer, x: from, y: to, dilation, at });
      from = to;
    });
    this.#memory.release(mark);
    return out;
  }

  /** The map that holds a node's four children, interleaved: in `dilated`, where nothing is pooled, the node's own map. */
  #childMap(y: View): View {
    return this.mode === 'dilated' ? y : this.#memory.alloc(y.h, y.w, y.c);
  }

  #pool(block: number, x: View, y: View, window: Pick<PoolStep, 'stride' | 'dilation' | 'offsetY' | 'offsetX'>): void {
    if (this.mode !== 'dilated') this.#steps.push({ op: 'pool', block, x, y, ...window });
  }

  /** The points of the last activation on this lattice are in y. */
  #leaves(y: View, { row, column, spacing }: Lattice, first: boolean): void {
    if (this.#lastMap) return;
    if (first) this.#steps.push({ op: 'head', x: y, size: 2 });
    const s = this.outputStride;
    this.#steps.push({ op: 'fold', x: y, y: phase(this.#raw, spacing / s, row / s, column / s) });
    if (first) this.#steps.push({ op: 'refined', outputStride: spacing });
  }
}

/** The steps that lead to the convolutions of the blocks up to `block`: no head, no map. */
export const stepsUpTo = (plan: Plan, block: number): Step[] =>
  plan.steps.filter(
    (step) => (step.op === 'conv' && step.layer.block <= block) || (step.op === 'pool' && step.block < block),
  );

/** The distance between the points of a block's map on the input. */
export const mapSpacing = (mode: Mode, block: number, outputStride: number): number =>
  mode === 'dilated' ? 1 : Math.min(2 ** block, outputStride);

/** Multiply-accumulates of a step; only the convolutions count. */
export function stepMacs(step: Step): number {
  return step.op === 'conv' ? 9 * step.layer.cin * step.layer.cout * step.y.h * step.y.w : 0;
}
