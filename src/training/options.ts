import { AtrousCamError } from '../base/errors.js';
import { oneOf } from '../base/options.js';
import type { KernelSet, NormalizationName } from '../base/types.js';
import type { WeightsSource } from '../weights/open.js';
import type { Augmentation, Variation } from './augment.js';
import type { PictureFaults } from './left-out.js';
import type { Architecture } from './vgg.js';

/** Epochs at one input size. */
export interface Stage {
  readonly size: number;
  readonly epochs: number;
  /**
   * The largest learning rate of a course of its own, with its own warm-up and cosine (Loshchilov and Hutter 2017: warm restarts). Without
   * it the stage follows the run's course, which goes on underneath.
   */
  readonly rate?: number;
  /**
   * Whether the first dense layer weighs every cell of the map alike: its kernel is replaced by the mean over the cells, before the
   * stage and after each of its steps. What counts is then what is somewhere, not where it is, and Grad-CAM's mean over the cells of a
   * channel's gradient (Selvaraju et al. 2017, eq. 1) leaves out nothing.
   */
  readonly shared?: boolean;
  readonly inset?: Variation['inset'];
}

/** All that decides the trained weights, besides the data: what a checkpoint must agree with to be continued. */
export interface TrainingConfig extends Architecture, Augmentation {
  /** Input sizes in order; the last is the network's. */
  readonly stages: readonly Stage[];
  /** Pictures of a step. */
  readonly batch: number;
  readonly optimizer: 'sgd' | 'adamw';
  /** The largest learning rate: reached after the warm-up, then falling to 0 along a cosine. */
  readonly learningRate: number;
  /** Of kernels, each step by learning rate times this. */
  readonly weightDecay: number;
  /** SGD only. */
  readonly momentum: number;
  /** Share of all steps in which the learning rate rises from 0. */
  readonly warmup: number;
  /** Share of the hidden dense units that is dropped in training. */
  readonly dropout: number;
  readonly normalization: NormalizationName;
  /** `dilated`: the network without pools, to fine-tune weights in. */
  readonly mode: 'pooled' | 'dilated';
  readonly seed: number;
  /** Share of the pictures that is kept for validation where the data have no `val/`. */
  readonly valShare: number;
  /** Train on so many of the training pictures only, and validate on so many of the others, chosen by the seed. */
  readonly trainLimit?: number;
  readonly valLimit?: number;
}

/** What `train` is told. Everything has a default but `out`. */
export interface TrainOptions extends Partial<TrainingConfig>, PictureFaults {
  /** Folder for checkpoint, logs, curve and network; made where it is missing. */
  out: string;
  /** Continue from the checkpoint in `out`, where there is one. */
  resume?: boolean;
  /** Weights to begin with instead of random ones; their architecture replaces `widths`, `convs` and `dense`. */
  from?: WeightsSource;
  /** Of the written network; default `float16`. */
  dtype?: 'float16' | 'float32';
  threads?: number;
  /** Default `simd`, not `auto`: the same weights on every machine. */
  kernels?: KernelSet;
  /** Bytes of decoded pictures that are kept; default 2e9. */
  cache?: number;
  /** Take only the first steps of the run, for measurements and checks. */
  maxSteps?: number;
  signal?: AbortSignal;
  /** After every step, and when an epoch is validated. */
  onStep?: (report: StepReport) => void;
  /** After every epoch, when its checkpoint is about to be written. */
  onEpoch?: (report: EpochReport) => void;
}

/** How a step of training went. */
export interface StepReport {
  /** From 1 on. */
  readonly step: number;
  readonly steps: number;
  readonly epoch: number;
  readonly epochs: number;
  /** Mean of the batch. */
  readonly loss: number;
  /** Share of the epoch's pictures so far whose most probable class is the one with most of the label. */
  readonly accuracy: number;
  /** Training pictures a second, of this epoch. */
  readonly imagesPerSecond: number;
  readonly secondsLeft: number;
  /** Share of the whole run's work that is done, 0..1; a step at twice the input size is four times the work. */
  readonly done: number;
  /** What is done now. */
  readonly stage: 'train' | 'validate';
}

/** A row of epochs.csv. */
export interface EpochReport {
  readonly epoch: number;
  /** Input size. */
  readonly size: number;
  /** The last step of the epoch. */
  readonly step: number;
  readonly learningRate: number;
  readonly loss: number;
  readonly accuracy: number;
  /** Of the validation pictures; absent where there are none. */
  readonly valLoss?: number;
  readonly valAccuracy?: number;
  readonly imagesPerSecond: number;
  readonly seconds: number;
}

/** What is trained where nothing is said: the package's default network. */
export const DEFAULTS: TrainingConfig = {
  widths: [8, 16, 32, 96, 96],
  convs: [2, 2, 3, 3, 3],
  dense: [48, 48],
  stages: [
    { size: 96, epochs: 7, rate: 1.5e-3 },
    { size: 128, epochs: 12, rate: 1.2e-3 },
    { size: 224, epochs: 4, rate: 8e-4 },
    { size: 224, epochs: 3, rate: 7e-4, inset: 0.7, shared: true },
  ],
  batch: 32,
  optimizer: 'adamw',
  learningRate: 2e-3,
  weightDecay: 0.05,
  momentum: 0.9,
  warmup: 0.05,
  dropout: 0,
  crop: 0.5,
  aspect: 4 / 3,
  flip: true,
  brightness: 0.15,
  contrast: 0.25,
  cutmix: 0.35,
  normalization: 'caffe',
  mode: 'pooled',
  seed: 1,
  valShare: 0.1,
};

/** Learning rates that suit the optimisers. */
const RATES = { sgd: 0.1, adamw: 2e-3 };
const DECAYS = { sgd: 5e-4, adamw: 0.05 };

/** The whole configuration. Throws BAD_ARGUMENT for values that cannot be. */
export function checkConfig(options: Partial<TrainingConfig>): TrainingConfig {
  const given = Object.fromEntries(
    [...Object.keys(DEFAULTS), 'degriddingLayers', 'trainLimit', 'valLimit']
      .map((key) => [key, options[key as keyof TrainingConfig]])
      .filter(([, value]) => value !== undefined),
  );
  const optimizer = oneOf('optimizer', options.optimizer ?? DEFAULTS.optimizer, ['sgd', 'adamw']);
  const suited = { learningRate: RATES[optimizer], weightDecay: DECAYS[optimizer] };
  // The default stages' rates are AdamW's; who asks for another rate means it for all of them.
  const own = optimizer === 'adamw' && options.learningRate === undefined;
  const stages = own ? DEFAULTS.stages : DEFAULTS.stages.map(({ rate: _, ...stage }) => stage);
  const config: TrainingConfig = { ...DEFAULTS, stages, ...suited, ...given };
  oneOf('mode', config.mode, ['pooled', 'dilated']);
  oneOf('normalization', config.normalization, ['caffe', 'torch']);
  const within = (name: keyof TrainingConfig, least: number, below: number) => {
    const value = config[name] as number;
    if (!(value >= least && value < below)) throw wrong(name, `at least ${least} and below ${below}`, value);
  };
  for (const name of ['trainLimit', 'valLimit'] as const) {
    const value = config[name] ?? 0;
    if (!(Number.isInteger(value) && value >= 0)) throw wrong(name, 'a whole number', value);
  }
  if (config.degriddingLayers && config.mode !== 'dilated')
    throw wrong('degriddingLayers', 'mode dilated', config.mode);
  within('learningRate', 0, 1000);
  within('weightDecay', 0, 1000);
  within('momentum', 0, 1);
  within('warmup', 0, 1);
  within('dropout', 0, 1);
  within('brightness', 0, 1);
  within('contrast', 0, 1);
  within('valShare', 0, 1);
  if (!isShare(config.cutmix)) throw wrong('cutmix', '0 to 1', config.cutmix);
  if (!(config.crop > 0 && config.crop <= 1)) throw wrong('crop', 'more than 0, at most 1', config.crop);
  if (!(config.aspect >= 1 && config.aspect <= 4)) throw wrong('aspect', '1 to 4', config.aspect);
  if (!(Number.isInteger(config.batch) && config.batch >= 2 && config.batch <= 4096))
    throw wrong('batch', 'a whole number from 2 to 4096', config.batch);
  if (!Number.isInteger(config.seed) || Math.abs(config.seed) > 2 ** 31)
    throw wrong('seed', 'a whole number of 32 bits', config.seed);
  const isStage = ({ size, epochs, rate = 1, inset = 0 }: Stage) =>
    Number.isInteger(size) && Number.isInteger(epochs) && epochs >= 1 && rate > 0 && rate <= 1000 && isShare(inset);
  if (config.stages.length === 0 || !config.stages.every(isStage))
    throw wrong(
      'stages',
      'input sizes with a whole number of epochs and, if wanted, a rate of up to 1000 and an inset of 0 to 1',
      JSON.stringify(config.stages),
    );
  return config;
}

const isShare = (value: number) => value >= 0 && value <= 1;

const wrong = (name: string, expected: string, got: unknown) =>
  new AtrousCamError('BAD_ARGUMENT', `${name}: expected ${expected}, got ${got}`);

/** The learning rate of step number `step` (from 1 on) of a run whose epochs have `perEpoch` steps. */
export function learningRate(config: TrainingConfig, step: number, perEpoch: number): number {
  const { stages, learningRate: most, warmup } = config;
  let end = 0;
  for (const { epochs, rate } of stages) {
    const begin = end;
    end += epochs * perEpoch;
    if (rate !== undefined && step > begin && step <= end) return onCourse(rate, warmup, step - begin, end - begin);
  }
  return onCourse(most, warmup, step, end);
}

/** A rise over the warm-up's share of the steps, then a cosine down to 0. */
function onCourse(most: number, warmup: number, step: number, steps: number): number {
  const rising = Math.ceil(warmup * steps);
  if (step <= rising) return (most * step) / rising;
  return (most / 2) * (1 + Math.cos((Math.PI * (step - rising - 1)) / (steps - rising)));
}
