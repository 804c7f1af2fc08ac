import type { EpochReport } from './options.js';

const SIZE = { width: 640, height: 360 };
const PLOT = { left: 56, right: 56, top: 40, bottom: 40 };

interface Line {
  name: string;
  color: string;
  dashed: boolean;
  axis: 'loss' | 'accuracy';
  values: (number | undefined)[];
}

/** Loss (left axis) and accuracy (right axis) of the epochs as an SVG picture. */
export function drawCurve(epochs: readonly EpochReport[]): string {
  const lines: Line[] = [
    { name: 'loss', color: '#c0392b', dashed: true, axis: 'loss', values: epochs.map((e) => e.loss) },
    { name: 'validation loss', color: '#c0392b', dashed: false, axis: 'loss', values: epochs.map((e) => e.valLoss) },
    { name: 'accuracy', color: '#1f6fb2', dashed: true, axis: 'accuracy', values: epochs.map((e) => e.accuracy) },
    {
      name: 'validation accuracy',
      color: '#1f6fb2',
      dashed: false,
      axis: 'accuracy',
      values: epochs.map((e) => e.valAccuracy),
    },
  ];
  const losses = lines.filter(({ axis }) => axis === 'loss').flatMap(({ values }) => values.filter(isNumber));
  const tops = { loss: Math.max(0.1, Math.ceil(10 * Math.max(...losses)) / 10), accuracy: 1 };
  const [right, bottom] = [SIZE.width - PLOT.right, SIZE.height - PLOT.bottom];
  const x = (epoch: number) => PLOT.left + ((right - PLOT.left) * (epoch - 0.5)) / Math.max(1, epochs.length);
  const y = (share: number) => bottom - (bottom - PLOT.top) * share;
  const drawn = lines
    .filter(({ values }) => values.some(isNumber))
    .map(({ name, color, dashed, axis, values }, i) => {
      const points = values.flatMap((value, k) =>
        isNumber(value) ? [`${x(k + 1).toFixed(1)},${y(value / tops[axis]).toFixed(1)}`] : [],
      );
      const dash = dashed ? ' stroke-dasharray="4 3"' : '';
      const at = PLOT.left + i * 136;
      return `<polyline points="${points.join(' ')}" fill="none" stroke="${color}" stroke-width="2"${dash}/>
<line x1="${at}" y1="18" x2="${at + 20}" y2="18" stroke="${color}" stroke-width="2"${dash}/><text x="${at + 25}" y="22">${name}</text>`;
    });
  const ticks = [0, 0.25, 0.5, 0.75, 1].map(
    (share) => `<line x1="${PLOT.left}" y1="${y(share)}" x2="${right}" y2="${y(share)}" stroke="#ddd"/>
<text x="${PLOT.left - 6}" y="${y(share) + 4}" text-anchor="end">${(tops.loss * share).toFixed(2)}</text>
<text x="${right + 6}" y="${y(share) + 4}">${(100 * share).toFixed(0)} %</text>`,
  );
  const every = Math.ceil(epochs.length / 12);
  const names = epochs
    .filter((_, i) => i % every === 0)
    .map(({ epoch }) => `<text x="${x(epoch)}" y="${bottom + 18}" text-anchor="middle">${epoch}</text>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${SIZE.width} ${SIZE.height}" font-family="sans-serif" font-size="12" fill="#333">
<title>Loss and accuracy of the epochs</title>
<rect width="${SIZE.width}" height="${SIZE.height}" fill="#fff"/>
${[...ticks, ...names, ...drawn].join('\n')}
<text x="${(PLOT.left + right) / 2}" y="${SIZE.height - 6}" text-anchor="middle">epoch</text>
</svg>
`;
}

const isNumber = (value: number | undefined): value is number => value !== undefined;
