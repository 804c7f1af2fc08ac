import type { Network, NetworkInfo } from '../api.js';
import type { Prediction } from '../base/types.js';
import { version } from './version.js';

/** `boxer (242) with probability 0.420`, one line per prediction. */
export function predictionLines(predictions: readonly Prediction[]): string {
  return predictions
    .map(({ label, index, probability }) => `${label} (${index}) with probability ${probability.toFixed(3)}\n`)
    .join('');
}

/** What the JSON documents of all sub-commands say. */
export function describeWeights({ source, parameters, inputShape }: NetworkInfo) {
  return { version: version(), weights: { source, parameters, input: inputShape } };
}

/** What the JSON documents of sub-commands that run a network say. */
export function describeNetwork(network: Network) {
  const { version, weights } = describeWeights(network);
  return { version, kernels: network.kernels, threads: network.threads, weights };
}

/** A JSON document on one line; typed arrays must have been turned into arrays. */
export const jsonLine = (document: object): string => `${JSON.stringify(document)}\n`;
