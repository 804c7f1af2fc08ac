import { boxAccuracy, type EvaluationSummary, type PictureEvaluation } from '../metrics.js';
import type { LayerSimilarity } from './randomize.js';
import { TableFile } from './summary.js';
import { alignColumns } from './table.js';

/** What the rows of the table are and which direction is better; in this order. */
const ROWS: Record<string, string> = {
  grid: 'less',
  pointing: 'more',
  energy: 'more',
  precision: 'more',
  maskiou: 'more',
  maxbox: 'more',
  box30: 'more',
  box50: 'more',
  box70: 'more',
  maxboxv2: 'more',
  deletion: 'less',
  insertion: 'more',
  road: 'more',
  morf: 'less',
  lerf: 'more',
  drop: 'less',
  increase: 'more',
  gain: 'more',
  mosaic2: 'more',
  mosaic4: 'more',
  seconds: 'less',
};

/** A table of means with their intervals: a row a metric, a column a map. */
export function formatExplanations(
  { grid, maps }: EvaluationSummary,
  pictures: number,
  layers: readonly LayerSimilarity[],
): string {
  const names = Object.keys(maps);
  const cell = ({ value, low, high }: { value: number; low: number; high: number }) =>
    `${value.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;
  const rows = Object.entries(ROWS)
    .filter(([metric]) => names.some((name) => maps[name][metric]))
    .map(([metric, better]) => [
      metric,
      better,
      ...names.map((name) => (maps[name][metric] ? cell(maps[name][metric]) : '-')),
    ]);
  const lines = [
    `${pictures} pictures; means and 95% intervals`,
    '',
    ...alignColumns([['metric', 'better', ...names], ...rows], Infinity),
    '',
    `grid number of the photographs themselves: ${cell(grid)}`,
  ];
  if (layers.length === 0) return `${lines.join('\n')}\n`;
  const explained = Object.keys(layers[0].maps);
  const similarities = layers.map(({ layer, maps }) => [
    layer,
    ...explained.map((name) => `${maps[name].correlation.toFixed(3)}  ${maps[name].similarity.toFixed(3)}`),
  ]);
  const title = 'Rank correlation and structural similarity with the maps of the network, random from the layer on:';
  return `${[...lines, '', title, '', ...alignColumns([['layer', ...explained], ...similarities], Infinity)].join('\n')}\n`;
}

/**
 * The pictures' values without the curves of their boxes; instead `iou`, of the box that the largest piece of the map draws at the
 * threshold of `maxbox`.
 */
export function perPicture(evaluations: readonly PictureEvaluation[]) {
  const thresholds = new Map<string, number>();
  for (const name of Object.keys(evaluations[0]?.maps ?? {})) {
    const curves = evaluations.flatMap(({ maps }) => maps[name].box ?? []);
    if (curves.length > 0)
      thresholds.set(name, Math.round(boxAccuracy(curves, 0.5, 'largest').threshold * curves[0].thresholds));
  }
  return evaluations.map(({ maps, ...picture }) => {
    const entries = Object.entries(maps).map(([name, { box, ...values }]) => {
      const iou = box?.largest[thresholds.get(name)!];
      return [name, { ...values, ...(iou !== undefined && { iou }) }] as const;
    });
    return { ...picture, maps: Object.fromEntries(entries) };
  });
}

const COLUMNS = [
  ...['file', 'label', 'target_index', 'target_label', 'probability', 'picture_grid', 'map'],
  ...['grid', 'pointing', 'energy', 'precision', 'maskiou', 'iou', 'deletion', 'insertion', 'road', 'morf', 'lerf'],
  ...['drop', 'increase', 'gain', 'mosaic2', 'mosaic4', 'seconds', 'error', 'message'],
] as const;

/** The table of `--summary`: one row a map of a picture, or a picture that failed. */
export class EvaluationTable extends TableFile<(typeof COLUMNS)[number]> {
  constructor(path: string) {
    super(path, COLUMNS);
  }

  addAll(
    evaluations: readonly PictureEvaluation[],
    errors: readonly { file: string; error: { code: string; message: string } }[],
  ): void {
    for (const { file, label, target, probability, grid, maps } of perPicture(evaluations))
      for (const [map, values] of Object.entries(maps)) {
        const explained = { target_index: target.index, target_label: target.label, probability, picture_grid: grid };
        this.addRow({ file, label, ...explained, map, ...values });
      }
    for (const { file, error } of errors) this.addRow({ file, error: error.code, message: error.message });
  }
}
