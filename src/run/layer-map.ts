import type { Mode } from '../base/types.js';
import type { ConvLayer, Topology } from '../graph/topology.js';
import { mapSpacing } from '../plan/forward.js';
import type { Lattice } from '../plan/phase-tree.js';
import type { Arena } from '../wasm/arena.js';
import type { View } from '../wasm/job.js';

/** A layer's whole map outside the wasm memory, NHWC, filled phase by phase; zero where nothing was put. */
export class LayerMap {
  readonly shape: [number, number, number, number];
  readonly data: Float32Array;
  /** Pixels of the input from one point of the map to the next. */
  readonly spacing: number;

  constructor({ inputSize }: Topology, mode: Mode, { block, cout }: ConvLayer, outputStride: number) {
    this.spacing = mapSpacing(mode, block, outputStride);
    const side = inputSize / this.spacing;
    this.shape = [1, side, side, cout];
    this.data = new Float32Array(side * side * cout);
  }

  /** Copies the points of the lattice `at` from x, a view with absolute addresses. */
  put(arena: Arena, { ptr, h, w, c, row, pix }: View, at: Lattice): void {
    const from = arena.f32(ptr, (h - 1) * row + (w - 1) * pix + c);
    const width = this.shape[2];
    for (let i = 0; i < h; i++) {
      const y = (at.row + i * at.spacing) / this.spacing;
      for (let j = 0; j < w; j++) {
        const x = (at.column + j * at.spacing) / this.spacing;
        const start = i * row + j * pix;
        this.data.set(from.subarray(start, start + c), (y * width + x) * c);
      }
    }
  }
}

/** Copies of layers out of the wasm memory, by name. */
export type LayerMaps = Record<'gradient' | 'activation', Map<string, LayerMap>>;
