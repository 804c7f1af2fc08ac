import { basename } from 'node:path';
import type { Network } from '../api.js';
import type { Mode, OutputStride } from '../types.js';
import { type Context, concernsWholeCall, describe } from './context.js';
import { describeNetwork, jsonLine } from './report.js';

const GIGA = 1e9;

/** Runs one mode of a picture; `call` gets the function that takes its progress. */
type RunMode = (mode: Mode, call: (onProgress: (progress: { done: number }) => void) => Promise<void>) => Promise<void>;

/** What is done with each picture: runs its modes one after another and returns its part of the JSON document. */
export type PictureTask<P> = (picture: P, run: RunMode) => Promise<object>;

export interface PictureLoop<P extends { file: string }> {
  pictures: readonly P[];
  modes: readonly Mode[];
  outputStride?: OutputStride;
  json?: boolean;
  task: PictureTask<P>;
}

/**
 * Does a task for every picture, with one progress bar over all of them that counts multiply-adds. A picture that fails is
 * reported and the others are still done; Ctrl-C and errors that concern the whole call end the loop. Returns the exit code.
 */
export async function forEachPicture<P extends { file: string }>(
  network: Network,
  { pictures, modes, outputStride, json, task }: PictureLoop<P>,
  context: Context,
): Promise<number> {
  const { progress, signal } = context;
  const work = new Map(modes.map((mode) => [mode, network.plan(mode, { outputStride }).macs / GIGA]));
  const workPerPicture = [...work.values()].reduce((a, b) => a + b, 0);
  progress.begin(workPerPicture * pictures.length, 'GMAC');

  const entries: object[] = [];
  let failures = 0;
  for (const [i, picture] of pictures.entries()) {
    let done = i * workPerPicture;
    const count = pictures.length > 1 ? `${i + 1}/${pictures.length} ` : '';
    const title = `${count}${basename(picture.file)}`;
    try {
      const entry = await task(picture, async (mode, call) => {
        const share = work.get(mode)!;
        await call((p) => progress.update(`${title} ${mode}`, done + share * p.done));
        done += share;
      });
      entries.push({ file: picture.file, ...entry });
    } catch (error) {
      if (signal.aborted || concernsWholeCall(error)) throw error;
      failures++;
      const problem = describe(error);
      entries.push({ file: picture.file, error: problem });
      context.complain(`${picture.file || '""'}: ${problem.message}`);
    }
    if (signal.aborted) throw signal.reason;
  }
  if (json) await context.print(jsonLine({ ...describeNetwork(network), images: entries }));
  return failures > 0 ? 1 : 0;
}
