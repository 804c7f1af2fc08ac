import type { NodeOf } from '../graph/graph.js';
import { globalBackwardJob, globalJob, poolBackwardJob, poolJob } from '../wasm/ops/pool.js';
import type { Operator } from './operator.js';

export const pool: Operator<NodeOf<'pool'>> = {
  forward: ({ node, x, y, window }) => [poolJob(node.kind, x[0], y, { ...taps(node), ...window! }, node.beyond)],
  backward: ({ node, x, dy, dx: [dx], window, accumulate }) =>
    dx
      ? [poolBackwardJob(node.kind, x[0] ?? dx, dy, dx, { ...taps(node), ...window! }, node.beyond, accumulate[0])]
      : [],
};

const taps = ({ window: { rows, columns } }: NodeOf<'pool'>) => ({ rows, columns });

/** The mean or maximum of a whole map: of each phase of an interleaved one. */
export const global: Operator<NodeOf<'global'>> = {
  forward: ({ node, x, y, rate }) => [globalJob(node.kind, x[0], y, rate)],
  backward: ({ node, x, dy, dx: [dx], rate, accumulate }) =>
    dx ? [globalBackwardJob(node.kind, x[0] ?? dx, dy, dx, rate, accumulate[0])] : [],
};
