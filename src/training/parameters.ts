import { convLayers, headCells, type Topology } from '../graph/topology.js';
import { randomOf } from './keyed-random.js';

/** Floats that every parameter begins at a multiple of: a cache line. */
const ALIGNMENT = 16;

/** Where a layer's numbers lie, in floats. */
export interface ParameterSlot {
  readonly name: string;
  readonly first: number;
  readonly length: number;
}

export interface ConvSlots {
  /** (3, 3, cin, cout), with the input's channels filled up to 4. */
  readonly kernel: ParameterSlot;
  readonly gamma: ParameterSlot;
  readonly beta: ParameterSlot;
  /** Running mean and variance (2, cout), in the array of statistics. */
  readonly running: ParameterSlot;
}

export interface DenseSlots {
  /** (in, out) */
  readonly kernel: ParameterSlot;
  readonly bias: ParameterSlot;
}

/** All parameters of a network in one array: first the kernels, which weight decay shrinks, then the rest, which it does not. */
export interface Layout {
  readonly topology: Topology;
  readonly convs: readonly ConvSlots[];
  readonly dense: readonly DenseSlots[];
  /** Floats of the parameters, of those that decay, and of the statistics. */
  readonly parameters: number;
  readonly decaying: number;
  readonly statistics: number;
}

/** What training changes: the parameters, what the optimiser keeps of their gradients, and the running statistics. */
export interface TrainingState {
  parameters: Float32Array;
  /** Means of the gradients and of their squares; the second is empty for SGD. */
  moments: [Float32Array, Float32Array];
  statistics: Float32Array;
}

/** Channels as the kernels need them: a multiple of 4. The picture's fourth is zero, and so is all that is multiplied with it. */
export const paddedChannels = (cin: number): number => 4 * Math.ceil(cin / 4);

export function layoutOf(topology: Topology): Layout {
  let end = 0;
  const slot = (name: string, length: number): ParameterSlot => {
    const first = end;
    end += ALIGNMENT * Math.ceil(length / ALIGNMENT);
    return { name, first, length };
  };
  const layers = convLayers(topology);
  const convKernels = layers.map(({ name, cin, cout }) => slot(`${name}.kernel`, 9 * paddedChannels(cin) * cout));
  const denseKernels = topology.dense.map((layer) => slot(`${layer.name}.kernel`, layer.in * layer.out));
  const decaying = end;
  const norms = layers.map(({ name, cout }) => ({
    gamma: slot(`${name}.gamma`, cout),
    beta: slot(`${name}.beta`, cout),
  }));
  const biases = topology.dense.map((layer) => slot(`${layer.name}.bias`, layer.out));
  const parameters = end;
  end = 0;
  const running = layers.map(({ name, cout }) => slot(`${name}.running`, 2 * cout));
  return {
    topology,
    convs: layers.map((_, i) => ({ kernel: convKernels[i], ...norms[i], running: running[i] })),
    dense: denseKernels.map((kernel, i) => ({ kernel, bias: biases[i] })),
    parameters,
    decaying,
    statistics: end,
  };
}

export const slice = (values: Float32Array, { first, length }: ParameterSlot): Float32Array =>
  values.subarray(first, first + length);

/** A state with random kernels: uniform with variance 2 / inputs (He et al. 2015), 1 / inputs for the last layer. */
export function initialState(layout: Layout, seed: number, optimizer: 'sgd' | 'adamw'): TrainingState {
  const { topology, convs, dense } = layout;
  const parameters = new Float32Array(layout.parameters);
  const statistics = new Float32Array(layout.statistics);
  convLayers(topology).forEach(({ cin, cout }, i) => {
    const random = randomOf(seed, 1, i);
    const kernel = slice(parameters, convs[i].kernel);
    const limit = Math.sqrt(6 / (9 * cin));
    const padded = paddedChannels(cin);
    for (let k = 0; k < kernel.length; k++)
      if (Math.floor(k / cout) % padded < cin) kernel[k] = limit * (2 * random() - 1);
    slice(parameters, convs[i].gamma).fill(1);
    slice(statistics, convs[i].running).fill(1, cout);
  });
  topology.dense.forEach((layer, i) => {
    const random = randomOf(seed, 2, i);
    const limit = Math.sqrt((i === dense.length - 1 ? 3 : 6) / layer.in);
    const kernel = slice(parameters, dense[i].kernel);
    for (let k = 0; k < kernel.length; k++) kernel[k] = limit * (2 * random() - 1);
  });
  const squares = new Float32Array(optimizer === 'adamw' ? layout.parameters : 0);
  return { parameters, moments: [new Float32Array(layout.parameters), squares], statistics };
}

/**
 * The state for another input size. Only the first dense layer depends on it: its kernel, a map of (cells, cells) for each channel and
 * unit, is interpolated bilinearly and scaled so that its sum stays.
 */
export function resizeState(from: Layout, to: Layout, state: TrainingState): TrainingState {
  const convert = (values: Float32Array): Float32Array => {
    if (values.length === 0) return values;
    const made = new Float32Array(to.parameters);
    const [olds, news] = [slotsOf(from), slotsOf(to)];
    for (const [i, slot] of news.entries()) {
      const old = slice(values, olds[i]);
      slice(made, slot).set(slot.length === old.length ? old : resizeKernel(from.topology, to.topology, old));
    }
    return made;
  };
  const [mean, squares] = state.moments;
  return { ...state, parameters: convert(state.parameters), moments: [convert(mean), convert(squares)] };
}

/** Gives every cell of the map the same weights in the first dense layer, the mean over the cells, in place. */
export function shareCells({ topology, dense }: Layout, parameters: Float32Array): void {
  const kernel = slice(parameters, dense[0].kernel);
  const cells = headCells(topology) ** 2;
  const values = kernel.length / cells; // of one cell
  const mean = new Float64Array(values);
  for (let cell = 0; cell < cells; cell++) for (let k = 0; k < values; k++) mean[k] += kernel[cell * values + k];
  for (let k = 0; k < values; k++) mean[k] /= cells;
  for (let cell = 0; cell < cells; cell++) kernel.set(mean, cell * values);
}

const slotsOf = ({ convs, dense }: Layout): ParameterSlot[] => [
  ...convs.flatMap(({ kernel, gamma, beta }) => [kernel, gamma, beta]),
  ...dense.flatMap(({ kernel, bias }) => [kernel, bias]),
];

function resizeKernel(from: Topology, to: Topology, old: Float32Array): Float32Array {
  const [n, m] = [headCells(from), headCells(to)];
  const values = old.length / (n * n); // of one cell
  const made = new Float32Array(m * m * values);
  const scale = (n * n) / (m * m);
  /** The two cells that a cell of the new map lies between, and the second one's share. */
  const between = Array.from({ length: m }, (_, i) => {
    const at = Math.max(0, Math.min(n - 1, ((i + 0.5) * n) / m - 0.5));
    const low = Math.floor(at);
    return { low, high: Math.min(n - 1, low + 1), share: at - low };
  });
  for (const [i, y] of between.entries())
    for (const [j, x] of between.entries())
      for (let k = 0; k < values; k++) {
        const at = (r: number, c: number) => old[(r * n + c) * values + k];
        const upper = at(y.low, x.low) * (1 - x.share) + at(y.low, x.high) * x.share;
        const lower = at(y.high, x.low) * (1 - x.share) + at(y.high, x.high) * x.share;
        made[(i * m + j) * values + k] = scale * (upper * (1 - y.share) + lower * y.share);
      }
  return made;
}
