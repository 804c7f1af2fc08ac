import type { PoolKind } from '../graph/graph.js';
import { type View, view } from '../wasm/job.js';
import { globalBackwardJob, globalJob, poolBackwardJob, poolJob } from '../wasm/ops/pool.js';
import { Checks } from './checks.js';
import { rowsOf } from './layouts.js';
import type { AveragePool2dOptions, MapOptions, MaxPool2dOptions } from './options.js';
import { elements, image, type Session } from './session.js';
import { outputOf, partsOf, type Windows, windowsOver } from './windows.js';

interface Pool {
  readonly kind: PoolKind;
  readonly n: number;
  /** Input and output, of which neither has an address. */
  readonly source: View;
  readonly target: View;
  readonly windows: Windows;
  readonly beyond: 'nothing' | 'zero';
}

/** See `Kernels.maxPool2d`. */
export const maxPool2d = (session: Session, o: MaxPool2dOptions): Float32Array =>
  forward(session, poolOf(new Checks('maxPool2d'), 'max', o), o.x);

/** See `Kernels.averagePool2d`. */
export const averagePool2d = (session: Session, o: AveragePool2dOptions): Float32Array =>
  forward(session, poolOf(new Checks('averagePool2d'), 'mean', o), o.x);

/** See `Kernels.maxPool2dBackward`. */
export function maxPool2dBackward(session: Session, o: MaxPool2dOptions & { dy: Float32Array }): Float32Array {
  const checks = new Checks('maxPool2dBackward');
  return backward(session, checks, poolOf(checks, 'max', o), o);
}

/** See `Kernels.averagePool2dBackward`. */
export function averagePool2dBackward(
  session: Session,
  o: Omit<AveragePool2dOptions, 'x'> & { dy: Float32Array },
): Float32Array {
  const checks = new Checks('averagePool2dBackward');
  return backward(session, checks, poolOf(checks, 'mean', o), o);
}

/** Checks a pool's arguments. */
function poolOf(
  checks: Checks,
  kind: PoolKind,
  {
    x,
    shape,
    size,
    stride = size,
    dilation = 1,
    pad,
    countPadding = false,
    ceil = false,
  }: Partial<MaxPool2dOptions> & Omit<MaxPool2dOptions, 'x'>,
): Pool {
  const [n, h, w, c] = checks.shape(shape, 'n', 'h', 'w', 'c');
  if (x) checks.array('x', x, 'n*h*w*c', n, h, w, c);
  if (countPadding && ceil) checks.fail('either countPadding or ceil', 'both');
  const sides = checks.sides('size', size);
  const step = checks.sides('stride', stride);
  const reach = sides.map((taps) => checks.count('dilation', dilation) * (taps - 1));
  // By default a max pool of stride 1 keeps the size of its map, with nothing beyond the right and bottom edge.
  const behind = step.map((distance, axis) => (kind === 'max' && distance === 1 ? reach[axis] : 0));
  const sizes = { size, stride, dilation, pad: pad ?? ([0, 0, behind[0], behind[1]] as const), ceil };
  const windows = windowsOver(checks, [h, w], sizes);
  const beyond = countPadding ? 'zero' : 'nothing';
  return { kind, n, source: view(0, h, w, c), target: outputOf(windows, c), windows, beyond };
}

function forward(session: Session, pool: Pool, data: Float32Array): Float32Array {
  const { kind, n, source, target, windows, beyond } = pool;
  return session.scoped(() => {
    const x = { ...source, ptr: session.put(data) };
    const y = { ...target, ptr: session.alloc(n * elements(target)) };
    for (let i = 0; i < n; i++)
      for (const part of partsOf(image(x, i), image(y, i), windows))
        session.run([poolJob(kind, part.x, part.y, { ...windows, ...part.call }, beyond)]);
    return session.get(y.ptr, n * elements(target));
  });
}

function backward(
  session: Session,
  checks: Checks,
  { kind, n, source, target, windows, beyond }: Pool,
  o: { x?: Float32Array; dy: Float32Array },
): Float32Array {
  checks.array('dy', o.dy, 'n*outH*outW*c', n, target.h, target.w, target.c);
  const length = n * elements(source);
  return session.scoped(() => {
    const dx = { ...source, ptr: session.alloc(length) };
    const x = { ...source, ptr: o.x ? session.put(o.x) : dx.ptr }; // a mean does not read it
    const dy = { ...target, ptr: session.put(o.dy) };
    for (let i = 0; i < n; i++) {
      const parts = partsOf(image(x, i), image(dy, i), windows);
      const accumulate = parts.length > 1;
      if (accumulate) session.clear(image(dx, i).ptr, elements(source));
      for (const part of parts) {
        const below = rowsOf(image(dx, i), ...part.rows);
        const window = { ...windows, ...part.call };
        session.run([poolBackwardJob(kind, part.x, part.y, below, window, beyond, accumulate)]);
      }
    }
    return session.get(dx.ptr, length);
  });
}

/** See `Kernels.globalMean` and `Kernels.globalMax`. */
export function globalPool(session: Session, kind: PoolKind, { x, shape }: MapOptions): Float32Array {
  const checks = new Checks(nameOf(kind));
  const [n, h, w, c] = checks.shape(shape, 'n', 'h', 'w', 'c');
  checks.array('x', x, 'n*h*w*c', n, h, w, c);
  return session.scoped(() => {
    const from = view(session.put(x), h, w, c);
    const y = view(session.alloc(n * c), 1, 1, c);
    for (let i = 0; i < n; i++) session.run([globalJob(kind, image(from, i), image(y, i), 1)]);
    return session.get(y.ptr, n * c);
  });
}

/** See `Kernels.globalMeanBackward` and `Kernels.globalMaxBackward`. */
export function globalPoolBackward(
  session: Session,
  kind: PoolKind,
  o: { x?: Float32Array; shape: readonly number[]; dy: Float32Array },
): Float32Array {
  const checks = new Checks(`${nameOf(kind)}Backward`);
  const [n, h, w, c] = checks.shape(o.shape, 'n', 'h', 'w', 'c');
  if (kind === 'max') checks.array('x', o.x as Float32Array, 'n*h*w*c', n, h, w, c);
  checks.array('dy', o.dy, 'n*c', n, c);
  return session.scoped(() => {
    const dx = view(session.alloc(n * h * w * c), h, w, c);
    const x = o.x ? { ...dx, ptr: session.put(o.x) } : dx; // a mean does not read it
    const dy = view(session.put(o.dy), 1, 1, c);
    for (let i = 0; i < n; i++)
      session.run([globalBackwardJob(kind, image(x, i), image(dy, i), image(dx, i), 1, false)]);
    return session.get(dx.ptr, n * elements(dx));
  });
}

const nameOf = (kind: PoolKind): string => (kind === 'max' ? 'globalMax' : 'globalMean');
