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
};

/** Rows of x (points, channels), centred, on their first principal axis, found by Jacobi rotations of the covariance. */
export function principal(x: ArrayLike<number>, channels: number): Float64Array {
  const points = x.length / channels;
  const means = Array.from({ length: channels }, (_, k) => sumOver(points, (i) => x[i * channels + k]) / points);
  const centred = (i: number, k: number) => x[i * channels + k] - means[k];
  const m = means.map((_, j) => means.map((__, k) => sumOver(points, (i) => centred(i, j) * centred(i, k))));
  const vectors = means.map((_, j) => means.map((__, k): number => (j === k ? 1 : 0)));
  for (let sweep = 0; sweep < 40; sweep++)
    for (let p = 0; p < channels; p++)
      for (let q = p + 1; q < channels; q++) {
        if (m[p][q] === 0) continue;
        const angle = 0.5 * Math.atan2(2 * m[p][q], m[q][q] - m[p][p]);
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        for (let k = 0; k < channels; k++) [m[k][p], m[k][q]] = [c * m[k][p] - s * m[k][q], s * m[k][p] + c * m[k][q]];
        for (let k = 0; k < channels; k++) [m[p][k], m[q][k]] = [c * m[p][k] - s * m[q][k], s * m[p][k] + c * m[q][k]];
        for (let k = 0; k < channels; k++)
          [vectors[k][p], vectors[k][q]] = [
            c * vectors[k][p] - s * vectors[k][q],
            s * vectors[k][p] + c * vectors[k][q],
          ];
      }
  let first = 0;
  for (let k = 1; k < channels; k++) if (m[k][k] > m[first][first]) first = k;
  const sign = sumOver(channels, (k) => vectors[k][first]) < 0 ? -1 : 1;
  return Float64Array.from({ length: points }, (_, i) =>
    sumOver(channels, (k) => sign * centred(i, k) * vectors[k][first]),
  );
}
