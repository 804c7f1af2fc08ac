import { openContents } from '../keras-file.js';
import { type ByteSource, badWeights, quote } from '../source.js';
import type { ZipFile } from '../zip.js';
import { type GraphOptions, type ReadNetwork, readKerasGraph } from './graph.js';

export interface OpenedGraph extends ReadNetwork {
  /** Closes the file. Tensors cannot be read afterwards. */
  close(): void;
}

/**
 * The network of an HDF5 file that Keras wrote with `model.save`; undefined where it holds weights alone, which say nothing about the
 * network that they are of.
 */
export async function openKerasH5(
  source: ByteSource,
  options: GraphOptions = {},
  signal?: AbortSignal,
): Promise<OpenedGraph | undefined> {
  return openGraph(source, undefined, options, signal);
}

/** The network of a `.keras` archive: a zip file of the model's configuration and its weights. */
export async function openKerasArchive(
  zip: ZipFile,
  options: GraphOptions = {},
  signal?: AbortSignal,
): Promise<OpenedGraph | undefined> {
  const weights = await zip.member('model.weights.h5');
  const config = await textOf(zip, 'config.json');
  if (!weights || config === undefined) return undefined;
  const version = versionOf(await textOf(zip, 'metadata.json'));
  return openGraph(weights, { config, ...(version !== undefined && { version }) }, options, signal);
}

async function openGraph(
  source: ByteSource,
  stated: { config: string; version?: string } | undefined,
  options: GraphOptions,
  signal?: AbortSignal,
): Promise<OpenedGraph | undefined> {
  const { value: contents, close } = await openContents(source, signal);
  try {
    const { config, version } = stated ?? contents ?? {};
    if (!contents || config === undefined) {
      close();
      return undefined;
    }
    return { ...(await readKerasGraph({ source: source.name, contents, config, version }, options)), close };
  } catch (error) {
    close();
    throw error;
  }
}

const longestText = 64 << 20;

async function textOf(zip: ZipFile, name: string): Promise<string | undefined> {
  const member = await zip.member(name);
  if (!member) return undefined;
  if (member.size > longestText)
    throw badWeights(member.name, `expected ${quote(name)} of at most ${longestText} bytes, got ${member.size}`);
  return new TextDecoder().decode(await member.read(0, member.size));
}

function versionOf(json: string | undefined): string | undefined {
  try {
    const { keras_version: version } = JSON.parse(json ?? '{}');
    return typeof version === 'string' ? version : undefined;
  } catch {
    return undefined; // then no version is known
  }
}
