import { denseInputGradientJob, denseJob } from '../wasm/ops/dense.js';
import { gemmJob, matrix, transpose } from '../wasm/ops/gemm.js';
import { maskGradient } from './activation.js';
import { Checks, checkDense } from './checks.js';
import type { DenseBackwardOptions, DenseOptions, GemmOptions, LayerGradients } from './options.js';
import type { Session } from './session.js';

/** See `Kernels.dense`. */
export function dense(session: Session, { x, shape, w, b, out, relu = false }: DenseOptions): Float32Array {
  const checks = new Checks('dense');
  const [n, inputs] = checkDense(checks, { x, shape, w, out });
  if (b) checks.array('b', b, 'out', out);
  return session.scoped(() => {
    const o = { x: session.put(x), w: session.put(w), b: session.putIf(b), y: session.alloc(n * out) };
    session.run([
      n === 1
        ? denseJob({ ...o, in: inputs, out, relu })
        : gemmJob(matrix(o.x, n, inputs), matrix(o.w, inputs, out), matrix(o.y, n, out), { bias: o.b, relu }),
    ]);
    return session.get(o.y, n * out);
  });
}

/** See `Kernels.denseBackward`. */
export function denseBackward(session: Session, options: DenseBackwardOptions): LayerGradients {
  const checks = new Checks('denseBackward');
  const { x, w, out, dy, y } = options;
  const [n, inputs] = checkDense(checks, options);
  checks.array('dy', dy, 'n*out', n, out);
  if (y) checks.array('y', y, 'n*out', n, out);
  return session.scoped(() => {
    const X = matrix(session.put(x), n, inputs);
    const W = matrix(session.put(w), inputs, out);
    const DY = matrix(session.put(dy), n, out);
    maskGradient(session, DY.ptr, dy.length, options);
    const dx = matrix(session.alloc(n * inputs), n, inputs);
    const dw = matrix(session.alloc(inputs * out), inputs, out);
    const db = matrix(session.alloc(out), 1, out);
    const ones = matrix(session.put(new Float32Array(n).fill(1)), 1, n);
    session.run([
      n === 1
        ? denseInputGradientJob({ dy: DY.ptr, w: W.ptr, mask: 0, dx: dx.ptr, in: inputs, out })
        : gemmJob(DY, transpose(W), dx),
      gemmJob(transpose(X), DY, dw),
      gemmJob(ones, DY, db),
    ]);
    return {
      dx: session.get(dx.ptr, n * inputs),
      dw: session.get(dw.ptr, inputs * out),
      db: session.get(db.ptr, out),
    };
  });
}

/** See `Kernels.gemm`. */
export function gemm(session: Session, o: GemmOptions): Float32Array {
  const checks = new Checks('gemm');
  const { a, b, m, k, n, transposeA, transposeB, bias, relu = false } = o;
  for (const [name, size] of Object.entries({ m, k, n })) checks.count(name, size);
  checks.array('a', a, 'm*k', m, k);
  checks.array('b', b, 'k*n', k, n);
  if (bias) checks.array('bias', bias, 'n', n);
  return session.scoped(() => {
    const A = transposeA ? transpose(matrix(session.put(a), k, m)) : matrix(session.put(a), m, k);
    const B = transposeB ? transpose(matrix(session.put(b), n, k)) : matrix(session.put(b), k, n);
    const C = matrix(session.alloc(m * n), m, n);
    session.run([gemmJob(A, B, C, { bias: session.putIf(bias), relu })]);
    return session.get(C.ptr, m * n);
  });
}
