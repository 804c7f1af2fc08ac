import { formatSeconds } from '../src/base/format.js';
import type { Mode } from '../src/base/types.js';
import type { WorkerNetwork } from '../src/worker.js';
import { element, make } from './dom.js';
import { formatBytes } from './messages.js';
import type { Photo } from './photo.js';

const MODES: readonly Mode[] = ['pooled', 'dilated', 'atrous'];
/** Each mode is measured so often, in turns, so that a busy moment does not fall on one of them; the median is shown. */
const ROUNDS = 3;

interface Row {
  mode: Mode;
  points: string;
  macs: number;
  seconds: number;
  peakBytes: number;
}

/** Measures the three modes on a photograph and shows a table that fills while it runs. Throws as `explain`. */
export async function measure(
  network: WorkerNetwork,
  photo: Photo,
  { signal, onProgress }: { signal: AbortSignal; onProgress: (text: string, done: number) => void },
): Promise<void> {
  const samples = new Map<Mode, number[]>(MODES.map((mode) => [mode, []]));
  const rows = new Map<Mode, Row>();
  const work = MODES.map((mode) => network.plan(mode).macs);
  const all = ROUNDS * work.reduce((sum, macs) => sum + macs, 0);
  let before = 0;
  await network.explain(photo.input, { mode: 'pooled', target: 0, signal }); // the first run of all pays for what is made once
  for (let round = 1; round <= ROUNDS; round++)
    for (const [i, mode] of MODES.entries()) {
      const text = `Round ${round} of ${ROUNDS}: ${mode}`;
      const { raw, seconds, peakBytes } = await network.explain(photo.input, {
        mode,
        target: 0, // a class of its own would cost `dilated` a pooled prediction
        smoothing: 'none',
        signal,
        onProgress: ({ done }) => onProgress(text, (before + done * work[i]) / all),
      });
      before += work[i];
      samples.get(mode)!.push(seconds);
      const points = `${raw.width} × ${raw.height}`;
      rows.set(mode, { mode, points, macs: work[i], seconds: median(samples.get(mode)!), peakBytes });
      showRows([...rows.values()]);
    }
}

function showRows(rows: readonly Row[]): void {
  const slowest = Math.max(...rows.map(({ seconds }) => seconds));
  const speedOf = ({ macs, seconds }: Row) => `${((2 * macs) / seconds / 1e9).toFixed(1)} GFLOP/s`;
  element('measure-rows', HTMLTableSectionElement).replaceChildren(
    ...rows.map((row) =>
      make(
        'tr',
        {},
        make('th', { scope: 'row', textContent: row.mode }),
        make('td', { textContent: row.points }),
        make('td', { textContent: `${(row.macs / 1e9).toPrecision(3)} GMAC` }),
        make(
          'td',
          {},
          make('meter', { max: slowest, value: row.seconds, ariaHidden: 'true' }),
          formatSeconds(row.seconds),
        ),
        make('td', { textContent: speedOf(row) }),
        make('td', { textContent: formatBytes(row.peakBytes) }),
      ),
    ),
  );
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
