import type { Mode } from '../base/types.js';
import type { Node, NodeId, Window } from '../graph/graph.js';
import { type Layout, windowOf } from '../graph/levels.js';
import type { WindowCall } from '../wasm/job.js';

/**
 * Points of one level that are computed as one map: rows `unit` input pixels apart from `row` on, columns likewise. `rate` x `rate` phases lie
 * interleaved, each with a point for every unit * rate pixels, the level's stride. In `atrous` a row is the picture's shift plus where the
 * point lies in the network's own map; in `dilated` it is the pixel.
 */
export interface Lattice {
  readonly row: number;
  readonly column: number;
  readonly unit: number;
  readonly rate: number;
}

/** The network itself, or the whole picture in `dilated`. */
export const ORIGIN: Lattice = { row: 0, column: 0, unit: 1, rate: 1 };

/** Where the own phase, that of shift (0, 0), lies in a lattice of `atrous`; undefined where it is not in it. */
export function ownPhase({ row, column, unit, rate }: Lattice): { y: number; x: number } | undefined {
  const [y, x] = [-row / unit, -column / unit];
  return [y, x].every((at) => Number.isInteger(at) && at >= 0 && at < rate) ? { y, x } : undefined;
}

/** Sizes and windows of a graph's nodes on lattices, in one mode. */
export class Geometry {
  constructor(
    readonly layout: Layout,
    readonly mode: Mode,
  ) {}

  /** Rows and columns of a body node's map on a lattice. */
  size(id: NodeId, { row, column, unit, rate }: Lattice): { h: number; w: number } {
    const { nodes } = this.layout.graph;
    if (this.mode !== 'dilated') return { h: nodes[id].shape.h * rate, w: nodes[id].shape.w * rate };
    const { h, w } = nodes[0].shape;
    return { h: Math.ceil((h - row) / unit), w: Math.ceil((w - column) / unit) };
  }

  /** Whether a node makes nothing new in `dilated`: pools with a stride, and windows of one tap, which crop, pad or stride. */
  isView(node: Node): boolean {
    if (this.mode !== 'dilated' || node.op !== 'pool') return false;
    const { rows, columns, stride } = node.window;
    return stride > 1 || (rows === 1 && columns === 1);
  }

  /** A node's window as the mode has it: in `dilated` centred. */
  window(node: Node): Window {
    const window = windowOf(node)!;
    if (this.mode !== 'dilated') return window;
    const { rows, columns, dilation } = window;
    return { ...window, top: dilation * Math.floor((rows - 1) / 2), left: dilation * Math.floor((columns - 1) / 2) };
  }

  /**
   * A node's window in the coordinates of its input's and its output's maps. Row R of the output lies at pixel y.row + R y.unit, tap a of its
   * window dilation * (stride of the input's level) * a - top further on, and row R of the input at x.row + R x.unit.
   */
  call(node: Node, x: Lattice, y: Lattice): WindowCall {
    const { dilation, top, left } = this.window(node);
    return {
      stride: y.unit / x.unit,
      dilation: dilation * x.rate,
      startY: (y.row - x.row) / x.unit - top * x.rate,
      startX: (y.column - x.column) / x.unit - left * x.rate,
    };
  }
}

/**
 * The lattices of a level's children on the next one, the own phase's first.
 *
 * @param outputStride shifts of which only multiples are wanted; it divides the explained level's stride
 * @param together all of them as one lattice
 */
export function childLattices(
  { mode, layout }: Geometry,
  level: number,
  at: Lattice,
  outputStride: number,
  together: boolean,
): Lattice[] {
  const { stride } = layout.levels[level];
  const next = layout.levels[level + 1];
  if (mode === 'pooled') return [{ ...at, unit: next.stride }];
  const ratio = next.stride / stride;
  const [first, left] = mode === 'dilated' ? [0, 0] : next.first;
  if (at.rate > 1)
    return [{ row: at.row + first * stride, column: at.column + left * stride, unit: at.unit, rate: at.rate * ratio }];
  const step = gcd(outputStride, next.stride);
  const shifts = (from: number, start: number) =>
    Array.from({ length: ratio }, (_, d) => from + (start + d) * stride).filter((shift) => shift % step === 0);
  const rows = shifts(at.row, first);
  const columns = shifts(at.column, left);
  if (together) {
    const unit = rows.length > 1 ? rows[1] - rows[0] : next.stride;
    return [{ row: rows[0], column: columns[0], unit, rate: next.stride / unit }];
  }
  const children = rows.flatMap((row) => columns.map((column) => ({ row, column, unit: next.stride, rate: 1 })));
  const own = children.findIndex(({ row, column }) => row === at.row && column === at.column);
  return own > 0 ? [children[own], ...children.slice(0, own), ...children.slice(own + 1)] : children;
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
