import { gaussianMap, uniformMap } from '../../dist/metrics.js';

/**
 * What the study compares: a row is a way to make a map.
 *
 * @typedef {object} Row
 * @property {string} name
 * @property {'default' | 'rescaled' | 'tuned' | 'drn'} weights whose map it is; all maps are judged by the default network
 * @property {import('../../dist/types/index.js').ExplainOptions} [explain] how the library makes it; `layer` names blocks
 * @property {(side: number, tensor: Float32Array) => import('../../dist/types/metrics.js').GreyMap} [map] how it is made without a network
 * @property {'all' | 'half' | 'few'} share of the pictures: maps that take long are made of fewer
 */

/** The row that all others are compared with. */
export const reference = 'pooled';

/** A picture's brightness, as if it were a map of it: what the grid number and the pointing game say of a picture itself. */
function brightness(side, tensor) {
  const grey = Float32Array.from(
    { length: side * side },
    (_, i) => tensor[3 * i] + tensor[3 * i + 1] + tensor[3 * i + 2],
  );
  const [least, most] = [grey.reduce((a, b) => Math.min(a, b)), grey.reduce((a, b) => Math.max(a, b))];
  return { width: side, height: side, data: grey.map((value) => (value - least) / (most - least || 1)) };
}

const baseline = (name, map) => ({ name, weights: 'default', map, share: 'all' });

const row = (name, explain, { weights = 'default', share = 'all' } = {}) => ({ name, weights, explain, share });

/** A mode's methods beside Grad-CAM, at several layers. */
const methods = (mode, { share, slowest }) => [
  row(`${mode} eigenSmooth`, { mode, eigenSmooth: true }, { share }),
  row(`${mode} augSmooth`, { mode, augSmooth: true }, { share: slowest }),
  ...[5, 4, 3].map((block) =>
    row(`${mode} LayerCAM ${block}`, { mode, method: 'layercam', layer: [`block${block}`] }, { share }),
  ),
  row(
    `${mode} LayerCAM 3x4x5`,
    { mode, method: 'layercam', layer: ['block3', 'block4', 'block5'], combine: 'product' },
    { share },
  ),
  row(`${mode} RefineCAM 4x5`, { mode, method: 'refinecam', layer: ['block4', 'block5'] }, { share }),
  row(`${mode} RefineCAM 3x4x5`, { mode, method: 'refinecam', layer: ['block3', 'block4', 'block5'] }, { share }),
  row(`${mode} guided Grad-CAM`, { mode, method: 'guided-gradcam' }, { share }),
];

const dilated = { mode: 'dilated' };

/** @type {Row[]} */
export const rows = [
  baseline('uniform map', (side) => uniformMap(side)),
  baseline('centred Gaussian', (side) => gaussianMap(side)),
  baseline('photograph', brightness),
  row(reference, { mode: 'pooled' }),
  ...methods('pooled', { share: 'all', slowest: 'all' }),
  row('dilated', dilated),
  ...['box', 'phases', 'gaussian'].map((smoothing) => row(`dilated ${smoothing}`, { ...dilated, smoothing })),
  row('dilated shift', { ...dilated, smoothing: 'shift' }, { share: 'few' }),
  row('rescaled', dilated, { weights: 'rescaled' }),
  row('rescaled phases', { ...dilated, smoothing: 'phases' }, { weights: 'rescaled' }),
  row('tuned', dilated, { weights: 'tuned' }),
  row('tuned phases', { ...dilated, smoothing: 'phases' }, { weights: 'tuned' }),
  row('DRN-C', dilated, { weights: 'drn' }),
  ...[16, 8, 4, 2].map((outputStride) => row(`atrous ${outputStride}`, { mode: 'atrous', outputStride })),
  row('atrous', { mode: 'atrous' }),
  row('atrous none', { mode: 'atrous', smoothing: 'none' }),
  ...['each', 'mean'].map((heads) => row(`atrous ${heads}`, { mode: 'atrous', heads })),
  ...methods('atrous', { share: 'half', slowest: 'few' }),
];

/** Rows whose weights change step by step to random ones, for the parameter randomisation test. */
export const randomized = [
  'pooled',
  'dilated',
  'atrous 4',
  'pooled LayerCAM 3',
  'pooled RefineCAM 3x4x5',
  'pooled guided Grad-CAM',
];

/** Rows of the page of pictures. */
export const pictured = [
  'pooled',
  'dilated',
  'dilated phases',
  'rescaled',
  'tuned',
  'DRN-C',
  'atrous',
  'atrous LayerCAM 4',
  'atrous LayerCAM 3x4x5',
  'atrous RefineCAM 3x4x5',
  'atrous guided Grad-CAM',
];

/**
 * The rows with these names, in the study's order, and the reference; all of them without names. `atrous*` is all that
 * begin so. Throws where a name is none.
 *
 * @param {readonly string[]} [wanted]
 */
export function chooseRows(wanted) {
  if (!wanted) return rows;
  const fits = (name) => (text) => (text.endsWith('*') ? name.startsWith(text.slice(0, -1)) : name === text);
  const unknown = wanted.find((text) => !rows.some(({ name }) => fits(name)(text)));
  if (unknown !== undefined) throw new Error(`no row '${unknown}': ${rows.map(({ name }) => name).join(', ')}`);
  return rows.filter(({ name }) => name === reference || wanted.some(fits(name)));
}

/**
 * The options of a row for a network: blocks become the names of their last convolutions.
 *
 * @param {Pick<Row, 'explain'>} row @param {readonly string[]} layers the network's convolutions, first to last
 */
export function explainOptions({ explain }, layers) {
  const last = (block) => layers.filter((name) => name.startsWith(block)).at(-1);
  return explain.layer ? { ...explain, layer: explain.layer.map(last) } : explain;
}
