import type { InspectOptions, NetworkInfo } from '../api.js';
import { checkOptions, checkPrecision, type Names } from '../base/options.js';
import { openWeights, type WeightsSource } from '../weights/open.js';
import { DescribedNetwork, describe } from './network-info.js';

const NAMES: Names<InspectOptions> = {
  ...{ precision: 1, preprocessing: 1, inputSize: 1, labels: 1, limits: 1, signal: 1 },
};

/**
 * Reads what a weight file says about its network without loading it: of a file of any size only the headers are read, and
 * nothing is kept open.
 *
 * @param source nothing: the embedded cat/dog network; else as for `load`
 * @throws AtrousCamError NOT_FOUND, BAD_WEIGHTS, BAD_ARGUMENT, ABORTED
 * @example
 * const vgg16 = await inspect('vgg16_weights_tf_dim_ordering_tf_kernels.h5');
 * vgg16.parameters; // 138357544
 * vgg16.plan('dilated').macs; // 738e9
 */
export async function inspect(source?: WeightsSource, options: InspectOptions = {}): Promise<NetworkInfo> {
  checkOptions('inspect', options, NAMES);
  const { preprocessing, labels, inputSize, limits, signal } = options;
  const precision = checkPrecision(options.precision);
  const weights = await openWeights(source, { preprocessing, labels, inputSize, limits, signal });
  weights.close();
  return new DescribedNetwork(describe(weights, precision));
}
