import type { NodeOf } from '../graph/graph.js';
import { type Job, type View, view } from '../wasm/job.js';
import { gemmJob, matrix, transpose } from '../wasm/ops/gemm.js';
import { copyJob } from '../wasm/ops/map.js';
import type { Operator } from './operator.js';

/** Rows of a dense layer's input: one a phase; a map is flattened. */
const rowsOf = (x: View, inputs: number): number => (x.h * x.w * x.c) / inputs;

/** A dense layer inside the network, on the vectors of all phases of a lattice: one product. The head's are in run/head.ts. */
export const dense: Operator<NodeOf<'dense'>> = {
  pack({ graph, node }, _, alloc) {
    const { h, w, c } = graph.nodes[node.from[0]].shape;
    const at = { kernel: alloc(4 * h * w * c * node.shape.c), bias: alloc(4 * node.shape.c) };
    const loads = [
      { part: 'kernel', to: at.kernel },
      { part: 'bias', to: at.bias },
    ];
    return { packed: { at }, loads };
  },
  forward({ x: [x], y, packed: { at } }) {
    const rows = y.h * y.w;
    const inputs = (x.h * x.w * x.c) / rows;
    const kernel = matrix(at.kernel, inputs, y.c);
    return [gemmJob(matrix(x.ptr, rows, inputs), kernel, matrix(y.ptr, rows, y.c), { bias: at.bias })];
  },
  backwardWorkspace({ dy, dx: [dx], x, accumulate }, weights) {
    const rows = dy.h * dy.w;
    const gradient = dx && accumulate[0] ? 4 * dx.h * dx.w * dx.c : 0;
    const inputs = weights ? (x[0]!.h * x[0]!.w * x[0]!.c) / rows : 0;
    return Math.max(gradient, 4 * (inputs * dy.c + dy.c + rows) + 192);
  },
  backward({ dy, dx: [dx], accumulate, packed: { at }, workspace }) {
    if (!dx) return [];
    const rows = dy.h * dy.w;
    const inputs = (dx.h * dx.w * dx.c) / rows;
    const to = accumulate[0] ? workspace.ptr : dx.ptr;
    const kernel = transpose(matrix(at.kernel, inputs, dy.c));
    const product = gemmJob(matrix(dy.ptr, rows, dy.c), kernel, matrix(to, rows, inputs));
    return accumulate[0] ? [product, copyJob(view(to, dx.h, dx.w, dx.c), dx, { accumulate: true })] : [product];
  },
  weightGradient({ x: [x], dy, workspace }, sums, accumulate) {
    const inputs = (x!.h * x!.w * x!.c) / (dy.h * dy.w);
    const rows = rowsOf(x!, inputs);
    const kernel = workspace.ptr;
    const bias = kernel + 4 * inputs * dy.c;
    const products: Job[] = [
      gemmJob(transpose(matrix(x!.ptr, rows, inputs)), matrix(dy.ptr, rows, dy.c), matrix(kernel, inputs, dy.c)),
    ];
    const add = (from: number, to: number, n: number) =>
      copyJob(view(from, 1, 1, n), view(to, 1, 1, n), { accumulate });
    // The bias: the sum of the rows, one after the other.
    const biasJobs = Array.from({ length: rows }, (_, row) =>
      copyJob(view(dy.ptr + 4 * row * dy.c, 1, 1, dy.c), view(bias, 1, 1, dy.c), { accumulate: row > 0 }),
    );
    return [...products, ...biasJobs, add(kernel, sums.kernel, inputs * dy.c), add(bias, sums.bias, dy.c)];
  },
};
