import type { WindowCall } from '../../src/wasm/job.js';
import type { Taps } from '../../src/wasm/ops/window.js';

/** Windows over a map, and the map that they make. */
export interface WindowCase {
  readonly h: number;
  readonly w: number;
  readonly window: WindowCall & Taps;
  /** Rows and columns of the output. */
  readonly outH: number;
  readonly outW: number;
}

/** [map, taps, stride, dilation, start, output], each down and across. */
type Row = [string, string, number, number, string, string];

/** Windows as networks have them and as they should not be, on maps of odd sizes. */
const rows: Row[] = [
  // one tap: the map itself, cropped, padded, every third point
  ['1 1', '1 1', 1, 1, '0 0', '1 1'],
  ['5 7', '1 1', 1, 1, '1 2', '3 4'],
  ['5 7', '1 1', 1, 1, '-2 -1', '8 9'],
  ['10 11', '1 1', 3, 1, '0 1', '4 4'],
  // 2x2 by twos: whole, cut off, begun later
  ['2 2', '2 2', 2, 1, '0 0', '1 1'],
  ['9 7', '2 2', 2, 1, '0 0', '5 4'],
  ['9 8', '2 2', 2, 1, '1 0', '4 4'],
  ['9 7', '2 2', 1, 2, '0 0', '9 7'],
  ['20 17', '2 2', 1, 8, '0 0', '20 17'],
  // 3x3: same, valid, by twos with padding, 'SAME' at an even size, dilated
  ['7 9', '3 3', 1, 1, '-1 -1', '7 9'],
  ['13 14', '3 3', 1, 1, '-1 -1', '13 14'],
  ['8 6', '3 3', 1, 1, '0 0', '6 4'],
  ['9 11', '3 3', 2, 1, '-1 -1', '5 6'],
  ['10 8', '3 3', 2, 1, '0 0', '5 4'],
  ['17 16', '3 3', 1, 3, '-3 -3', '17 16'],
  ['12 10', '3 3', 2, 2, '-2 -2', '6 5'],
  ['11 13', '3 3', 2, 3, '-3 -2', '6 7'],
  ['13 11', '3 3', 3, 2, '-1 -3', '5 5'],
  ['12 12', '3 3', 4, 2, '-2 -1', '4 4'],
  // tall enough that residues modulo the stride are divided differently
  ['97 8', '3 3', 2, 3, '-3 -3', '49 4'],
  // 5x5 and 7x7, also where every window leaves the map
  ['9 10', '5 5', 1, 1, '-2 -2', '9 10'],
  ['11 9', '5 5', 2, 1, '-2 -1', '6 5'],
  ['15 16', '5 5', 1, 4, '-8 -8', '15 16'],
  ['7 7', '7 7', 1, 1, '-3 -3', '7 7'],
  ['14 12', '7 7', 1, 1, '-3 -3', '14 12'],
  ['4 5', '7 7', 1, 1, '-3 -3', '4 5'],
  // rows and columns apart
  ['6 13', '1 7', 1, 1, '0 -3', '6 13'],
  ['13 6', '7 1', 1, 2, '-6 0', '13 6'],
  ['9 8', '2 3', 2, 1, '-1 -1', '5 4'],
  ['8 9', '4 1', 3, 1, '-2 0', '3 3'],
  // taps further apart than the map is wide, a stride beyond the taps, the whole map
  ['4 4', '2 2', 1, 16, '0 0', '4 4'],
  ['64 33', '2 2', 32, 1, '0 0', '2 2'],
  ['10 9', '2 3', 5, 1, '0 -1', '2 3'],
  ['9 7', '9 7', 1, 1, '0 0', '1 1'],
  ['9 7', '64 64', 1, 1, '-30 -31', '3 2'],
  // windows that see nothing: before, behind, between the taps
  ['5 6', '2 2', 2, 1, '-4 -4', '6 7'],
  ['3 4', '3 3', 1, 1, '9 9', '2 2'],
  ['2 2', '2 2', 1, 5, '-3 -3', '7 6'],
];

const pair = (text: string) => text.split(' ').map(Number);

export const windowCases: (WindowCase & { title: string })[] = rows.map(
  ([map, taps, stride, dilation, start, output]) => {
    const [h, w] = pair(map);
    const [outH, outW] = pair(output);
    const [rows, columns] = pair(taps);
    const [startY, startX] = pair(start);
    const title = `${h} x ${w} to ${outH} x ${outW}, ${rows} x ${columns} taps, stride ${stride}, dilation ${dilation}, start ${start}`;
    return { h, w, window: { rows, columns, stride, dilation, startY, startX }, outH, outW, title };
  },
);

/** Channels for case `i`: every number of lanes and of whole vectors comes up with many windows. */
export const channelsFor = (i: number): number[] =>
  [
    [1, 16, 37],
    [2, 8, 20],
    [3, 4, 33],
    [5, 12, 24],
    [7, 15, 17],
  ][i % 5];
