import { basename } from 'node:path';
import type { Network } from '../api.js';
import type { Mode } from '../base/types.js';
import { AtrousCamError } from '../index.js';
import { type Context, concernsWholeCall, describe, nameOf } from './context.js';
import type { Item } from './expand.js';
import { describeLeftOut, type LeftOut } from './left-out.js';
import { formatDuration } from './progress.js';
import { describeNetwork, jsonLine } from './report.js';
import type { PictureEntry, Report } from './summary.js';
import type { Thumbnail } from './thumbnail.js';

const GIGA = 1e9;

/** Runs one mode of a picture; `call` gets the function that takes its progress. */
type RunMode = (mode: Mode, call: (onProgress: (progress: { done: number }) => void) => Promise<void>) => Promise<void>;

/** The modes' parts of a picture's entry in the JSON document. */
type ModeEntries = Record<string, object>;

/** What a picture gave: its modes' entries, what was wrong with its file, and what a contact sheet shows. */
interface Finished {
  modes: ModeEntries;
  warnings?: readonly string[];
  thumbnail?: Thumbnail;
}

/** What is done with each picture: runs its modes one after another. */
export type PictureTask<P> = (picture: P, run: RunMode) => Promise<Finished>;

export interface PictureLoop<P extends Item> {
  pictures: readonly P[];
  modes: readonly Mode[];
  /** Multiply-adds of a mode of a picture. */
  macs: (mode: Mode) => number;
  json?: boolean;
  reports: readonly Report[];
  /** Where the pictures' files are, if the end of the output is to say so. */
  folder?: string;
  /** Whether the output ends with a line that counts the pictures. */
  closing?: boolean;
  /** Files of the folders that were not taken for pictures. */
  leftOut?: readonly LeftOut[];
  /** What a picture that needs nothing more gave, or undefined. */
  finished?: (picture: P) => Finished | undefined;
  task: PictureTask<P>;
}

/**
 * Does a task for every picture, with one progress bar over all of them. A picture that fails is reported and the others are
 * still done; Ctrl-C and errors that concern the whole call end the loop. The summary is written however it ends. Returns the
 * exit code.
 */
export async function forEachPicture<P extends Item>(
  network: Network,
  loop: PictureLoop<P>,
  context: Context,
): Promise<number> {
  const { json, reports, folder, closing, leftOut = [] } = loop;
  const began = performance.now();
  const seconds = () => (performance.now() - began) / 1000;
  const entries: PictureEntry[] = []; // kept for --json only, so that memory does not grow with the number of pictures
  const counts = { done: 0, failed: 0, skipped: 0 };
  const keep = ({ thumbnail, ...entry }: PictureEntry) => {
    if (json) entries.push(entry);
    for (const report of reports) report.add({ ...entry, ...(thumbnail && { thumbnail }) });
    counts[entry.error ? 'failed' : entry.skipped ? 'skipped' : 'done']++;
  };
  try {
    await runPictures(loop, context, keep);
    for (const report of reports) report.addLeftOut(leftOut);
  } finally {
    for (const report of reports) report.write({ ...describeNetwork(network), ...counts, seconds: seconds() });
  }
  const line = describeLeftOut(leftOut, 'of the folders');
  if (line) context.warn(line);
  if (json)
    await context.print(
      jsonLine({ ...describeNetwork(network), images: entries, ...(leftOut.length > 0 && { leftOut }) }),
    );
  else if (closing) {
    const written = [
      ...(folder !== undefined && counts.done > 0
        ? [`the files of ${counts.done} ${counts.done === 1 ? 'picture' : 'pictures'} to ${folder}`]
        : []),
      ...(counts.done + counts.failed + counts.skipped > 0 ? reports.map(({ path }) => path) : []),
    ];
    await context.say(written.map((what) => `wrote ${what}\n`).join('') + closingLine(counts, seconds()));
  }
  return counts.failed > 0 ? 1 : 0;
}

async function runPictures<P extends Item>(
  { pictures, modes, macs, finished = () => undefined, task }: PictureLoop<P>,
  context: Context,
  keep: (entry: PictureEntry) => void,
): Promise<void> {
  const { progress, signal } = context;
  const work = new Map(modes.map((mode) => [mode, macs(mode) / GIGA]));
  const workPerPicture = [...work.values()].reduce((a, b) => a + b, 0);
  const left = await withoutFinished(pictures, finished, signal);
  // one picture counts multiply-adds, many count pictures: the time left is what matters then
  const [unit, scale] = left.size > 1 ? ['pictures', 1 / workPerPicture] : ['GMAC', 1];
  progress.begin(workPerPicture * left.size * scale, unit);

  let begun = 0;
  for (const picture of pictures) {
    const { file, problem } = picture;
    if (!left.has(picture)) {
      keep({ file, ...finished(picture), skipped: true });
      continue;
    }
    let done = begun++ * workPerPicture;
    const title = `${left.size > 1 ? `${begun}/${left.size} ` : ''}${basename(file)}`;
    try {
      if (problem) throw new AtrousCamError('NOT_FOUND', problem);
      const run: RunMode = async (mode, call) => {
        const share = work.get(mode)!;
        await call((p) =>
          progress.update(modes.length > 1 ? `${title} ${mode}` : title, (done + share * p.done) * scale),
        );
        done += share;
      };
      const given = await task(picture, run);
      const { warnings, thumbnail } = given;
      keep({ file, modes: given.modes, ...(warnings && { warnings }), ...(thumbnail && { thumbnail }) });
    } catch (error) {
      if (signal.aborted || concernsWholeCall(error)) throw error;
      const description = describe(error);
      keep({ file, error: description });
      context.complain(`${nameOf(file)}: ${description.message}`);
    }
    if (signal.aborted) throw signal.reason;
  }
}

/** The pictures that need work; looking for finished ones takes a while where there are many, so that it can be interrupted. */
async function withoutFinished<P>(
  pictures: readonly P[],
  finished: (picture: P) => Finished | undefined,
  signal: AbortSignal,
): Promise<Set<P>> {
  const left = new Set<P>();
  for (const [i, picture] of pictures.entries()) {
    if (!finished(picture)) left.add(picture);
    if (i % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
    if (signal.aborted) throw signal.reason;
  }
  return left;
}

/** `400 pictures: 398 done, 2 failed; 3 min 20 s, 1.99 pictures/s` */
function closingLine(counts: { done: number; failed: number; skipped: number }, seconds: number): string {
  const total = counts.done + counts.failed + counts.skipped;
  const parts = Object.entries(counts).filter(([name, count]) => count > 0 || name === 'done');
  const rate = ((counts.done + counts.failed) / seconds).toPrecision(3);
  const list = parts.map(([name, count]) => `${count} ${name}`).join(', ');
  return `${total} pictures: ${list}; ${formatDuration(seconds)}, ${rate} pictures/s\n`;
}
