import { Option } from 'commander';
import type { Network } from '../api.js';
import { didYouMean } from '../base/suggest.js';
import { AtrousCamError } from '../index.js';
import {
  type BaselineName,
  baselineNames,
  choosePictures,
  type EvaluationMetric,
  evaluateExplanations,
  evaluationMetrics,
  type MapSource,
  type MaskedPicture,
  type PictureEvaluation,
  readMaskedPictures,
  summarizeEvaluations,
} from '../metrics.js';
import { type Context, describe, UsageError } from './context.js';
import { confirmCost, explainOptions } from './cost.js';
import { EvaluationTable, formatExplanations, perPicture } from './explanations-report.js';
import { describeLeftOut } from './left-out.js';
import type { ExplainFlags } from './options.js';
import * as options from './options.js';
import { type LayerSimilarity, randomizeLayers } from './randomize.js';
import { describeNetwork, jsonLine } from './report.js';
import { count } from './training.js';

/** Options of `evaluate --explanations`; what `explain` has means the same. */
export interface ExplanationFlags extends Omit<ExplainFlags, 'target'> {
  target?: string | number;
  classColumn: string;
  baselines?: BaselineName[];
  metrics?: EvaluationMetric[];
  steps?: number;
  limit?: number;
  randomize?: number;
}

/** Names with commas between them, all of a list. */
function names<T extends string>(flag: string, known: readonly T[], description: string): Option {
  return new Option(`${flag} <a,b,...>`, description).argParser((value: string) => {
    const chosen = value.split(',');
    const wrong = chosen.find((name) => !known.includes(name as T));
    if (wrong === undefined) return chosen;
    throw new UsageError(`${flag}: expected names of ${known.join(', ')}, got "${wrong}"${didYouMean(wrong, known)}`);
  });
}

/** The options that accuracy does not have. */
export const explanationOptions = {
  maps: (): Option[] => [
    options.evaluatedTarget(),
    ...options.mapOptions(),
    options.yes(),
    names('--baselines', baselineNames, 'maps to compare with: equal everywhere, or a Gaussian in the middle'),
  ],
  measures: (): Option[] => [
    names('--metrics', evaluationMetrics, 'see "Metrics" below (default: all)'),
    count('--steps', 'of deletion and insertion (default: 32)', 1),
    count('--randomize', "also replace the network's layers by random numbers, from the last on, for so many pictures"),
    new Option('--class-column <name>', 'the column of index.csv that has the class').default('species'),
    options.seed(),
    options.summary(),
  ],
};

/** `atrous-cam evaluate --explanations`. Returns the exit code. */
export async function evaluateExplanationsCommand(
  folder: string,
  flags: ExplanationFlags,
  context: Context,
): Promise<number> {
  const all = await readMaskedPictures(folder, { classColumn: flags.classColumn });
  const table = flags.summary === undefined ? undefined : new EvaluationTable(flags.summary);
  try {
    const network = await options.loadNetwork(flags, context);
    try {
      options.checkOutputStride(network, flags);
      const pictures = choosePictures(
        knownPictures(folder, all, network, flags),
        flags.limit ?? all.length,
        flags.seed,
      );
      if (pictures.length < all.length && flags.limit === undefined)
        context.complain(`left out ${all.length - pictures.length} pictures of classes that the network does not have`);
      await confirmCost(network, pictures, mapFlags(flags), context);
      return await evaluatePictures(network, pictures, { flags, table }, context);
    } finally {
      network.dispose();
    }
  } finally {
    table?.close();
  }
}

/** `explain`'s options for the maps. */
const mapFlags = (flags: ExplanationFlags): ExplainFlags => ({ ...flags, target: flags.target ?? 'top' });

/** The pictures whose class the network has; all of them where one class is explained in all. */
function knownPictures(
  folder: string,
  pictures: readonly MaskedPicture[],
  { labels }: Network,
  { target, classColumn }: ExplanationFlags,
): readonly MaskedPicture[] {
  const known = target === undefined ? pictures.filter(({ label }) => labels.includes(label)) : pictures;
  if (known.length > 0) return known;
  const some = (all: readonly string[]) => `${all.slice(0, 5).join(', ')}${all.length > 5 ? ', ...' : ''}`;
  const got = some([...new Set(pictures.map(({ label }) => label))]);
  const expected = `expected labels of the network (${some(labels)}) in column ${classColumn}, got ${got}`;
  const cure = '--class-column takes another column, --target one class for all';
  throw new AtrousCamError('BAD_ARGUMENT', `"${folder}": ${expected}; ${cure}`);
}

async function evaluatePictures(
  network: Network,
  pictures: readonly MaskedPicture[],
  { flags, table }: { flags: ExplanationFlags; table: EvaluationTable | undefined },
  context: Context,
): Promise<number> {
  const { metrics, steps, seed, target, json, strict, randomize = 0 } = flags;
  const { signal, progress } = context;
  const maps = mapsOf(flags);
  const done: PictureEvaluation[] = [];
  const errors: { file: string; error: ReturnType<typeof describe> }[] = [];
  progress.begin(pictures.length, 'pictures');
  try {
    await evaluateExplanations(network, pictures, {
      maps,
      metrics,
      steps,
      seed,
      target,
      signal,
      onPicture: (evaluation) => done.push(evaluation),
      onProgress: (share, total, { file }) => progress.update(`${Math.floor(share) + 1}/${total} ${file}`, share),
      onError: ({ file }, error) => {
        const description = describe(error);
        errors.push({ file, error: description });
        if (strict) throw error;
        context.complain(`${file}: ${description.message}`);
      },
    });
  } finally {
    table?.addAll(done, errors);
    table?.write(describeNetwork(network));
  }
  const line = describeLeftOut(errors, 'that cannot be measured');
  if (line) context.complain(line);
  if (done.length === 0) return 1; // each has said why
  const layers: LayerSimilarity[] =
    randomize > 0 ? await randomizeLayers(pictures.slice(0, randomize), maps, flags, context) : [];
  const summary = summarizeEvaluations(done);
  const document = {
    maps,
    summary,
    pictures: perPicture(done),
    errors,
    ...(randomize > 0 && { randomization: layers }),
  };
  await context.print(
    json ? jsonLine({ ...describeNetwork(network), ...document }) : formatExplanations(summary, done.length, layers),
  );
  return errors.length > 0 ? 1 : 0;
}

function mapsOf(flags: ExplanationFlags): Record<string, MapSource> {
  const modes = options.modesOf(flags).map((mode) => {
    const { target: _, ...source } = explainOptions(mode, mapFlags(flags));
    return [mode, source] as const;
  });
  return Object.fromEntries([...modes, ...(flags.baselines ?? []).map((name) => [name, name] as const)]);
}
