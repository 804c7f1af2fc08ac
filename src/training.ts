/**
 * Training of networks and their accuracy, in Node. An entry of its own: whatever else is imported from the library, no bundler has to take
 * the kernels for it.
 *
 * @module
 */
import type { Network } from './api.js';
import { type EvaluateOptions, type Evaluation, runEvaluation } from './training/accuracy.js';
import type { TrainOptions } from './training/options.js';
import { runTraining, type TrainResult } from './training/train.js';

export type { Network } from './api.js';
export { AtrousCamError, type ErrorCode } from './base/errors.js';
export type { EvaluateOptions, Evaluation } from './training/accuracy.js';
export type { Augmentation } from './training/augment.js';
export type { LeftOutPicture, PictureFaults } from './training/left-out.js';
export type { EpochReport, Stage, StepReport, TrainingConfig, TrainOptions } from './training/options.js';
export type { TrainResult } from './training/train.js';
export type { Architecture } from './training/vgg.js';

/**
 * Trains a network of VGG's family on pictures in class folders, or in a tar archive of such, and writes to the folder `out`:
 * `network.safetensors`, `epochs.csv`, `steps.csv`, `curve.svg` and `checkpoint.safetensors`, from which `resume` continues. The same data,
 * options and instruction set give the same weights, bit for bit, for any number of threads and interruptions. Node only.
 *
 * @throws AtrousCamError BAD_ARGUMENT (options, data, a checkpoint of another run), NOT_FOUND, BAD_IMAGE, BAD_WEIGHTS, OUT_OF_MEMORY,
 *   ABORTED: then the checkpoint stands at the last whole step
 * @example
 * const { network } = await train('pictures/', { out: 'run', stages: [{ size: 64, epochs: 10 }], seed: 1 });
 * const net = await load(network);
 */
export async function train(data: string, options: TrainOptions): Promise<TrainResult> {
  return runTraining(data, options);
}

/**
 * Measures a network on pictures in class folders, or in a tar archive of such (see `train`). The folders bear labels of the network.
 * Node only.
 *
 * @throws AtrousCamError BAD_ARGUMENT (a folder that is no label), NOT_FOUND, BAD_IMAGE, ABORTED
 * @example
 * const { accuracy, confusion } = await evaluate(await load(), 'pictures/');
 */
export async function evaluate(network: Network, data: string, options: EvaluateOptions = {}): Promise<Evaluation> {
  return runEvaluation(network, data, options);
}
