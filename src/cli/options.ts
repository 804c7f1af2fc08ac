import { Option } from 'commander';
import type { ExplainOptions, LoadOptions, MethodName, Network, NetworkInfo } from '../api.js';
import { didYouMean } from '../base/suggest.js';
import type { Combine, KernelSet, Mode, Precision, Score, Sign } from '../base/types.js';
import { AtrousCamError, colormapNames, methodNames, smoothingNames } from '../index.js';
import { type Context, UsageError } from './context.js';
import { type InputFlags, inputOptions, labels, normalizationOptions } from './input-options.js';

export const MODES: readonly Mode[] = ['pooled', 'dilated', 'atrous'];

/** Options of every sub-command. */
export interface WeightsFlags {
  weights?: string;
  inputSize?: number | [number, number];
  precision: Precision;
}

/** Options of every sub-command that loads a network. */
export interface NetworkFlags extends WeightsFlags, InputFlags {
  kernels: KernelSet;
  threads?: number;
  maxMemory?: number;
  maxFile?: number;
  maxPixels?: number;
}

export interface ModeFlags {
  mode: Mode | 'all';
  json?: boolean;
}

/** Options of every sub-command that takes pictures. */
export interface PicturesFlags {
  draft?: number;
  recursive?: boolean;
  shard?: Shard;
  summary?: string;
  strict?: boolean;
  maxPixels?: number;
}

export interface ExplainFlags extends NetworkFlags, ModeFlags, PicturesFlags {
  target: string | number;
  method: MethodName;
  layer?: string;
  combine?: Combine;
  sign: Sign;
  augSmooth?: boolean;
  eigenSmooth?: boolean;
  seed?: number;
  yes?: boolean;
  score: Score;
  heads?: ExplainOptions['heads'];
  outputStride?: number;
  align?: ExplainOptions['align'];
  zoom?: number[];
  smoothing?: ExplainOptions['smoothing'];
  colormap?: string;
  opacity?: number;
  out?: string;
  npy?: boolean;
  overlay?: string | true;
  heatmap?: string | true;
  sheet?: string;
  quiet?: boolean;
  resume?: boolean;
}

/** Every `count`-th picture, beginning with the `index`-th; `index` counts from 1. */
export interface Shard {
  index: number;
  count: number;
}

const wrong = (flag: string, expected: string, value: string, hint = '') =>
  new UsageError(`${flag}: expected ${expected}, got "${value}"${hint}`);

const listOf = (names: readonly string[]): string =>
  names.length > 1 ? `${names.slice(0, -1).join(', ')} or ${names.at(-1)}` : names[0];

/** An option whose value is one of a list. */
function choice(flags: string, names: readonly string[], description: string, value = names.join('|')): Option {
  const flag = flags.split(', ').at(-1)!;
  return new Option(`${flags} <${value}>`, description).argParser((value: string) => {
    if (!names.includes(value)) throw wrong(flag, listOf(names), value, didYouMean(value, names));
    return value;
  });
}

function parseThreads(value: string): number {
  if (!/^[1-9]\d?$/.test(value) || Number(value) > 64) throw wrong('--threads', 'a whole number from 1 to 64', value);
  return Number(value);
}

function parseInputSize(value: string): number | [number, number] {
  const [height, width = height] = /^\d{1,4}([x,]\d{1,4})?$/.test(value) ? value.split(/[x,]/).map(Number) : [0];
  if (height < 1 || width < 1 || height > 4096 || width > 4096)
    throw wrong('--input-size', 'a side, or HEIGHTxWIDTH, up to 4096', value);
  return height === width ? height : [height, width];
}

function parseOutputStride(value: string): number {
  if (!/^[1-9]\d?$/.test(value) || Number(value) > 64)
    throw wrong('--output-stride', "a divisor of the network's stride, such as 8", value);
  return Number(value);
}

function parseZoom(value: string): number[] {
  const zooms = value.split(',').map((part) => (/^\d+(\.\d+)?$/.test(part.trim()) ? Number(part) : 0));
  if (!zooms.every((zoom) => zoom > 0)) throw wrong('--zoom', 'numbers above 0 with commas, such as 1,2', value);
  return zooms;
}

function parseRetries(value: string): number {
  if (!/^[1-9]\d?$/.test(value)) throw wrong('--retries', 'a whole number from 1 to 99', value);
  return Number(value);
}

function parsePort(value: string): number {
  const port = /^\d{1,5}$/.test(value) ? Number(value) : 0;
  if (port < 1 || port > 65535) throw wrong('--port', 'a number from 1 to 65535', value);
  return port;
}

function parseShard(value: string): Shard {
  const [index, count] = (/^(\d+)\/(\d+)$/.exec(value) ?? []).slice(1).map(Number);
  if (!(index >= 1 && index <= count)) throw wrong('--shard', 'I/N with I from 1 to N, such as 1/4', value);
  return { index, count };
}

function parseOpacity(value: string): number {
  const opacity = /^\d*\.?\d+$/.test(value) ? Number(value) : Number.NaN;
  if (!(opacity <= 1)) throw wrong('--opacity', 'a number from 0 to 1, such as 0.6', value);
  return opacity;
}

function parseSeed(value: string): number {
  if (!/^\d{1,10}$/.test(value) || Number(value) >= 2 ** 32)
    throw wrong('--seed', `a whole number below ${2 ** 32}`, value);
  return Number(value);
}

/** `top`, a class number, a label, or several of them. */
function parseTarget(value: string): string | number {
  if (value.trim() === '') throw wrong('--target', 'top, a class number or a label', value);
  return /^\d+$/.test(value) ? Number(value) : value;
}

/** A number with k, M or G behind it: thousands, millions, thousand millions. */
function size(flag: string, description: string): Option {
  return new Option(`${flag} <n>`, description).argParser((value: string) => {
    const [, number, unit] = /^(\d+(?:\.\d+)?)([kMG]?)$/.exec(value) ?? [];
    const result = Math.floor(Number(number) * { '': 1, k: 1e3, M: 1e6, G: 1e9 }[unit ?? '']!);
    if (!(result >= 1)) throw wrong(flag, 'a number, such as 250M', value);
    return result;
  });
}

export const weights = () =>
  new Option(
    '--weights <name|path>',
    'Keras .h5 or .keras, safetensors, .pth or ONNX file, or a name of "atrous-cam weights list" (default: the cat/dog network in this package)',
  );
export const inputSize = () =>
  new Option(
    '--input-size <side|HxW>',
    'size of the input, where the network takes several (default: as the file says)',
  ).argParser(parseInputSize);
export const mode = (standard: Mode | 'all') =>
  choice('--mode', [...MODES, 'all'], 'the network: see "Modes" below').default(standard);
export const explainedMode = () =>
  choice(
    '--mode',
    [...MODES, 'all', 'auto'],
    'the network: see "Modes" below (default: auto; where that is atrous, all for up to ten pictures that are named)',
  );
export const evaluatedMode = () =>
  choice('--mode', [...MODES, 'all'], 'see "Modes" below (default: pooled; with --explanations all)');
export const target = () =>
  new Option(
    '--target <top|index|label|A,B|A/B>',
    "the class to explain; top: the pooled network's first choice, in every mode; A,B: both; mean(A,B): their mean; A/B: A rather than B",
  )
    .default('top')
    .argParser(parseTarget);
export const evaluatedTarget = () =>
  new Option(
    '--target <top|index|label>',
    "the class to explain in all pictures (default: each picture's own)",
  ).argParser(parseTarget);
export const method = () =>
  choice('--method', methodNames, 'how evidence is computed: see "Methods" below', 'name').default('gradcam');
export const layer = () =>
  new Option(
    '--layer <names>',
    'the layer whose activations are weighed, or several with commas (default: the last convolution)',
  );
export const combine = () =>
  choice(
    '--combine',
    ['mean', 'product', 'geometric-mean'],
    'how maps of several layers or zooms become one (default: mean; refinecam and zooms: product)',
  );
export const align = () =>
  choice(
    '--align',
    ['centres', 'evidence', 'cells'],
    'where the map\'s points are drawn: see "Placement" below',
  ).default('centres');
export const sign = () =>
  choice(
    '--sign',
    ['positive', 'negative', 'absolute', 'signed'],
    'what is shown: what speaks for the target, against it, both, or both in two colours',
  ).default('positive');
export const augSmooth = () => new Option('--aug-smooth', 'mean of the maps of six changed copies of the picture');
export const eigenSmooth = () =>
  new Option('--eigen-smooth', 'first principal component of the weighted activations instead of their sum');
export const seed = () =>
  new Option('--seed <n>', 'seed of the methods that draw random numbers (default: 0)').argParser(parseSeed);
export const yes = () => new Option('--yes', 'compute what is estimated to take more than ten minutes a picture');
export const score = () => choice('--score', ['logit', 'probability'], 'the explained number').default('logit');
export const heads = () =>
  choice(
    '--heads',
    ['one', 'each', 'mean'],
    "atrous: whose score is explained: the network's own, each phase's, or the phases' mean (default: by method and layer)",
  );
export const outputStride = () =>
  new Option(
    '--output-stride <n>',
    'atrous: pixels between points of the map (default: the finest at ten times the cost of pooled; 1 for VGG)',
  ).argParser(parseOutputStride);
export const zoom = () =>
  new Option(
    '--zoom <a,b,...>',
    "sizes of the input as multiples of the network's own, whose maps are combined (default: 1)",
  ).argParser(parseZoom);
/** `--degrid` is its older name. */
export const smoothing = () =>
  choice(
    '--degrid, --smoothing',
    smoothingNames,
    `how the grid is averaged away: ${smoothingNames.join(', ')}, see "Grid" below (default: box in atrous, else none)`,
    'how',
  );
/** How a map is made, whichever command makes it. */
export const mapOptions = () => [
  ...[method(), layer(), combine(), score(), heads(), outputStride(), align(), zoom()],
  ...[smoothing(), sign(), augSmooth(), eigenSmooth()],
];
export const preprocess = () =>
  choice(
    '--preprocess',
    ['caffe', 'torch', 'tf', 'unit', 'raw'],
    'channel order, mean and scale: tf is -1..1, unit 0..1, raw 0..255 (default: as for the weights)',
  );
/** What every sub-command that loads weights takes beside them. */
export const inputOptionsOf = () => [inputSize(), labels(), preprocess(), ...normalizationOptions(), resize(), fit()];
/** Training begins with weights of one of these two. */
export const trainedPreprocess = () =>
  choice('--preprocess', ['caffe', 'torch'], 'channel order, mean and scale (default: as for the weights)');
export const resize = () =>
  choice('--resize', ['nearest', 'bilinear', 'bicubic', 'lanczos'], 'resize filter (default: as for the weights)');
export const fit = () =>
  choice('--fit', ['squash', 'crop'], 'squash to a square, or crop the centre (default: as for the weights)');
export const precision = () =>
  choice('--precision', ['fast', 'exact'], 'Winograd or direct convolution').default('fast');
export const kernels = () => choice('--kernels', ['auto', 'simd', 'relaxed'], 'instruction set').default('auto');
export const threads = () =>
  new Option('--threads <n>', 'number of threads (default: what the machine offers, 8 at most)').argParser(
    parseThreads,
  );
export const out = () =>
  new Option(
    '--out <dir>',
    'folder for the files, made if missing; - writes the figure to standard output (default: "atrous-cam-out")',
  );
/** The file of an option that may go without one: a name that cannot be mistaken for a picture to explain. */
const parsePicture = (flag: string) => (value: string) => {
  if (/\.png$/i.test(value)) return value;
  throw wrong(flag, 'a name that ends in .png', value, `; pictures come before ${flag}, or say ${flag}=FILE`);
};

export const overlay = () =>
  new Option(
    '--overlay [file.png]',
    "also write the map over the photograph, at the photograph's own size: NAME.MODE.overlay.png in --out, or this file instead of the figure",
  ).argParser(parsePicture('--overlay'));
export const heatmap = () =>
  new Option(
    '--heatmap [file.png]',
    'also write the map alone, transparent where there is no evidence, to lie over the photograph: NAME.MODE.heatmap.png, or this file',
  ).argParser(parsePicture('--heatmap'));
export const colormap = () =>
  choice('--colormap', colormapNames, 'colours of maps (default: turbo; redblue with --sign signed)', 'name');
export const opacity = () =>
  new Option(
    '--opacity <0..1>',
    'of the colours over the photograph (default: 0.5; of --heatmap where evidence is strongest: 1)',
  ).argParser(parseOpacity);
export const sheet = () =>
  new Option(
    '--sheet <file.html>',
    'also write one page with all pictures in small, their classes and maps, to sort and to filter',
  );
export const quiet = () => new Option('-q, --quiet', 'print nothing but errors, and what --json asks for');
export const npy = () => new Option('--npy', 'also write the maps as NumPy files');
export const json = () => new Option('--json', 'print one JSON document instead of text');
export const url = () => new Option('--url <address>', 'another address of the same file');
export const retries = () =>
  new Option('--retries <n>', 'attempts in a row that bring nothing before it is given up (default: 6)').argParser(
    parseRetries,
  );
export const dtype = () => choice('--dtype', ['float16', 'float32'], 'how kernels are stored').default('float16');
export const evidence = () =>
  new Option('--evidence', "also measure where the last layer's evidence lies, for --align evidence");
export const shard = () =>
  new Option('--shard <i/n>', 'take only every n-th picture, from the i-th on (1/4 ... 4/4)').argParser(parseShard);
export const recursive = () => new Option('-r, --recursive', 'look for pictures in the folders of a folder as well');
export const strict = (more = '') =>
  new Option('--strict', `refuse pictures that are damaged or cut off, though what is there could be shown${more}`);
export const draft = () =>
  new Option(
    '--draft <side>',
    'decode JPEGs at a half, a quarter or an eighth of their size where both sides keep so many pixels: quicker, with slightly other pixels (default: whole)',
  ).argParser((value: string) => {
    if (!/^[1-9]\d{0,4}$/.test(value)) throw wrong('--draft', 'a number of pixels, such as 512', value);
    return Number(value);
  });
export const maxPixels = () => size('--max-pixels', 'largest picture, such as 200M, width x height (default: 100M)');
export const maxMemory = () => size('--max-memory', 'bytes that the network may take, such as 2G (default: 4G)');
export const maxFile = () => size('--max-file', 'bytes of the weight file, such as 500M (default: 8G)');
export const resume = () =>
  new Option('--resume', 'skip pictures whose files an earlier call with the same options has finished');
export const summary = () =>
  new Option('--summary <file>', 'also write a table of all pictures, one row a mode: a .csv or .json file');
export const port = () =>
  new Option('--port <number>', 'port of the page (default: 8224, or the next free one)').argParser(parsePort);

/** The modes that `--mode` names. */
export const modesOf = (flags: ModeFlags): readonly Mode[] => (flags.mode === 'all' ? MODES : [flags.mode]);

/** The items that `--shard` leaves. */
export const takeShard = <T>(items: readonly T[], { shard }: PicturesFlags): T[] =>
  shard ? items.filter((_, i) => i % shard.count === shard.index - 1) : [...items];

/** Loads the network that the options ask for, with a progress bar. */
export async function loadNetwork(flags: NetworkFlags, context: Context): Promise<Network> {
  const { load, signal, progress } = context;
  progress.begin(1);
  const onProgress = ({ done }: { done: number }) => progress.update('loading weights', done);
  const network = await load(flags.weights, { ...loadOptions(flags), signal, onProgress });
  for (const assumption of network.assumptions) context.warn(assumption);
  return network;
}

/** Throws UsageError where `--output-stride` does not divide the network's own, or no mode takes it. */
export function checkOutputStride(network: NetworkInfo, flags: ModeFlags & { outputStride?: number }): void {
  const { outputStride } = flags;
  if (outputStride === undefined) return;
  if (!modesOf(flags).includes('atrous'))
    throw new UsageError(`--output-stride: is for mode atrous alone; --mode ${flags.mode} has one of its own`);
  try {
    network.plan('pooled', { outputStride });
  } catch (error) {
    if (!(error instanceof AtrousCamError) || error.code !== 'BAD_ARGUMENT') throw error;
    const divisors = /one of (.*), got/.exec(error.message)?.[1].split(', ') ?? [];
    throw wrong('--output-stride', listOf(divisors), String(outputStride));
  }
}

/** The library's options for loading a network. */
export function loadOptions(flags: NetworkFlags): LoadOptions {
  const { inputSize, threads, kernels, precision } = flags;
  const { maxMemory: memoryBytes, maxFile: fileBytes, maxPixels: pixels } = flags;
  const limits = { ...(memoryBytes && { memoryBytes }), ...(fileBytes && { fileBytes }), ...(pixels && { pixels }) };
  return { threads, kernels, precision, inputSize, limits, ...inputOptions(flags) };
}
