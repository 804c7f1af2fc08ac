/**
 * Unpacks the runs of a BMP file of 8 or 4 bits a pixel (compression 1 and 2). What no run reaches has index 0.
 *
 * @param runs the file from its first run on; what is cut off is missing
 * @returns one index a byte, in the file's order of rows
 */
export function unpackRuns(runs: Uint8Array, width: number, height: number, depth: number): Uint8Array {
  const out = new Uint8Array(width * height);
  const put = (x: number, y: number, index: number) => {
    if (x < width && y < height) out[y * width + x] = index;
  };
  /** The index at place `i` of a byte's one or two. */
  const part = (byte: number, i: number) => (depth === 8 ? byte : i & 1 ? byte & 15 : byte >> 4);
  let [x, y] = [0, 0];
  for (let at = 0; at + 1 < runs.length && y < height; ) {
    const [count, value] = [runs[at], runs[at + 1]];
    at += 2;
    if (count > 0) {
      for (let i = 0; i < count; i++) put(x++, y, part(value, i));
    } else if (value === 0) {
      x = 0;
      y++;
    } else if (value === 1) {
      break;
    } else if (value === 2) {
      x += runs[at] ?? 0;
      y += runs[at + 1] ?? 0;
      at += 2;
    } else {
      for (let i = 0; i < value; i++) put(x++, y, part(runs[at + (depth === 8 ? i : i >> 1)] ?? 0, i));
      const bytes = depth === 8 ? value : Math.ceil(value / 2);
      at += bytes + (bytes & 1); // to an even number
    }
  }
  return out;
}
