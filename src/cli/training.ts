import { type Command, Option } from 'commander';
import type { EpochReport, LeftOutPicture, TrainOptions } from '../training.js';
import { type Context, describe, UsageError } from './context.js';
import { describeLeftOut } from './left-out.js';
import * as options from './options.js';
import { formatDuration } from './progress.js';

const TRAIN_HELP = `
The data are class folders, CLASS/*.jpg or train/CLASS/*.jpg and val/CLASS/*.jpg, or a tar archive of them.
The folder of --out gets the network, a checkpoint, epochs.csv, steps.csv and curve.svg.
The same data, options and seed give the same weights, whatever the number of threads and interruptions.

Examples:
  $ atrous-cam train pictures.tar --out run                       this package's own kind of network
  $ atrous-cam train pictures.tar --out run --resume              go on after Ctrl-C, a crash or a power cut
  $ atrous-cam train pictures --out run --stages 64:10 --widths 8,16,32,32,32 --dense 64
  $ atrous-cam train pictures --out run --from net.safetensors --mode dilated --learning-rate 0.0002
  $ atrous-cam evaluate pictures --weights run/network.safetensors`;

const wrong = (flag: string, expected: string, value: string) =>
  new UsageError(`${flag}: expected ${expected}, got "${value}"`);

function number(flag: string, description: string): Option {
  return new Option(`${flag} <n>`, description).argParser((value: string) => {
    if (value.trim() === '' || !Number.isFinite(Number(value))) throw wrong(flag, 'a number', value);
    return Number(value);
  });
}

export function count(flag: string, description: string, least = 0): Option {
  return new Option(`${flag} <n>`, description).argParser((value: string) => {
    if (!/^\d{1,15}$/.test(value) || Number(value) < least)
      throw wrong(flag, `a whole number${least > 0 ? ` from ${least} on` : ''}`, value);
    return Number(value);
  });
}

/** Whole numbers with commas between them. */
function list(flag: string, description: string): Option {
  return new Option(`${flag} <n,n,...>`, description).argParser((value: string) => {
    if (!/^\d+(,\d+)*$/.test(value)) throw wrong(flag, 'whole numbers with commas between them', value);
    return value.split(',').map(Number);
  });
}

const DEFAULT_STAGES = '96:7:0.0015,128:12:0.0012,224:4:0.0008,224:3:0.0007:inset=0.7:shared';

const stages = () =>
  new Option(
    '--stages <stage,...>',
    [
      "size:epochs[:rate][:inset=share][:shared], input sizes with their epochs, the last size the network's.",
      'rate: the largest learning rate of a course of its own;',
      'inset: share of the batches whose pictures get another one whole, in a box, instead of --cutmix;',
      'shared: the first dense layer weighs every cell of the map alike',
      `(default: ${DEFAULT_STAGES}; with --learning-rate or sgd without these rates)`,
    ].join(' '),
  ).argParser((value: string) => {
    return value.split(',').map((stage) => {
      const [, size, epochs, rate, inset, shared] =
        /^(\d+):(\d+)(?::([\d.e-]+))?(?::inset=([\d.e-]+))?(:shared)?$/.exec(stage) ?? [];
      if (size === undefined) throw wrong('--stages', 'SIZE:EPOCHS,... such as 96:7,128:12,224:4:0.0008', value);
      const options = {
        ...(rate !== undefined && { rate: Number(rate) }),
        ...(inset !== undefined && { inset: Number(inset) }),
        ...(shared !== undefined && { shared: true }),
      };
      return { size: Number(size), epochs: Number(epochs), ...options };
    });
  });

export type Run = (call: Promise<number>) => Promise<void>;

/** Adds options under a heading of the help text. */
export function group(command: Command, heading: string, members: Option[]): void {
  command.optionsGroup(heading);
  for (const option of members) command.addOption(option);
}

/** Adds `train` to the program. */
export function addTrainCommand(program: Command, context: Context, run: Run): void {
  const training = program
    .command('train')
    .description('Train a network on pictures in class folders.')
    .argument('<data>', 'folder of class folders, or a tar archive of them')
    .addHelpText('after', TRAIN_HELP)
    .action((data, flags) => run(trainCommand(data, flags, context)));
  group(training, 'Output:', [
    new Option('--out <dir>', 'folder for the network, the checkpoint and the logs').default('atrous-cam-run'),
    new Option('--resume', 'continue from the checkpoint in that folder, where there is one'),
    new Option('--dtype <float16|float32>', 'of the written network')
      .choices(['float16', 'float32'])
      .default('float16'),
  ]);
  group(training, 'Network:', [
    list('--widths', 'channels of the five blocks, multiples of 4 (default: 8,16,32,96,96)'),
    list('--convs', 'convolutions of the five blocks (default: 2,2,3,3,3)'),
    list('--dense', 'units of the hidden dense layers (default: 48,48)'),
    options.trainedPreprocess(),
    new Option('--from <weights>', 'begin with these weights and their architecture, batch normalization folded'),
    new Option('--mode <pooled|dilated>', 'dilated: without pools, needs --from').choices(['pooled', 'dilated']),
    list('--degridding-layers', "rates of convolutions behind the dilated network's last block, such as 8,4,2,1"),
    list('--degrid-layers', 'its older name').hideHelp(),
  ]);
  group(training, 'Course:', [
    stages(),
    count('--train-limit', 'train on so many pictures only, chosen by the seed'),
    options.strict('; without it they are left out and named'),
    options.maxPixels(),
    count('--val-limit', 'validate on so many pictures only, chosen by the seed'),
    count('--batch', 'pictures of a step (default: 32)'),
    new Option('--optimizer <sgd|adamw>', 'SGD with momentum, or AdamW (default: adamw)').choices(['sgd', 'adamw']),
    number(
      '--learning-rate',
      'the largest of stages without one, after the warm-up and before the cosine (default: 0.002, sgd: 0.1)',
    ),
    number('--weight-decay', 'of kernels (default: 0.05, sgd: 0.0005)'),
    number('--momentum', 'of sgd (default: 0.9)'),
    number('--warmup', 'share of the steps in which the learning rate rises (default: 0.05)'),
    number('--dropout', 'share of the hidden dense units that is dropped (default: 0)'),
    number('--seed', 'of everything random (default: 1)'),
    number('--val-share', 'share kept for validation where the data have no val/ (default: 0.1)'),
    count('--max-steps', 'stop after so many steps, for measurements'),
  ]);
  group(training, 'Augmentation:', [
    number('--crop', 'smallest share of the area that a crop keeps, 1: no crops (default: 0.5)'),
    number('--aspect', 'largest stretch of a crop (default: 1.333)'),
    new Option('--no-flip', 'do not mirror pictures'),
    number('--brightness', 'largest change, share of the range (default: 0.15)'),
    number('--contrast', 'largest change, share (default: 0.25)'),
    number('--cutmix', 'share of the batches that mix halves and boxes of pictures (default: 0.35)'),
  ]);
  group(training, 'Machine:', [
    options.kernels().default('simd'),
    options.threads(),
    count('--cache', 'megabytes of decoded pictures that are kept (default: 2000)'),
  ]);
}

type TrainFlags = TrainOptions & {
  preprocess?: TrainOptions['normalization'];
  degridLayers?: TrainOptions['degriddingLayers'];
};

/** `atrous-cam train`: a line an epoch. Returns the exit code. */
async function trainCommand(
  data: string,
  { preprocess, cache, degridLayers, ...flags }: TrainFlags,
  context: Context,
): Promise<number> {
  const { progress, signal } = context;
  let first: number | undefined;
  let printing: Promise<void> = Promise.resolve();
  const print = (text: string) => {
    printing = printing.then(() => context.print(text));
  };
  const { train } = await import('../training.js'); // only here: the other commands begin without it
  const result = await train(data, {
    ...flags,
    ...(preprocess && { normalization: preprocess }),
    ...(degridLayers && { degriddingLayers: degridLayers }),
    ...(cache !== undefined && { cache: cache * 1e6 }),
    signal,
    ...reportFaults(context),
    onStep: ({ epoch, epochs, loss, accuracy, imagesPerSecond, done, stage }) => {
      first ??= done;
      if (first === done) progress.begin(1 - first); // what is left of a run that is resumed

      const numbers = `loss ${loss.toFixed(3)}, accuracy ${accuracy.toFixed(3)}, ${imagesPerSecond.toFixed(0)} pictures/s`;
      const what = stage === 'train' ? numbers : 'validating';
      progress.update(`epoch ${epoch}/${epochs}, ${what}`, done - first);
    },
    onEpoch: (report) => print(epochLine(report)),
  });
  await printing;
  reportLeftOut(result, context);
  await context.print(`wrote ${result.network} (${result.parameters.toLocaleString('en-US')} parameters)\n`);
  return 0;
}

/** Names each picture that is left out or damaged, when it is met. */
export const reportFaults = (context: Context) => ({
  onLeftOut: (path: string, error: Error) => context.complain(`${path}: ${describe(error).message}; it is left out`),
  onWarning: (path: string, warning: string) => context.complain(`${path}: ${warning}`),
});

/** Says at the end what was left out. */
export function reportLeftOut(
  { leftOut, others }: { leftOut: readonly LeftOutPicture[]; others: readonly string[] },
  context: Context,
): void {
  const named = (paths: readonly string[]) => paths.map((file) => ({ file }));
  for (const line of [
    describeLeftOut(named(leftOut.map(({ path }) => path)), 'that cannot be read'),
    describeLeftOut(named(others), 'that are not named like pictures'),
  ])
    if (line) context.complain(line);
}

function epochLine(report: EpochReport): string {
  const { epoch, size, loss, accuracy, valLoss, valAccuracy, imagesPerSecond, seconds } = report;
  const validation =
    valLoss === undefined || valAccuracy === undefined
      ? ''
      : `, validation ${valLoss.toFixed(4)} and ${valAccuracy.toFixed(4)}`;
  const speed = `${imagesPerSecond.toFixed(0)} pictures/s, ${formatDuration(seconds)}`;
  return `epoch ${epoch} at ${size} px: loss ${loss.toFixed(4)}, accuracy ${accuracy.toFixed(4)}${validation}; ${speed}\n`;
}
