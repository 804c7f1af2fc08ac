/** The grid number in float64, from the whole two-dimensional spectrum, its squares looked up one by one. */
export function referenceGrid(
  { width, height, data }: { width: number; height: number; data: ArrayLike<number> },
  spacing = 1,
): { all: number; byPeriod: Record<number, number> } {
  const mean = Array.from(data).reduce((a, b) => a + b, 0) / data.length;
  const hann = (i: number, n: number) => Math.sin((Math.PI * i) / n) ** 2;
  const x = Array.from({ length: height }, (_, i) =>
    Array.from({ length: width }, (_, j) => (data[i * width + j] - mean) * hann(j, width) * hann(i, height)),
  );
  const rows = x.map((row) => dft(row, []));
  const columns = x[0].map((_, u) =>
    dft(
      rows.map(({ re }) => re[u]),
      rows.map(({ im }) => im[u]),
    ),
  );
  let energy = 0;
  const byPeriod: Record<number, number> = { 16: 0, 8: 0, 4: 0, 2: 0 };
  for (let v = 0; v < height; v++)
    for (let u = 0; u < width; u++) {
      const squared = columns[u].re[v] ** 2 + columns[u].im[v] ** 2;
      energy += squared;
      const period = squareOf(frequency(u, width) / spacing, frequency(v, height) / spacing, 0.5 / spacing);
      if (period) byPeriod[period] += squared;
    }
  const shares = Object.entries(byPeriod).map(([period, part]) => [period, energy > 0 ? part / energy : 0] as const);
  return { all: shares.reduce((sum, [, share]) => sum + share, 0), byPeriod: Object.fromEntries(shares) };
}

const frequency = (bin: number, size: number): number => (bin > size / 2 ? bin - size : bin) / size;

/** The period of the square (k/16, l/16) that a frequency lies in, in pixels; 0 where it lies in none, or in that of (0, 0). */
function squareOf(x: number, y: number, nyquist: number): number {
  for (let k = -8; k <= 8; k++)
    for (let l = -8; l <= 8; l++) {
      if (Math.max(Math.abs(k), Math.abs(l)) / 16 > nyquist || (k === 0 && l === 0)) continue;
      const inside = Math.max(Math.abs(x - k / 16), Math.abs(y - l / 16)) <= 1 / 64 + 1e-12;
      if (inside) return [2, 4, 8, 16].find((period) => (k * period) % 16 === 0 && (l * period) % 16 === 0)!;
    }
  return 0;
}

function dft(re: readonly number[], im: readonly number[]): { re: number[]; im: number[] } {
  const n = re.length;
  const wave = (f: (angle: number) => number) => Float64Array.from({ length: n }, (_, i) => f((2 * Math.PI * i) / n));
  const [cos, sin] = [wave(Math.cos), wave(Math.sin)];
  const out: { re: number[]; im: number[] } = { re: [], im: [] };
  for (let bin = 0; bin < n; bin++) {
    let [a, b] = [0, 0];
    for (let i = 0; i < n; i++) {
      const [c, s] = [cos[(bin * i) % n], sin[(bin * i) % n]];
      a += re[i] * c + (im[i] ?? 0) * s;
      b += (im[i] ?? 0) * c - re[i] * s;
    }
    out.re.push(a);
    out.im.push(b);
  }
  return out;
}
