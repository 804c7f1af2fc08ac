import { AtrousCamError } from '../base/errors.js';
import { checkOptions } from '../base/options.js';

/** One number a point, row by row: a raw or finished map, or a grey picture. */
export interface GridMap {
  readonly width: number;
  readonly height: number;
  readonly data: ArrayLike<number>;
}

/** How the points of a map lie. */
export interface GridOptions {
  /** Pixels of the input from one point to the next, a whole number; default 1. */
  spacing?: number;
}

/** Energy of a lattice by its period in pixels, as shares of the map's. */
export interface GridLevels {
  readonly 16: number;
  readonly 8: number;
  readonly 4: number;
  readonly 2: number;
}

/** The longest period of the lattice in pixels: phases of the last block are so many pixels wide. */
const PERIOD = 16;

/**
 * The grid number: how much of a map is a pattern that repeats every 16, 8, 4 or 2 pixels. Of the map minus its mean, times a Hann
 * window in both directions, it is the share of the spectrum's energy that lies in squares round the non-zero multiples of 1/16 cycle
 * a pixel, (k/16, l/16); a square reaches 1/64 cycle a pixel to each side, bounds included. A smooth bump has 0, a comb of period 16 has 1,
 * white noise 0.25 (224 x 224 points). A photograph has some of its own, which belongs beside its map's.
 *
 * Points that lie wider apart hold slower patterns only: with `spacing` 16, as in the pooled network's last map, none
 * of them, so the number is 0.
 *
 * @param map (height, width) finite numbers
 * @returns 0..1; 0 for a map whose values are all equal
 * @throws AtrousCamError BAD_ARGUMENT where the data do not fit the size, or are not finite
 * @example
 * gridNumber(map); // 0.000 of a bump, 1.000 of a comb of period 16
 */
export function gridNumber(map: GridMap, options: GridOptions = {}): number {
  const levels = gridLevels(map, options);
  return Math.min(1, levels[16] + levels[8] + levels[4] + levels[2]);
}

/**
 * The grid number's parts: of the multiples (k/16, l/16) those that repeat every 16 pixels and not sooner, every 8, 4
 * and 2. Throws as `gridNumber`.
 * @example
 * const levels = gridLevels(map);
 */
export function gridLevels(map: GridMap, options: GridOptions = {}): GridLevels {
  checkOptions('grid', options, { spacing: 1 });
  const { spacing = 1 } = options;
  check(map, spacing);
  const levels = { 16: 0, 8: 0, 4: 0, 2: 0 };
  const values = windowed(map);
  const energy = map.width * map.height * values.reduce((sum, value) => sum + value * value, 0); // Parseval
  if (!values.some((value) => value !== 0)) return levels;
  eachPair(values, map, spacing, (x, y, squared) => {
    const period = Math.max(x, y);
    if (period > 1) levels[period as keyof GridLevels] += squared / energy;
  });
  return levels;
}

function check({ width, height, data }: GridMap, spacing: number): void {
  const bad = (expected: string) => new AtrousCamError('BAD_ARGUMENT', `map: expected ${expected}`);
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && data?.length === width * height))
    throw bad(`width x height numbers, got ${data?.length} for ${width} x ${height}`);
  for (let i = 0; i < data.length; i++)
    if (!Number.isFinite(data[i])) throw bad(`finite numbers, got ${data[i]} at row ${Math.floor(i / width)}`);
  if (!(Number.isInteger(spacing) && spacing > 0))
    throw new AtrousCamError('BAD_ARGUMENT', `spacing: expected a whole number of pixels, got ${spacing}`);
}

/** The map minus its mean, times a Hann window; zeros for a map of equal values. */
function windowed({ width, height, data }: GridMap): Float64Array {
  const values = Float64Array.from(data);
  const mean = values.every((value) => value === values[0])
    ? values[0] // a sum would be off by its rounding
    : values.reduce((sum, value) => sum + value, 0) / values.length;
  const [columns, rows] = [hann(width), hann(height)];
  return values.map((value, i) => (value - mean) * columns[i % width] * rows[Math.floor(i / width)]);
}

const hann = (size: number): Float64Array =>
  Float64Array.from({ length: size }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size));

/** A bin of a spectrum near a multiple of 1/16 cycle a pixel. */
interface Bin {
  readonly index: number;
  /** Pixels after which that multiple's wave repeats on the lattice: 16, 8, 4, 2; 1 near the frequency 0. */
  readonly period: number;
}

/** The bins of an axis within 1/64 cycle a pixel of a multiple of 1/16, in whole numbers, so that bounds are exact. */
function latticeBins(size: number, spacing: number): Bin[] {
  const length = size * spacing; // in pixels; bin i is i / length cycles a pixel
  const bins: Bin[] = [];
  for (let index = 0; index < size; index++) {
    const cycles = 2 * index <= size ? index : size - index;
    const multiple = Math.round((PERIOD * cycles) / length);
    if (Math.abs(4 * PERIOD * cycles - 4 * multiple * length) > length) continue;
    let period = PERIOD;
    while (period > 1 && (multiple * period) % (2 * PERIOD) === 0) period /= 2;
    bins.push({ index, period });
  }
  return bins;
}

/**
 * Calls `visit` with the periods and |X|^2 of each pair of bins, X the two-dimensional Fourier transform of real values: of the rows, then
 * of the columns. Bins (u, v) and (width - u, height - v) have equal energy, so half of u will do.
 */
function eachPair(
  values: Float64Array,
  { width, height }: GridMap,
  spacing: number,
  visit: (x: number, y: number, squared: number) => void,
): void {
  const half = latticeBins(width, spacing).filter(({ index }) => 2 * index <= width);
  const [alongRows, alongColumns] = [new Transform(width, half), new Transform(height, latticeBins(height, spacing))];
  const columns = half.map(() => ({ re: new Float64Array(height), im: new Float64Array(height) }));
  const zeros = new Float64Array(width);
  for (let y = 0; y < height; y++)
    alongRows.run({ re: values.subarray(y * width, (y + 1) * width), im: zeros }, (bin, re, im) => {
      columns[bin].re[y] = re;
      columns[bin].im[y] = im;
    });
  for (const [i, { index, period }] of half.entries()) {
    const twice = index === 0 || 2 * index === width ? 1 : 2;
    alongColumns.run(columns[i], (bin, re, im) =>
      visit(period, alongColumns.bins[bin].period, twice * (re * re + im * im)),
    );
  }
}

/** Complex numbers, parts apart. */
interface Complex {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/**
 * Some bins of a Fourier transform, in two steps: each of `parts` phases by itself, at the bins modulo its length, which neighbouring
 * multiples of 1/16 have in common; then their sums. With 224 points that is about an eighth of the work of one step.
 */
class Transform {
  readonly #size: number;
  readonly #parts: number;
  readonly #residues: readonly number[];
  /** cos and sin of 2 pi i / size. */
  readonly #wave: Complex;
  readonly #phases: Complex;

  constructor(
    size: number,
    readonly bins: readonly Bin[],
  ) {
    this.#size = size;
    this.#parts = greatestDivisor(size, PERIOD);
    const length = size / this.#parts;
    this.#residues = [...new Set(bins.map(({ index }) => index % length))];
    const angles = Float64Array.from({ length: size }, (_, i) => (2 * Math.PI * i) / size);
    this.#wave = { re: angles.map(Math.cos), im: angles.map(Math.sin) };
    this.#phases = { re: new Float64Array(size), im: new Float64Array(size) };
  }

  /** Calls `visit` with the number of each bin and its coefficient. */
  run({ re, im }: Complex, visit: (bin: number, re: number, im: number) => void): void {
    const [size, parts, wave, phases] = [this.#size, this.#parts, this.#wave, this.#phases];
    const length = size / parts;
    for (const residue of this.#residues)
      for (let part = 0; part < parts; part++) {
        let [a, b, turn] = [0, 0, 0];
        for (let i = part; i < size; i += parts) {
          a += re[i] * wave.re[turn] + im[i] * wave.im[turn];
          b += im[i] * wave.re[turn] - re[i] * wave.im[turn];
          turn = (turn + residue * parts) % size;
        }
        phases.re[residue * parts + part] = a;
        phases.im[residue * parts + part] = b;
      }
    for (const [bin, { index }] of this.bins.entries()) {
      const from = (index % length) * parts;
      let [a, b, turn] = [0, 0, 0];
      for (let part = 0; part < parts; part++) {
        const [x, y] = [phases.re[from + part], phases.im[from + part]];
        a += x * wave.re[turn] + y * wave.im[turn];
        b += y * wave.re[turn] - x * wave.im[turn];
        turn = (turn + index) % size;
      }
      visit(bin, a, b);
    }
  }
}

/** The greatest common divisor. */
const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b));
