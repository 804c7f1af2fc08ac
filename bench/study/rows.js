import { gaussianMap, uniformMap } from '../../dist/metrics.js';

/**
 * What the study compares: a row is a way to make a map, the same for all networks.
 *
 * @typedef {object} Row
 * @property {string} name
 * @property {import('../../dist/types/index.js').ExplainOptions} [explain] how the library makes it
 * @property {(side: number) => import('../../dist/types/metrics.js').GreyMap} [map] how it is made without a network
 * @property {Readonly<Record<string, number>>} [most] by network: the first so many pictures alone see it, 0 for none; others see all
 */

/** The row that all others are compared with: what other libraries draw. */
export const reference = 'pooled, cells';

const pooled = /** @type {const} */ ({ mode: 'pooled' });
const atrous = (outputStride, more) => /** @type {const} */ ({ mode: 'atrous', outputStride, ...more });

const row = (name, explain, most) => ({ name, explain, ...(most && { most }) });

/** Networks of stride 16, whose `atrous 16` is the pooled map but for its smoothing. */
const COARSE = { vgg16: 0, catdog: 0 };

/** @type {Row[]} */
export const rows = [
  { name: 'uniform map', map: (side) => uniformMap(side) },
  { name: 'centred Gaussian', map: (side) => gaussianMap(side) },
  row(reference, { ...pooled, align: 'cells' }),
  row('pooled, centres', pooled),
  row('pooled, evidence', { ...pooled, align: 'evidence' }),
  row('atrous 16', atrous(16), COARSE),
  row('atrous 8', atrous(8)),
  row('atrous 4', atrous(4)),
  row('atrous 1', atrous(1), { lite0: 12, mobilenet: 60, vgg16: 12 }),
  row('atrous 8, dense score', atrous(8, { heads: 'mean' })),
  row('zoom 2', { ...pooled, zoom: 2 }),
  row('zoom 3', { ...pooled, zoom: 3 }),
  row('zooms 1,2, mean', { ...pooled, zoom: [1, 2], combine: 'mean' }),
  row('zooms 1,2, product', { ...pooled, zoom: [1, 2], combine: 'product' }),
  row('zooms 1,2,3, product', { ...pooled, zoom: [1, 2, 3], combine: 'product' }),
  row('atrous 8, zooms 1,2, product', atrous(8, { zoom: [1, 2], combine: 'product' })),
  row('LayerCAM', { ...pooled, method: 'layercam' }),
  row('HiResCAM', { ...pooled, method: 'hirescam' }),
  row('Grad-CAM++', { ...pooled, method: 'gradcam++' }),
  row('EigenCAM', { ...pooled, method: 'eigencam' }),
  row('RefineCAM', { ...pooled, method: 'refinecam' }),
  row('Score-CAM', { ...pooled, method: 'scorecam' }, { lite0: 4, mobilenet: 40, vgg16: 0, catdog: 40 }),
  row('dilated', { mode: 'dilated' }, { lite0: 12, mobilenet: 60, vgg16: 12, catdog: 60 }),
];

/** Rows that are measured for localisation alone: a row like them is judged for its faithfulness. */
export const unjudged = ['pooled, evidence', 'atrous 16', 'atrous 1', 'zoom 3', 'dilated'];

/** Rows whose weights change step by step to random ones, for the parameter randomisation test. */
export const randomized = [
  reference,
  'pooled, centres',
  'atrous 8',
  'zoom 2',
  'zooms 1,2, product',
  'LayerCAM',
  'EigenCAM',
  'RefineCAM',
];

/** Networks that take no zoom once their dense layers are random: these then weigh the places of a map differently. */
export const unzoomed = ['catdog'];

/** Rows of the page of pictures. */
export const pictured = [
  reference,
  'pooled, centres',
  'atrous 8',
  'zoom 2',
  'zooms 1,2, product',
  'zooms 1,2,3, product',
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
  if (unknown !== undefined) throw new Error(`no row '${unknown}': ${rows.map(({ name }) => name).join('; ')}`);
  return rows.filter(({ name }) => name === reference || wanted.some(fits(name)));
}
