import { basename, join } from 'node:path';
import type { Explanation, Network } from '../api.js';
import { formatSeconds } from '../format.js';
import { drawFigure, encodeNpy, encodePng } from '../index.js';
import type { Context } from './context.js';
import { expandPictures } from './expand.js';
import { type ExplainFlags, loadNetwork, modesOf, takeShard } from './options.js';
import {
  type NamedPicture,
  namePictures,
  type OutputFile,
  prepareFolder,
  refuseOverwriting,
  removeTemporaryFiles,
  writeFiles,
} from './output.js';
import { forEachPicture, type PictureTask } from './pictures.js';
import { type PictureRecord, RECORD, readRecord, recordKey } from './record.js';
import { predictionLines } from './report.js';
import { openSummary, type Summary } from './summary.js';

/** `atrous-cam explain`: one figure per picture, the top five of each mode, maps as files. Returns the exit code. */
export async function explainCommand(files: string[], flags: ExplainFlags, context: Context): Promise<number> {
  // named before sharding, so that the shards of one call never share a name
  const named = namePictures(expandPictures(files, { recursive: flags.recursive, except: flags.out }));
  refuseOverwriting(flags.out, named);
  const removeUnusedFolder = prepareFolder(flags.out);
  try {
    const summary = openSummary(flags.summary);
    try {
      const network = await loadNetwork(flags, context);
      try {
        const closing = flags.summary !== undefined || flags.resume === true || named.length > files.length;
        return await explainPictures(network, takeShard(named, flags), flags, { summary, closing }, context);
      } finally {
        network.dispose();
      }
    } finally {
      summary?.close();
    }
  } finally {
    removeUnusedFolder();
  }
}

function explainPictures(
  network: Network,
  pictures: readonly NamedPicture[],
  flags: ExplainFlags,
  report: { summary: Summary | undefined; closing: boolean },
  context: Context,
): Promise<number> {
  const { target, method, layer, score, heads, outputStride, degrid, json } = flags;
  const { signal } = context;
  const modes = modesOf(flags);
  const task: PictureTask<NamedPicture> = async ({ file, name }, run) => {
    const explanations: Explanation[] = [];
    for (const mode of modes)
      await run(mode, async (onProgress) => {
        // heads and outputStride matter in atrous only, but what the library refuses it should refuse before any work
        const options = { mode, target, method, layer, score, degrid, heads, outputStride, signal, onProgress };
        const first = explanations[0]; // decides the class of all modes; the picture is decoded once
        const explanation = first
          ? await network.explain(first.image, { ...options, target: first.target.index })
          : await network.explain(file, options);
        explanations.push(explanation);
        if (!json) await context.print(describeExplanation(file, explanation));
      });
    const key = recordKey(file, flags, network);
    const entries = Object.fromEntries(explanations.map((e) => [e.mode, toJson(e)]));
    const record = key === undefined ? undefined : { key, modes: entries };
    const paths = await writeExplanations(name, file, explanations, flags, record);
    if (!json) await context.print(paths.map((path) => `wrote ${path}\n`).join(''));
    return withFiles(entries, name, flags);
  };
  const finished = ({ file, name }: NamedPicture) => {
    const record = readRecord(flags.out, name);
    const ours = record && record.key === recordKey(file, flags, network);
    const complete = !flags.npy || modes.every((mode) => record?.sizes[`${name}.${mode}.raw.npy`] !== undefined);
    return ours && complete ? withFiles(record.modes, name, flags) : undefined;
  };
  if (flags.resume) removeTemporaryFiles(flags.out, new Set(pictures.map(({ name }) => name)));
  const loop = { pictures, modes, outputStride, json, task, ...report, ...(flags.resume && { finished }) };
  return forEachPicture(network, loop, context);
}

function describeExplanation(file: string, { mode, raw, map, seconds, target, predictions }: Explanation): string {
  const size = `${raw.width} x ${raw.height} map${map.flat ? ' (flat: nothing speaks for it)' : ''}`;
  const what = `${size} for ${target.label} (${target.index}) in ${formatSeconds(seconds)}`;
  return `${file}, ${mode}: ${what}\n${predictionLines(predictions)}\n`;
}

/** Writes a picture's figure and, with --npy, its maps; all of them or none. Returns their paths, the figure's first. */
async function writeExplanations(
  name: string,
  file: string,
  explanations: readonly Explanation[],
  { out, npy }: ExplainFlags,
  record: Omit<PictureRecord, 'sizes'> | undefined,
): Promise<string[]> {
  const maps: OutputFile[] = [];
  if (npy)
    for (const { mode, raw, map } of explanations)
      maps.push(
        { name: `${name}.${mode}.raw.npy`, content: encodeNpy(raw.data, [raw.height, raw.width]) },
        { name: `${name}.${mode}.map.npy`, content: encodeNpy(map.data, [map.height, map.width]) },
      );
  const sizes = Object.fromEntries(maps.map(({ name, content }) => [name, content.length]));
  const texts = record && { [RECORD]: JSON.stringify({ ...record, sizes } satisfies PictureRecord) };
  const figure = await drawFigure(explanations, { name: basename(file) });
  return writeFiles(out, [{ name: `${name}.png`, content: encodePng(figure, { texts }) }, ...maps]);
}

/** A picture's entries with the paths of its files. */
function withFiles(entries: Record<string, object>, name: string, { out, npy }: ExplainFlags): Record<string, object> {
  const path = (ending: string) => join(out, `${name}.${ending}`);
  const files = (mode: string) => ({
    picture: path('png'),
    ...(npy && { raw: path(`${mode}.raw.npy`), map: path(`${mode}.map.npy`) }),
  });
  return Object.fromEntries(Object.entries(entries).map(([mode, entry]) => [mode, { ...entry, files: files(mode) }]));
}

function toJson({ predictions, logits, target, score, raw, map, seconds, peakBytes }: Explanation): object {
  return {
    predictions,
    logits: [...logits],
    target,
    score,
    map: { width: raw.width, height: raw.height, flat: map.flat },
    seconds,
    peakBytes,
  };
}
