import type { PlanTable } from '../api.js';
import type { Context } from './context.js';
import { checkOutputStride, type ModeFlags, modesOf, type WeightsFlags } from './options.js';
import { describeWeights, jsonLine } from './report.js';
import { alignColumns } from './table.js';

/** `atrous-cam plan`: the layers of each mode with their costs; of the weights only the headers are read. Returns the exit code. */
export async function planCommand(
  { weights, inputSize, precision, outputStride, ...flags }: WeightsFlags & ModeFlags & { outputStride?: number },
  context: Context,
): Promise<number> {
  const network = await context.inspect(weights, { precision, inputSize, signal: context.signal });
  checkOutputStride(network, { ...flags, outputStride });
  const plans = modesOf(flags).map((mode) => network.plan(mode, mode === 'atrous' ? { outputStride } : {}));
  if (flags.json) {
    const modes = Object.fromEntries(plans.map((plan) => [plan.mode, plan]));
    await context.print(jsonLine({ ...describeWeights(network), modes }));
  } else await context.print(plans.map(formatPlan).join('\n'));
  return 0;
}

const number = (value: number) => value.toLocaleString('en-US');

/** A plan as text: names to the left, numbers to the right, totals below. */
export function formatPlan({ mode, outputStride, rows, parameters, macs, peakBytes }: PlanTable): string {
  const head = ['Layer', 'Operation', 'Output shape', 'Stride', 'Parameters', 'Multiply-adds', 'Output bytes'];
  const body = rows.map((row) => [
    row.layer,
    row.operation,
    `(${row.output.join(', ')}${row.output.length === 1 ? ',' : ''})`,
    row.stride === undefined ? '' : number(row.stride),
    number(row.parameters),
    number(row.macs),
    number(row.bytes),
  ]);
  const [title, ...lines] = alignColumns([head, ...body], 3);
  const width = title.length;
  return [
    mode === 'atrous' && outputStride > 1 ? `Mode ${mode}, output stride ${outputStride}` : `Mode ${mode}`,
    '='.repeat(width),
    title,
    '-'.repeat(width),
    ...lines,
    '='.repeat(width),
    `Total parameters: ${number(parameters)}`,
    `Total multiply-adds: ${number(macs)}`,
    `Peak memory of a run, weights excluded: ${number(peakBytes)} bytes`,
    '',
  ].join('\n');
}
