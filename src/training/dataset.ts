import { AtrousCamError } from '../base/errors.js';
import { isNode, nodeModule } from '../base/platform.js';
import { shuffled } from '../base/random.js';
import { isPictureName } from '../image/picture-name.js';
import { randomOf } from './keyed-random.js';
import { readTar } from './tar.js';

/** A labelled picture file. */
export interface Sample {
  /** Its path inside the folder or archive, for messages. */
  readonly path: string;
  readonly label: number;
  /** The file's bytes. */
  read(): Promise<Uint8Array>;
}

/** Pictures in class folders. */
export interface Dataset {
  /** Names of the class folders, sorted. */
  readonly classes: readonly string[];
  readonly train: readonly Sample[];
  readonly val: readonly Sample[];
  /** Whether `val` is a folder of the data set, not a part that was taken away from `train`. */
  readonly ownVal: boolean;
  /** Paths of files that are not named like pictures. */
  readonly others: readonly string[];
  close(): Promise<void>;
}

export interface DatasetOptions {
  /** Share of each class that is kept for validation where there is no `val/`. Default 0.1. */
  valShare?: number;
  /** Of the choice of these pictures. Default 1. */
  seed?: number;
  /** Take so many pictures only, chosen by the seed. */
  trainLimit?: number;
  valLimit?: number;
  signal?: AbortSignal;
}

interface Entry {
  readonly path: string;
  read(): Promise<Uint8Array>;
}

/**
 * Opens a folder or a tar archive with one folder of pictures a class, `CLASS/*.jpg`, or `train/CLASS/*.jpg` and `val/CLASS/*.jpg`; one
 * folder around all of it does not matter, and a folder `masks`, which metrics of explanations need, is no class. Pictures are read when
 * they are needed. The order is that of the paths' UTF-16 units, on every machine.
 *
 * Throws NOT_FOUND, and BAD_ARGUMENT where there are fewer than two classes or one has no picture. Node only.
 */
export async function openDataset(path: string, options: DatasetOptions = {}): Promise<Dataset> {
  if (!isNode)
    throw new AtrousCamError('UNSUPPORTED', 'training data are read from folders and archives, which needs Node');
  const { entries, close } = await listEntries(path);
  try {
    return { ...arrange(path, entries, options), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function listEntries(path: string): Promise<{ entries: Entry[]; close(): Promise<void> }> {
  const fs = await nodeModule('fs/promises');
  const notFound = (cause: NodeJS.ErrnoException) =>
    new AtrousCamError(
      'NOT_FOUND',
      `"${path}": expected a folder of class folders or a tar archive, but ${cause.code === 'ENOENT' ? 'nothing is there' : cause.message}`,
      { cause },
    );
  try {
    if ((await fs.stat(path)).isDirectory()) {
      const { join, sep } = await nodeModule('path');
      const found = await fs.readdir(path, { recursive: true, withFileTypes: true });
      const files = found.filter((file) => !file.isDirectory());
      const special = (path: string) =>
        new AtrousCamError('BAD_IMAGE', `image ${JSON.stringify(path)}: no ordinary file`); // a pipe may never end
      const entries = files.map((file) => {
        const full = join(file.parentPath ?? file.path, file.name);
        const ordinary = file.isFile() || file.isSymbolicLink();
        const read = () => (ordinary ? fs.readFile(full) : Promise.reject(special(full)));
        return { path: full.slice(join(path, sep).length).split(sep).join('/'), read };
      });
      return { entries, close: async () => {} };
    }
    const file = await fs.open(path);
    const readAt = async (position: number, length: number) => {
      const { buffer, bytesRead } = await file.read(new Uint8Array(length), 0, length, position);
      return buffer.subarray(0, bytesRead);
    };
    try {
      const found = await readTar(readAt, path);
      const entries = found.map((entry) => ({ path: entry.path, read: () => readAt(entry.position, entry.size) }));
      return { entries, close: () => file.close() };
    } catch (error) {
      await file.close();
      throw error;
    }
  } catch (error) {
    throw error instanceof AtrousCamError ? error : notFound(error as NodeJS.ErrnoException);
  }
}

interface Found extends Entry {
  part: 'train' | 'val' | undefined;
  className: string;
}

function arrange(source: string, entries: readonly Entry[], options: DatasetOptions): Omit<Dataset, 'close'> {
  const { valShare = 0.1, seed = 1, trainLimit, valLimit } = options;
  if (!(valShare >= 0 && valShare < 1))
    throw new AtrousCamError('BAD_ARGUMENT', `valShare: expected 0 to less than 1, got ${valShare}`);
  const visible = entries
    .map((entry) => ({ ...entry, path: entry.path.replace(/^(\.\/)+/, '') }))
    .filter(({ path }) => !/(^|\/)([._]|masks\/)/.test(path));
  const others = visible
    .map(({ path }) => path)
    .filter((path) => !isPictureName(path) && !/(^|\/)index\.csv$/.test(path));
  const pictures = visible
    .filter(({ path }) => isPictureName(path))
    .sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  const found = pictures.map((entry) => place(entry));
  const split = found.some(({ part }) => part !== undefined);
  const used = split ? found.filter(({ part }) => part !== undefined) : found;
  const classes = [...new Set(used.map(({ className }) => className))].sort();
  if (classes.length < 2 || classes.includes('')) {
    const got = `${pictures.length} pictures in ${classes.length} ${classes.length === 1 ? 'folder' : 'folders'}`;
    const expected = 'expected a folder of pictures (.jpg, .png, .webp ...) for each of at least two classes';
    throw new AtrousCamError('BAD_ARGUMENT', `"${source}": ${expected}, got ${got}`);
  }
  const sample = ({ path, className, read }: Found): Sample => ({ path, label: classes.indexOf(className), read });
  const of = (part: Found['part']) => used.filter((entry) => entry.part === part).map(sample);
  const [allTrain, allVal, ownVal] = split
    ? [of('train'), of('val'), true]
    : [...divide(of(undefined), classes, valShare, seed), false];
  const train = choose(allTrain, trainLimit, seed, 0);
  const val = choose(allVal, valLimit, seed, 1);
  const missing = classes.find((_, label) => train.length > 0 && !train.some((entry) => entry.label === label));
  if (missing !== undefined)
    throw new AtrousCamError('BAD_ARGUMENT', `"${source}": class "${missing}" has no picture to train on`);
  return { classes, train, val, ownVal, others: others.sort() };
}

/** So many of the samples, in their order. */
function choose(samples: Sample[], limit: number | undefined, seed: number, part: number): Sample[] {
  if (limit === undefined || limit >= samples.length) return samples;
  const order = shuffled(samples.length, randomOf(seed, 7, part));
  return Array.from(order.subarray(0, limit).sort(), (i) => samples[i]);
}

/** The last folder is the class; `train` or `val` above it the part. */
function place(entry: Entry): Found {
  const folders = entry.path.split('/').slice(0, -1);
  const above = folders.at(-2);
  return { ...entry, className: folders.at(-1) ?? '', part: above === 'train' || above === 'val' ? above : undefined };
}

/** Takes the same share of each class away. */
function divide(samples: Sample[], classes: readonly string[], share: number, seed: number): [Sample[], Sample[]] {
  const held = new Set<Sample>();
  for (const label of classes.keys()) {
    const own = samples.filter((sample) => sample.label === label);
    const order = shuffled(own.length, randomOf(seed, 3, label));
    for (const i of order.subarray(0, Math.floor(own.length * share))) held.add(own[i]);
  }
  return [samples.filter((sample) => !held.has(sample)), samples.filter((sample) => held.has(sample))];
}
