import type { NodeId, Shape } from '../../graph/graph.js';

/**
 * A run through a part of one axis of a map: index i of it adds `step` * i to the row (`h`), column (`w`), channel (`c`) or picture (`n`).
 * Runs of one element are left out.
 */
export interface Run {
  readonly axis: 'n' | 'h' | 'w' | 'c';
  readonly size: number;
  readonly step: number;
}

/** One dimension of an ONNX tensor: runs through axes of a map, the outermost first; none where its size is 1. */
export type Dim = readonly Run[];

/**
 * An ONNX tensor as a way to read a node's map. Transpose, Reshape, Flatten and Squeeze change only what its dimensions run through, and no
 * numbers; together they run over each element of the map once.
 */
export interface View {
  readonly node: NodeId;
  readonly dims: readonly Dim[];
}

export const sizeOf = (dim: Dim): number => dim.reduce((product, { size }) => product * size, 1);

const run = (axis: Run['axis'], size: number): Dim => (size === 1 ? [] : [{ axis, size, step: 1 }]);

/** Dimensions of the node's map in the given order of axes, such as `nchw`. */
export const dimsOf = ({ h, w, c }: Shape, order: string, pictures: number): Dim[] =>
  [...order].map((axis) => run(axis as Run['axis'], { n: pictures, h, w, c }[axis]!));

/** Whether a dimension runs through all of an axis, in order. */
export function isWhole(dim: Dim, axis: Run['axis'], size: number): boolean {
  if (size === 1) return dim.length === 0;
  return dim.length === 1 && dim[0].axis === axis && dim[0].size === size && dim[0].step === 1;
}

/** The axis that a dimension runs through all of. Where its size is 1, the place says it: any axis of size 1 is as good for the numbers. */
export function axisOf(dims: readonly Dim[], d: number, shape: Shape): 'h' | 'w' | 'c' | undefined {
  const dim = dims[d];
  const axes = ['h', 'w', 'c'] as const;
  if (dim.length > 0) return axes.find((axis) => isWhole(dim, axis, shape[axis]));
  for (const order of ['nchw', 'nhwc']) {
    const fits =
      dims.length === 4 &&
      [...order].every((axis, at) => axis === 'n' || isWhole(dims[at], axis as Run['axis'], shape[axis as 'h']));
    if (fits && order[d] !== 'n') return order[d] as 'h' | 'w' | 'c';
  }
  return undefined;
}

/** Whether a dimension runs through nothing but the given axes. */
export const runsOnly = (dim: Dim, axes: string): boolean => dim.every(({ axis }) => axes.includes(axis));

export const sameDim = (a: Dim, b: Dim): boolean =>
  a.length === b.length &&
  a.every(({ axis, size, step }, i) => axis === b[i].axis && size === b[i].size && step === b[i].step);

export const sameDims = (a: readonly Dim[], b: readonly Dim[]): boolean =>
  a.length === b.length && a.every((dim, d) => sameDim(dim, b[d]));

/** As many dimensions as a sum with a tensor of that rank has: new ones of size 1 come first. */
export const ofRank = (dims: readonly Dim[], rank: number): Dim[] => [
  ...Array.from({ length: Math.max(0, rank - dims.length) }, () => []),
  ...dims,
];

/** The dimensions with other sizes, or nothing where one would have to run through parts that are not even. */
export function reshaped(dims: readonly Dim[], sizes: readonly number[]): Dim[] | undefined {
  const runs = dims.flat();
  let next = 0;
  const made: Dim[] = [];
  for (const size of sizes) {
    const dim: Run[] = [];
    for (let missing = size; missing > 1; ) {
      const whole = runs[next];
      if (!whole) return undefined;
      if (missing % whole.size === 0) {
        dim.push(whole);
        missing /= whole.size;
        next++;
      } else if (whole.size % missing === 0) {
        const rest = whole.size / missing;
        dim.push({ ...whole, size: missing, step: whole.step * rest });
        runs[next] = { ...whole, size: rest };
        missing = 1;
      } else return undefined;
    }
    if (size < 1) return undefined;
    made.push(joined(dim));
  }
  return next === runs.length ? made : undefined;
}

/** Neighbouring runs that are one. */
function joined(dim: Dim): Dim {
  const made: Run[] = [];
  for (const inner of dim) {
    const outer = made.at(-1);
    if (outer && outer.axis === inner.axis && outer.step === inner.step * inner.size)
      made[made.length - 1] = { axis: inner.axis, size: outer.size * inner.size, step: inner.step };
    else made.push(inner);
  }
  return made;
}

/** Where each index of a dimension lies on the axes that it runs through: the sum of steps, an axis by itself. */
export function positions(dim: Dim, axis: Run['axis']): Int32Array {
  const count = sizeOf(dim);
  const found = new Int32Array(count);
  let inner = 1;
  for (const { axis: of, size, step } of [...dim].reverse()) {
    if (of === axis) for (let i = 0; i < count; i++) found[i] += (Math.floor(i / inner) % size) * step;
    inner *= size;
  }
  return found;
}

/** The index in a dimension at which a channel lies, as far as the dimension runs through channels. */
export function indexOfChannel(dim: Dim, channel: number): number {
  let index = 0;
  for (const { axis, size, step } of dim) index = index * size + (axis === 'c' ? Math.floor(channel / step) % size : 0);
  return index;
}

/** The runs through channels of all dimensions, in order: how an operation that keeps the tensor's order would number the channels. */
export const channelRuns = (dims: readonly Dim[]): Dim => dims.flat().filter(({ axis }) => axis === 'c');

/** The dimensions with channels numbered anew in the order in which the tensor runs through them. */
export function inOwnOrder(dims: readonly Dim[]): Dim[] {
  let step = sizeOf(channelRuns(dims));
  return dims.map((dim) =>
    joined(
      dim.map((part) => {
        if (part.axis !== 'c') return part;
        step /= part.size;
        return { ...part, step };
      }),
    ),
  );
}

/** The index of each element of a dimension, whose runs go through rows, columns and channels, in a map in (row, column, channel) order. */
export function placesInMap(dim: Dim, { w, c }: Shape): Int32Array {
  const [rows, columns, channels] = (['h', 'w', 'c'] as const).map((axis) => positions(dim, axis));
  return rows.map((row, i) => (row * w + columns[i]) * c + channels[i]);
}
