import type { Job } from '../job.js';
import { strideU, type WinogradWeights } from './winograd.js';

/**
 * Makes the transformed weights of the convolution that maps the output's gradient to the input's from transformed ones: taps turned,
 * channels swapped. Exact.
 */
export function adjointWinogradJob(from: WinogradWeights, to: WinogradWeights): Job {
  const { cin, cout } = from;
  return {
    kernel: 'adjointWinograd',
    args: [from.ptr, strideU(cin, cout), to.ptr, strideU(cout, cin), cin, cout],
    tasks: Math.ceil(cin / 8),
    scratch: 0,
  };
}
