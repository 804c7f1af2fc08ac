import { AtrousCamError } from '../base/errors.js';
import { checkOptions, type Names } from '../base/options.js';
import { shuffled } from '../base/random.js';
import { readTopology } from '../graph/topology.js';
import { Runtime, throwIfAborted } from '../wasm/runtime.js';
import { requireChain } from '../weights/check-chain.js';
import { openWeights } from '../weights/open.js';
import { chooseDrawings } from './augment.js';
import {
  type EpochSums,
  type Identity,
  type Position,
  readCheckpoint,
  writeAtomically,
  writeCheckpoint,
} from './checkpoint.js';
import { drawCurve } from './curve.js';
import { type Dataset, openDataset, type Sample } from './dataset.js';
import { encodeNetwork, stateOf, weightsOf } from './export.js';
import { RunFiles } from './files.js';
import { keyOf, randomOf } from './keyed-random.js';
import { type LeftOutPicture, LeftOutPictures } from './left-out.js';
import {
  checkConfig,
  type EpochReport,
  learningRate,
  type StepReport,
  type TrainingConfig,
  type TrainOptions,
} from './options.js';
import { initialState, type Layout, layoutOf, resizeState, type TrainingState } from './parameters.js';
import { PictureCache } from './picture-cache.js';
import { type Example, StageRun } from './stage.js';
import { buildTopology } from './vgg.js';

/** Pictures that the statistics of the finished network are taken from. */
const CALIBRATION = 4096;

/** What training made. */
export interface TrainResult {
  /** The trained network, a safetensors file that `load` reads. */
  readonly network: string;
  readonly classes: readonly string[];
  readonly parameters: number;
  readonly epochs: readonly EpochReport[];
  /** Pictures that could not be read; in each training batch the next one took their place. */
  readonly leftOut: readonly LeftOutPicture[];
  /** Files of the data that are not named like pictures. */
  readonly others: readonly string[];
}

const NAMES: Names<TrainOptions> = {
  ...{ out: 1, resume: 1, from: 1, dtype: 1, threads: 1, kernels: 1, cache: 1, maxSteps: 1, signal: 1 },
  ...{
    onStep: 1,
    onEpoch: 1,
    stages: 1,
    batch: 1,
    optimizer: 1,
    learningRate: 1,
    weightDecay: 1,
    momentum: 1,
    warmup: 1,
  },
  ...{ dropout: 1, normalization: 1, mode: 1, seed: 1, valShare: 1, trainLimit: 1, valLimit: 1, widths: 1, convs: 1 },
  ...{ degriddingLayers: 1, dense: 1, crop: 1, aspect: 1, flip: 1, brightness: 1, contrast: 1, cutmix: 1, strict: 1 },
  ...{ maxPixels: 1, onLeftOut: 1, onWarning: 1 },
};

/** `train` of src/training.ts. */
export async function runTraining(data: string, options: TrainOptions): Promise<TrainResult> {
  checkOptions('train', options, NAMES);
  if (!options.out) throw new AtrousCamError('BAD_ARGUMENT', 'out: expected a folder for the results');
  const config = await architectureFrom(checkConfig(options), options);
  const dataset = await openDataset(data, config);
  try {
    if (config.batch > dataset.train.length)
      throw new AtrousCamError(
        'BAD_ARGUMENT',
        `batch: expected at most the ${dataset.train.length} training pictures, got ${config.batch}`,
      );
    const runtime = await Runtime.create({ kernels: options.kernels ?? 'simd', threads: options.threads });
    try {
      return await new Training(runtime, dataset, config, options).run();
    } finally {
      runtime.dispose();
    }
  } finally {
    await dataset.close();
  }
}

/** With `from`, the architecture and the input size are those of the weights. */
async function architectureFrom(
  config: TrainingConfig,
  { from, signal, stages }: TrainOptions,
): Promise<TrainingConfig> {
  if (from === undefined) {
    if (config.mode === 'dilated')
      throw new AtrousCamError('BAD_ARGUMENT', 'mode dilated: expected weights to begin with, in `from`');
    return config;
  }
  const weights = await openWeights(from, { signal });
  weights.close();
  const { blocks, dense, inputSize, degridding } = readTopology(requireChain(weights));
  if (dense.length === 0) throw new AtrousCamError('BAD_ARGUMENT', 'from: expected weights with dense layers');
  const rates = degridding?.map(({ rate }) => rate);
  const { degriddingLayers = rates } = config;
  if (rates && (config.mode !== 'dilated' || `${rates}` !== `${degriddingLayers}`))
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      `from: these weights have degridding layers of rates ${rates.join(', ')}, which are trained as they are, in mode dilated`,
    );
  const sized = stages ?? [{ size: inputSize, epochs: 1 }];
  if (sized.some(({ size }) => size !== inputSize))
    throw new AtrousCamError('BAD_ARGUMENT', `stages: expected the size ${inputSize} of the weights to begin with`);
  return {
    ...config,
    widths: blocks.map((block) => block[0].cout),
    convs: blocks.map((block) => block.length),
    ...(degriddingLayers && { degriddingLayers }),
    dense: dense.slice(0, -1).map((layer) => layer.out),
    stages: sized,
  };
}

class Training {
  readonly #stepsPerEpoch: number;
  readonly #steps: number;
  readonly #cache: PictureCache;
  /** Squashed to the input, as in use. */
  #valCache: PictureCache | undefined;
  readonly #files: RunFiles;
  readonly #leftOut: LeftOutPictures;
  #position: Position = { step: 0, sums: noSums(), epochs: [] };

  constructor(
    readonly runtime: Runtime,
    readonly dataset: Dataset,
    readonly config: TrainingConfig,
    readonly options: TrainOptions,
  ) {
    const sizes = config.stages.map(({ size }) => size);
    for (const size of sizes) buildTopology(config, size, dataset.classes.length);
    const epochs = config.stages.reduce((sum, stage) => sum + stage.epochs, 0);
    this.#stepsPerEpoch = Math.floor(dataset.train.length / config.batch);
    this.#steps = epochs * this.#stepsPerEpoch;
    // A margin of a sixteenth, so that crops of large pictures are not blurred.
    const side = Math.ceil((Math.max(...sizes) * 17) / 16);
    this.#cache = new PictureCache(side, this.#cacheBytes * 0.8, 'larger', options);
    this.#leftOut = new LeftOutPictures(options);
    this.#files = new RunFiles(options.out);
  }

  async run(): Promise<TrainResult> {
    const { config, dataset } = this;
    const identity = identityOf(config, dataset);
    let state = await this.#begin(identity);
    let layout = this.#layout(0);
    for (let stage = 0; stage < config.stages.length && !this.#stopped; stage++) {
      layout = this.#layout(stage);
      if (this.#position.epochs.length > this.#lastEpoch(stage)) continue;
      const before = stage > 0 ? this.#layout(stage - 1) : layout;
      // A checkpoint between two stages holds the state of the first one.
      if (before.parameters !== layout.parameters && state.parameters.length === before.parameters)
        state = resizeState(before, layout, state);
      if (this.#position.epochs.length < this.#lastEpoch(stage))
        state = await this.#runStage(stage, layout, state, identity);
    }
    return this.#finish(layout, state);
  }

  /** The state to begin with. */
  async #begin(identity: Identity): Promise<TrainingState> {
    const { config, options } = this;
    const stored = await this.#files.prepare(options.resume === true, (path) => readCheckpoint(path, identity));
    if (stored) {
      this.#position = stored.position;
      await this.#files.cutSteps(stored.position.step);
      return stored.state;
    }
    const layout = this.#layout(0);
    if (options.from === undefined) return initialState(layout, config.seed, config.optimizer);
    const weights = await openWeights(options.from, { signal: options.signal });
    try {
      if (weights.labels.length !== this.dataset.classes.length)
        throw new AtrousCamError(
          'BAD_ARGUMENT',
          `from: expected weights for the ${this.dataset.classes.length} classes of the pictures, got ${weights.labels.length}`,
        );
      return await stateOf(layout, weights);
    } finally {
      weights.close();
    }
  }

  /** Runs what is left of a stage and returns the state after it. */
  async #runStage(stage: number, layout: Layout, state: TrainingState, identity: Identity): Promise<TrainingState> {
    const { runtime, config, options } = this;
    const mark = runtime.arena.mark();
    const fixedStatistics = options.from !== undefined;
    const { shared } = config.stages[stage];
    const run = new StageRun(runtime, layout, config, state, { fixedStatistics, cacheSide: this.#cache.side, shared });
    const save = () => writeCheckpoint(this.#files.checkpoint, identity, this.#position, run.state());
    try {
      while (this.#position.epochs.length < this.#lastEpoch(stage) && !this.#stopped) {
        const { step, epochs } = this.#position;
        if (step < (epochs.length + 1) * this.#stepsPerEpoch) await this.#step(run);
        else {
          await this.#endEpoch(run);
          await save();
        }
      }
      if (this.#stopped) await save();
      return run.state();
    } catch (error) {
      if (error instanceof AtrousCamError && error.code === 'ABORTED') {
        await this.#files.flush();
        await save();
      }
      throw error;
    } finally {
      runtime.arena.release(mark);
    }
  }

  get #stopped(): boolean {
    return this.options.maxSteps !== undefined && this.#position.step >= this.options.maxSteps;
  }

  get #cacheBytes(): number {
    return this.options.cache ?? 2e9;
  }

  async #step(run: StageRun): Promise<void> {
    const { config, options } = this;
    const { signal } = options;
    const started = performance.now();
    const step = this.#position.step + 1;
    const epoch = this.#epochOf(step - 1);
    const within = (step - 1) % this.#stepsPerEpoch;
    const samples = this.#batchOf(epoch, within);
    const examples = await this.#trainingExamples(samples);
    const sources = examples.map(({ image }) => image);
    const { inset } = config.stages[this.#stageOf(epoch)];
    const drawings = chooseDrawings(sources, run.side, { ...config, inset }, [config.seed, 5, step]);
    const rate = learningRate(config, step, this.#stepsPerEpoch);
    const seed = keyOf(config.seed, 6, step);
    const { loss, correct } = await run.train(examples, drawings, { step, rate, seed, signal });
    if (!Number.isFinite(loss))
      throw new AtrousCamError(
        'BAD_ARGUMENT',
        `learningRate: the loss of step ${step} is ${loss}; begin anew with a smaller learning rate`,
      );
    const { sums } = this.#position;
    sums.loss += loss * samples.length;
    sums.correct += correct;
    sums.pictures += samples.length;
    sums.seconds += (performance.now() - started) / 1000;
    this.#position.step = step;
    await this.#files.addStep(step, rate, loss);
    this.#report(epoch, loss, 'train');
  }

  /** The training pictures of an epoch's batch. */
  #batchOf(epoch: number, batch: number): Sample[] {
    const { train } = this.dataset;
    const { seed, batch: size } = this.config;
    const order = shuffled(train.length, randomOf(seed, 4, epoch));
    return Array.from(order.subarray(batch * size, (batch + 1) * size), (i) => train[i]);
  }

  #report(epoch: number, loss: number, stage: StepReport['stage']): void {
    const { step, sums } = this.#position;
    const epochs = this.#steps / this.#stepsPerEpoch;
    const imagesPerSecond = sums.pictures / sums.seconds;
    const left = this.#work(step, this.#steps);
    this.options.onStep?.({
      step,
      steps: this.#steps,
      epoch,
      epochs,
      loss,
      stage,
      imagesPerSecond,
      accuracy: sums.correct / sums.pictures,
      secondsLeft: (left / this.#work(step - 1, step)) * (this.config.batch / imagesPerSecond),
      done: 1 - left / this.#work(0, this.#steps),
    });
  }

  /** Work of the steps from number `first` + 1 to `end`, in pixels of a picture. */
  #work(first: number, end: number): number {
    let work = 0;
    for (let step = first; step < end; ) {
      const next = Math.min(end, (Math.floor(step / this.#stepsPerEpoch) + 1) * this.#stepsPerEpoch);
      work += (next - step) * this.config.stages[this.#stageOf(this.#epochOf(step))].size ** 2;
      step = next;
    }
    return work;
  }

  /**
   * Takes the running statistics anew from training pictures as they are in use, neither cut nor mixed, with the
   * network as it is now: the running means are those of the last few dozen batches, each with another network (Wu and
   * Johnson 2021, https://arxiv.org/abs/2105.07576).
   */
  async #calibrate(run: StageRun, epoch: number): Promise<void> {
    const batches = Math.min(Math.ceil(CALIBRATION / this.config.batch), this.#stepsPerEpoch);
    for (let i = 0; i < batches; i++) {
      const examples = await this.#trainingExamples(this.#batchOf(epoch + 1, i));
      await run.calibrate(examples, 1 / (i + 1), this.options.signal);
    }
  }

  async #endEpoch(run: StageRun): Promise<void> {
    const { config, dataset, options } = this;
    const { step, sums, epochs } = this.#position;
    const epoch = this.#epochOf(step - 1);
    this.#report(epoch, sums.loss / sums.pictures, 'validate');
    if (step === this.#steps && options.from === undefined) await this.#calibrate(run, epoch);
    const val = noSums();
    if (this.#valCache?.side !== run.side)
      this.#valCache = new PictureCache(run.side, this.#cacheBytes * 0.2, 'all', options);
    for (let i = 0; i < dataset.val.length; i += config.batch) {
      throwIfAborted(options.signal);
      const examples = await this.#examples(dataset.val.slice(i, i + config.batch), this.#valCache);
      if (examples.length === 0) continue;
      const { loss, correct } = await run.evaluate(examples, options.signal);
      val.loss += loss * examples.length;
      val.correct += correct;
      val.pictures += examples.length;
    }
    const report: EpochReport = {
      epoch,
      size: run.side,
      step,
      learningRate: learningRate(config, step, this.#stepsPerEpoch),
      loss: sums.loss / sums.pictures,
      accuracy: sums.correct / sums.pictures,
      ...(val.pictures > 0 && { valLoss: val.loss / val.pictures, valAccuracy: val.correct / val.pictures }),
      imagesPerSecond: sums.pictures / sums.seconds,
      seconds: sums.seconds,
    };
    this.#position = { step, sums: noSums(), epochs: [...epochs, report] };
    await this.#files.writeEpochs(this.#position.epochs);
    await writeAtomically(this.#files.curve, drawCurve(this.#position.epochs));
    options.onEpoch?.(report);
  }

  /** Those of the samples that can be read. */
  async #examples(samples: readonly Sample[], cache: PictureCache): Promise<Example[]> {
    const examples: Example[] = [];
    for (const sample of samples) {
      throwIfAborted(this.options.signal);
      const image = await this.#leftOut.read(sample.path, () => cache.get(sample));
      if (image) examples.push({ image, label: sample.label });
      await this.runtime.yieldIfDue();
    }
    return examples;
  }

  /** As many examples as samples: the place of one that cannot be read takes the next one that can, the same in every run. */
  async #trainingExamples(samples: readonly Sample[]): Promise<Example[]> {
    const { train } = this.dataset;
    const examples: Example[] = [];
    for (const sample of samples) {
      let found = await this.#examples([sample], this.#cache);
      const place = found.length > 0 ? 0 : train.indexOf(sample);
      for (let i = 1; found.length === 0 && i < train.length; i++)
        found = await this.#examples([train[(place + i) % train.length]], this.#cache);
      if (found.length === 0) throw new AtrousCamError('BAD_IMAGE', 'data: none of the training pictures can be read');
      examples.push(found[0]);
    }
    return examples;
  }

  async #finish(layout: Layout, state: TrainingState): Promise<TrainResult> {
    const { dataset, config, options } = this;
    await this.#files.flush();
    const { classes } = dataset;
    const weights = weightsOf(layout, state, { labels: classes, normalization: config.normalization });
    await writeAtomically(this.#files.network, await encodeNetwork(weights, options.dtype ?? 'float16'));
    const { parameters } = weights;
    const { others } = dataset;
    const leftOut = this.#leftOut.list;
    return { network: this.#files.network, classes, parameters, epochs: this.#position.epochs, leftOut, others };
  }

  #layout(stage: number): Layout {
    return layoutOf(buildTopology(this.config, this.config.stages[stage].size, this.dataset.classes.length));
  }

  /** The epoch, from 1 on, that the step after `done` steps belongs to. */
  #epochOf(done: number): number {
    return Math.floor(done / this.#stepsPerEpoch) + 1;
  }

  /** The number of a stage's last epoch. */
  #lastEpoch(stage: number): number {
    return this.config.stages.slice(0, stage + 1).reduce((sum, { epochs }) => sum + epochs, 0);
  }

  #stageOf(epoch: number): number {
    return this.config.stages.findIndex((_, stage) => epoch <= this.#lastEpoch(stage));
  }
}

const noSums = (): EpochSums => ({ loss: 0, correct: 0, pictures: 0, seconds: 0 });

function identityOf(config: TrainingConfig, { classes, train, val }: Dataset): Identity {
  const names = [...train, ...val].reduce((key, { path }) => keyOf(key, ...new TextEncoder().encode(path)), 0);
  return { config, data: { classes, train: train.length, val: val.length, names } };
}
