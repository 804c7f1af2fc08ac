import { lazy } from '../base/lazy.js';
import type { ManifestEntry } from './manifest.js';
import type { WeightsSource } from './open.js';
import type { Pulled, PullOptions } from './pull.js';

export type { ManifestEntry } from './manifest.js';
export type { Pulled, PullOptions, PullProgress } from './pull.js';

/** Weights that `load` knows by name, and where they are. */
export interface PublishedWeights extends ManifestEntry {
  /** The downloaded file: in Node its path, in a browser its name. Undefined where it has not been downloaded. */
  readonly path: string | undefined;
}

/**
 * Everything that `load` and `pullWeights` take by name. Nothing is downloaded.
 *
 * @example
 * for (const { name, bytes } of await publishedWeights()) console.log(name, bytes); // vgg16 553467096 ...
 */
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

/** What the reading of a weight file takes. */
export interface VerifyOptions {
  signal?: AbortSignal;
  /** Share that is read, 0..1. */
  onProgress?: (done: number) => void;
}

/**
 * Reads a weight file from its first to its last byte: checksums, and every number of the network. Of published weights, by name,
 * the checksum must be the published one.
 *
 * @throws AtrousCamError as `load`, and BAD_WEIGHTS where it is not what was published
 * @example
 * const { parameters, sha256 } = await verifyWeights('vgg16.h5', { onProgress: (done) => console.log(done) });
 */
export async function verifyWeights(source: WeightsSource, options?: VerifyOptions): Promise<Verified> {
  return (await lazy(() => import('./verify.js'))).verifyWeights(source, options);
}
