import { Command, CommanderError, type Option } from 'commander';
import { Context, describe, type Io, UsageError } from './context.js';
import { addEvaluateCommand } from './evaluate.js';
import { explainCommand } from './explain.js';
import { AUTO_HELP, EXIT_HELP, GRID_HELP, METHODS_HELP, MODES_HELP, PLACEMENT_HELP } from './help.js';
import * as options from './options.js';
import { planCommand } from './plan.js';
import { predictCommand } from './predict.js';
import { serveCommand } from './serve.js';
import { addTrainCommand } from './training.js';
import { version } from './version.js';
import * as weights from './weights.js';

const PROGRAM_HELP = `
Examples:
  $ atrous-cam explain dog.jpg                     compare the three modes, write atrous-cam-out/dog.png
  $ atrous-cam explain dog.jpg --target cat        which pixels speak for another class?
  $ atrous-cam predict *.jpg --weights vgg16.h5    the five most probable classes
  $ atrous-cam plan --mode atrous                  layers, parameters and cost of a mode
  $ atrous-cam serve                               the same in a browser, on a page of this machine
  $ atrous-cam help explain                        all options of a command
${EXIT_HELP}`;

const EXPLAIN_HELP = `${MODES_HELP}${AUTO_HELP}
${METHODS_HELP}
${PLACEMENT_HELP}
${GRID_HELP}

Examples:
  $ atrous-cam explain dog.jpg
      the original and all modes side by side in atrous-cam-out/dog.png
  $ atrous-cam explain photos/*.jpg --mode atrous --output-stride 4 --out maps --npy
      quicker: every fourth point; also dog.atrous.raw.npy (signed) and dog.atrous.map.npy (0..1)
  $ atrous-cam explain dog.jpg --method layercam --layer block3_conv3,block4_conv3,block5_conv3
      fine evidence: the maps of several layers, merged at full size
  $ atrous-cam explain dog.jpg --target dog/cat --sign signed
      what speaks for a dog rather than a cat, and, in blue, what speaks against it
  $ atrous-cam explain dog.jpg --weights vgg16.h5 --target boxer --json > dog.json
      another network and class; one JSON document on standard output
  $ atrous-cam explain photos --recursive --shard 2/4 --resume --summary maps-2.csv
      a whole folder: the second of four machines that share the work; goes on where it was stopped
${EXIT_HELP}`;

const PREDICT_HELP = `${MODES_HELP}

Examples:
  $ atrous-cam predict dog.jpg
  $ atrous-cam predict 'photos/**/*.jpg' --weights vgg16.h5 --summary predictions.csv
${EXIT_HELP}`;

const PLAN_HELP = `${MODES_HELP}

Examples:
  $ atrous-cam plan --weights vgg16.h5 --mode dilated
  $ atrous-cam plan --mode atrous --output-stride 4
${EXIT_HELP}`;

const WEIGHTS_HELP = `
Downloads lie in $ATROUS_CAM_CACHE, by default the platform's folder for caches. Only "pull" uses the network.

Examples:
  $ atrous-cam weights pull vgg16                        once; then: atrous-cam explain dog.jpg --weights vgg16
  $ atrous-cam weights info vgg16.pth                    what is in a file
  $ atrous-cam weights pack vgg16 vgg16.safetensors      half the size, loaded in half the time
${EXIT_HELP}`;

const SERVE_HELP = `
The page is served to this machine alone (127.0.0.1) with the headers that threads need. It sends nothing anywhere.

Examples:
  $ atrous-cam serve
  $ atrous-cam serve --port 3000

Exit codes:
  0 stopped by Ctrl-C   1 the port cannot be used   2 wrong usage`;

/** Adds options under a heading of the help text. */
function group(command: Command, heading: string, members: Option[]): void {
  command.optionsGroup(heading);
  for (const option of members) command.addOption(option);
}

const networkOptions = () => [options.weights(), ...options.inputOptionsOf()];
const picturesOptions = () => [
  options.recursive(),
  options.shard(),
  options.strict(),
  options.draft(),
  options.maxPixels(),
];
const machineOptions = () => [
  ...[options.precision(), options.kernels(), options.threads()],
  ...[options.maxMemory(), options.maxFile()],
];

/** Takes note of `--quiet`. */
function quieten<Flags extends { quiet?: boolean }>(flags: Flags, context: Context): Flags {
  context.quiet = flags.quiet === true;
  return flags;
}

/** The command line's grammar; `run` gets the exit code of the sub-command that was called. */
function buildProgram(io: Io, context: Context, run: (call: Promise<number>) => Promise<void>): Command {
  const program = new Command('atrous-cam')
    .description('Shows which pixels made an image network decide, at the full resolution of its input.')
    .version(version())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: () => {}, // thrown as well, and reported by `main`
      getOutHelpWidth: () => (io.stdout.isTTY && io.stdout.columns) || 100,
      getErrHelpWidth: () => (io.stderr.isTTY && io.stderr.columns) || 100,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .addHelpText('after', PROGRAM_HELP);

  const explain = program
    .command('explain')
    .description('Draw what speaks for a class over each picture, and print the predictions.')
    .argument(
      '<image...>',
      'picture files (PNG, JPEG, WebP, GIF, BMP, AVIF), folders, quoted patterns, or - for standard input',
    )
    .addHelpText('after', EXPLAIN_HELP)
    .action((files, flags) => run(explainCommand(files, quieten(flags, context), context)));
  group(explain, 'Network:', [options.explainedMode(), ...networkOptions()]);
  group(explain, 'Map:', [options.target(), ...options.mapOptions(), options.seed(), options.yes()]);
  group(explain, 'Pictures:', picturesOptions());
  group(explain, 'Output:', [
    ...[options.out(), options.npy(), options.overlay(), options.heatmap(), options.colormap(), options.opacity()],
    ...[options.json(), options.quiet(), options.summary(), options.sheet(), options.resume()],
  ]);
  group(explain, 'Machine:', machineOptions());

  const predict = program
    .command('predict')
    .description('Print the five most probable classes of each picture.')
    .argument(
      '<image...>',
      'picture files (PNG, JPEG, WebP, GIF, BMP, AVIF), folders, quoted patterns, or - for standard input',
    )
    .addHelpText('after', PREDICT_HELP)
    .action((files, flags) => run(predictCommand(files, quieten(flags, context), context)));
  group(predict, 'Network:', [options.mode('pooled'), ...networkOptions()]);
  group(predict, 'Pictures:', picturesOptions());
  group(predict, 'Output:', [options.json(), options.quiet(), options.summary()]);
  group(predict, 'Machine:', machineOptions());

  const plan = program
    .command('plan')
    .description('Print the layers of a network with their output, parameters and cost; nothing is run.')
    .addHelpText('after', PLAN_HELP)
    .action((flags) => run(planCommand(flags, context)));
  group(plan, 'Network:', [options.mode('all'), options.weights(), options.inputSize(), options.outputStride()]);
  group(plan, 'Output:', [options.json()]);
  group(plan, 'Machine:', [options.precision()]);
  addWeightsCommands(program, context, run);

  addTrainCommand(program, context, run);
  addEvaluateCommand(program, context, run);

  const serve = program
    .command('serve')
    .description('Serve the page: photographs, predictions and maps in a browser.')
    .addHelpText('after', SERVE_HELP)
    .action((flags) => run(serveCommand(flags, context)));
  serve.addOption(options.port());
  return program;
}

/** `atrous-cam weights ...` */
function addWeightsCommands(program: Command, context: Context, run: (call: Promise<number>) => Promise<void>): void {
  const family = program
    .command('weights')
    .description('List, describe, download, check and pack weight files.')
    .addHelpText('after', WEIGHTS_HELP);
  family
    .command('list')
    .description('Print the published weights that are known by name.')
    .addOption(options.json())
    .action((flags) => run(weights.listCommand(flags, context)));
  const info = family
    .command('info')
    .description('Print where published weights come from, or what a file holds.')
    .argument('<name|path>')

    .addOption(options.json())
    .action((name, flags) => run(weights.infoCommand(name, flags, context)));
  family
    .command('pull')
    .description('Download published weights to the cache; a broken download goes on where it ended.')
    .argument('<name...>')
    .addOption(options.url())
    .addOption(options.retries())
    .addOption(options.json())
    .action((names, flags) => run(weights.pullCommand(names, flags, context)));
  family
    .command('verify')
    .description('Compute the checksums of a weight file and read every number of it.')
    .argument('<name|path>')
    .addOption(options.json())
    .action((name, flags) => run(weights.verifyCommand(name, flags, context)));
  const pack = family
    .command('pack')
    .description(
      'Write any weight file as one safetensors file in the order of the kernels; "default" is the cat/dog network.',
    )
    .argument('<name|path>')
    .argument('<out>', 'the file to write')
    .addOption(options.dtype())
    .addOption(options.evidence())
    .addOption(options.json())
    .action((source, out, flags) => run(weights.packCommand(source, out, flags, context)));
  for (const command of [info, pack]) group(command, 'Instead of what the file says:', options.inputOptionsOf());
}

/** Reports what ended a call and returns its exit code. */
function fail(error: unknown, argv: readonly string[], io: Io, context: Context): number {
  if (context.outputError?.code === 'EPIPE') return 0; // the reader has seen enough: no error of ours
  if (context.outputError) {
    context.complain(`standard output: ${context.outputError.message}`);
    return 1;
  }
  if (io.signal?.aborted) {
    context.complain('interrupted');
    return 130;
  }
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0; // --help, --version
    if (error.code !== 'commander.help') context.complain(error.message.replace(/^error: /, ''));
  } else {
    context.complain(describe(error).message);
    if (!(error instanceof UsageError)) return 1;
  }
  const commands = ['explain', 'predict', 'plan', 'train', 'evaluate', 'weights', 'serve'];
  const command = commands.includes(argv[0]) ? `${argv[0]} ` : '';
  io.stderr.write(`Try "atrous-cam ${command}--help".\n`);
  return 2;
}

/**
 * Runs the command line `argv` (without `node` and the script's name) and returns its exit code: 0 done, 1 failed, 2 wrong
 * usage, 130 interrupted. Never throws.
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  const context = new Context(io);
  let code = 0;
  try {
    const program = buildProgram(io, context, async (call) => {
      code = await call;
    });
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    code = fail(error, argv, io, context);
  } finally {
    await context.close();
  }
  return code;
}
