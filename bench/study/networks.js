import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load, packWeights } from '../../dist/index.js';

/** @typedef {import('../../dist/types/index.js').Network} Network */

/**
 * A network of the study.
 *
 * @typedef {object} Studied
 * @property {string} name
 * @property {string} title as the tables call it
 * @property {string} [file] in the folder ZOO; without one `bundled` names what the package has
 * @property {string} [bundled] what `load` takes
 * @property {string} [labels] a file of names in ZOO
 * @property {import('../../dist/types/index.js').LoadOptions['preprocessing']} [preprocessing] what the file does not say
 * @property {'imagenet' | 'breed' | 'species'} explains which class of a picture is explained, see `classOf`
 */

/** EfficientNet-Lite's own numbers: (x - 127) / 128. */
const LITE = { normalization: { mean: [127, 127, 127], std: [128, 128, 128] } };

/** @type {readonly Studied[]} */
export const networks = [
  {
    name: 'lite0',
    title: 'EfficientNet-Lite0',
    file: 'efficientnet-lite0/lite0_legacy13.onnx',
    preprocessing: LITE,
    explains: 'imagenet',
  },
  { name: 'mobilenet', title: 'MobileNetV1 0.25', bundled: 'imagenet', explains: 'imagenet' },
  {
    name: 'vgg16',
    title: 'VGG16 of 37 breeds',
    file: 'vgg16-pets37/vgg16-pets37.f16.onnx',
    labels: 'vgg16-pets37/labels.txt',
    preprocessing: { normalization: 'caffe', fit: 'squash' },
    explains: 'breed',
  },
  { name: 'catdog', title: 'The cat/dog network', explains: 'species' },
];

/** The network of this name. Throws where there is none. @param {string} name */
export function networkOf(name) {
  const found = networks.find((one) => one.name === name);
  if (!found) throw new Error(`no network '${name}': ${networks.map((one) => one.name).join(', ')}`);
  return found;
}

/** What `load` takes. @param {Studied} network @param {string} zoo the folder ZOO */
export const sourceOf = ({ file, bundled }, zoo) => (file ? join(zoo, file) : bundled);

/** What a network's file does not say. @param {Studied} network @param {string} zoo the folder ZOO */
export const optionsOf = ({ labels, preprocessing }, zoo) => ({
  ...(labels && { labels: readFileSync(join(zoo, labels), 'utf8') }),
  ...(preprocessing && { preprocessing }),
});

/**
 * Loads a network, by default for one thread: several processes share the machine.
 *
 * @param {string} name @param {string} zoo the folder ZOO
 * @param {{ weights?: Uint8Array, threads?: number }} [options] `weights`: others than its own, of the same network
 * @returns {Promise<Network>}
 */
export function loadNetwork(name, zoo, { weights, threads = 1 } = {}) {
  const network = networkOf(name);
  return load(weights ?? sourceOf(network, zoo), { ...optionsOf(network, zoo), threads });
}

/** A network as `packWeights` writes it. @param {string} name @param {string} zoo */
export async function packNetwork(name, zoo) {
  const network = networkOf(name);
  const pieces = [];
  for await (const piece of packWeights(sourceOf(network, zoo), optionsOf(network, zoo))) pieces.push(piece);
  return new Uint8Array(Buffer.concat(pieces));
}

/** ImageNet's classes of dogs and of domestic cats, first and last. */
const SPECIES = { dog: [151, 268], cat: [281, 285] };

/**
 * The class of a picture that is explained, right or wrong as the network may be about it: the breed or the species that the index names,
 * or of ImageNet's classes the one of that species which the network finds likeliest.
 *
 * @param {Pick<Studied, 'explains'>} network @param {{ label: string, row: Readonly<Record<string, string>> }} picture
 * @param {readonly string[]} labels @param {() => Promise<ArrayLike<number>>} probabilities of this picture
 * @returns {Promise<number>} its index
 */
export async function classOf({ explains }, { label, row }, labels, probabilities) {
  if (explains !== 'imagenet') {
    const wanted = explains === 'breed' ? row.breed : label;
    const index = labels.indexOf(wanted);
    if (index < 0) throw new Error(`the network has no class '${wanted}'`);
    return index;
  }
  const [from, to] = SPECIES[label];
  const of = await probabilities();
  let best = from;
  for (let k = from; k <= to; k++) if (of[k] > of[best]) best = k;
  return best;
}
