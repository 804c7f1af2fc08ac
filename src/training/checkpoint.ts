import { AtrousCamError } from '../base/errors.js';
import { nodeModule } from '../base/platform.js';
import { openSafetensors } from '../weights/safetensors.js';
import { safetensorsHeader } from '../weights/safetensors-header.js';
import { fileSource } from '../weights/source.js';
import { plainTensor } from '../weights/tensor.js';
import type { EpochReport, TrainingConfig } from './options.js';
import type { TrainingState } from './parameters.js';

/** Sums over the steps of an epoch that has begun. */
export interface EpochSums {
  loss: number;
  correct: number;
  pictures: number;
  seconds: number;
}

/** Where a run is: all that it needs to go on as if it had never stopped. Random numbers depend on the position alone. */
export interface Position {
  /** Steps done. */
  step: number;
  sums: EpochSums;
  epochs: EpochReport[];
}

/** What a checkpoint must agree with. */
export interface Identity {
  config: TrainingConfig;
  /** Classes, numbers of pictures, and a number that changes with their names. */
  data: { classes: readonly string[]; train: number; val: number; names: number };
}

const TENSORS = ['parameters', 'mean', 'squares', 'statistics'] as const;

/** Writes a file so that it is the old one or the new one whatever happens. */
export async function writeAtomically(path: string, pieces: Iterable<Uint8Array> | string): Promise<void> {
  const fs = await nodeModule('fs/promises');
  const part = `${path}.part`;
  try {
    const file = await fs.open(part, 'w');
    try {
      for (const piece of typeof pieces === 'string' ? [new TextEncoder().encode(pieces)] : pieces)
        for (let done = 0; done < piece.length; ) done += (await file.write(piece, done)).bytesWritten;
      await file.sync();
    } finally {
      await file.close();
    }
    await fs.rename(part, path);
  } catch (cause) {
    await fs.rm(part, { force: true });
    throw notWritten(path, cause);
  }
}

/** What a full disk and its like end a run with; what was there is kept. */
export function notWritten(path: string, cause: unknown): AtrousCamError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const reason = code === 'ENOSPC' ? 'no space is left on the disk' : message;
  return new AtrousCamError(
    'NOT_FOUND',
    `"${path}": cannot be written: ${reason}; resume goes on from the last checkpoint`,
    { cause },
  );
}

export async function writeCheckpoint(
  path: string,
  identity: Identity,
  position: Position,
  { parameters, moments, statistics }: TrainingState,
): Promise<void> {
  const arrays = [parameters, ...moments, statistics];
  const tensors = TENSORS.map((name, i) => ({ name, dtype: 'F32' as const, shape: [arrays[i].length] }));
  const metadata = { identity: JSON.stringify(identity), position: JSON.stringify(position) };
  const bytes = arrays.map((a) => new Uint8Array(a.buffer, a.byteOffset, a.byteLength));
  await writeAtomically(path, [safetensorsHeader(tensors, metadata), ...bytes]);
}

/**
 * The checkpoint at `path`, undefined where there is none. Throws BAD_ARGUMENT where it belongs to another run,
 * BAD_WEIGHTS where it is damaged.
 */
export async function readCheckpoint(
  path: string,
  identity: Identity,
): Promise<{ position: Position; state: TrainingState } | undefined> {
  const fs = await nodeModule('fs/promises');
  if (!(await fs.stat(path).catch(() => undefined))) return undefined;
  const source = await fileSource(path);
  try {
    const file = await openSafetensors(source);
    const stored = parse(path, file.metadata.get('identity')) as Identity;
    refuseDifference(path, stored, identity);
    const read = async (name: string): Promise<Float32Array> => {
      const raw = file.tensors.get(name);
      if (raw?.shape.length !== 1) throw damaged(path, `tensor "${name}" is missing`);
      const values = new Float32Array(raw.shape[0]);
      if (values.length > 0) await plainTensor(path, raw).copyInto(values);
      return values;
    };
    const [parameters, mean, squares, statistics] = [
      await read('parameters'),
      await read('mean'),
      await read('squares'),
      await read('statistics'),
    ];
    const position = parse(path, file.metadata.get('position')) as Position;
    return { position, state: { parameters, moments: [mean, squares], statistics } };
  } finally {
    source.close();
  }
}

function parse(path: string, text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    throw damaged(path, 'its description cannot be read');
  }
}

const damaged = (path: string, what: string) =>
  new AtrousCamError('BAD_WEIGHTS', `checkpoint "${path}": ${what}; train anew in another folder`);

function refuseDifference(path: string, stored: Identity, wanted: Identity): void {
  const keys = new Set([...Object.keys(wanted.config), ...Object.keys(stored.config)]);
  const differing = [...keys].filter(
    (key) =>
      JSON.stringify(stored.config[key as keyof TrainingConfig]) !==
      JSON.stringify(wanted.config[key as keyof TrainingConfig]),
  );
  const fail = (what: string) =>
    new AtrousCamError('BAD_ARGUMENT', `checkpoint "${path}": ${what}; resume with the options and data it began with`);
  if (differing.length > 0) throw fail(`was made with other ${differing.join(', ')}`);
  if (JSON.stringify(stored.data) !== JSON.stringify(wanted.data)) throw fail('was made with other pictures');
}
