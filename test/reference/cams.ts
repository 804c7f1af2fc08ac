/** Class activation maps in float64, written down from their papers' formulas, on dense (points, channels) arrays. */
export interface Layer {
  readonly a: ArrayLike<number>;
  readonly g: ArrayLike<number>;
  readonly channels: number;
}

const sumOver = (points: number, value: (i: number) => number): number =>
  Array.from({ length: points }, (_, i) => value(i)).reduce((x, y) => x + y, 0);

const perPoint = ({ a, channels }: Layer, value: (at: number, k: number) => number): Float64Array =>
  Float64Array.from({ length: a.length / channels }, (_, i) => sumOver(channels, (k) => value(i * channels + k, k)));

const alphas = ({ a, channels }: Layer, alpha: (points: number, at: (i: number) => number) => number): number[] =>
  Array.from({ length: channels }, (_, k) => alpha(a.length / channels, (i) => i * channels + k));

const weighted = (layer: Layer, alpha: readonly number[]): Float64Array =>
  perPoint(layer, (at, k) => alpha[k] * layer.a[at]);

export const referenceCams: Record<string, (layer: Layer) => Float64Array> = {
  gradcam: (layer) =>
    weighted(
      layer,
      alphas(layer, (n, at) => sumOver(n, (i) => layer.g[at(i)]) / n),
    ),
  xgradcam: (layer) =>
    weighted(
      layer,
      alphas(
        layer,
        (n, at) => sumOver(n, (i) => layer.g[at(i)] * layer.a[at(i)]) / (sumOver(n, (i) => layer.a[at(i)]) + 1e-7),
      ),
    ),
  'gradcam++': (layer) =>
    weighted(
      layer,
      alphas(layer, (n, at) => {
        const total = sumOver(n, (i) => layer.a[at(i)]);
        return sumOver(n, (i) => {
          const g = layer.g[at(i)];
          const a = g === 0 ? 0 : g ** 2 / (2 * g ** 2 + total * g ** 3 + 1e-6);
          return a * Math.max(g, 0);
        });
      }),
    ),
  layercam: (layer) => perPoint(layer, (at) => Math.max(layer.g[at], 0) * layer.a[at]),
  hirescam: (layer) => perPoint(layer, (at) => layer.g[at] * layer.a[at]),
  elementwise: (layer) => perPoint(layer, (at) => Math.max(layer.g[at] * layer.a[at], 0)),
  eigencam: (layer) => principal(layer.a, layer.channels),
  eigengradcam: ({ a, g, channels }) =>
    principal(
      Array.from(a, (value, i) => value * g[i]),
      channels,
    ),
  segeigencam: ({ a, g, channels }) => {
    const map = principal(
      Array.from(a, (value, i) => value * Math.abs(g[i])),
      channels,
    );
    return -Math.min(...map) > Math.max(...map) ? map.map((value) => -value) : map;
  },
  fem: (layer) =>
    weighted(
      layer,
      alphas(layer, (n, at) => {
        const mean = sumOver(n, (i) => layer.a[at(i)]) / n;
        const deviation = Math.sqrt(sumOver(n, (i) => (layer.a[at(i)] - mean) ** 2) / n);
        return sumOver(n, (i) => (layer.a[at(i)] > mean + 2 * deviation ? 1 : 0)) / n;
      }),
    ),
};

/**
 * Kernel PCA with the kernel tanh(x . y / channels + 1): all points on the first component of the `fitted` ones, whose mean is taken
 * away first; the fitted points' largest magnitude is positive.
 */
export function kernelPrincipal({ a, channels }: Omit<Layer, 'g'>, fitted: readonly number[]): Float64Array {
  const n = fitted.length;
  const mean = Array.from({ length: channels }, (_, k) => sumOver(n, (i) => a[fitted[i] * channels + k]) / n);
  const kernel = (i: number, j: number) =>
    Math.tanh(
      sumOver(channels, (k) => (a[i * channels + k] - mean[k]) * (a[j * channels + k] - mean[k])) / channels + 1,
    );
  const own = fitted.map((i) => fitted.map((j) => kernel(i, j)));
  const rows = own.map((row) => row.reduce((x, y) => x + y) / n);
  const all = rows.reduce((x, y) => x + y) / n;
  const { values, vectors } = jacobi(own.map((row, i) => row.map((value, j) => value - rows[i] - rows[j] + all)));
  const first = values.indexOf(Math.max(...values));
  const v = vectors.map((row) => row[first]);
  const most = v.reduce((x, y) => (Math.abs(y) > Math.abs(x) ? y : x));
  return Float64Array.from({ length: a.length / channels }, (_, i) => {
    const k = fitted.map((j) => kernel(i, j));
    const own = k.reduce((x, y) => x + y) / n;
    return (Math.sign(most) * sumOver(n, (j) => (k[j] - rows[j] - own + all) * v[j])) / Math.sqrt(values[first]);
  });
}

/** Rows of x (points, channels), centred, on their first principal axis, found by Jacobi rotations of the covariance. */
export function principal(x: ArrayLike<number>, channels: number): Float64Array {
  const points = x.length / channels;
  const means = Array.from({ length: channels }, (_, k) => sumOver(points, (i) => x[i * channels + k]) / points);
  const centred = (i: number, k: number) => x[i * channels + k] - means[k];
  const m = means.map((_, j) => means.map((__, k) => sumOver(points, (i) => centred(i, j) * centred(i, k))));
  const { values, vectors } = jacobi(m);
  const first = values.indexOf(Math.max(...values));
  const sign = sumOver(channels, (k) => vectors[k][first]) < 0 ? -1 : 1;
  return Float64Array.from({ length: points }, (_, i) =>
    sumOver(channels, (k) => sign * centred(i, k) * vectors[k][first]),
  );
}

/** Eigenvalues and, in columns, eigenvectors of a symmetric matrix, by Jacobi rotations. */
function jacobi(matrix: readonly (readonly number[])[]): { values: number[]; vectors: number[][] } {
  const m = matrix.map((row) => [...row]);
  const n = m.length;
  const vectors = m.map((_, j) => m.map((__, k): number => (j === k ? 1 : 0)));
  for (let sweep = 0; sweep < 40; sweep++)
    for (let p = 0; p < n; p++)
      for (let q = p + 1; q < n; q++) {
        if (m[p][q] === 0) continue;
        const angle = 0.5 * Math.atan2(2 * m[p][q], m[q][q] - m[p][p]);
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        for (let k = 0; k < n; k++) [m[k][p], m[k][q]] = [c * m[k][p] - s * m[k][q], s * m[k][p] + c * m[k][q]];
        for (let k = 0; k < n; k++) [m[p][k], m[q][k]] = [c * m[p][k] - s * m[q][k], s * m[p][k] + c * m[q][k]];
        for (let k = 0; k < n; k++)
          [vectors[k][p], vectors[k][q]] = [
            c * vectors[k][p] - s * vectors[k][q],
            s * vectors[k][p] + c * vectors[k][q],
          ];
      }
  return { values: m.map((row, k) => row[k]), vectors };
}
