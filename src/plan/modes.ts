import { AtrousCamError } from '../base/errors.js';
import type { Mode } from '../base/types.js';
import type { NodeId } from '../graph/graph.js';
import type { Layout } from '../graph/levels.js';

/** Where the points of a node's map lie in a mode. */
export interface Grid {
  /** Rows and columns of points. */
  readonly h: number;
  readonly w: number;
  /** Input pixels from one point to the next. */
  readonly spacing: number;
  /** The same, rows and columns, as the map is drawn. */
  readonly pitch: readonly [number, number];
  /** The picture's shift (row, column) whose first point is the first row and column. */
  readonly low: readonly [number, number];
  /** Input coordinates (row, column) of the centre of what point (0, 0) sees. */
  readonly origin: readonly [number, number];
  /** Points that belong to one phase are this far apart; 1 where the map has one phase only. */
  readonly period: number;
  /** Pixels after which the network's own lattice repeats: the stride of the node's level. */
  readonly rate: number;
}

/** The grid of a body node's map; `outputStride` counts in `atrous` alone. */
export function gridOf(layout: Layout, mode: Mode, id: NodeId, outputStride: number): Grid {
  const { graph, placings, levels } = layout;
  const { level, origin } = placings[id];
  const { shape } = graph.nodes[id];
  const { stride } = levels[level];
  if (engineMode(layout, mode) === 'dilated') {
    const { h, w } = graph.nodes[0].shape;
    return { h, w, spacing: 1, pitch: [1, 1], low: [0, 0], origin: [0, 0], period: 1, rate: stride };
  }
  if (mode !== 'atrous')
    return {
      ...{ h: shape.h, w: shape.w, spacing: stride, pitch: [stride, stride] },
      ...{ low: [0, 0], origin, period: 1, rate: rateOf(layout, id) },
    };
  const spacing = Math.min(outputStride, stride);
  const lowest = (axis: 0 | 1) => {
    const shift = levels.slice(1, level + 1).reduce((sum, { first }, k) => sum + first[axis] * levels[k].stride, 0);
    return Math.ceil(shift / spacing) * spacing + 0; // no -0
  };
  const low = [lowest(0), lowest(1)] as const;
  return {
    h: (shape.h * stride) / spacing,
    w: (shape.w * stride) / spacing,
    spacing,
    pitch: [spacing, spacing],
    low,
    origin: [origin[0] + low[0], origin[1] + low[1]],
    period: stride / spacing,
    rate: stride,
  };
}

/** The stride of a node's level; in a network that is dilated itself the largest dilation so far stands for it. */
function rateOf({ graph, placings, levels }: Layout, id: NodeId): number {
  if (!graph.only) return levels[placings[id].level].stride;
  let rate = 1;
  for (const node of graph.nodes.slice(0, id + 1)) if (node.op === 'conv') rate = Math.max(rate, node.window.dilation);
  return rate;
}

/** How a mode is computed: a network that has one mode only is computed as it stands. */
export function engineMode(layout: Layout, mode: Mode): Mode {
  requireMode(layout, mode);
  return layout.graph.only === mode ? 'pooled' : mode;
}

/** Throws UNSUPPORTED for a mode that the network does not have. */
export function requireMode({ graph, refused }: Layout, mode: Mode): void {
  const { only } = graph;
  if (only && mode !== only)
    throw new AtrousCamError(
      'UNSUPPORTED',
      `mode '${mode}': these weights end in degridding layers, which were trained in the ${only} network and have no other; use mode '${only}'`,
    );
  if (mode !== 'pooled' && refused)
    throw new AtrousCamError(
      'UNSUPPORTED',
      `mode '${mode}': not defined for this network, because node "${graph.nodes[refused.node].name}" ${refused.why}; use mode 'pooled'`,
    );
}

/** The mode of the network's own answer, whose top class is explained by default. */
export const ownMode = ({ graph }: Layout): Mode => graph.only ?? 'pooled';

/** Level of the last maps, which the head reads. */
export const lastLevel = ({ placings, frontier, levels }: Layout): number =>
  frontier.length > 0 ? Math.max(...frontier.map((id) => placings[id].level)) : levels.length - 1;

/** Strides that the points of the last maps can have in `atrous`, largest first: the divisors of their own. */
export function outputStrides(layout: Layout): number[] {
  const { stride } = layout.levels[lastLevel(layout)];
  return Array.from({ length: stride }, (_, i) => stride - i).filter((divisor) => stride % divisor === 0);
}
