import type { Network } from '../api.js';
import type { Prediction } from '../types.js';
import { version } from './version.js';

/** `boxer (242) with probability 0.420`, one line per prediction. */
export function predictionLines(predictions: readonly Prediction[]): string {
  return predictions
    .map(({ label, index, probability }) => `${label} (${index}) with probability ${probability.toFixed(3)}\n`)
    .join('');
}

/** What the JSON documents of all sub-commands say about the network. */
export function describeNetwork({ source, parameters, inputSize, kernels, threads }: Network) {
  return {
    version: version(),
    kernels,
    threads,
    weights: { source, parameters, input: [inputSize, inputSize, 3] },
  };
}

/** A JSON document on one line; typed arrays must have been turned into arrays. */
export const jsonLine = (document: object): string => `${JSON.stringify(document)}\n`;
