import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { mutate, randomBelow } from './mutate.js';
import { mutateOnnx } from './protobuf.js';

/**
 * Damaged files of networks that say what they compute, or that are known by their names: ONNX' graphs by bytes and by fields, Keras'
 * models by bytes, the JSON of TensorFlow.js' `model.json` (which has Keras' configuration) and the names and shapes of dictionaries of
 * PyTorch by their values. What `damagedNetwork` gives is a source for `load`.
 *
 * @typedef {Uint8Array | File[]} Source
 */

const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url));
/** @param {string} path */
const read = (path) => new Uint8Array(readFileSync(fixtures + path));
/** @param {string} folder @param {RegExp} pattern */
const all = (folder, pattern) => readdirSync(fixtures + folder).filter((name) => pattern.test(name));

const onnx = () => all('onnx', /\.onnx$/).filter((name) => name !== 'residual-open.onnx');

/** @type {Record<string, () => { name: string, whole: () => Source, damaged: (seed: number) => Source }[]>} */
const formats = {
  'onnx bytes': () => {
    const files = onnx().map((name) => ({ name, bytes: read(`onnx/${name}`) }));
    return files.map(({ name, bytes }) => ({
      name,
      whole: () => bytes,
      damaged: (seed) => mutate(bytes, files[seed % files.length].bytes, seed),
    }));
  },
  'onnx fields': () =>
    onnx().map((name) => {
      const bytes = read(`onnx/${name}`);
      return { name, whole: () => bytes, damaged: (seed) => mutateOnnx(bytes, seed) };
    }),
  'keras models': () => {
    const files = all('keras', /\.(h5|keras)\.gz$/).map((name) => ({
      name,
      bytes: new Uint8Array(gunzipSync(read(`keras/${name}`))),
    }));
    return files.map(({ name, bytes }) => ({
      name,
      whole: () => bytes,
      damaged: (seed) => mutate(bytes, files[seed % files.length].bytes, seed),
    }));
  },
  'model.json': () =>
    all('keras', /\.tfjs\.gz$/).map((name) => {
      const { model, files } = JSON.parse(gunzipSync(read(`keras/${name}`)).toString());
      const shards = Object.entries(files).map(
        ([name, text]) => new File([new Uint8Array(Buffer.from(/** @type {string} */ (text), 'base64'))], name),
      );
      /** @param {unknown} json @returns {Source} */
      const source = (json) => [new File([JSON.stringify(json)], 'model.json'), ...shards];
      return { name, whole: () => source(model), damaged: (seed) => source(mutateJson(model, seed)) };
    }),
  dictionaries: () => {
    const networks = JSON.parse(readFileSync(`${fixtures}torch/networks.json`, 'utf8'));
    const small = Object.entries(networks).filter(([, { tensors }]) => Object.keys(tensors).length > 0);
    return small.map(([name, { tensors }]) => ({
      name,
      whole: () => safetensors(tensors),
      damaged: (seed) => safetensors(mutateShapes(tensors, seed)),
    }));
  },
};

export const networkFormats = Object.keys(formats);

/** Sources of a format as they are, and damaged ones. @param {string} format */
export function networkFiles(format) {
  const files = formats[format]();
  return {
    whole: files.map(({ whole }) => whole()),
    /** @param {number} seed */
    damaged: (seed) => files[seed % files.length].damaged(Math.floor(seed / files.length) * 7919 + seed),
  };
}

/** Values that readers of JSON stumble over. */
const odd = [
  null,
  true,
  -1,
  0,
  1,
  2,
  3,
  1e9,
  2 ** 53,
  1e308,
  0.5,
  '',
  'same',
  'valid',
  '__proto__',
  'constructor',
  [],
  {},
];

/**
 * JSON with some values changed: swapped, left out, doubled, made odd, or put inside themselves.
 *
 * @template T
 * @param {T} json
 * @param {number} seed
 * @returns {T}
 */
export function mutateJson(json, seed) {
  const random = randomBelow(seed);
  const copy = structuredClone(json);
  for (let rounds = 1 + random(3); rounds > 0; rounds--) {
    /** @type {{ at: any, key: string }[]} */
    const places = [];
    /** @param {any} at */
    const walk = (at) => {
      for (const key of Object.keys(at)) {
        places.push({ at, key });
        if (typeof at[key] === 'object' && at[key] !== null) walk(at[key]);
      }
    };
    walk(copy);
    if (places.length === 0) break;
    const { at, key } = places[random(places.length)];
    const other = places[random(places.length)];
    const clone = () => structuredClone(other.at[other.key]);
    switch (random(6)) {
      case 0:
        if (Array.isArray(at)) at.splice(Number(key), 1);
        else delete at[key];
        break;
      case 1:
        if (Array.isArray(at)) at.splice(Number(key), 0, structuredClone(at[Number(key)]));
        else at[`${key}_`] = at[key];
        break;
      case 2:
        at[key] = clone();
        break;
      case 3: {
        let deep = structuredClone(at[key]);
        for (let i = 0, depth = [1, 5, 40, 500][random(4)]; i < depth; i++) deep = random(2) ? [deep] : { [key]: deep };
        at[key] = deep;
        break;
      }
      default:
        at[key] = typeof at[key] === 'number' && random(2) ? at[key] + random(5) - 2 : odd[random(odd.length)];
    }
  }
  return copy;
}

/** @param {Record<string, number[]>} tensors @param {number} seed */
function mutateShapes(tensors, seed) {
  const random = randomBelow(seed);
  const entries = Object.entries(tensors).map(
    ([name, shape]) => /** @type {[string, number[]]} */ ([name, [...shape]]),
  );
  for (let rounds = 1 + random(3); rounds > 0 && entries.length > 1; rounds--) {
    const [at, other] = [random(entries.length), random(entries.length)];
    const entry = entries[at];
    const shape = entry[1];
    switch (random(8)) {
      case 0:
        entries.splice(at, 1);
        break;
      case 1:
        entry[1] = [...entries[other][1]];
        break;
      case 2:
        [entry[0], entries[other][0]] = [entries[other][0], entry[0]];
        break;
      case 3:
        if (shape.length > 0) shape[random(shape.length)] = [0, 1, 2, 3, 5, 7, 64, 200][random(8)];
        break;
      case 4:
        if (random(2)) shape.push(1);
        else shape.pop();
        break;
      case 5:
        entry[0] = entry[0].replace(/\d+/, `${[0, 1, 2, 9, 100, 999_999][random(6)]}`);
        break;
      case 6:
        entry[0] = [`module.${entry[0]}`, `${entry[0]}.weight`, `__proto__.${entry[0]}`, 'fc.weight'][random(4)];
        break;
      default: {
        const cut = entries[other][0].split('.').slice(0, -1).join('.');
        for (const one of entries) if (one[0].startsWith(`${cut}.`)) one[0] = `x${one[0]}`;
      }
    }
  }
  return Object.fromEntries(entries);
}

/** A file of zeros with these names and shapes. @param {Record<string, number[]>} tensors */
function safetensors(tensors) {
  let end = 0;
  /** @type {Record<string, object>} */
  const header = Object.create(null);
  for (const [name, shape] of Object.entries(tensors)) {
    const begin = end;
    end +=
      4 *
      Math.min(
        1 << 20,
        shape.reduce((a, b) => a * b, 1),
      );
    header[name] = { dtype: 'F32', shape, data_offsets: [begin, end] };
  }
  const text = Buffer.from(JSON.stringify(header));
  const file = new Uint8Array(8 + text.length + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  return file;
}
