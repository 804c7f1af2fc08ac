import type { PlanRow, PlanTable } from '../api.js';
import { sizeFrom } from '../base/shape.js';
import type { Mode, Precision } from '../base/types.js';
import { type Node, type NodeId, weightShapes } from '../graph/graph.js';
import type { Layout } from '../graph/levels.js';
import type { Plan } from './forward.js';
import { Geometry } from './lattice.js';
import { engineMode, gridOf } from './modes.js';
import { nodeMacs, stepMacs } from './steps.js';
import { planFreely } from './wide.js';

/**
 * The table of a mode's operations, as Keras' summary shows a network: each map as a whole, although `atrous` and `dilated` never hold
 * most of them at once. Costs are those of the plan that would run: `atrous` is explained at its last maps.
 *
 * @param workspace bytes of workspace that a plan's steps need
 */
export function planTable(
  layout: Layout,
  mode: Mode,
  outputStride: number,
  precision: Precision,
  workspace: (plan: Plan) => number,
): PlanTable {
  const { graph, frontier } = layout;
  const hasHead = graph.logits >= 0;
  const take = frontier.length > 0 ? frontier : [graph.nodes.length - 1];
  const plan = planFreely({ layout, precision }, { mode, outputStride, head: hasHead, ...explained(take) });
  const macs = new Map<NodeId, number>();
  for (const step of plan.steps)
    if (step.op === 'compute') macs.set(step.node, (macs.get(step.node) ?? 0) + stepMacs(graph, step));
  const isDilated = engineMode(layout, mode) === 'dilated';
  const geometry = new Geometry(layout, engineMode(layout, mode));
  const rows = graph.nodes.flatMap((node, id): PlanRow[] => {
    if (isFolded(layout, id) || geometry.isView(node)) return [];
    const output = outputOf(layout, mode, plan.outputStride, id);
    const parameters = Object.values(weightShapes(graph, node)).reduce((sum, shape) => sum + sizeFrom(shape), 0);
    const cells = isDilated && node.op === 'dense' ? cellsRow(layout, node) : undefined;
    const cost = layout.placings[id].head ? nodeMacs(graph, node, 1) : (macs.get(id) ?? 0);
    return [
      ...(cells ? [cells] : []),
      {
        layer: node.name,
        operation: describe(node),
        stride: spacingOf(layout, mode, plan.outputStride, id),
        output,
        parameters,
        macs: cost,
        bytes: 4 * sizeFrom(output),
      },
    ];
  });
  const total = (field: 'parameters' | 'macs') => rows.reduce((sum, row) => sum + row[field], 0);
  const { outputStride: stride, bytes } = plan;
  return {
    mode,
    outputStride: stride,
    rows,
    parameters: total('parameters'),
    macs: total('macs'),
    peakBytes: bytes + workspace(plan),
  };
}

/** Input pixels from one point of a node's map to the next; the head's pools, which have the own phase alone, count their strides. */
function spacingOf(layout: Layout, mode: Mode, outputStride: number, id: NodeId): number | undefined {
  const { vector, head, level } = layout.placings[id];
  if (vector) return undefined;
  if (!head) return gridOf(layout, mode, id, outputStride).spacing;
  let stride = layout.levels[level].stride;
  for (let at = id; layout.placings[at].head; [at] = layout.graph.nodes[at].from) {
    const node = layout.graph.nodes[at];
    if (node.op === 'pool') stride *= node.window.stride;
  }
  return stride;
}

/** `dilated`: the max pool that leaves the cells which a dense layer expects of a map; undefined where it reads a vector. */
function cellsRow({ graph, placings }: Layout, { from: [from] }: Node): PlanRow | undefined {
  if (placings[from].vector) return undefined;
  const { h, w, c } = graph.nodes[from].shape;
  const size = Math.ceil(graph.nodes[0].shape.h / h);
  const output = [h, w, c];
  const operation = `max pool into ${h}x${w}`;
  const bytes = 4 * sizeFrom(output);
  return { layer: `max_pool_${size}`, operation, stride: size, output, parameters: 0, macs: 0, bytes };
}

/** One map is folded, as an explanation does it; several are only looked at. */
const explained = (nodes: readonly NodeId[]) => (nodes.length === 1 ? { fold: nodes[0] } : { take: nodes });

/** Activations that belong to the operation before them have no row of their own. */
function isFolded({ graph, readers }: Layout, id: NodeId): boolean {
  const node = graph.nodes[id];
  return node.op === 'activation' && readers[node.from[0]].length === 1 && graph.nodes[node.from[0]].op !== 'input';
}

/** (rows, columns, channels), or (units) of a vector. */
function outputOf(layout: Layout, mode: Mode, outputStride: number, id: NodeId): number[] {
  const { vector, head } = layout.placings[id];
  const { h, w, c } = layout.graph.nodes[id].shape;
  if (vector) return [c];
  if (head) return [h, w, c];
  const grid = gridOf(layout, mode, id, outputStride);
  return [grid.h, grid.w, c];
}

/** An operation in a few words. */
function describe(node: Node): string {
  switch (node.op) {
    case 'conv': {
      const { rows, columns, stride, dilation } = node.window;
      const more = [stride > 1 && `stride ${stride}`, dilation > 1 && `rate ${dilation}`];
      const groups = node.groups > 1 && (node.groups === node.shape.c ? 'depthwise' : `${node.groups} groups`);
      return [`conv ${rows}x${columns}`, ...more, groups].filter(Boolean).join(', ');
    }
    case 'pool': {
      const { rows, columns, stride } = node.window;
      return `${node.kind} pool ${rows}x${columns}, stride ${stride}`;
    }
    case 'global':
      return `global ${node.kind}`;
    case 'activation':
      return node.activation.f;
    default:
      return node.op;
  }
}
