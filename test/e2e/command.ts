import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import { sizeFrom } from '../../src/base/shape.js';

/** The repository's root: where the command runs, so that messages and documents hold the paths as they were given. */
export const root = resolve(fileURLToPath(new URL('../..', import.meta.url)));
export const photo = 'photos/leonberger_abyssinian.jpg';
export const fixture = (name: string): string => join(root, 'test/fixtures', name);
const STATED = { preprocessing: JSON.stringify({ normalization: 'torch' }) };

/** A small network with torchvision's names, and with what torchvision's file would not say: how its pictures are prepared. */
export const micro = stated('references/small/micro-vgg16.torchvision.safetensors');

const cli = join(root, 'dist/cli.js');
if (!existsSync(cli)) throw new Error('dist/cli.js is missing: run `npm run build` first; `npm test` does');

export interface Result {
  /** Exit code; null where a signal ended it. */
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Starts the command; `finished` resolves when it has ended. */
export function start(args: readonly string[], env: Record<string, string> = {}) {
  const child: ChildProcess = spawn(process.execPath, [cli, ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const result: Result = { code: null, stdout: '', stderr: '' };
  child.stdout!.setEncoding('utf8').on('data', (text) => {
    result.stdout += text;
  });
  child.stderr!.setEncoding('utf8').on('data', (text) => {
    result.stderr += text;
  });
  const finished = new Promise<Result>((resolve, reject) => {
    child.on('error', reject).on('close', (code) => resolve({ ...result, code }));
  });
  return { child, result, finished };
}

/** Runs `atrous-cam ARGS` as it is installed, to its end. */
export const command = (...args: string[]): Promise<Result> => start(args).finished;

/** A folder for one test file, removed after its tests. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'atrous-cam-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A copy of a safetensors fixture whose metadata state the preprocessing, so that nothing is assumed, and said to be, in every call. */
function stated(name: string): string {
  const bytes = readFileSync(fixture(name));
  const end = 8 + Number(bytes.readBigUInt64LE(0));
  const header = { ...JSON.parse(bytes.toString('utf8', 8, end)), __metadata__: STATED };
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const path = join(temporaryFolder(), basename(name));
  writeFileSync(path, Buffer.concat([length, text, bytes.subarray(end)]));
  return path;
}

/** Shape and numbers of a .npy file with little-endian float32 in C order. */
export function readNpy(path: string): { shape: number[]; data: Float32Array } {
  const bytes = readFileSync(path);
  if (bytes.toString('latin1', 0, 8) !== '\x93NUMPY\x01\x00')
    throw new Error(`${path}: not a .npy file of version 1.0`);
  const begin = 10 + bytes.readUInt16LE(8);
  const header = bytes.toString('latin1', 10, begin);
  const fields = /^\{'descr': '<f4', 'fortran_order': False, 'shape': \(([\d, ]*)\), \} *\n$/.exec(header);
  if (!fields) throw new Error(`${path}: unexpected header ${header}`);
  const shape = fields[1].split(',').filter(Boolean).map(Number);
  const count = sizeFrom(shape);
  if (bytes.length !== begin + 4 * count) throw new Error(`${path}: expected ${count} numbers`);
  return { shape, data: Float32Array.from({ length: count }, (_, i) => bytes.readFloatLE(begin + 4 * i)) };
}

/**
 * Writes VGG16 with torchvision's names and the given dense sizes as a sparse file: the header is as of the full size, the
 * numbers are a hole, which reads as zeros and takes no disk.
 */
export function writeSparseVgg16(path: string, dense: readonly number[]): void {
  const header: Record<string, object> = { __metadata__: STATED };
  let end = 0;
  const add = (name: string, shape: number[]) => {
    const begin = end;
    end += 4 * sizeFrom(shape);
    header[name] = { dtype: 'F32', shape, data_offsets: [begin, end] };
  };
  let [index, inputs] = [0, 3];
  for (const widths of [
    [64, 64],
    [128, 128],
    [256, 256, 256],
    [512, 512, 512],
    [512, 512, 512],
  ]) {
    for (const width of widths) {
      add(`features.${index}.weight`, [width, inputs, 3, 3]);
      add(`features.${index}.bias`, [width]);
      inputs = width;
      index += 2;
    }
    index++;
  }
  inputs *= 7 * 7;
  for (const [i, width] of dense.entries()) {
    add(`classifier.${3 * i}.weight`, [width, inputs]);
    add(`classifier.${3 * i}.bias`, [width]);
    inputs = width;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = openSync(path, 'w');
  writeSync(file, Buffer.concat([length, text]));
  closeSync(file);
  truncateSync(path, 8 + text.length + end);
}
