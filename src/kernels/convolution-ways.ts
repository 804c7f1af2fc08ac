import {
  adjointJobs,
  adjointKernel,
  adjointKernelBytes,
  adjointWorkspaceBytes,
  biasOf,
  type ConvKernel,
  convJobs,
  convKernel,
  convKernelBytes,
  packKernelJob,
  convWeightGradientJobs as sameWeightGradientJobs,
  weightGradientBytes,
  workspaceBytes,
} from '../operators/convolution.js';
import { type Clip, type View, view } from '../wasm/job.js';
import { convInputGradientJob, convJob, packAdjointJob, packConvJob, packedConvBytes } from '../wasm/ops/conv.js';
import { convWeightGradientJobs } from '../wasm/ops/conv-gradient.js';
import { depthwiseInputGradientJob, depthwiseJob, depthwiseWeightGradientJobs } from '../wasm/ops/depthwise.js';
import { Group } from './groups.js';
import { rowsOf } from './layouts.js';
import { elements, image, type Session } from './session.js';
import { partsOf, type Windows } from './windows.js';

/** A convolution of n maps. */
export interface Convolution {
  readonly n: number;
  readonly h: number;
  readonly w: number;
  readonly cin: number;
  readonly cout: number;
  readonly groups: number;
  readonly windows: Windows;
}

/** Weights as in the options, and addresses of maps. */
interface ForwardOperands {
  readonly w: Float32Array;
  readonly b?: Float32Array;
  readonly x: number;
  readonly y: number;
  readonly relu: boolean;
}
type BackwardOperands = Readonly<Record<'x' | 'dy' | 'dx', number>>;

/** How a convolution is computed. */
interface Way {
  forward(session: Session, conv: Convolution, o: ForwardOperands): void;
  /** Writes dx; the gradients of the weights, summed over the maps. */
  backward(
    session: Session,
    conv: Convolution,
    w: Float32Array,
    o: BackwardOperands,
  ): { dw: Float32Array; db: Float32Array };
}

/**
 * 3x3 with zero padding 'same' runs by Winograd's algorithm where the precision is `fast` and the channels are
 * multiples of 4.
 */
export function wayOf({ h, w, cin, cout, groups, windows }: Convolution): Way {
  if (groups === cin && groups === cout && groups > 1) return depthwise;
  const { rows, columns, strides, dilation, startY, startX, outH, outW } = windows;
  const centred = startY === -dilation && startX === -dilation && outH === h && outW === w;
  const plain = rows === 3 && columns === 3 && strides[0] === 1 && strides[1] === 1 && groups === 1;
  return plain && centred ? same : grouped;
}

const RELU: Clip = { low: 0, high: Number.POSITIVE_INFINITY };

const inputAt = ({ h, w, cin }: Convolution, ptr: number): View => view(ptr, h, w, cin);
const outputAt = ({ windows, cout }: Convolution, ptr: number): View => view(ptr, windows.outH, windows.outW, cout);

/** Every map of a batch with its parts: rows of the output, where the strides differ. */
function* partsOfBatch(conv: Convolution, x: number, y: number) {
  for (let i = 0; i < conv.n; i++)
    for (const part of partsOf(image(inputAt(conv, x), i), image(outputAt(conv, y), i), conv.windows))
      yield { ...part, i };
}

/** The same parts, backwards: several may add to the gradient of one input. */
function* partsBackward(conv: Convolution, { x, dy, dx }: BackwardOperands) {
  const accumulate = stridesDiffer(conv);
  for (const { i, rows, ...part } of partsOfBatch(conv, x, dy))
    yield { x: part.x, dy: part.y, call: part.call, dx: rowsOf(image(inputAt(conv, dx), i), ...rows), accumulate };
}

const stridesDiffer = ({ windows: { strides } }: Convolution): boolean => strides[0] !== strides[1];

/** Zeros to which gradients are added, where that is done. */
function prepareGradient(session: Session, conv: Convolution, { dx }: BackwardOperands): void {
  if (stridesDiffer(conv)) session.clear(dx, conv.n * elements(inputAt(conv, dx)));
}

const zeros = (length: number): Float32Array => new Float32Array(length);

/** 3x3, 'same': the convolutions of operators/, by Winograd's algorithm or directly. */
const same: Way = {
  forward(session, conv, { w, b, x, y, relu }) {
    const kernel = packed(session, conv, w, b);
    convolveSame(session, conv, kernel, inputAt(conv, x), outputAt(conv, y), relu);
  },
  backward(session, conv, w, { x, dy, dx }) {
    const { precision } = session;
    const { n, cout, windows } = conv;
    const [input, gradient] = [inputAt(conv, x), outputAt(conv, dy)];
    const [dw, db] = [session.alloc(w.length), session.alloc(cout)];
    for (let i = 0; i < n; i++) {
      const how = { dilation: windows.dilation, precision, accumulate: i > 0 };
      const workspace = session.workspace(weightGradientBytes(input, cout, how));
      session.run(sameWeightGradientJobs(image(input, i), image(gradient, i), dw, db, how, workspace));
    }
    const kernel = packed(session, conv, w);
    const adjoint = adjointKernel(kernel, precision, session.alloc(adjointKernelBytes(kernel, precision) / 4));
    session.run(adjointJobs(kernel, adjoint, session.workspace(adjointWorkspaceBytes(kernel, adjoint))));
    convolveSame(session, conv, adjoint, gradient, inputAt(conv, dx), false);
    return { dw: session.get(dw, w.length), db: session.get(db, cout) };
  },
};

/** Weights in the form that their algorithm reads. */
function packed(session: Session, { cin, cout }: Convolution, w: Float32Array, b = zeros(cout)): ConvKernel {
  const { precision } = session;
  const kernel = convKernel({ cin, cout }, precision, session.alloc(convKernelBytes({ cin, cout }, precision) / 4));
  session.run([packKernelJob(session.put(w), kernel)]);
  session.set(biasOf(kernel), b);
  return kernel;
}

function convolveSame(
  session: Session,
  { n, windows: { dilation } }: Convolution,
  kernel: ConvKernel,
  x: View,
  y: View,
  relu: boolean,
): void {
  const workspace = session.workspace(workspaceBytes({ layer: kernel.weights, x, dilation }, session.precision));
  for (let i = 0; i < n; i++) session.run(convJobs(image(x, i), kernel, image(y, i), dilation, workspace, relu));
}

/** A kernel for each channel. */
const depthwise: Way = {
  forward(session, conv, { w, b = zeros(conv.cout), x, y, relu }) {
    const { rows, columns } = conv.windows;
    const weights = { kernel: session.put(w), bias: session.put(b), rows, columns };
    const clip = relu ? RELU : undefined;
    for (const part of partsOfBatch(conv, x, y))
      session.run([depthwiseJob(part.x, weights, part.y, { ...part.call, clip })]);
  },
  backward(session, conv, w, o) {
    const { rows, columns } = conv.windows;
    const weights = { kernel: session.put(w), bias: 0, rows, columns };
    const target = { kernel: session.alloc(w.length), bias: session.alloc(conv.cout) };
    let added = false;
    prepareGradient(session, conv, o);
    for (const { x, dy, dx, call, accumulate } of partsBackward(conv, o)) {
      session.run(depthwiseWeightGradientJobs(x, dy, weights, call, target, added));
      session.run([depthwiseInputGradientJob(dy, weights, dx, call, accumulate)]);
      added = true;
    }
    return { dw: session.get(target.kernel, w.length), db: session.get(target.bias, conv.cout) };
  },
};

const groupsOf = ({ cin, cout, groups, windows: { rows, columns } }: Convolution): Group[] =>
  Array.from({ length: groups }, (_, i) => new Group({ rows, columns, cin, cout }, groups, i));

/** Any window, directly, group by group: a group is a slice of the channels. */
const grouped: Way = {
  forward(session, conv, { w, b = zeros(conv.cout), x, y, relu }) {
    const clip = relu ? RELU : undefined;
    for (const group of groupsOf(conv)) {
      const kernel = { ...group.size, ptr: session.alloc(packedConvBytes(group.size) / 4) };
      session.run([packConvJob(session.put(group.kernel(w)), kernel)]);
      session.set(kernel.ptr, b.subarray(group.first, group.first + group.size.cout));
      for (const part of partsOfBatch(conv, x, y))
        session.run([convJob(group.input(part.x), kernel, group.output(part.y), { ...part.call, clip })]);
    }
  },
  backward(session, conv, w, o) {
    const [dw, db] = [zeros(w.length), zeros(conv.cout)];
    prepareGradient(session, conv, o);
    for (const group of groupsOf(conv)) {
      const own = group.kernel(w);
      const kernel = { ...group.size, ptr: session.alloc(packedConvBytes(group.size) / 4) };
      const turned = { ...group.size, cin: group.size.cout, cout: group.size.cin };
      const adjoint = { ...turned, ptr: session.alloc(packedConvBytes(turned) / 4) };
      session.run([packConvJob(session.put(own), kernel), packAdjointJob(kernel, adjoint)]);
      const target = { kernel: session.alloc(own.length), bias: session.alloc(group.size.cout) };
      let added = false;
      for (const part of partsBackward(conv, o)) {
        const [x, dy, dx] = [group.input(part.x), group.output(part.dy), group.input(part.dx)];
        session.run(convWeightGradientJobs(x, dy, group.size, part.call, target, added));
        session.run([convInputGradientJob(dy, adjoint, dx, part.call, part.accumulate)]);
        added = true;
      }
      group.write(session.get(target.kernel, own.length), dw);
      db.set(session.get(target.bias, group.size.cout), group.first);
    }
    return { dw, db };
  },
};
