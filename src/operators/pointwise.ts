import type { NodeOf } from '../graph/graph.js';
import { type Job, slice, type View } from '../wasm/job.js';
import {
  activationBackwardJob,
  activationJob,
  addJob,
  affineBackwardJob,
  affineJob,
  affineWeightGradientJobs,
  channelsBackwardJob,
  channelsJob,
  copyJob,
  layerNormBackwardJob,
  layerNormJob,
  layerNormWeightGradientJobs,
  layerNormWorkspaceBytes,
  multiplyJob,
  preluWeightGradientJobs,
  spreadSumJob,
} from '../wasm/ops/map.js';
import type { Operator, Packing } from './operator.js';

/** Operations on each point by itself: their tensors are read as they are. */

/** Vectors of one number a channel. */
function vectors(c: number, parts: readonly string[], alloc: (bytes: number) => number): Packing {
  const at = Object.fromEntries(parts.map((part) => [part, alloc(4 * c)]));
  return { packed: { at }, loads: parts.map((part) => ({ part, to: at[part] })) };
}

export const activation: Operator<NodeOf<'activation'>> = {
  pack: ({ node }, _, alloc) => vectors(node.shape.c, node.activation.f === 'prelu' ? ['slope'] : [], alloc),
  forward: ({ node, x, y, packed }) => [activationJob(x[0], y, node.activation, packed.at.slope)],
  backward: ({ node, x, dy, dx, accumulate, guided, packed }) =>
    dx[0]
      ? [
          activationBackwardJob(x[0]!, dy, dx[0], node.activation, {
            slope: packed.at.slope,
            accumulate: accumulate[0],
            guided: guided && node.activation.f === 'relu',
          }),
        ]
      : [],
  weightGradient: ({ x, dy }, { slope }, accumulate) => preluWeightGradientJobs(x[0]!, dy, slope, accumulate),
};

export const affine: Operator<NodeOf<'affine'>> = {
  pack: ({ node }, _, alloc) => vectors(node.shape.c, ['scale', 'shift'], alloc),
  forward: ({ x, y, clip, packed: { at } }) => [affineJob(x[0], { scale: at.scale, shift: at.shift }, y, { clip })],
  backward: ({ dy, dx, accumulate, packed }) =>
    dx[0] ? [affineBackwardJob(dy, packed.at.scale, dx[0], { accumulate: accumulate[0] })] : [],
  weightGradient: ({ x, dy }, { scale, shift }, accumulate) =>
    affineWeightGradientJobs(x[0]!, dy, { scale, shift }, accumulate),
};

export const layerNorm: Operator<NodeOf<'layer-norm'>> = {
  pack: ({ node }, _, alloc) => vectors(node.shape.c, ['scale', 'shift'], alloc),
  forward: ({ node: { epsilon }, x, y, packed: { at } }) => [
    layerNormJob(x[0], { scale: at.scale, shift: at.shift, epsilon }, y),
  ],
  backward: ({ node: { epsilon }, x, dy, dx, accumulate, packed: { at } }) =>
    dx[0] ? [layerNormBackwardJob(x[0]!, { scale: at.scale, epsilon }, dy, dx[0], accumulate[0])] : [],
  backwardWorkspace: ({ dy }, weights) => (weights ? layerNormWorkspaceBytes(dy) : 0),
  weightGradient: ({ node: { epsilon }, x, dy, workspace }, { scale, shift }, accumulate) =>
    layerNormWeightGradientJobs(x[0]!, dy, { epsilon }, { scale, shift }, accumulate, workspace),
};

/** Whether the second operand is a vector for each phase, spread over the first. */
const isSpread = (a: View, b: View): boolean => a.h !== b.h || a.w !== b.w;

export const add: Operator<NodeOf<'add' | 'multiply'>> = {
  forward: ({ x: [a, b], y, rate, clip }) => [addJob(a, b, y, { rate: isSpread(a, b) ? rate : undefined, clip })],
  backward: ({ dy, dx: [da, db], accumulate, rate }) => {
    const jobs: Job[] = [];
    const spread = db && isSpread(dy, db);
    if (db && spread) jobs.push(spreadSumJob(dy, undefined, db, rate, accumulate[1]));
    else if (db && !(db.ptr === dy.ptr && !accumulate[1])) jobs.push(copyJob(dy, db, { accumulate: accumulate[1] }));
    if (da && da.ptr !== dy.ptr) jobs.push(copyJob(dy, da, { accumulate: accumulate[0] }));
    return jobs;
  },
};

export const multiply: Operator<NodeOf<'add' | 'multiply'>> = {
  forward: ({ x: [a, b], y, rate }) => [multiplyJob(a, b, y, { rate: isSpread(a, b) ? rate : undefined })],
  backward: ({ x: [a, b], dy, dx: [da, db], accumulate, rate }) => {
    const spread = isSpread(a!, b!);
    const jobs: Job[] = [];
    if (db && spread) jobs.push(spreadSumJob(dy, a, db, rate, accumulate[1]));
    else if (db) jobs.push(multiplyJob(dy, a!, db, { accumulate: accumulate[1] }));
    if (da) jobs.push(multiplyJob(dy, b!, da, { rate: spread ? rate : undefined, accumulate: accumulate[0] }));
    return jobs;
  },
};

/** The channels of `v` that belong to each of the parts. */
function slices(
  v: View,
  parts: readonly (View | undefined)[],
  channels: readonly number[],
): (readonly [View, number])[] {
  let from = 0;
  return parts.map((_, i) => {
    const part = slice(v, from, channels[i]);
    from += channels[i];
    return [part, i] as const;
  });
}

export const concat: Operator<NodeOf<'concat'>> = {
  forward: ({ x, y }) =>
    slices(
      y,
      x,
      x.map(({ c }) => c),
    ).map(([slice, i]) => copyJob(x[i], slice)),
  // dx of absent inputs are skipped, but their channels count.
  backward: ({ dy, dx, x, accumulate, channels }) =>
    slices(
      dy,
      dx,
      dx.map((part, i) => channels?.[i] ?? part?.c ?? x[i]!.c),
    ).flatMap(([slice, i]) => (dx[i] ? [copyJob(slice, dx[i], { accumulate: accumulate[i] })] : [])),
};

export const channels: Operator<NodeOf<'channels'>> = {
  pack: ({ node }, _, alloc) => ({
    packed: { at: { order: alloc(4 * node.order.length) } },
    loads: [],
    constants: { order: node.order },
  }),
  forward: ({ x, y, packed }) => [channelsJob(x[0], packed.at.order, y)],
  backward: ({ dy, dx, accumulate, packed }) =>
    dx[0] ? [channelsBackwardJob(dy, packed.at.order, dx[0], accumulate[0])] : [],
};
