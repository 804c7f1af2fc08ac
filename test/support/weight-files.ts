import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { File } from 'h5wasm/node';
import { expect } from 'vitest';
import { AtrousCamError, type ErrorCode } from '../../src/base/errors.js';
import { sizeFrom } from '../../src/base/shape.js';
import { convWeights, type NetworkWeights, type Tensor } from '../../src/weights/types.js';

export interface Entry {
  dtype: string;
  shape: number[];
  data: Uint8Array;
}

/** The bytes of a safetensors file. `header` replaces what would be written about single tensors. */
export function safetensors(
  entries: Record<string, Entry>,
  metadata?: Record<string, string>,
  header: Record<string, unknown> = {},
): Uint8Array {
  let end = 0;
  const about = Object.entries(entries).map(([name, { dtype, shape, data }]) => {
    const begin = end;
    end += data.length;
    return [name, { dtype, shape, data_offsets: [begin, end] }];
  });
  const json = JSON.stringify({ ...(metadata && { __metadata__: metadata }), ...Object.fromEntries(about), ...header });
  return withHeader(json, Buffer.concat(Object.values(entries).map(({ data }) => data)));
}

/** The bytes of a safetensors file with any text for a header. */
export function withHeader(json: string, data: Uint8Array = new Uint8Array(0), length?: bigint): Uint8Array {
  const text = new TextEncoder().encode(json);
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

/** Tensors of a safetensors file by name, to be changed and written again. */
export function readEntries(path: string): Record<string, Entry> {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, 8 + length));
  delete header.__metadata__;
  return Object.fromEntries(
    Object.entries<Entry & { data_offsets: number[] }>(header).map(([name, { dtype, shape, data_offsets }]) => {
      const [begin, end] = data_offsets.map((offset) => 8 + length + offset);
      return [name, { dtype, shape, data: new Uint8Array(file.subarray(begin, end)) }];
    }),
  );
}

export const float32 = (shape: number[], value: (i: number) => number = () => 0): Entry => {
  const numbers = Float32Array.from({ length: sizeFrom(shape) }, (_, i) => value(i));
  return { dtype: 'F32', shape, data: new Uint8Array(numbers.buffer) };
};

/** The bytes of an HDF5 file that `fill` writes with h5wasm. */
export async function hdf5(fill: (file: File) => void): Promise<Uint8Array> {
  const h5wasm = await import('h5wasm/node');
  await h5wasm.ready;
  const folder = mkdtempSync(join(tmpdir(), 'weights-'));
  try {
    const file = new h5wasm.File(join(folder, 'x.h5'), 'w', { libver: ['earliest', 'latest'] });
    fill(file);
    file.close();
    return new Uint8Array(readFileSync(join(folder, 'x.h5')));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export async function numbers({ shape, copyInto }: Tensor): Promise<Float32Array> {
  const target = new Float32Array(sizeFrom(shape)).fill(Number.NaN);
  await copyInto(target);
  return target;
}

/** All tensors by the layers' own names. */
export async function allNumbers(weights: NetworkWeights): Promise<Map<string, Float32Array>> {
  const all = new Map<string, Float32Array>();
  const { chain, tensors } = weights;
  if (!chain) for (const [name, tensor] of tensors) all.set(`${name} [${tensor.shape}]`, await numbers(tensor));
  for (const { name, kernel, bias } of chain ? [...convWeights(chain), ...chain.dense] : []) {
    all.set(`${name}.kernel [${kernel.shape}]`, await numbers(kernel));
    all.set(`${name}.bias [${bias.shape}]`, await numbers(bias));
  }
  return all;
}

/** Expects an error of the package: its code, one line, and what the message says. */
export async function expectRefused(action: () => unknown, code: ErrorCode, message: string | RegExp): Promise<void> {
  const error = await (async () => action())().then(
    () => undefined,
    (reason) => reason,
  );
  expect(error, `expected ${code} ${message}`).toBeInstanceOf(AtrousCamError);
  expect(error.message).toMatch(message);
  expect(error.message).not.toMatch(/[\r\n]/);
  expect(error.code).toBe(code);
}
