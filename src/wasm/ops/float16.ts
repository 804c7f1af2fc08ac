import { type Job, job } from '../job.js';

/** Elements of one task: about a millisecond. */
const ELEMENTS_PER_TASK = 1_048_576;
/** What is left is one task when it is that short. */
const SHORT = 4096;

/**
 * The jobs, to be run one after the other, that turn n float16 at `ptr` + 2n into n float32 at `ptr`: where they will lie, without
 * a second buffer. Each job converts half of what is left, so that its tasks write only where nothing is left to be read:
 *
 *     bytes 0 ......... 2n ......... 4n
 *           [         ][ h h h h h h ]    first job: elements 0 .. n/2 - 1, written to bytes 0 .. 2n
 *           [ f f f   ][       h h h ]    second job: elements n/2 .. 3n/4 - 1, written to bytes 2n .. 3n
 */
export function expandFloat16Jobs(ptr: number, n: number): Job[] {
  const jobs: Job[] = [];
  for (let first = 0; first < n; ) {
    const left = n - first;
    const count = left <= SHORT ? left : left >> 1;
    const chunk = left <= SHORT ? left : ELEMENTS_PER_TASK;
    const fields = { from: ptr + 2 * n + 2 * first, to: ptr + 4 * first, n: count, chunk };
    jobs.push(job('expandFloat16', fields, Math.ceil(count / chunk)));
    first += count;
  }
  return jobs;
}
