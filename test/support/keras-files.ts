import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { KerasFile } from '../../src/weights/keras/graph.js';
import { type OpenedGraph, openKerasArchive, openKerasH5 } from '../../src/weights/keras/open.js';
import { openContents } from '../../src/weights/keras-file.js';
import { bytesSource } from '../../src/weights/source.js';
import type { RawTensor } from '../../src/weights/tensor.js';
import type { Tensor } from '../../src/weights/types.js';
import { openZip } from '../../src/weights/zip.js';

const folder = new URL('../fixtures/keras/', import.meta.url).pathname;

/** A small network of test/fixtures/keras. */
export interface KerasFixture {
  /** `branches.3.15.1.keras` */
  name: string;
  bytes: Uint8Array;
  shape: [number, number, number];
  /** What Keras makes of `picture(shape)`. */
  output: number[];
}

export const kerasFixtures = (): KerasFixture[] =>
  readdirSync(folder)
    .filter((file) => /\.(h5|keras)\.gz$/.test(file))
    .map((file) => {
      const name = file.replace(/\.gz$/, '');
      const about = JSON.parse(readFileSync(`${folder}${name.replace(/\.(h5|keras)$/, '.json')}`, 'utf8'));
      return { ...about, name, bytes: new Uint8Array(gunzipSync(readFileSync(folder + file))) };
    });

/** Numbers from 0 to 255, the same as make_keras.py has. */
export const picture = (shape: readonly number[]): Float64Array =>
  Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) =>
    Math.floor((Math.sin(i * 12.9898) * 0.5 + 0.5) * 255),
  );

/** Opens a file of Keras' whatever its format, as a graph. */
export async function openKerasFile(
  bytes: Uint8Array,
  options?: Parameters<typeof openKerasH5>[1],
): Promise<OpenedGraph | undefined> {
  const source = bytesSource(bytes, 'x');
  return bytes[0] === 0x50 ? openKerasArchive(await openZip(source), options) : openKerasH5(source, options);
}

export async function weightsOf(tensors: ReadonlyMap<string, Tensor>): Promise<Map<string, Float32Array>> {
  const weights = new Map<string, Float32Array>();
  for (const [name, { shape, copyInto }] of tensors) {
    const target = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(Number.NaN);
    await copyInto(target);
    weights.set(name, target);
  }
  return weights;
}

/** A layer in a test: its class, what it was made with, its arrays by their shapes, and the layers that it reads, if not the one before it. */
export interface TestLayer {
  of: string;
  name?: string;
  config?: Record<string, unknown>;
  arrays?: Record<string, number[]>;
  reads?: string[];
  /** Of the call, by name. */
  named?: Record<string, unknown>;
  /** What it is called with behind those. */
  constants?: unknown[];
  /** Whether it is a function of Keras 3. */
  function?: boolean;
  module?: string | null;
  /** The name under which a class of the user's own is known. */
  registered?: string;
}

/** A functional model of layers one after the other, as a file of Keras 3 states it, with numbers in its arrays. */
export function kerasModel(layers: readonly TestLayer[], shape: readonly (number | null)[] = [8, 8, 3]): KerasFile {
  const input = { of: 'InputLayer', name: 'input', config: { batch_shape: [null, ...shape] } };
  const all = [input, ...layers].map((layer: TestLayer, i) => ({ ...layer, name: layer.name ?? `layer_${i}` }));
  const json = all.map((layer, i) => {
    const { of, name, config, reads, named = {}, constants = [], module = 'keras.layers', registered } = layer;
    const refs = (reads ?? (i > 0 ? [all[i - 1].name] : [])).map((layer) => ({
      class_name: '__keras_tensor__',
      config: { keras_history: [layer, 0, 0] },
    }));
    const args = refs.length > 1 && !layer.function ? [refs] : [...refs, ...constants];
    return {
      class_name: of,
      module,
      ...(registered && { registered_name: registered }),
      name,
      config: { name, ...(!layer.function && { trainable: true }), ...config },
      inbound_nodes: i > 0 ? [{ args, kwargs: named }] : [],
    };
  });
  const ends = { input_layers: [['input', 0, 0]], output_layers: [[all[all.length - 1].name, 0, 0]] };
  const groups = all.map(({ name, arrays = {} }) => ({
    name,
    arrays: Object.entries(arrays).map(([array, shape], k) => ({
      name: `${name}/${array}`,
      tensor: { name: array, shape, readRows: numbersFrom(shape, k) },
    })),
    groups: [],
  }));
  return {
    source: 'x',
    config: JSON.stringify({ class_name: 'Functional', config: { name: 'model', layers: json, ...ends } }),
    version: '3.15.1',
    contents: { layout: 'named', groups },
  };
}

/** Positive numbers, none like another. */
const numbersFrom =
  (shape: readonly number[], seed: number): RawTensor['readRows'] =>
  async (first, target) => {
    const start = first * shape.slice(1).reduce((a, b) => a * b, 1);
    for (let i = 0; i < target.length; i++) target[i] = 0.6 + 0.4 * Math.sin(seed * 37 + start + i);
  };

/** The parts of a fixture, to be changed and read again. */
export async function unpackedKeras(bytes: Uint8Array): Promise<{ file: KerasFile; close(): void }> {
  const source = bytesSource(bytes, 'x');
  if (bytes[0] !== 0x50) {
    const { value, close } = await openContents(source);
    const { config, version } = value!;
    return { file: { source: 'x', contents: value!, config: config!, version }, close };
  }
  const zip = await openZip(source);
  const text = async (name: string) => {
    const member = (await zip.member(name))!;
    return new TextDecoder().decode(await member.read(0, member.size));
  };
  const { value, close } = await openContents((await zip.member('model.weights.h5'))!);
  const { keras_version: version } = JSON.parse(await text('metadata.json'));
  return { file: { source: 'x', contents: value!, config: await text('config.json'), version }, close };
}

/** A layers-model of TensorFlow.js of test/fixtures/keras, and how files beside it are opened. */
export interface TfjsFixture {
  name: string;
  model: Record<string, unknown>;
  files: Map<string, Uint8Array>;
  shape: number[];
  output: number[];
}

export const tfjsFixtures = (): TfjsFixture[] =>
  readdirSync(folder)
    .filter((file) => file.endsWith('.tfjs.gz'))
    .map((file) => {
      const { files, ...about } = JSON.parse(gunzipSync(readFileSync(folder + file)).toString());
      const bytes = Object.entries<string>(files).map(
        ([name, text]) => [name, new Uint8Array(Buffer.from(text, 'base64'))] as const,
      );
      return { ...about, name: file.replace('.tfjs.gz', ''), files: new Map(bytes) };
    });
