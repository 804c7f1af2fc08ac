import type { Mode } from '../base/types.js';
import type { NodeId } from '../graph/graph.js';
import type { Layout } from '../graph/levels.js';
import type { Lattice } from '../plan/lattice.js';
import { type Grid, gridOf } from '../plan/modes.js';
import type { Arena } from '../wasm/arena.js';
import type { View } from '../wasm/job.js';

/** A layer's whole map outside the wasm memory, NHWC, filled phase by phase; zero where nothing was put. */
export class LayerMap {
  readonly shape: [number, number, number, number];
  readonly data: Float32Array;
  readonly grid: Grid;

  constructor(layout: Layout, mode: Mode, id: NodeId, outputStride: number) {
    this.grid = gridOf(layout, mode, id, outputStride);
    const { h, w } = this.grid;
    const { c } = layout.graph.nodes[id].shape;
    this.shape = [1, h, w, c];
    this.data = new Float32Array(h * w * c);
  }

  /** Copies the points of the lattice `at` from x, a view with absolute addresses. */
  put(arena: Arena, { ptr, h, w, c, row, pix }: View, at: Lattice): void {
    const { spacing, low } = this.grid;
    const from = arena.f32(ptr, (h - 1) * row + (w - 1) * pix + c);
    const width = this.shape[2];
    for (let i = 0; i < h; i++) {
      const y = (at.row - low[0] + i * at.unit) / spacing;
      for (let j = 0; j < w; j++) {
        const x = (at.column - low[1] + j * at.unit) / spacing;
        const start = i * row + j * pix;
        this.data.set(from.subarray(start, start + c), (y * width + x) * c);
      }
    }
  }
}

/** Copies of nodes' maps out of the wasm memory. */
export type LayerMaps = Record<'gradient' | 'activation', Map<NodeId, LayerMap>>;
