import type { Graph, NodeOf } from '../graph/graph.js';
import { type Job, slice, type View, view } from '../wasm/job.js';
import { depthwiseInputGradientJob, depthwiseJob, depthwiseWeightGradientJobs } from '../wasm/ops/depthwise.js';
import { copyJob } from '../wasm/ops/map.js';
import {
  biasOf,
  type ConvKernel,
  type ConvLayer,
  convJobs,
  convKernel,
  convKernelBytes,
  convWeightGradientJobs,
  inputGradientJobs,
  packKernelJob,
  weightGradientBytes,
  workspaceBytes,
} from './convolution.js';
import type { Backward, Forward, Load, Operator } from './operator.js';

type Conv = NodeOf<'conv'>;

/** One group of a convolution as its algorithm is chosen by: by the node alone, never by the mode, the phase or the map's size. */
export function convLayer({ nodes }: Graph, { window, groups, from, shape }: Conv): ConvLayer {
  const x = nodes[from[0]].shape;
  const { rows, columns, stride, dilation, top, left } = window;
  const middle = 2 * top === dilation * (rows - 1) && 2 * left === dilation * (columns - 1);
  const same = middle && shape.h === x.h && shape.w === x.w;
  return { rows, columns, stride, same, cin: x.c / groups, cout: shape.c / groups };
}

/** Whether each output channel sees one input channel, its own. */
export const isDepthwise = ({ nodes }: Graph, { groups, from, shape }: Conv): boolean =>
  groups > 1 && groups === shape.c && groups === nodes[from[0]].shape.c;

/** The channels of group g. */
const group = (v: View, g: number, groups: number): View => slice(v, (g * v.c) / groups, v.c / groups);

/** Columns g of `groups` equal parts of a (rows, columns) matrix, as a map of its rows. */
const columnsOf = (ptr: number, rows: number, columns: number, g: number, groups: number): View => ({
  ptr: ptr + (4 * g * columns) / groups,
  h: rows,
  w: 1,
  c: columns / groups,
  row: columns,
  pix: columns,
});

export const conv: Operator<Conv> = {
  pack({ graph, node }, precision, alloc) {
    const { groups, shape } = node;
    const { rows, columns } = node.window;
    if (isDepthwise(graph, node)) {
      const at = { kernel: alloc(4 * rows * columns * shape.c), bias: alloc(4 * shape.c) };
      const loads = [
        { part: 'kernel', to: at.kernel },
        { part: 'bias', to: at.bias },
      ];
      return { packed: { at }, loads };
    }
    const layer = convLayer(graph, node);
    const convs = Array.from({ length: groups }, () =>
      convKernel(layer, precision, alloc(convKernelBytes(layer, precision))),
    );
    if (groups === 1) {
      const loads: Load[] = [
        { part: 'kernel', jobs: (source) => [packKernelJob(source, convs[0])] },
        { part: 'bias', to: biasOf(convs[0]) },
      ];
      return { packed: { convs, at: {} }, loads };
    }
    const taps = rows * columns * layer.cin;
    const kernelBytes = 4 * taps * shape.c;
    const loads: Load[] = [
      {
        part: 'kernel',
        spare: kernelBytes / groups,
        jobs: (source) =>
          convs.flatMap((one, g) => {
            const spare = source + kernelBytes;
            const slice = columnsOf(source, taps, shape.c, g, groups);
            return [copyJob(slice, view(spare, taps, 1, layer.cout), {}), packKernelJob(spare, one)];
          }),
      },
      {
        part: 'bias',
        jobs: (source) =>
          convs.map((one, g) =>
            copyJob(columnsOf(source, 1, shape.c, g, groups), view(biasOf(one), 1, 1, layer.cout), {}),
          ),
      },
    ];
    return { packed: { convs, at: {} }, loads };
  },

  workspace: ({ x, window, packed, wide }) =>
    Math.max(
      0,
      ...(packed.convs ?? [])
        .slice(0, 1)
        .map((one) => workspaceBytes(one, group(x[0], 0, packed.convs!.length), window!.dilation, wide)),
    ),

  forward: (call) => (call.packed.convs ? dense(call) : [depthwise(call)]),

  backwardWorkspace({ x, dy, dx, window, packed, adjoints, precision }, weights) {
    if (!packed.convs) return 0;
    const { length } = packed.convs;
    const [first] = packed.convs;
    const { dilation } = window!;
    const gradient = adjoints && dx[0] ? workspaceBytes(adjoints[0], group(dy, 0, length), dilation) : 0;
    const sums = weights ? weightGradientBytes(first.layer, group(x[0]!, 0, length), dilation, precision) : 0;
    const parts = weights && length > 1 ? 4 * sizeOf(first) + 64 : 0;
    return Math.max(gradient, sums + parts);
  },

  backward({ dy, dx, accumulate, window, packed, adjoints, workspace, node }) {
    const [to] = dx;
    if (!to) return [];
    if (!packed.convs) {
      const { kernel, bias } = packed.at;
      const { rows, columns } = node.window;
      return [depthwiseInputGradientJob(dy, { kernel, bias, rows, columns }, to, window!, accumulate[0])];
    }
    const { length } = packed.convs;
    return adjoints!.flatMap((adjoint, g) =>
      inputGradientJobs(group(dy, g, length), adjoint, group(to, g, length), window!, accumulate[0], workspace),
    );
  },

  weightGradient(call, sums, accumulate) {
    const { x, dy, window, packed, node } = call;
    const target = { kernel: sums.kernel, bias: sums.bias };
    if (!packed.convs) return depthwiseWeightGradientJobs(x[0]!, dy, node.window, window!, target, accumulate);
    if (packed.convs.length === 1) return weightJobs(call, 0, target, accumulate);
    return packed.convs.flatMap((_, g) => groupWeightJobs(call, g, target, accumulate));
  },
};

function depthwise({ x, y, window, clip, packed, node }: Forward<Conv>): Job {
  const { kernel, bias } = packed.at;
  const { rows, columns } = node.window;
  return depthwiseJob(x[0], { kernel, bias, rows, columns }, y, { ...window!, clip });
}

function dense({ x, y, window, clip, packed, workspace, wide }: Forward<Conv>): Job[] {
  const convs = packed.convs!;
  const part = (v: View, g: number) => group(v, g, convs.length);
  return convs.flatMap((one, g) => convJobs(part(x[0], g), one, part(y, g), { ...window!, clip, wide }, workspace));
}

/** Floats of a group's kernel and bias. */
const sizeOf = ({ layer: { rows, columns, cin, cout } }: ConvKernel): number => (rows * columns * cin + 1) * cout;

function weightJobs(
  { x, dy, window, packed, precision, workspace }: Backward<Conv>,
  g: number,
  target: { kernel: number; bias: number },
  accumulate: boolean,
): Job[] {
  const convs = packed.convs!;
  const part = (v: View) => group(v, g, convs.length);
  return convWeightGradientJobs(
    convs[g].layer,
    part(x[0]!),
    part(dy),
    window!,
    target,
    { precision, accumulate },
    workspace,
  );
}

/** A group's gradients are made behind the workspace's end, and then brought to their columns. */
function groupWeightJobs(
  call: Backward<Conv>,
  g: number,
  target: { kernel: number; bias: number },
  accumulate: boolean,
): Job[] {
  const convs = call.packed.convs!;
  const { cin, cout } = convs[g].layer;
  const { rows, columns } = call.node.window;
  const taps = rows * columns * cin;
  const all = cout * convs.length;
  const bytes = call.workspace.bytes - 4 * sizeOf(convs[g]) - 64;
  const kernel = Math.ceil((call.workspace.ptr + bytes) / 16) * 16;
  const bias = kernel + 4 * taps * cout;
  const made = weightJobs({ ...call, workspace: { ptr: call.workspace.ptr, bytes } }, g, { kernel, bias }, false);
  return [
    ...made,
    copyJob(view(kernel, taps, 1, cout), columnsOf(target.kernel, taps, all, g, convs.length), { accumulate }),
    copyJob(view(bias, 1, 1, cout), columnsOf(target.bias, 1, all, g, convs.length), { accumulate }),
  ];
}
