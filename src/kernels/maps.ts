import { view } from '../wasm/job.js';
import {
  addJob,
  affineBackwardJob,
  affineJob,
  affineWeightGradientJobs,
  layerNormBackwardJob,
  layerNormJob,
  layerNormWeightGradientJobs,
  layerNormWorkspaceBytes,
  multiplyJob,
  spreadSumJob,
} from '../wasm/ops/map.js';
import { Checks } from './checks.js';
import { blocks } from './layouts.js';
import type {
  AffineGradients,
  AffineOptions,
  CombineOptions,
  ConcatOptions,
  LayerNormOptions,
  WithGradient,
} from './options.js';
import { image, type Session } from './session.js';

/** Points and channels of an array whose last axis are its channels. */
function pointsOf(checks: Checks, x: Float32Array, shape: readonly number[]): { points: number; c: number } {
  const sizes = checks.axes(shape);
  checks.array('x', x, sizes.join('*'), ...sizes);
  const c = sizes[sizes.length - 1];
  return { points: x.length / c, c };
}

/** See `Kernels.affine`. */
export function affine(session: Session, { x, shape, scale, shift }: AffineOptions): Float32Array {
  const checks = new Checks('affine');
  const { points, c } = pointsOf(checks, x, shape);
  checks.array('scale', scale, 'c', c);
  checks.array('shift', shift, 'c', c);
  return session.scoped(() => {
    const ptr = session.put(x);
    const weights = { scale: session.put(scale), shift: session.put(shift) };
    for (const block of blocks(ptr, points, c)) session.run([affineJob(block, weights, block)]);
    return session.get(ptr, x.length);
  });
}

/** See `Kernels.affineBackward`. */
export function affineBackward(
  session: Session,
  { x, shape, scale, dy }: WithGradient<Omit<AffineOptions, 'shift'>>,
): AffineGradients {
  const checks = new Checks('affineBackward');
  const { points, c } = pointsOf(checks, x, shape);
  checks.array('scale', scale, 'c', c);
  checks.array('dy', dy, 'x.length', x.length);
  return session.scoped(() => {
    const [X, DX] = [session.put(x), session.put(dy)];
    const target = { scale: session.alloc(c), shift: session.alloc(c) };
    session.run(affineWeightGradientJobs(view(X, 1, points, c), view(DX, 1, points, c), target, false));
    const factor = session.put(scale);
    for (const block of blocks(DX, points, c)) session.run([affineBackwardJob(block, factor, block)]);
    const [dscale, dshift] = [target.scale, target.shift].map((ptr) => session.get(ptr, c));
    return { dx: session.get(DX, x.length), dscale, dshift };
  });
}

/** See `Kernels.layerNorm`. */
export function layerNorm(session: Session, o: LayerNormOptions): Float32Array {
  const checks = new Checks('layerNorm');
  const { x, shape, scale, shift, epsilon = EPSILON } = o;
  const { points, c } = pointsOf(checks, x, shape);
  checks.positive('epsilon', epsilon);
  if (scale) checks.array('scale', scale, 'c', c);
  if (shift) checks.array('shift', shift, 'c', c);
  return session.scoped(() => {
    const ptr = session.put(x);
    const norm = { scale: session.putIf(scale), shift: session.putIf(shift), epsilon };
    for (const block of blocks(ptr, points, c)) session.run([layerNormJob(block, norm, block)]);
    return session.get(ptr, x.length);
  });
}

/** See `Kernels.layerNormBackward`. */
export function layerNormBackward(
  session: Session,
  { x, shape, scale, epsilon = EPSILON, dy }: WithGradient<Omit<LayerNormOptions, 'shift'>>,
): AffineGradients {
  const checks = new Checks('layerNormBackward');
  const { points, c } = pointsOf(checks, x, shape);
  checks.positive('epsilon', epsilon);
  if (scale) checks.array('scale', scale, 'c', c);
  checks.array('dy', dy, 'x.length', x.length);
  return session.scoped(() => {
    const [X, DX] = [session.put(x), session.put(dy)];
    const target = { scale: session.alloc(c), shift: session.alloc(c) };
    const whole = view(X, 1, points, c);
    const workspace = session.workspace(layerNormWorkspaceBytes(whole));
    session.run(layerNormWeightGradientJobs(whole, view(DX, 1, points, c), { epsilon }, target, false, workspace));
    const norm = { scale: session.putIf(scale), epsilon };
    const below = blocks(DX, points, c);
    for (const [i, block] of blocks(X, points, c).entries())
      session.run([layerNormBackwardJob(block, norm, below[i], below[i], false)]);
    const [dscale, dshift] = [target.scale, target.shift].map((ptr) => session.get(ptr, c));
    return { dx: session.get(DX, x.length), dscale, dshift };
  });
}

const EPSILON = 1e-6;

type Combination = 'add' | 'multiply';

const JOBS = { add: addJob, multiply: multiplyJob };

/** Checks two operands: whether b is a vector for each map, which is spread over it. */
function combineOperands(checks: Checks, { a, b, shape }: CombineOptions) {
  const [n, h, w, c] = checks.shape(shape, 'n', 'h', 'w', 'c');
  checks.array('a', a, 'n*h*w*c', n, h, w, c);
  const spread = b.length === n * c && h * w > 1;
  if (!spread) checks.array('b', b, 'n*h*w*c', n, h, w, c);
  else checks.array('b', b, 'n*c', n, c);
  return { n, h, w, c, rate: spread ? 1 : undefined, vectors: spread ? ([1, 1] as const) : ([h, w] as const) };
}

/** See `Kernels.add` and `Kernels.multiply`. */
export function combine(session: Session, op: Combination, o: CombineOptions): Float32Array {
  const { n, h, w, c, rate, vectors } = combineOperands(new Checks(op), o);
  return session.scoped(() => {
    const a = view(session.put(o.a), h, w, c);
    const b = view(session.put(o.b), ...vectors, c);
    for (let i = 0; i < n; i++) session.run([JOBS[op](image(a, i), image(b, i), image(a, i), { rate })]);
    return session.get(a.ptr, o.a.length);
  });
}

/** See `Kernels.multiplyBackward` and `Kernels.addBackward`. */
export function combineBackward(
  session: Session,
  op: Combination,
  o: WithGradient<CombineOptions>,
): { da: Float32Array; db: Float32Array } {
  const checks = new Checks(`${op}Backward`);
  const { n, h, w, c, rate, vectors } = combineOperands(checks, o);
  checks.array('dy', o.dy, 'n*h*w*c', n, h, w, c);
  return session.scoped(() => {
    const [a, dy] = [o.a, o.dy].map((data) => view(session.put(data), h, w, c));
    const [b, db] = [session.put(o.b), session.alloc(o.b.length)].map((ptr) => view(ptr, ...vectors, c));
    const product = op === 'multiply';
    for (let i = 0; i < n; i++) {
      const [A, B, DY, DB] = [a, b, dy, db].map((v) => image(v, i));
      if (rate) session.run([spreadSumJob(DY, product ? A : undefined, DB, rate, false)]);
      else if (product) session.run([multiplyJob(DY, A, DB)]);
      if (product) session.run([multiplyJob(DY, B, DY, { rate })]);
    }
    const whole = product || rate ? session.get(db.ptr, o.b.length) : o.dy.slice();
    return { da: session.get(dy.ptr, o.a.length), db: whole };
  });
}

/** See `Kernels.concat`. */
export function concat({ xs, shapes }: ConcatOptions): Float32Array {
  const { points, channels } = concatSizes(new Checks('concat'), shapes, xs);
  const c = channels.reduce((sum, count) => sum + count, 0);
  const y = new Float32Array(points * c);
  let first = 0;
  for (const [i, x] of xs.entries()) {
    const own = channels[i];
    for (let p = 0; p < points; p++) y.set(x.subarray(p * own, (p + 1) * own), p * c + first);
    first += own;
  }
  return y;
}

/** See `Kernels.concatBackward`. */
export function concatBackward({ shapes, dy }: WithGradient<Omit<ConcatOptions, 'xs'>>): Float32Array[] {
  const checks = new Checks('concatBackward');
  const { points, channels } = concatSizes(checks, shapes);
  const c = channels.reduce((sum, count) => sum + count, 0);
  checks.array('dy', dy, 'n*h*w*(sum of c)', points, c);
  let first = 0;
  return channels.map((own) => {
    const dx = new Float32Array(points * own);
    for (let p = 0; p < points; p++) dx.set(dy.subarray(p * c + first, p * c + first + own), p * own);
    first += own;
    return dx;
  });
}

/** Checks maps of one size but for their channels. */
function concatSizes(checks: Checks, shapes: ConcatOptions['shapes'], xs?: ConcatOptions['xs']) {
  if (!Array.isArray(shapes) || shapes.length === 0) checks.fail('shapes of one map or more', String(shapes));
  if (xs && xs.length !== shapes.length) checks.fail(`xs of shapes.length = ${shapes.length} maps`, String(xs.length));
  const [n, h, w] = shapes[0];
  for (const [i, shape] of shapes.entries()) {
    const sizes = checks.shape(shape, 'n', 'h', 'w', 'c');
    if (sizes[0] !== n || sizes[1] !== h || sizes[2] !== w)
      checks.fail(`shapes that differ in c alone, [${n}, ${h}, ${w}, c]`, `[${shape}]`);
    if (xs) checks.array(`xs[${i}]`, xs[i], 'n*h*w*c', ...sizes);
  }
  return { points: n * h * w, channels: shapes.map((shape) => shape[3]) };
}
