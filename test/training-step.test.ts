import { describe, expect, it } from 'vitest';
import { initialState, type Layout, layoutOf, shareCells, slice } from '../src/training/parameters.js';
import { StepJobs } from '../src/training/step-jobs.js';
import { buildTopology } from '../src/training/vgg.js';
import { Runtime } from '../src/wasm/runtime.js';
import { dropoutBits, meanLoss } from './reference/training.js';
import { get, put } from './support/kernels.js';
import { randomFloats, seeded } from './support/random.js';
import { expectNear } from './support/references.js';

const PICTURES = 3;
const SIZE = 32;
const SEED = 77;
const DROPOUT = 0.25;
const topology = buildTopology({ widths: [4, 4, 8, 8, 12], convs: [1, 2, 1, 1, 1], dense: [6, 5] }, SIZE, 3);
const withDegridding = buildTopology(
  { widths: [4, 4, 8, 8, 12], convs: [1, 1, 1, 1, 1], degriddingLayers: [8, 1], dense: [6] },
  SIZE,
  3,
);

/** Random parameters; no unit is dead, so that every kernel has a gradient. */
function parametersOf(layout: Layout): Float32Array {
  const { parameters } = initialState(layout, 3, 'sgd');
  for (const { gamma, beta } of layout.convs) {
    slice(parameters, gamma).set(randomFloats(gamma.length, gamma.first).map((v) => 1 + 0.3 * v));
    slice(parameters, beta).set(randomFloats(beta.length, beta.first).map((v) => 0.3 + 0.2 * v));
  }
  for (const { bias } of layout.dense) slice(parameters, bias).set(randomFloats(bias.length, bias.first)); // off ReLU's kink
  return parameters;
}

function pictures(): Float32Array {
  const data = randomFloats(PICTURES * SIZE * SIZE * 4, 9);
  return data.map((value, i) => (i % 4 === 3 ? 0 : 100 * value));
}

const targets = Float32Array.of(1, 0, 0, 0.25, 0, 0.75, 0, 1, 0);

const numbersOf = ({ convs, dense }: Layout, values: Float64Array) => {
  const at = ({ first, length }: { first: number; length: number }) => values.subarray(first, first + length);
  return {
    convs: convs.map(({ kernel, gamma, beta }) => ({ kernel: at(kernel), gamma: at(gamma), beta: at(beta) })),
    dense: dense.map(({ kernel, bias }) => ({ kernel: at(kernel), bias: at(bias) })),
  };
};

describe.each([
  ['pooled', topology, 'pooled'],
  ['dilated', topology, 'dilated'],
  ['dilated with degridding layers', withDegridding, 'dilated'],
] as const)('a whole training step, %s', (_, topology, mode) => {
  const layout = layoutOf(topology);

  it('has the loss and the gradients of a float64 network', async () => {
    const runtime = await Runtime.create({ kernels: 'simd', threads: 2 });
    const state = parametersOf(layout);
    const addresses = {
      parameters: put(runtime, state),
      gradients: put(runtime, new Float32Array(layout.parameters)),
      statistics: put(runtime, initialState(layout, 3, 'sgd').statistics),
    };
    const options = { pictures: PICTURES, mode, dropout: DROPOUT, fixedStatistics: false };
    const jobs = new StepJobs(runtime, layout, addresses, options);
    const input = pictures();
    const { ptr, gap } = jobs.input;
    for (let p = 0; p < PICTURES; p++)
      runtime.arena
        .f32(ptr + 16 * p * (SIZE + gap) * SIZE, SIZE * SIZE * 4)
        .set(input.subarray(p * SIZE * SIZE * 4, (p + 1) * SIZE * SIZE * 4));
    runtime.arena.f32(jobs.targets, targets.length).set(targets);
    for (const job of [...jobs.forward(true, SEED), ...jobs.backward(SEED)]) runtime.run(job);
    const losses = get(runtime, jobs.loss, PICTURES);
    const gradients = get(runtime, addresses.gradients, layout.parameters);
    runtime.dispose();

    const keep = (layer: number, i: number) =>
      dropoutBits(SEED + layer, i) < Math.floor(DROPOUT * 2 ** 32) ? 0 : 1 / (1 - DROPOUT);
    const values = Float64Array.from(state);
    const loss = () =>
      meanLoss(topology, numbersOf(layout, values), { n: PICTURES, data: input }, targets, { mode, keep });
    const mean = losses.reduce((a, b) => a + b) / PICTURES;
    expect(Math.abs(mean - loss()), `loss ${mean}`).toBeLessThan(1e-5);

    // Central differences of the float64 network along a random direction of each tensor.
    const random = seeded(5);
    const slots = [
      ...layout.convs.flatMap(({ kernel, gamma, beta }) => [kernel, gamma, beta]),
      ...layout.dense.flatMap(({ kernel, bias }) => [kernel, bias]),
    ];
    const [got, expected]: [number[], number[]] = [[], []];
    for (const slot of slots) {
      const direction = Float64Array.from({ length: slot.length }, () => 2 * random() - 1);
      const step = 1e-6;
      const along = (distance: number) => {
        for (let i = 0; i < slot.length; i++) values[slot.first + i] = state[slot.first + i] + distance * direction[i];
        return loss();
      };
      expected.push((along(step) - along(-step)) / (2 * step));
      along(0);
      got.push(slice(gradients, slot).reduce((sum, value, i) => sum + value * direction[i], 0));
    }
    const scale = Math.max(...expected.map(Math.abs));
    for (const [i, slot] of slots.entries())
      expect(Math.abs(got[i] - expected[i]), `${slot.name}: ${got[i]} for ${expected[i]}`).toBeLessThan(2e-4 * scale);
    expectNear(got, expected, 1e-4, 'all');
  });
});

it('gives every cell the mean of the cells, and leaves all else', () => {
  const cells = 9;
  const layout = layoutOf(buildTopology({ widths: [4, 4, 8, 8, 12], convs: [1, 1, 1, 1, 1], dense: [6] }, 96, 3));
  const { parameters } = initialState(layout, 3, 'sgd');
  const before = parameters.slice();
  shareCells(layout, parameters);
  const { first, length } = layout.dense[0].kernel;
  const values = length / cells;
  for (let k = 0; k < values; k++) {
    const column = Array.from({ length: cells }, (_, cell) => first + cell * values + k);
    const mean = column.reduce((sum, i) => sum + before[i], 0) / cells;
    for (const i of column) expect(parameters[i]).toBeCloseTo(mean, 6);
    expect(new Set(column.map((i) => parameters[i])).size).toBe(1);
  }
  const rest = (all: Float32Array) => [all.slice(0, first), all.slice(first + length)];
  expect(rest(parameters)).toEqual(rest(before));
});
