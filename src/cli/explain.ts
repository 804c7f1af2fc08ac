import { basename, join } from 'node:path';
import type { ExplainOptions, Explanation, Network } from '../api.js';
import { formatSeconds } from '../base/format.js';
import type { Mode } from '../base/types.js';
import { drawFigure, encodeNpy, encodePng } from '../index.js';
import { pictureGrid } from '../metrics.js';
import { type Context, UsageError } from './context.js';
import { expandPictures } from './expand.js';
import { type GridNumbers, gridNumbers } from './grid.js';
import type { LeftOut } from './left-out.js';
import { checkOutputStride, type ExplainFlags, loadNetwork, modesOf, takeShard } from './options.js';
import {
  type NamedPicture,
  namePictures,
  type OutputFile,
  prepareFolder,
  refuseOverwriting,
  removeTemporaryFiles,
  writeFiles,
} from './output.js';
import { forEachPicture, type PictureTask } from './picture-files.js';
import { formatDuration } from './progress.js';
import { readPicture, STREAM } from './read-picture.js';
import { type PictureRecord, RECORD, readRecord, recordKey } from './record.js';
import { predictionLines } from './report.js';
import { openSummary, type Summary } from './summary.js';

/** `atrous-cam explain`: one figure per picture, the top five of each mode, maps as files. Returns the exit code. */
export async function explainCommand(files: string[], flags: ExplainFlags, context: Context): Promise<number> {
  // named before sharding, so that the shards of one call never share a name
  const leftOut: LeftOut[] = [];
  const named = namePictures(expandPictures(files, { recursive: flags.recursive, except: flags.out, leftOut }));
  if (flags.out === STREAM) checkStreamed(named, flags);
  else refuseOverwriting(flags.out, named);
  const removeUnusedFolder = flags.out === STREAM ? () => {} : prepareFolder(flags.out);
  try {
    const summary = openSummary(flags.summary);
    try {
      const network = await loadNetwork(flags, context);
      try {
        const closing = flags.summary !== undefined || flags.resume === true || named.length > files.length;
        return await explainPictures(network, takeShard(named, flags), flags, { summary, closing, leftOut }, context);
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

async function explainPictures(
  network: Network,
  pictures: readonly NamedPicture[],
  flags: ExplainFlags,
  report: { summary: Summary | undefined; closing: boolean; leftOut: readonly LeftOut[] },
  context: Context,
): Promise<number> {
  const { target, json } = flags;
  const quiet = json || flags.out === STREAM;
  const { signal } = context;
  checkOutputStride(network, flags);
  const modes = modesOf(flags);
  const optionsOf = (mode: Mode) => explainOptions(mode, flags);
  const task: PictureTask<NamedPicture> = async ({ file, name }, run, warn) => {
    const picture = await readPicture(file, flags, context);
    const { warnings } = picture;
    warn(warnings);
    const explanations: Explanation[] = [];
    for (const mode of modes)
      await run(mode, async (onProgress) => {
        const options = { ...optionsOf(mode), signal, onProgress };
        const first = explanations[0]; // decides the class of all modes; the picture is decoded once
        const explanation = first
          ? await network.explain(first.image, {
              ...options,
              target: first.target.index < 0 ? target : first.target.index,
            })
          : await network.explain(picture, options);
        explanations.push(explanation);
        if (!quiet) await context.print(describeExplanation(file, explanation));
      });
    const key = recordKey(file, flags, network);
    const gridOf = json ? await gridsBeside(explanations[0].image, network, signal) : () => undefined;
    const entries = Object.fromEntries(explanations.map((e) => [e.mode, toJson(e, gridOf(e))]));
    if (flags.out === STREAM) {
      await context.print(await figureOf(file, explanations));
      return entries;
    }
    const record = key === undefined ? undefined : { key, modes: entries, warnings };
    const paths = await writeExplanations(name, file, explanations, flags, record);
    if (!quiet) await context.print(paths.map((path) => `wrote ${path}\n`).join(''));
    return withFiles(entries, name, flags);
  };
  const finished = ({ file, name }: NamedPicture) => {
    const record = readRecord(flags.out, name);
    const ours = record && record.key === recordKey(file, flags, network);
    const complete = !flags.npy || modes.every((mode) => record?.sizes[`${name}.${mode}.raw.npy`] !== undefined);
    if (!ours || !complete) return undefined;
    return { modes: withFiles(record.modes, name, flags), warnings: record.warnings };
  };
  if (flags.resume) removeTemporaryFiles(flags.out, new Set(pictures.map(({ name }) => name)));
  const macs = (mode: Mode) => network.estimate(optionsOf(mode)).macs;
  const loop = { pictures, modes, macs, json, task, ...report, ...(flags.resume && { finished }) };
  await confirmCost(network, pictures, flags, context);
  return forEachPicture(network, loop, context);
}

/** The library's options for a mode. heads and outputStride matter in atrous only, but what is refused is refused before any work. */
export function explainOptions(mode: Mode, flags: ExplainFlags): ExplainOptions {
  const { target, method, layer, combine, score, heads, outputStride, align, zoom, smoothing, sign } = flags;
  const { augSmooth, eigenSmooth, seed } = flags;
  return {
    mode,
    target,
    method,
    layer,
    combine,
    score,
    heads,
    outputStride,
    align,
    zoom,
    smoothing,
    sign,
    augSmooth,
    eigenSmooth,
    seed,
  };
}

/** Refuses what cannot go to standard output: more than one figure, or anything beside it. */
function checkStreamed(pictures: readonly NamedPicture[], flags: ExplainFlags): void {
  if (pictures.length !== 1) throw new UsageError(`--out -: expected one picture, got ${pictures.length}`);
  for (const name of ['json', 'npy', 'resume'] as const)
    if (flags[name]) throw new UsageError(`--out -: writes the figure alone; it goes without --${name}`);
}

/** Of one colour, to measure the pace with. */
const GREY = { width: 64, height: 64, data: new Uint8Array(3 * 64 * 64).fill(128) };

/** Seconds a picture may take without being asked for. */
const LONG = 600;

/**
 * Refuses a call that would take long: by a careful guess, and where that is too much by the pace that a prediction shows.
 */
export async function confirmCost(
  network: Network,
  pictures: readonly { file: string }[],
  flags: ExplainFlags,
  { signal }: Context,
): Promise<void> {
  const seconds = () => secondsOf(network, flags);
  if (flags.yes || pictures.length === 0 || seconds() <= LONG) return;
  await network.predict(GREY, { signal }); // any picture takes as long
  if (seconds() <= LONG) return;
  const ways = cheaperWays(network, flags).join(' or ');
  const cost = `would take about ${formatDuration(seconds())} a picture (${modesOf(flags).join(', ')})`;
  const cure = `add --yes to compute it all the same${ways && `, or take ${ways}`}`;
  throw new UsageError(`--method ${flags.method}: ${cost}; ${cure}`);
}

/** Estimated seconds of a picture in all its modes. */
const secondsOf = (network: Network, flags: ExplainFlags): number =>
  modesOf(flags).reduce((sum, mode) => sum + network.estimate(explainOptions(mode, flags)).seconds, 0);

/** What would make a call cheaper, each by itself. */
const CHEAPER: Readonly<Record<string, Partial<ExplainFlags>>> = {
  'one --mode': { mode: 'pooled' },
  '--heads one': { heads: 'one' },
  '--smoothing box': { smoothing: 'box' },
  'no --aug-smooth': { augSmooth: false },
};

/** The largest output stride that the network has in `atrous`: the spacing of its own last maps. */
const coarsestStride = (network: Network): number =>
  Math.max(...network.plan('pooled').rows.map(({ stride = 1 }) => stride));

function cheaperWays(network: Network, flags: ExplainFlags): string[] {
  const now = secondsOf(network, flags);
  const coarse: Partial<ExplainFlags> = modesOf(flags).includes('atrous')
    ? { outputStride: coarsestStride(network) }
    : {};
  const ways: Readonly<Record<string, Partial<ExplainFlags>>> = { ...CHEAPER, 'a larger --output-stride': coarse };
  const changes = Object.entries(ways).filter(([, change]) => flags.mode === 'all' || !change.mode); // not all have each mode
  return changes.filter(([, change]) => secondsOf(network, { ...flags, ...change }) < now).map(([way]) => way);
}

function describeExplanation(
  file: string,
  { mode, raw, map, outputStride, seconds, target, predictions }: Explanation,
): string {
  const spaced = mode === 'atrous' && outputStride > 1 ? ` (output stride ${outputStride})` : '';
  const size = `${raw.width} x ${raw.height} map${spaced}${map.flat ? ' (flat: nothing speaks for it)' : ''}`;
  const subject = target.index < 0 ? target.label : `${target.label} (${target.index})`;
  const what = `${size} for ${subject} in ${formatSeconds(seconds)}`;
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
  const content = await figureOf(file, explanations, texts);
  return writeFiles(out, [{ name: `${name}.png`, content }, ...maps]);
}

/** The figure as a PNG file. */
async function figureOf(
  file: string,
  explanations: readonly Explanation[],
  texts?: Record<string, string>,
): Promise<Uint8Array> {
  const name = file === STREAM ? 'standard input' : basename(file);
  return encodePng(await drawFigure(explanations, { name }), { texts });
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

/** Grid numbers of a picture's maps, for the document alone: with the picture's own they take about as long as a pooled map. */
async function gridsBeside(image: Explanation['image'], network: Network, signal: AbortSignal | undefined) {
  const own = pictureGrid(await network.preprocess(image, { signal }));
  return (explanation: Explanation) => gridNumbers(explanation, own);
}

function toJson(explanation: Explanation, grid: GridNumbers | undefined): object {
  const { predictions, logits, target, score, raw, map, seconds, peakBytes, method, layers, heads } = explanation;
  const { outputStride, placement, zoom } = explanation;
  return {
    method,
    layers,
    heads,
    predictions,
    logits: [...logits],
    target,
    score,
    outputStride,
    placement,
    zoom,
    map: { width: raw.width, height: raw.height, flat: map.flat },
    ...(grid && { grid }),
    seconds,
    peakBytes,
  };
}
