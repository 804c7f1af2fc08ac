import { describe, expect, it } from 'vitest';
import { GraphBuilder, type WindowOptions } from '../src/graph/builder.js';
import type { NodeOf } from '../src/graph/graph.js';
import { convLayer } from '../src/operators/conv.js';
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
} from '../src/operators/convolution.js';
import { type Job, type View, view } from '../src/wasm/job.js';
import type { Runtime } from '../src/wasm/runtime.js';
import { conv, convBackward, same3x3 } from './reference/conv.js';
import { type ConvCase, convCases, operandsOf, shapeOf, titleOfConv } from './support/conv-cases.js';
import { builds, gappedView, get, onRuntime, put, readView, writtenGaps } from './support/kernels.js';
import { expectNear } from './support/references.js';

const TOLERANCE = 2e-6;

const same: ConvLayer = { rows: 3, columns: 3, cin: 8, cout: 12, stride: 1, same: true };

/** A 3x3 window with stride 1 and padding 'same'. */
function sameCase(h: number, w: number, cin: number, cout: number, dilation: number): ConvCase {
  const { stride, startY, startX } = same3x3({ h, w }, cout, dilation);
  return { x: { h, w }, size: { rows: 3, columns: 3, cin, cout }, call: { stride, dilation, startY, startX }, h, w };
}

const isSame = ({ x, call, h, w }: ConvCase): boolean =>
  call.stride === 1 && call.startY === -call.dilation && call.startX === -call.dilation && x.h === h && x.w === w;

const cases = [
  ...convCases,
  sameCase(9, 7, 8, 12, 1),
  sameCase(15, 18, 36, 4, 2),
  sameCase(21, 22, 64, 40, 1),
  sameCase(14, 13, 12, 20, 4),
].map((item) => [titleOfConv(item), item] as const);

describe('a convolution', () => {
  it.each<[string, Partial<ConvLayer>, ConvKernel['algorithm']]>([
    ['3x3, same', {}, 'winograd'],
    ['stride 2', { stride: 2 }, 'direct'],
    ['not same', { same: false }, 'direct'],
    ['5x3', { rows: 5 }, 'direct'],
    ['3x1', { columns: 1 }, 'direct'],
    ['1x1', { rows: 1, columns: 1 }, 'direct'],
    ['3 channels in', { cin: 3 }, 'direct'],
    ['10 channels out', { cout: 10 }, 'direct'],
  ])('chooses the algorithm: %s', (_, change, algorithm) => {
    const layer = { ...same, ...change };
    expect(convKernel(layer, 'fast', 64)).toMatchObject({ algorithm, layer });
    expect(convKernel(layer, 'exact', 64).algorithm).toBe('direct');
    const wide = { ...layer, cin: 16 * layer.cin + (layer.cin % 2) }; // so many channels need a workspace
    const x = { h: 30, w: 30, c: wide.cin };
    expect(workspaceBytes(convKernel(wide, 'fast', 64), x, 1) > 0).toBe(algorithm === 'winograd');
    expect(workspaceBytes(convKernel(wide, 'exact', 64), x, 1)).toBe(0);
  });

  it.each<[string, WindowOptions & { groups?: number }, Partial<ConvLayer>]>([
    ['3x3, same', { size: [3, 3], pad: 'same' }, {}],
    ['3x3, padded by 1', { size: [3, 3], pad: [1, 1, 1, 1] }, {}],
    ['dilated', { size: [3, 3], dilation: 2, pad: [2, 2, 2, 2] }, {}],
    ['dilated, padded too little', { size: [3, 3], dilation: 2, pad: [1, 1, 1, 1] }, { same: false }],
    ['valid', { size: [3, 3] }, { same: false }],
    ['of the same size, but not in the middle', { size: [3, 3], pad: [2, 1, 0, 1] }, { same: false }],
    ['in the middle at its start alone', { size: [3, 3], pad: [1, 1, 0, 0] }, { same: false }],
    ['stride 2', { size: [3, 3], stride: 2, pad: 'same' }, { stride: 2, same: false }],
    ['oblong', { size: [1, 7], pad: 'same' }, { rows: 1, columns: 7 }],
    ['of even size', { size: [2, 2], pad: 'same' }, { rows: 2, columns: 2, same: false }],
    ['of 4 groups', { size: [3, 3], pad: 'same', groups: 4 }, { cin: 2, cout: 3 }],
  ])('is read from a node: %s', (_, options, expected) => {
    const builder = new GraphBuilder();
    const shape = { h: 9, w: 10, c: 8 };
    const id = builder.conv(builder.input(shape, { name: 'input' }), 12, options, { name: 'conv' });
    const graph = { nodes: builder.nodes, logits: id, head: 'softmax' } as const;
    expect(convLayer(graph, builder.nodes[id] as NodeOf<'conv'>)).toEqual({ ...same, ...expected });
  });
});

/** Nothing of a workspace may be read before it is written. */
function space(runtime: Runtime, bytes: number) {
  const ptr = runtime.arena.alloc(bytes);
  runtime.arena.f32(ptr, bytes / 4).fill(Number.NaN);
  return { ptr, bytes };
}

const runAll = (runtime: Runtime, jobs: readonly Job[]) => {
  for (const job of jobs) runtime.run(job);
};

describe.each(builds)('a layer of any form, fast, $kernels, $threads threads', (build) => {
  it.each(cases)('%s', async (_, item) => {
    const { x: size, call, h, w } = item;
    const { cin, cout } = item.size;
    const { dilation } = call;
    const layer: ConvLayer = { ...item.size, stride: call.stride, same: isSame(item) };
    const o = operandsOf(item);
    const input = { ...size, c: cin, data: o.x };
    const y = conv(input, o.w, o.b, shapeOf(item));
    const { dx, dw, db } = convBackward(input, o.w, o.dy, shapeOf(item));
    await onRuntime(build, (runtime) => {
      const kernel = convKernel(layer, 'fast', runtime.arena.alloc(convKernelBytes(layer, 'fast')));
      runtime.run(packKernelJob(put(runtime, o.w), kernel));
      runtime.arena.f32(biasOf(kernel), cout).set(o.b);
      const X = gappedView(runtime, { ...size, c: cin }, o.x);
      const DY = gappedView(runtime, { h, w, c: cout }, o.dy);
      const check = (v: View, expected: ArrayLike<number>, what: string) => {
        expectNear(readView(runtime, v), expected, TOLERANCE, what);
        expect(writtenGaps(runtime, v), `written around ${what}`).toBe(0);
      };

      const forward = space(runtime, workspaceBytes(kernel, X, dilation));
      const Y = gappedView(runtime, DY);
      runAll(runtime, convJobs(X, kernel, Y, call, forward));
      check(Y, y, 'y');
      const clip = { low: -0.25, high: 0.5 };
      const bits = readView(runtime, Y);
      runAll(runtime, convJobs(X, kernel, Y, { ...call, clip }, forward));
      expect(readView(runtime, Y), 'between bounds').toEqual(bits.map((v) => Math.min(Math.max(v, -0.25), 0.5)));

      const adjoint = adjointKernel(kernel, 'fast', runtime.arena.alloc(adjointKernelBytes(kernel, 'fast')));
      runAll(runtime, adjointJobs(kernel, adjoint, space(runtime, adjointWorkspaceBytes(kernel, adjoint))));
      const backward = space(runtime, workspaceBytes(adjoint, DY, dilation));
      const [DX, sum] = [gappedView(runtime, X), gappedView(runtime, X, o.x)];
      runAll(runtime, inputGradientJobs(DY, adjoint, DX, call, false, backward));
      check(DX, dx, 'dx');
      runAll(runtime, inputGradientJobs(DY, adjoint, sum, call, true, backward));
      check(
        sum,
        dx.map((value, i) => value + o.x[i]),
        'dx added',
      );

      const target = { kernel: runtime.arena.alloc(4 * o.w.length), bias: runtime.arena.alloc(4 * cout) };
      const sums = space(runtime, weightGradientBytes(layer, X, dilation, 'fast'));
      const how = { precision: 'fast', accumulate: false } as const;
      runAll(runtime, convWeightGradientJobs(layer, X, DY, call, target, how, sums));
      expectNear(get(runtime, target.kernel, o.w.length), dw, TOLERANCE, 'dw');
      expectNear(get(runtime, target.bias, cout), db, TOLERANCE, 'db');
    });
  });
});

describe('a Winograd kernel', () => {
  it.each([{ stride: 2 }, { startY: 0 }, { startX: 1 }])('refuses another window: %o', (change) => {
    const map = view(64, 9, 9, 8);
    const kernel = convKernel({ ...same, cout: 8 }, 'fast', 64);
    const call = { stride: 1, dilation: 1, startY: -1, startX: -1, ...change };
    expect(() => convJobs(map, kernel, map, call, { ptr: 64, bytes: 1e6 })).toThrow('internal');
  });

  it('refuses an output of another size', () => {
    const kernel = convKernel({ ...same, cout: 8 }, 'fast', 64);
    const call = { stride: 1, dilation: 1, startY: -1, startX: -1 };
    const jobs = () => convJobs(view(64, 9, 9, 8), kernel, view(64, 8, 9, 8), call, { ptr: 64, bytes: 1e6 });
    expect(jobs).toThrow('internal');
  });
});
