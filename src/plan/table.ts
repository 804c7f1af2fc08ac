import type { PlanRow, PlanTable } from '../api.js';
import { sizeFrom } from '../base/shape.js';
import type { Mode, Precision } from '../base/types.js';
import {
  convParameters,
  denseParameters,
  headCells,
  lastChannels,
  pooledStride,
  type Topology,
} from '../graph/topology.js';
import { planWorkspace } from '../operators/convolution.js';
import { mapSpacing, planMode, stepMacs } from './forward.js';

/**
 * The layer table of a mode, as Keras' summary shows a network: each map as a whole, although `atrous` and `dilated` never hold
 * most of them at once. Costs are those of the plan that would run.
 */
export function planTable(topology: Topology, precision: Precision, mode: Mode, outputStride = 1): PlanTable {
  const plan = planMode(topology, mode, outputStride);
  const macs = new Map<string, number>();
  for (const step of plan.steps)
    if (step.op === 'conv') macs.set(step.layer.name, (macs.get(step.layer.name) ?? 0) + stepMacs(step));

  const rows: PlanRow[] = [];
  const add = (layer: string, output: number[], parameters: number, cost: number) =>
    rows.push({ layer, output, parameters, macs: cost, bytes: 4 * sizeFrom(output) });

  const n = topology.inputSize;
  add('input', [n, n, 3], 0, 0);
  for (const [block, layers] of topology.blocks.entries()) {
    const side = n / mapSpacing(mode, block, plan.outputStride);
    for (const layer of layers)
      add(layer.name, [side, side, layer.cout], convParameters(layer), macs.get(layer.name) ?? 0);
    if (block === topology.blocks.length - 1 || mode === 'dilated') continue;
    const below = n / mapSpacing(mode, block + 1, plan.outputStride);
    add(`block${block + 1}_pool`, [below, below, layers.at(-1)!.cout], 0, 0);
  }
  for (const layer of topology.degrid ?? [])
    add(layer.name, [n, n, layer.cout], convParameters(layer), macs.get(layer.name) ?? 0);
  const [cells, channels] = [headCells(topology), lastChannels(topology)];
  if (topology.dense.length > 0) {
    const pool = mode === 'dilated' ? `max_pool_${2 * pooledStride(topology)}` : `block${topology.blocks.length}_pool`;
    add(pool, [cells, cells, channels], 0, 0);
    add('flatten', [cells * cells * channels], 0, 0);
  }
  for (const layer of topology.dense) add(layer.name, [layer.out], denseParameters(layer), layer.in * layer.out);

  const total = (field: 'parameters' | 'macs') => rows.reduce((sum, row) => sum + row[field], 0);
  return {
    mode,
    outputStride: plan.outputStride,
    rows,
    parameters: total('parameters'),
    macs: total('macs'),
    peakBytes: plan.bytes + planWorkspace(plan, precision),
  };
}
