import { eachPoint, type Pause, type Points } from './field.js';
import type { Front } from './front.js';

/** The first dense layer's input, (h, w, channels), of one head's points of the layer. `full`: the maps of `dilated`, that have the input's size. */
export async function frontValues(
  points: Points,
  { pool, h, w }: Front,
  full: boolean,
  pause: Pause,
): Promise<Float32Array> {
  const { field, period, row, column } = points;
  const { channels, activation, width } = field;
  const [rows, columns] = [(field.height - row) / period, (field.width - column) / period].map(Math.ceil);
  const values = new Float32Array(h * w * channels);
  const isMean = pool?.kind === 'mean';
  if (full && pool?.op !== 'global') return cells(points, { h, w }, rows, columns, pause);
  if (!pool) {
    let to = 0;
    await eachPoint(points, pause, (at) => {
      values.set(activation.subarray(at, at + channels), to);
      to += channels;
    });
    return values;
  }
  const window = pool.op === 'pool' ? pool.window : { rows, columns, stride: 1, dilation: 1, top: 0, left: 0 };
  const beyond = pool.op === 'pool' && pool.beyond === 'zero';
  for (let i = 0; i < h; i++) {
    for (let j = 0; j < w; j++)
      for (let k = 0; k < channels; k++) {
        let [sum, most, count] = [0, Number.NEGATIVE_INFINITY, 0];
        for (let a = 0; a < window.rows; a++)
          for (let e = 0; e < window.columns; e++) {
            const y = i * window.stride + a * window.dilation - window.top;
            const x = j * window.stride + e * window.dilation - window.left;
            const inside = y >= 0 && y < rows && x >= 0 && x < columns;
            if (!inside && !beyond) continue;
            const at = ((row + y * period) * width + column + x * period) * channels + k;
            const value = inside ? activation[at] : 0;
            sum += value;
            most = Math.max(most, value);
            count++;
          }
        values[(i * w + j) * channels + k] = count === 0 ? 0 : isMean ? sum / count : most;
      }
    const turn = pause();
    if (turn) await turn;
  }
  return values;
}

/** The largest of each of h x w cells, as near to equal as whole points allow. */
async function cells(
  points: Points,
  { h, w }: { h: number; w: number },
  rows: number,
  columns: number,
  pause: Pause,
): Promise<Float32Array> {
  const { field, row, column, period } = points;
  const { channels, activation, width } = field;
  const values = new Float32Array(h * w * channels).fill(Number.NEGATIVE_INFINITY);
  const covering = (at: number, n: number, side: number) =>
    Array.from({ length: n }, (_, i) => i).filter(
      (i) => at >= Math.floor((i * side) / n) && at < Math.ceil(((i + 1) * side) / n),
    );
  const across = Array.from({ length: columns }, (_, x) => covering(x, w, columns));
  for (let y = 0; y < rows; y++) {
    const down = covering(y, h, rows);
    for (let x = 0; x < columns; x++) {
      const at = ((row + y * period) * width + column + x * period) * channels;
      for (const i of down)
        for (const j of across[x]) {
          const cell = (i * w + j) * channels;
          for (let k = 0; k < channels; k++) values[cell + k] = Math.max(values[cell + k], activation[at + k]);
        }
    }
    const turn = pause();
    if (turn) await turn;
  }
  return values;
}
