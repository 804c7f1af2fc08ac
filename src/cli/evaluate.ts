import { type Command, Option } from 'commander';
import type { Evaluation } from '../training.js';
import { type Context, UsageError } from './context.js';
import { type ExplanationFlags, evaluateExplanationsCommand, explanationOptions } from './explanations.js';
import { EXIT_HELP, GRID_HELP, METHODS_HELP, MODES_HELP, PLACEMENT_HELP } from './help.js';
import * as options from './options.js';
import { describeNetwork, jsonLine } from './report.js';
import { alignColumns } from './table.js';
import { count, group, type Run, reportFaults, reportLeftOut } from './training.js';

const HELP = `
Two measurements:
  accuracy (default)   of the network: DATA are class folders, CLASS/*.jpg or train/CLASS/*.jpg and
                       val/CLASS/*.jpg, or a tar archive of them
  --explanations       how good maps are: DATA is a folder with an index.csv; its columns file, mask and
                       species (the class) and, if known, body_x0, body_y0, body_x1, body_y1 (the box)

Metrics of --explanations (docs/metrics.md), with 95% bootstrap intervals:
  grid               pattern of period 16, 8, 4 or 2 in the map
  pointing           largest value on the object
  energy             share of the map on the object
  precision          average precision of the map's pixels against the object's
  maskiou            best overlap (IoU) of the map, cut at a threshold, with the object
  box                boxes drawn from the map that fit the object's: IoU .3, .5, .7
  deletion insertion road drop   the network's answer to pictures without some pixels; many forward passes
  mosaic2 mosaic4    share of the map on the right one of two or four pictures
${MODES_HELP}
${METHODS_HELP}
${PLACEMENT_HELP}
${GRID_HELP}

Examples:
  $ atrous-cam evaluate pictures                                   accuracy of the network in this package
  $ atrous-cam evaluate pictures.tar --weights run/network.safetensors --json
  $ atrous-cam evaluate pets --explanations --baselines uniform,gaussian
      all three modes beside maps that know nothing of the picture
  $ atrous-cam evaluate pets --explanations --method layercam --layer block4_conv3 --metrics box --limit 50
      other maps, of fifty pictures of each class
  $ atrous-cam evaluate pets --explanations --mode pooled --metrics energy --randomize 4
      do maps change when the network's layers are replaced by random numbers?
${EXIT_HELP}`;

/** Adds `evaluate` to the program. */
export function addEvaluateCommand(program: Command, context: Context, run: Run): void {
  const evaluation = program
    .command('evaluate')
    .description('Print the accuracy of a network on labelled pictures, or how good its explanations are.')
    .argument('<data>', 'class folders named like labels (or a tar archive), or a folder with index.csv and masks')
    .addHelpText('after', HELP)
    .action((data, flags: EvaluateFlags, command: Command) => run(evaluateCommand(data, flags, command, context)));
  group(evaluation, 'What:', [
    new Option('--explanations', 'measure explanations instead of accuracy'),
    options.evaluatedMode(),
  ]);
  group(evaluation, 'Network:', [options.weights(), ...options.inputOptionsOf()]);
  group(evaluation, 'Pictures:', [
    new Option('--part <val|train|all>', 'accuracy: which of the data (default: val, or all)').choices([
      'val',
      'train',
      'all',
    ]),
    options.strict('; without it they are left out and named'),
    options.maxPixels(),
    count('--limit', 'so many pictures of each class: the first, with --explanations drawn by --seed', 1),
  ]);
  group(evaluation, 'With --explanations, the maps:', explanationOptions.maps());
  group(evaluation, 'With --explanations, what is measured:', explanationOptions.measures());
  group(evaluation, 'Output:', [options.json()]);
  group(evaluation, 'Machine:', [
    options.precision(),
    options.kernels(),
    options.threads(),
    options.maxMemory(),
    options.maxFile(),
  ]);
}

interface EvaluateFlags extends ExplanationFlags {
  explanations?: boolean;
  part?: 'val' | 'train' | 'all';
}

/** `atrous-cam evaluate`. Returns the exit code. */
function evaluateCommand(data: string, flags: EvaluateFlags, command: Command, context: Context): Promise<number> {
  if (flags.explanations) {
    if (flags.part) throw new UsageError('--part: is for accuracy, not for --explanations');
    return evaluateExplanationsCommand(data, { ...flags, mode: flags.mode ?? 'all' }, context);
  }
  const others = [...explanationOptions.maps(), ...explanationOptions.measures()];
  const given = others.find((option) => command.getOptionValueSource(option.attributeName()) === 'cli');
  if (given) throw new UsageError(`${given.long}: is for --explanations, not for accuracy`);
  if (flags.mode === 'all') throw new UsageError('--mode: expected pooled, dilated or atrous, got "all"');
  return evaluateAccuracy(data, flags, context);
}

/** Accuracy and confusion matrix. */
async function evaluateAccuracy(data: string, flags: EvaluateFlags, context: Context): Promise<number> {
  const { part, limit, json, strict, maxPixels } = flags;
  const mode = flags.mode === 'all' ? undefined : flags.mode;
  const { signal, progress } = context;
  const network = await options.loadNetwork(flags, context);
  try {
    let begun = false;
    const { evaluate } = await import('../training.js');
    const result = await evaluate(network, data, {
      mode,
      part,
      limit,
      strict,
      maxPixels,
      signal,
      ...reportFaults(context),
      onProgress: (done, total) => {
        if (!begun) progress.begin(total, 'pictures');
        begun = true;
        progress.update('evaluating', done);
      },
    });
    reportLeftOut(result, context);
    await context.print(
      json
        ? jsonLine({ ...describeNetwork(network), mode: mode ?? 'pooled', ...result })
        : `${formatEvaluation(result)}\n`,
    );
    return result.leftOut.length > 0 ? 1 : 0;
  } finally {
    network.dispose();
  }
}

/** Accuracy, and a table whose rows are the pictures' classes and whose columns the network's answers. */
function formatEvaluation({ labels, pictures, accuracy, loss, confusion }: Evaluation): string {
  const used = labels.flatMap((_, i) => (confusion[i].some(Boolean) || confusion.some((row) => row[i]) ? [i] : []));
  const head = ['is \\ said', ...used.map((i) => labels[i]), 'accuracy'];
  const rows = used.map((i) => {
    const total = confusion[i].reduce((a, b) => a + b, 0);
    return [labels[i], ...used.map((k) => String(confusion[i][k])), total ? (confusion[i][i] / total).toFixed(4) : '-'];
  });
  return [
    `accuracy ${accuracy.toFixed(4)} on ${pictures} pictures, cross-entropy ${loss.toFixed(4)}`,
    '',
    ...alignColumns([head, ...rows], 1),
  ].join('\n');
}
