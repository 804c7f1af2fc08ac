import type { Topology } from '../graph/topology.js';
import { type View, view } from '../wasm/job.js';

/** The pixels (row + spacing i, column + spacing j) of the input: a phase. */
export interface Lattice {
  readonly row: number;
  readonly column: number;
  readonly spacing: number;
}

/** The root of the phase tree: all pixels of the input. */
export const ORIGIN: Lattice = { row: 0, column: 0, spacing: 1 };

/** Depth-first order of a node's children: (0,0) first, so that a map refines from the pooled network's own points on. */
export const CHILDREN = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
] as const;

/** Child (dy, dx) of a node: a phase of twice the rate. */
export const childAt = ({ row, column, spacing }: Lattice, dy: number, dx: number): Lattice => ({
  row: row + dy * spacing,
  column: column + dx * spacing,
  spacing: 2 * spacing,
});

/**
 * A subtree of the phase tree is computed as one interleaved map, layer by layer, once all its maps are about this small:
 * below, they live in the caches and phases are many enough to fill the kernels' tiles.
 */
export const SUBTREE_BYTES = 8e6;

/** Whether the maps of blocks `level` and deeper, on h x w points, are small enough to be computed as one subtree. */
export function isSubtree(
  topology: Topology,
  level: number,
  { h, w }: Pick<View, 'h' | 'w'>,
  bytes = SUBTREE_BYTES,
): boolean {
  const widest = Math.max(...topology.blocks.slice(level).flatMap((layers) => layers.map((layer) => layer.cout)));
  return 4 * h * w * widest <= bytes;
}

/** A stack of maps in one block of memory; remembers how high it stood. */
export class Stack {
  #top = 0;
  peak = 0;

  alloc(h: number, w: number, c: number): View {
    const start = this.#top;
    this.#top = start + Math.ceil((4 * h * w * c) / 64) * 64;
    this.peak = Math.max(this.peak, this.#top);
    return view(start, h, w, c);
  }
  mark(): number {
    return this.#top;
  }
  release(mark: number): void {
    this.#top = mark;
  }
}
