import type { Activation } from '../graph/graph.js';
import { view } from '../wasm/job.js';
import { activationBackwardJob, activationJob, preluWeightGradientJobs } from '../wasm/ops/map.js';
import { reluBackwardJob } from '../wasm/ops/relu.js';
import { Checks } from './checks.js';
import { blocks } from './layouts.js';
import type {
  ActivationBackwardOptions,
  ActivationFunction,
  ActivationOptions,
  PreluOptions,
  ReluBackwardOptions,
  ReluMask,
} from './options.js';
import type { Session } from './session.js';

/** An activation as kernels know it, with a PReLU's slopes. */
export interface Curve {
  readonly activation: Activation;
  readonly slope?: Float32Array;
}

const NAMED: Record<Extract<ActivationFunction, string>, Activation> = {
  relu: { f: 'relu' },
  relu6: { f: 'clip', low: 0, high: 6 },
  elu: { f: 'elu', alpha: 1 },
  selu: { f: 'selu' },
  sigmoid: { f: 'sigmoid' },
  tanh: { f: 'tanh' },
  silu: { f: 'silu' },
  'hard-swish': { f: 'hard-swish' },
  gelu: { f: 'gelu', approximate: false },
  'gelu-tanh': { f: 'gelu', approximate: true },
  softplus: { f: 'softplus' },
};

/** Parameters of the others. */
const PARAMETERS: Record<string, readonly string[]> = {
  clip: ['low', 'high'],
  'leaky-relu': ['slope'],
  elu: ['alpha'],
  'hard-sigmoid': ['slope', 'offset'],
};

/** Checks an activation; `channels` are those that a PReLU has slopes for. */
export function curveOf(checks: Checks, given: ActivationFunction, channels?: number): Curve {
  if (typeof given === 'string') {
    if (Object.hasOwn(NAMED, given)) return { activation: NAMED[given] };
    return checks.fail(`activation to be one of ${Object.keys(NAMED).join(', ')}, or { f, ... }`, `'${given}'`);
  }
  if (given?.f === 'prelu') {
    const { slope } = given;
    checks.array('activation.slope', slope, 'c', channels ?? slope.length);
    return { activation: { f: 'prelu' }, slope };
  }
  const names = Object.hasOwn(PARAMETERS, given?.f) ? PARAMETERS[given.f] : undefined;
  if (!names)
    return checks.fail(`activation.f to be one of ${Object.keys(PARAMETERS).join(', ')}, prelu`, `'${given?.f}'`);
  const values = given as Readonly<Record<string, unknown>>;
  const wrong = names.find((name) => typeof values[name] !== 'number');
  if (wrong) checks.fail(`activation.${wrong} to be a number`, String(values[wrong]));
  return { activation: given };
}

/** Applies an activation to `length` numbers at `ptr`, in place. */
export function applyCurve(session: Session, ptr: number, length: number, { activation, slope }: Curve): void {
  const slopes = session.putIf(slope);
  const c = slope?.length ?? 1;
  for (const x of blocks(ptr, length / c, c)) session.run([activationJob(x, x, activation, slopes)]);
}

/** dx = dy times the derivative at x, of `length` numbers; dx may be dy. */
export function passCurve(
  session: Session,
  { x, dy, dx }: Readonly<Record<'x' | 'dy' | 'dx', number>>,
  length: number,
  { activation, slope }: Curve,
  guided = false,
): void {
  const how = { slope: session.putIf(slope), guided };
  const c = slope?.length ?? 1;
  const [above, below] = [dy, dx].map((ptr) => blocks(ptr, length / c, c));
  for (const [i, at] of blocks(x, length / c, c).entries())
    session.run([activationBackwardJob(at, above[i], below[i], activation, how)]);
}

/**
 * Takes `length` gradients at dy backwards through the ReLU of which y is the output, in place; without y they stay.
 */
export function maskGradient(session: Session, dy: number, length: number, { y, guided = false }: ReluMask): void {
  if (!y) return;
  const outputs = blocks(session.put(y), length);
  for (const [i, at] of blocks(dy, length).entries()) session.run([reluBackwardJob(outputs[i], at, at, { guided })]);
}

/** See `Kernels.activation`. */
export function activation(session: Session, { x, activation }: ActivationOptions): Float32Array {
  const checks = new Checks('activation');
  const curve = checkedCurve(checks, x, activation);
  return session.scoped(() => {
    const ptr = session.put(x);
    applyCurve(session, ptr, x.length, curve);
    return session.get(ptr, x.length);
  });
}

/** See `Kernels.activationBackward`. */
export function activationBackward(session: Session, o: ActivationBackwardOptions): Float32Array {
  const checks = new Checks('activationBackward');
  const { x, dy, guided } = o;
  const curve = checkedCurve(checks, x, o.activation);
  checks.array('dy', dy, 'x.length', x.length);
  return session.scoped(() => {
    const dx = session.put(dy);
    passCurve(session, { x: session.put(x), dy: dx, dx }, x.length, curve, guided);
    return session.get(dx, x.length);
  });
}

/** See `Kernels.preluBackward`. */
export function preluBackward(
  session: Session,
  { x, slope, dy }: PreluOptions,
): { dx: Float32Array; dslope: Float32Array } {
  const checks = new Checks('preluBackward');
  const curve = checkedCurve(checks, x, { f: 'prelu', slope });
  checks.array('dy', dy, 'x.length', x.length);
  const c = slope.length;
  return session.scoped(() => {
    const pointers = { x: session.put(x), dy: session.put(dy), dx: session.alloc(x.length) };
    const target = session.alloc(c);
    passCurve(session, pointers, x.length, curve);
    const [points, gradients] = [pointers.x, pointers.dy].map((ptr) => view(ptr, 1, x.length / c, c));
    session.run(preluWeightGradientJobs(points, gradients, target, false));
    return { dx: session.get(pointers.dx, x.length), dslope: session.get(target, c) };
  });
}

/** See `Kernels.reluBackward`. */
export function reluBackward(session: Session, { y, dy, guided }: ReluBackwardOptions): Float32Array {
  const checks = new Checks('reluBackward');
  checks.array('y', y, 'y.length', y.length);
  checks.array('dy', dy, 'y.length', y.length);
  return session.scoped(() => {
    const dx = session.put(dy);
    maskGradient(session, dx, dy.length, { y, guided });
    return session.get(dx, dy.length);
  });
}

/** An activation of the whole of x, whose points are as long as a PReLU has slopes. */
function checkedCurve(checks: Checks, x: Float32Array, given: ActivationFunction): Curve {
  checks.numbers('x', x);
  const curve = curveOf(checks, given);
  const c = curve.slope?.length ?? 1;
  if (c === 0 || x.length % c > 0) checks.fail(`x of a multiple of slope.length = ${c} numbers`, String(x.length));
  return curve;
}
