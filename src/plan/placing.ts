import type { Align, Mode } from '../base/types.js';
import type { NodeId } from '../graph/graph.js';
import type { Layout } from '../graph/levels.js';
import { engineMode, type Grid, gridOf } from './modes.js';

/** Rows and columns, in pixels of the input. */
export type Offset = readonly [number, number];

/** How the points of maps are placed on the input. */
export interface Placement {
  readonly align: Align;
  /** With `evidence`: how far each node's evidence lies from the centres of its windows. */
  readonly offsets?: ReadonlyMap<NodeId, Offset>;
}

/**
 * The grid of a node's map with its points placed as `align` says. `centres`: as `gridOf` has it. `evidence`: the same, moved by the node's
 * offset, in every mode. `cells`: the network's own map stretched over the picture, as `cv2.resize` does; points between its own lie
 * between them, and a map of the input's size (`dilated`) stays where it is.
 */
export function placedGrid(
  layout: Layout,
  mode: Mode,
  id: NodeId,
  outputStride: number,
  { align, offsets }: Placement,
): Grid {
  const grid = gridOf(layout, mode, id, outputStride);
  const [dy, dx] = offsets?.get(id) ?? [0, 0];
  if (align === 'evidence') return { ...grid, origin: [grid.origin[0] + dy, grid.origin[1] + dx] };
  if (align === 'centres' || engineMode(layout, mode) === 'dilated') return grid;
  const { graph, levels, placings } = layout;
  const { stride } = levels[placings[id].level];
  const [input, own] = [graph.nodes[0].shape, graph.nodes[id].shape];
  const cells = [input.h / own.h, input.w / own.w];
  const along = (axis: 0 | 1) => (cells[axis] * grid.low[axis]) / stride + (cells[axis] - 1) / 2;
  return {
    ...grid,
    pitch: [(cells[0] * grid.spacing) / stride, (cells[1] * grid.spacing) / stride],
    origin: [along(0), along(1)],
  };
}
