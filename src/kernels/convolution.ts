import { type View, view } from '../wasm/job.js';
import { applyCurve, type Curve, curveOf, maskGradient, passCurve } from './activation.js';
import { Checks } from './checks.js';
import { type Convolution, wayOf } from './convolution-ways.js';
import type { Conv2dBackwardOptions, Conv2dOptions, LayerGradients } from './options.js';
import { elements, type Session } from './session.js';
import { windowsOver } from './windows.js';

/** Most taps down or across. */
const MOST_TAPS = 64;

/** See `Kernels.conv2d`. */
export function conv2d(session: Session, options: Conv2dOptions): Float32Array {
  const checks = new Checks('conv2d');
  const conv = convolutionOf(checks, options);
  const curve = curveBehind(checks, options);
  return session.scoped(() => {
    const relu = curve?.activation.f === 'relu';
    const y = forward(session, conv, options, session.put(options.x), relu);
    if (curve && !relu) applyCurve(session, y.ptr, conv.n * elements(y), curve);
    return session.get(y.ptr, conv.n * elements(y));
  });
}

/** See `Kernels.conv2dBackward`. */
export function conv2dBackward(session: Session, options: Conv2dBackwardOptions): LayerGradients {
  const checks = new Checks('conv2dBackward');
  const { x, w, dy, y } = options;
  const conv = convolutionOf(checks, options);
  const { n, cout, windows } = conv;
  const sizes = [n, windows.outH, windows.outW, cout];
  checks.array('dy', dy, 'n*outH*outW*cout', ...sizes);
  if (y) checks.array('y', y, 'n*outH*outW*cout', ...sizes);
  const curve = curveBehind(checks, options);
  if (y && curve && curve.activation.f !== 'relu') checks.fail('y of a ReLU only', `that of ${curve.activation.f}`);
  return session.scoped(() => {
    const pointers = { x: session.put(x), dy: session.put(dy), dx: session.alloc(x.length) };
    maskGradient(session, pointers.dy, dy.length, options);
    if (curve && !y) {
      const z = forward(session, conv, options, pointers.x, false);
      passCurve(session, { x: z.ptr, dy: pointers.dy, dx: pointers.dy }, dy.length, curve, options.guided);
    }
    const { dw, db } = wayOf(conv).backward(session, conv, w, pointers);
    return { dx: session.get(pointers.dx, x.length), dw, db };
  });
}

/** The convolution alone, or with a ReLU; the first of the n maps. */
function forward(session: Session, conv: Convolution, { w, b }: Conv2dOptions, x: number, relu: boolean): View {
  const { n, cout, windows } = conv;
  const y = view(session.alloc(n * windows.outH * windows.outW * cout), windows.outH, windows.outW, cout);
  wayOf(conv).forward(session, conv, { w, b, x, y: y.ptr, relu });
  return y;
}

/** Checks a convolution's operands. */
function convolutionOf(checks: Checks, options: Conv2dOptions): Convolution {
  const { x, shape, w, b, cout, size = 3, stride = 1, pad = 'same', dilation = 1, groups = 1 } = options;
  const [n, height, width, cin] = checks.shape(shape, 'n', 'h', 'w', 'cin');
  checks.count('cout', cout);
  checks.count('groups', groups);
  if (cin % groups > 0 || cout % groups > 0)
    checks.fail(`groups to divide cin = ${cin} and cout = ${cout}`, String(groups));
  const windows = windowsOver(checks, [height, width], { size, stride, dilation, pad });
  const { rows, columns } = windows;
  if (Math.max(rows, columns) > MOST_TAPS) checks.fail(`size of at most ${MOST_TAPS} taps`, String(size));
  checks.array('x', x, 'n*h*w*cin', n, height, width, cin);
  const formula = `${rows}*${columns}*cin${groups > 1 ? '/groups' : ''}*cout`;
  checks.array('w', w, formula, rows, columns, cin / groups, cout);
  if (b) checks.array('b', b, 'cout', cout);
  return { n, h: height, w: width, cin, cout, groups, windows };
}

/** The activation that the options ask for. */
function curveBehind(checks: Checks, { activation, relu, cout }: Conv2dOptions): Curve | undefined {
  if (relu && activation !== undefined) checks.fail('either relu or activation', 'both');
  if (relu) return curveOf(checks, 'relu');
  return activation === undefined ? undefined : curveOf(checks, activation, cout);
}
