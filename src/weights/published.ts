import { AtrousCamError, throwIfAborted } from '../base/errors.js';
import { lazy } from '../base/lazy.js';
import { sizeFrom } from '../base/shape.js';
import type { ManifestEntry } from './manifest.js';
import { openGiven, openWeights, type WeightsSource } from './open.js';
import type { Pulled, PullOptions } from './pull.js';
import { quote } from './source.js';

export type { ManifestEntry } from './manifest.js';
export type { Pulled, PullOptions, PullProgress } from './pull.js';

/** Weights that `load` knows by name, and where they are. */
export interface PublishedWeights extends ManifestEntry {
  /** The downloaded file: in Node its path, in a browser its name. Undefined where it has not been downloaded. */
  readonly path: string | undefined;
}

/** Everything that `load` and `pullWeights` take by name. Nothing is downloaded. */
export async function publishedWeights(): Promise<PublishedWeights[]> {
  const { manifest, openCached } = await lazy(() => import('./cache.js'));
  return Promise.all(
    manifest.map(async (entry) => {
      const file = await openCached(entry);
      file?.close();
      return { ...entry, path: file?.name };
    }),
  );
}

/**
 * Downloads published weights to the cache, where `load` finds them by name. What was downloaded before a break is kept and gone
 * on from; the file gets its name only when its size and checksum are right. Nothing else in the package uses the network, except
 * `load` when it is given an http address.
 *
 * @param weights a name that `publishedWeights` gives, or an entry like those for weights of your own
 * @throws AtrousCamError BAD_ARGUMENT (a name that is not in the list), DOWNLOAD_FAILED, UNSUPPORTED and ABORTED
 * @example
 * await pullWeights('vgg16', { onProgress: ({ bytes, total }) => console.log(bytes, total) });
 * const net = await load('vgg16');
 */
export async function pullWeights(weights: string | ManifestEntry, options?: PullOptions): Promise<Pulled> {
  return (await lazy(() => import('./pull.js'))).pullWeights(weights, options);
}

/** What was found in a weight file that was read to its end. */
export interface Verified {
  source: string;
  bytes: number;
  sha256: string;
  md5: string;
  parameters: number;
  /** The published weights that the file is, by its checksum. */
  published?: string;
}

/**
 * Reads a weight file from its first to its last byte: checksums, and every number of the network. Of published weights, by name,
 * the checksum must be the published one.
 *
 * @throws AtrousCamError as `load`, and BAD_WEIGHTS where it is not what was published
 */
export async function verifyWeights(
  source: WeightsSource,
  { signal, onProgress }: { signal?: AbortSignal; onProgress?: (done: number) => void } = {},
): Promise<Verified> {
  const { checksums, manifest, manifestEntry, matches } = await lazy(() => import('./pull.js'));
  const file = await openGiven(source, signal);
  try {
    const sums = (await checksums(file, ['sha256', 'md5'], {
      signal,
      onProgress: (done) => onProgress?.(done / 2),
    })) as { sha256: string; md5: string };
    const found = { bytes: file.size, ...sums };
    const named = typeof source === 'string' && file.name !== source ? manifestEntry(source) : undefined;
    if (named && !matches(named, found)) {
      const sum = named.sha256 ? `SHA-256 is ${named.sha256}` : `MD5 is ${named.md5}`;
      const cure = `remove it and run \`atrous-cam weights pull ${named.name}\``;
      throw new AtrousCamError(
        'BAD_WEIGHTS',
        `weights ${quote(file.name)}: it is not the published file, whose ${sum}; ${cure}`,
      );
    }
    const published = named ?? manifest.find((entry) => matches(entry, found));
    const parameters = await readAll(source, signal, (done) => onProgress?.(0.5 + done / 2));
    return { source: file.name, ...found, parameters, published: published?.name };
  } finally {
    file.close();
  }
}

/** Reads every tensor, which refuses numbers that are not finite; returns how many parameters there are. */
async function readAll(
  source: WeightsSource,
  signal: AbortSignal | undefined,
  onProgress: (done: number) => void,
): Promise<number> {
  const weights = await openWeights(source, { signal });
  try {
    let done = 0;
    for (const tensor of weights.tensors.values())
      await tensor.copyInto(new Float32Array(sizeFrom(tensor.shape)), (elements) => {
        throwIfAborted(signal);
        done += elements;
        onProgress(done / weights.parameters);
      });
    return weights.parameters;
  } finally {
    weights.close();
  }
}
