import type { RawMap } from '../map/finish.js';
import { leadingEigenvector } from './eigenvector.js';
import type { Field, Pause } from './field.js';
import { fittedAlong, type Lattice } from './fitted-points.js';
import type { LocatedMap, Work } from './work.js';

/**
 * KPCA-CAM (Karmani et al. 2024): each point's activations on the first principal component in the space of the kernel
 * tanh(x . y / channels + 1), x less the mean, as pytorch-grad-cam and scikit-learn have it; of the two signs the one whose largest
 * value is positive. The component is found on the own phase's points, thinned out evenly to 1024 at most, and all points are
 * projected on it: where that are all, it is kernel PCA itself.
 */
export async function kpcaCam(work: Work): Promise<LocatedMap[]> {
  const { layers } = work.request;
  const fields = await work.fields(layers, false);
  const maps: LocatedMap[] = [];
  for (const [i, layer] of layers.entries()) {
    const place = work.placeOf(layer);
    const lattice = fittedAlong(fields[i], place);
    maps.push({
      raw: await kernelProjection(fields[i], lattice, (x, y, c) => work.products(x, y, c), work.pause),
      place,
    });
  }
  return maps;
}

type Products = (x: Float32Array, y: Float32Array, inner: number) => Promise<Float32Array>;

/** Points that are projected at a time. */
const CHUNK = 2048;

/** The raw map of a field, whose component is that of the points of a lattice. */
export async function kernelProjection(
  field: Field,
  lattice: Lattice,
  products: Products,
  pause: Pause,
): Promise<RawMap> {
  const { width, height, channels, activation } = field;
  const fitted = pointsOf(field, lattice);
  const count = fitted.length / channels;
  const means = new Float64Array(channels);
  for (let i = 0; i < fitted.length; i++) means[i % channels] += fitted[i] / count;
  const centre = (x: Float32Array) => x.map((value, i) => value - means[i % channels]);
  const basis = centre(fitted);
  const kernel = async (x: Float32Array) =>
    Float64Array.from(await products(x, basis, channels), (dot) => Math.tanh(dot / channels + 1));
  const own = await kernel(basis);
  const rows = rowMeans(own, count);
  const all = rows.reduce((a, b) => a + b, 0) / count;
  const centred = own.map((value, i) => value - rows[Math.floor(i / count)] - rows[i % count] + all);
  const component = await firstComponent(centred, count, pause);
  const data = new Float32Array(width * height);
  if (!component) return { width, height, data };
  for (let from = 0; from < data.length; from += CHUNK) {
    const k = await kernel(centre(activation.subarray(from * channels, (from + CHUNK) * channels)));
    const mean = rowMeans(k, count);
    for (let i = 0; i < mean.length; i++) {
      let sum = 0;
      for (let j = 0; j < count; j++) sum += (k[i * count + j] - rows[j] - mean[i] + all) * component[j];
      data[from + i] = sum;
    }
    await pause();
  }
  return { width, height, data };
}

function pointsOf({ width, channels, activation }: Field, { rows, columns }: Lattice): Float32Array {
  const points = new Float32Array(rows.length * columns.length * channels);
  for (const [i, y] of rows.entries())
    for (const [j, x] of columns.entries()) {
      const at = (y * width + x) * channels;
      points.set(activation.subarray(at, at + channels), (i * columns.length + j) * channels);
    }
  return points;
}

function rowMeans(m: Float64Array, columns: number): Float64Array {
  const means = new Float64Array(m.length / columns);
  for (let i = 0; i < m.length; i++) means[Math.floor(i / columns)] += m[i] / columns;
  return means;
}

/**
 * The eigenvector of the largest eigenvalue over that eigenvalue's root; undefined where no eigenvalue is positive. The kernel is not positive
 * definite: where the power iteration finds a negative eigenvalue, which lies further from 0, all are raised by it.
 */
async function firstComponent(m: Float64Array, n: number, pause: Pause): Promise<Float64Array | undefined> {
  let v = await leadingEigenvector(m, n, pause);
  let value = quotient(m, v);
  if (value < 0) {
    v = await leadingEigenvector(
      m.map((entry, i) => (i % (n + 1) === 0 ? entry - value : entry)),
      n,
      pause,
    );
    value = quotient(m, v);
  }
  if (!(value > 1e-12)) return undefined;
  const most = v.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0);
  return v.map((entry) => (entry * Math.sign(most)) / Math.sqrt(value));
}

/** v' M v */
function quotient(m: Float64Array, v: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < v.length; i++) for (let j = 0; j < v.length; j++) sum += v[i] * m[i * v.length + j] * v[j];
  return sum;
}
