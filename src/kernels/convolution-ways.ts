import {
  adjointJobs,
  adjointKernel,
  adjointKernelBytes,
  adjointWorkspaceBytes,
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
} from '../operators/convolution.js';
import { RELU, type View, view } from '../wasm/job.js';
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

export const wayOf = ({ cin, cout, groups }: Convolution): Way =>
  groups > 1 && groups === cin && groups === cout ? depthwise : grouped;

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

/** What the algorithm of a group is chosen by: Winograd's for 3x3 with padding 'same', in `fast`. */
function layerOf({ h, w, cin, cout, groups, windows }: Convolution): ConvLayer {
  const { rows, columns, strides, dilation, startY, startX, outH, outW } = windows;
  const middle = 2 * startY === -dilation * (rows - 1) && 2 * startX === -dilation * (columns - 1);
  const same = middle && outH === h && outW === w && strides[0] === strides[1];
  return { rows, columns, stride: strides[1], same, cin: cin / groups, cout: cout / groups };
}

/** The groups of a convolution: slices of its channels. */
function groupsOf(conv: Convolution): Group[] {
  const layer = layerOf(conv);
  return Array.from({ length: conv.groups }, (_, i) => new Group(layer, conv.groups, i));
}

/** A group's weights in the form that their algorithm reads. */
function packed(session: Session, { layer }: Group, w: number, b: Float32Array): ConvKernel {
  const { precision } = session;
  const kernel = convKernel(layer, precision, session.alloc(convKernelBytes(layer, precision) / 4));
  session.run([packKernelJob(w, kernel)]);
  session.set(biasOf(kernel), b);
  return kernel;
}

/** Any window, group by group, each of which frees what it allocated. */
const grouped: Way = {
  forward(session, conv, o) {
    for (const group of groupsOf(conv)) session.scoped(() => convolve(session, conv, group, o));
  },
  backward(session, conv, w, o) {
    const [dw, db] = [zeros(w.length), zeros(conv.cout)];
    prepareGradient(session, conv, o);
    for (const group of groupsOf(conv))
      session.scoped(() => {
        const own = group.kernel(w);
        const target = { kernel: session.alloc(own.length), bias: session.alloc(group.layer.cout) };
        weightGradients(session, conv, group, o, target);
        inputGradients(session, conv, group, o, own);
        group.write(session.get(target.kernel, own.length), dw);
        group.biases(db).set(session.get(target.bias, group.layer.cout));
      });
    return { dw, db };
  },
};

/** A group's channels of the output. */
function convolve(
  session: Session,
  conv: Convolution,
  group: Group,
  { w, b = zeros(conv.cout), x, y, relu }: ForwardOperands,
): void {
  const kernel = packed(session, group, session.put(group.kernel(w)), group.biases(b));
  const bytes = workspaceBytes(kernel, group.input(inputAt(conv, x)), conv.windows.dilation);
  const workspace = session.workspace(bytes);
  const clip = relu ? RELU : undefined;
  for (const part of partsOfBatch(conv, x, y)) {
    const [from, to] = [group.input(part.x), group.output(part.y)];
    session.run(convJobs(from, kernel, to, { ...part.call, clip }, workspace));
  }
}

/** The gradients of a group's weights, summed over maps and parts. */
function weightGradients(
  session: Session,
  conv: Convolution,
  group: Group,
  o: BackwardOperands,
  target: { kernel: number; bias: number },
): void {
  const { precision } = session;
  const { layer } = group;
  const bytes = weightGradientBytes(layer, group.input(inputAt(conv, o.x)), conv.windows.dilation, precision);
  const workspace = session.workspace(bytes);
  let accumulate = false;
  for (const { x, dy, call } of partsBackward(conv, o)) {
    const [from, to] = [group.input(x), group.output(dy)];
    session.run(convWeightGradientJobs(layer, from, to, call, target, { precision, accumulate }, workspace));
    accumulate = true;
  }
}

/** The gradient of a group's channels of the input. */
function inputGradients(
  session: Session,
  conv: Convolution,
  group: Group,
  o: BackwardOperands,
  own: Float32Array,
): void {
  const { precision } = session;
  const kernel = packed(session, group, session.put(own), zeros(group.layer.cout));
  const adjoint = adjointKernel(kernel, precision, session.alloc(adjointKernelBytes(kernel, precision) / 4));
  session.run(adjointJobs(kernel, adjoint, session.workspace(adjointWorkspaceBytes(kernel, adjoint))));
  const gradient = group.output(outputAt(conv, o.dy));
  const workspace = session.workspace(workspaceBytes(adjoint, gradient, conv.windows.dilation));
  for (const { dy, dx, call, accumulate } of partsBackward(conv, o))
    session.run(inputGradientJobs(group.output(dy), adjoint, group.input(dx), call, accumulate, workspace));
}
