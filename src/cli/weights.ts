import { basename, dirname, resolve } from 'node:path';
import type { LoadOptions, NetworkInfo } from '../api.js';
import { formatBytes } from '../base/format.js';
import {
  AtrousCamError,
  type PublishedWeights,
  packWeights,
  publishedWeights,
  pullWeights,
  verifyWeights,
} from '../index.js';
import { type Context, UsageError } from './context.js';
import { type InputFlags, inputOptions } from './input-options.js';
import { notWritten, prepareFolder, writeStream } from './output.js';
import { describeWeights, jsonLine } from './report.js';

export interface JsonFlags {
  json?: boolean;
}

/** Flags of the sub-commands that read a network. */
type InfoFlags = JsonFlags & InputFlags & { inputSize?: number | [number, number] };

/** `atrous-cam weights list`: what is known by name, and what of it is here. Returns the exit code, as all below. */
export async function listCommand({ json }: JsonFlags, context: Context): Promise<number> {
  const all = await publishedWeights();
  if (json) await context.print(jsonLine({ weights: all }));
  else {
    const width = Math.max(...all.map(({ name }) => name.length));
    const lines = all.map(({ name, title, bytes, path }) => {
      const size = bytes === undefined ? 'size not published' : formatBytes(bytes);
      return `${name.padEnd(width)}  ${path ? 'here' : '    '}  ${size.padStart(18)}  ${title}\n`;
    });
    const bundled = 'In the package: default (cats and dogs) and imagenet (MobileNetV1 0.25, 1000 classes).';
    await context.print(`${lines.join('')}\nDownload with: atrous-cam weights pull NAME\n${bundled}\n`);
  }
  return 0;
}

/** `atrous-cam weights info`: what is published under a name, or what a file holds. */
export async function infoCommand(name: string, flags: InfoFlags, context: Context): Promise<number> {
  const published = (await publishedWeights()).find((entry) => entry.name === name);
  const readable = published === undefined || published.path !== undefined;
  const { json, inputSize } = flags;
  const options = { ...inputOptions(flags), inputSize, signal: context.signal };
  const network = readable ? await context.inspect(name === 'default' ? undefined : name, options) : undefined;
  const contents = network && contentsOf(network);
  if (json) await context.print(jsonLine({ published, file: contents }));
  else await context.print(describePublished(published) + (contents ? describeContents(contents) : ''));
  return 0;
}

type Contents = ReturnType<typeof contentsOf>;

function contentsOf(network: NetworkInfo) {
  const { format, family, labels, head, layers, defaultLayer, preprocessing, preprocessingAssumed, assumptions } =
    network;
  return {
    ...describeWeights(network).weights,
    format,
    family,
    head,
    classes: labels.length,
    labels,
    layers,
    defaultLayer,
    preprocessing,
    preprocessingAssumed,
    assumptions,
  };
}

const lines = (fields: readonly (readonly [string, string | undefined])[]): string =>
  fields.flatMap(([key, value]) => (value === undefined ? [] : `${`${key}:`.padEnd(15)}${value}\n`)).join('');

function describePublished(entry: PublishedWeights | undefined): string {
  if (!entry) return '';
  const { title, urls, bytes, sha256, md5, licence, source, path, name } = entry;
  return lines([
    ['Name', name],
    ['What', title],
    ...urls.map((url, i) => [i === 0 ? 'From' : 'Or from', url] as const),
    ['Bytes', bytes?.toLocaleString('en-US')],
    ['SHA-256', sha256 && (sha256.length < 64 ? `${sha256}... (no more is published)` : sha256)],
    ['MD5', md5],
    ['Licence', licence],
    ['Stated at', source],
    ['Here', path ?? `no; atrous-cam weights pull ${name}`],
    ['Preprocessing', path ? undefined : Object.values(entry.preprocessing).join(', ')],
  ]);
}

function describeContents(file: Contents): string {
  const { labels, layers, head, assumptions } = file;
  const some = labels.length > 6 ? [...labels.slice(0, 3), '...', labels.at(-1)] : labels;
  return lines([
    ['File', file.source],
    ['Format', file.format],
    ['Network', file.family],
    ['Parameters', file.parameters.toLocaleString('en-US')],
    ['Input', file.input.join(' x ')],
    ['Preprocessing', preprocessingLine(file)],
    ['Classes', labels.length === 0 ? 'none: the file has no dense layers' : `${labels.length}: ${some.join(', ')}`],
    ['Head', head],
    ['Layers', `${layers.length}, the first one ${layers[0]}`],
    ['Default layer', file.defaultLayer],
    ...assumptions.map((text) => ['Assumed', text] as const),
  ]);
}

/** `torch, bilinear, crop`, or the numbers of a normalization that has no name. */
function preprocessingLine({ preprocessing, preprocessingAssumed }: Contents): string {
  const { normalization, resize, fit } = preprocessing;
  const rounded = (values: readonly number[] = []) => values.map((value) => Number(value.toFixed(3))).join(',');
  const numbers =
    typeof normalization === 'string'
      ? normalization
      : `${normalization.order ?? 'rgb'}, mean ${rounded(normalization.mean ?? [0])}, std ${rounded(normalization.std ?? [1])}`;
  return `${numbers}, ${resize}, ${fit}${preprocessingAssumed ? ' (assumed)' : ''}`;
}

/** `atrous-cam weights pull`: downloads to the cache, each file resumed where it ended, checked, and named at last. */
export async function pullCommand(
  names: readonly string[],
  { url, retries, json }: JsonFlags & { url?: string; retries?: number },
  context: Context,
): Promise<number> {
  if (url !== undefined && names.length > 1) throw new UsageError('--url: expected one name beside it');
  const known = new Set((await publishedWeights()).map(({ name }) => name));
  const unknown = names.find((name) => !known.has(name));
  if (unknown !== undefined)
    throw new UsageError(`"${unknown}": expected names of the list that \`atrous-cam weights list\` prints`);
  const files: object[] = [];
  for (const name of names) {
    let stage = '';
    const pulled = await pullWeights(name, {
      url,
      retries,
      signal: context.signal,
      onProgress: ({ stage: now, bytes, total }) => {
        if (now !== stage) context.progress.begin((total ?? bytes) / 1e6, 'MB');
        stage = now;
        context.progress.update(now === 'download' ? name : `checking ${name}`, bytes / 1e6);
      },
    });
    files.push({ name, ...pulled });
    if (!json) await context.print(`${pulled.cached ? 'already here: ' : 'wrote '}${pulled.path}\n`);
  }
  if (json) await context.print(jsonLine({ files }));
  return 0;
}

/** `atrous-cam weights verify`: checksums and every number of a file. */
export async function verifyCommand(name: string, { json }: JsonFlags, context: Context): Promise<number> {
  context.progress.begin(1);
  const verified = await verifyWeights(name, {
    signal: context.signal,
    onProgress: (done) => context.progress.update(`reading ${basename(name)}`, done),
  });
  if (json) await context.print(jsonLine(verified));
  else
    await context.print(
      lines([
        ['File', verified.source],
        ['Bytes', verified.bytes.toLocaleString('en-US')],
        ['SHA-256', verified.sha256],
        ['MD5', verified.md5],
        ['Parameters', `${verified.parameters.toLocaleString('en-US')}, all of them finite`],
        ['Published as', verified.published ?? 'nothing that is known here'],
      ]),
    );
  return 0;
}

/** Where the evidence of the last layer lies. */
async function measuredEvidence(source: string | undefined, options: LoadOptions, { load, signal }: Context) {
  const network = await load(source, { ...options, signal });
  try {
    const { layer, offset } = await network.evidence(undefined, { signal });
    return { [layer]: offset };
  } finally {
    network.dispose();
  }
}

/** `atrous-cam weights pack`: any weight file as one packed file. */
export async function packCommand(
  source: string,
  out: string,
  { dtype, evidence, json, ...flags }: InfoFlags & { dtype: 'float16' | 'float32'; evidence?: boolean },
  context: Context,
): Promise<number> {
  const named = source === 'default' ? undefined : source;
  const options = { ...inputOptions(flags), inputSize: flags.inputSize };
  const removeUnusedFolder = prepareFolder(dirname(resolve(out)), 'OUT');
  try {
    const { assumptions } = await context.inspect(named, { ...options, signal: context.signal });
    for (const assumption of assumptions) context.complain(`${assumption} The packed file will state it.`);
    context.progress.begin(1);
    const pieces = packWeights(named, {
      ...options,
      dtype,
      evidence: evidence ? await measuredEvidence(named, options, context) : undefined,
      signal: context.signal,
      onProgress: (done) => context.progress.update('packing', done),
    });
    const bytes = await writeStream(out, pieces);
    if (json) await context.print(jsonLine({ file: out, bytes }));
    else await context.print(`wrote ${out} (${formatBytes(bytes)})\n`);
    return 0;
  } catch (error) {
    if (error instanceof AtrousCamError || context.signal.aborted) throw error;
    throw notWritten(out, error);
  } finally {
    removeUnusedFolder();
  }
}
