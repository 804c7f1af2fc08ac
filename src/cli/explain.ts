import type { Explanation, Network, Preprocessed } from '../api.js';
import { formatSeconds } from '../base/format.js';
import type { Mode } from '../base/types.js';
import { pictureGrid } from '../metrics.js';
import type { Context } from './context.js';
import { confirmCost, explainOptions } from './cost.js';
import { expandPictures } from './expand.js';
import { type GridNumbers, gridNumbers } from './grid.js';
import type { LeftOut } from './left-out.js';
import { checkOutputStride, type ExplainFlags, loadNetwork, modesOf, takeShard } from './options.js';
import { type NamedPicture, namePictures, removeTemporaryFiles } from './output.js';
import {
  checkOutputs,
  figureOf,
  isComplete,
  namesFile,
  type Outputs,
  outputsOf,
  prepareFolders,
  styleOf,
  usesFolder,
  withFiles,
  writeExplanations,
} from './outputs.js';
import { forEachPicture, type PictureTask } from './picture-files.js';
import { readPicture, STREAM } from './read-picture.js';
import { type PictureRecord, readRecord, recordKey } from './record.js';
import { predictionLines } from './report.js';
import { openSheet } from './sheet.js';
import { openSummary, type Report } from './summary.js';

/** Options as they are given: what stands for `--mode` where it is left out depends on the network, the pictures and what is written. */
type GivenFlags = Omit<ExplainFlags, 'mode'> & { mode?: ExplainFlags['mode'] | 'auto' };

/** `wanted`, if it is not left to the network; where nothing at all was asked for, it is all modes unless the network has a better map. */
function withMode(given: GivenFlags, wanted: GivenFlags['mode'], network: Pick<Network, 'estimate'>): ExplainFlags {
  if (wanted && wanted !== 'auto') return { ...given, mode: wanted };
  const { mode, zoom } = network.estimate(explainOptions(undefined, given));
  if (!wanted && mode === 'atrous') return { ...given, mode: 'all' };
  return { ...given, mode, ...(zoom.length > 1 && { zoom: [...zoom] }) };
}

/** So many pictures are explained one by one in words; of more the output says how far it is. */
const FEW = 10;

/** What a call of many pictures has beside the pictures' own files. */
interface Many {
  reports: readonly Report[];
  leftOut: readonly LeftOut[];
  /** Whether the output ends with a line that counts the pictures. */
  closing: boolean;
  /** Whether that line is all that it says. */
  terse: boolean;
}

/** `atrous-cam explain`: one figure per picture, the top five of each mode, maps as files. Returns the exit code. */
export async function explainCommand(files: string[], given: GivenFlags, context: Context): Promise<number> {
  const outputs = outputsOf(given);
  // named before sharding, so that the shards of one call never share a name
  const leftOut: LeftOut[] = [];
  const expanded = expandPictures(files, { recursive: given.recursive, except: outputs.folder, leftOut });
  const named = namePictures(expanded);
  const asGiven = new Set(files);
  const terse = named.length > FEW || named.some(({ file }) => !asGiven.has(file)); // folders and patterns, or many
  const wanted = given.mode ?? (terse || namesFile(outputs) ? 'auto' : undefined);
  const likely = wanted === 'auto' ? 'atrous' : (wanted ?? 'all');
  checkOutputs(outputs, named, { ...given, mode: likely }); // before the network is loaded, which takes longer
  const removeUnusedFolders = prepareFolders(outputs);
  const reports: Report[] = [];
  try {
    for (const report of [openSummary(given.summary), openSheet(given)]) if (report) reports.push(report);
    const network = await loadNetwork(given, context);
    try {
      const flags = withMode(given, wanted, network);
      if (flags.mode !== likely) checkOutputs(outputs, named, flags);
      const closing = terse || reports.length > 0 || flags.resume === true;
      const many = { reports, leftOut, closing, terse };
      return await explainPictures(network, takeShard(named, flags), { flags, outputs }, many, context);
    } finally {
      network.dispose();
    }
  } finally {
    for (const report of reports) report.close();
    removeUnusedFolders();
  }
}

async function explainPictures(
  network: Network,
  pictures: readonly NamedPicture[],
  { flags, outputs }: { flags: ExplainFlags; outputs: Outputs },
  many: Many,
  context: Context,
): Promise<number> {
  const { json } = flags;
  const isSilent = json || many.terse || outputs.folder === STREAM;
  const { signal } = context;
  checkOutputStride(network, flags);
  const modes = modesOf(flags);
  const optionsOf = (mode: Mode) => explainOptions(mode, flags);
  const task: PictureTask<NamedPicture> = async (picture, run) => {
    const { file, name } = picture;
    const pixels = await readPicture(file, flags, context);
    const { warnings } = pixels;
    const prepared = await network.preprocess(pixels, { signal }); // decoded and resized once, whatever is explained
    const explanations: Explanation[] = [];
    for (const mode of modes)
      await run(mode, async (onProgress) => {
        const first = explanations[0]; // decides the class of all modes
        const target = !first || first.target.index < 0 ? flags.target : first.target.index;
        const options = { ...optionsOf(mode), target, signal, onProgress };
        const explanation = await network.explain(prepared, options);
        explanations.push(explanation);
        if (!isSilent) await context.say(describeExplanation(file, explanation));
      });
    const key = recordKey(file, flags, network);
    const gridOf = json ? gridsBeside(prepared) : () => undefined;
    const entries = Object.fromEntries(explanations.map((e) => [e.mode, toJson(e, gridOf(e))]));
    if (outputs.folder === STREAM) {
      await context.print(await figureOf(file, explanations, flags));
      return { modes: entries, warnings };
    }
    const isKept = outputs.figure || flags.sheet; // in the figure, for sheets of later calls, or for this one's
    const thumbnail = isKept ? (await import('./thumbnail.js')).thumbnailOf(explanations, styleOf(flags)) : undefined;
    const record = key === undefined ? undefined : { key, modes: entries, warnings, thumbnail };
    const paths = await writeExplanations(picture, explanations, outputs, flags, record);
    if (!isSilent) await context.say(paths.map((path) => `wrote ${path}\n`).join(''));
    return { modes: withFiles(entries, name, outputs), warnings, thumbnail };
  };
  const finished = ({ file, name }: NamedPicture) => {
    const record = readRecord(outputs.folder, name);
    if (!record || record.key !== recordKey(file, flags, network)) return undefined;
    if (!isFinished(record, name, modes, { flags, outputs })) return undefined;
    const { warnings, thumbnail } = record;
    return { modes: withFiles(record.modes, name, outputs), warnings, thumbnail };
  };
  if (flags.resume) removeTemporaryFiles(outputs.folder, new Set(pictures.map(({ name }) => name)));
  const macs = (mode: Mode) => network.estimate(optionsOf(mode)).macs;
  const folder = many.terse && usesFolder(outputs) ? outputs.folder : undefined;
  const loop = { pictures, modes, macs, json, task, ...many, folder, ...(flags.resume && { finished }) };
  await confirmCost(network, pictures, flags, context);
  return forEachPicture(network, loop, context);
}

/** Whether an earlier call left all that this one is asked for. */
const isFinished = (
  record: PictureRecord,
  name: string,
  modes: readonly Mode[],
  { flags, outputs }: { flags: ExplainFlags; outputs: Outputs },
): boolean => isComplete(record, name, modes, outputs) && !(flags.sheet && !record.thumbnail);

function describeExplanation(
  file: string,
  { mode, raw, map, outputStride, zoom, seconds, target, predictions }: Explanation,
): string {
  const spaced = mode === 'atrous' && outputStride > 1 ? ` (output stride ${outputStride})` : '';
  const size = `${raw.width} x ${raw.height} map${spaced}${map.flat ? ' (flat: nothing speaks for it)' : ''}`;
  const zooms = zoom.length > 1 ? `, zooms ${zoom.join(' and ')}` : zoom[0] === 1 ? '' : `, zoom ${zoom[0]}`;
  const subject = target.index < 0 ? target.label : `${target.label} (${target.index})`;
  const what = `${size} for ${subject} in ${formatSeconds(seconds)}`;
  return `${file}, ${mode}${zooms}: ${what}\n${predictionLines(predictions)}\n`;
}

/** Grid numbers of a picture's maps, for the document alone: with the picture's own they take about as long as a pooled map. */
function gridsBeside(prepared: Preprocessed) {
  const own = pictureGrid(prepared);
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
