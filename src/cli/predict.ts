import type { Network } from '../api.js';
import type { Mode } from '../base/types.js';
import type { Context } from './context.js';
import { expandPictures, type Item } from './expand.js';
import type { LeftOut } from './left-out.js';
import { loadNetwork, type ModeFlags, modesOf, type NetworkFlags, type PicturesFlags, takeShard } from './options.js';
import { forEachPicture, type PictureTask } from './picture-files.js';
import { readPicture } from './read-picture.js';
import { predictionLines } from './report.js';
import { openSummary, type Report } from './summary.js';

/** `atrous-cam predict`: the top five classes of each picture. Returns the exit code. */
export async function predictCommand(
  files: string[],
  flags: NetworkFlags & ModeFlags & PicturesFlags,
  context: Context,
): Promise<number> {
  const leftOut: LeftOut[] = [];
  const items = expandPictures(files, { recursive: flags.recursive, leftOut });
  const closing = flags.summary !== undefined || items.length > files.length;
  const summary = openSummary(flags.summary);
  const reports = summary ? [summary] : [];
  try {
    const network = await loadNetwork(flags, context);
    try {
      return await predictPictures(network, takeShard(items, flags), flags, { reports, closing, leftOut }, context);
    } finally {
      network.dispose();
    }
  } finally {
    summary?.close();
  }
}

function predictPictures(
  network: Network,
  pictures: readonly Item[],
  flags: ModeFlags & PicturesFlags,
  report: { reports: readonly Report[]; closing: boolean; leftOut: readonly LeftOut[] },
  context: Context,
): Promise<number> {
  const { json } = flags;
  const modes = modesOf(flags);
  const task: PictureTask<Item> = async ({ file }, run) => {
    const picture = await readPicture(file, flags, context);
    const results: Record<string, object> = {};
    for (const mode of modes)
      await run(mode, async (onProgress) => {
        const { predictions, logits } = await network.predict(picture, { mode, signal: context.signal, onProgress });
        results[mode] = { predictions, logits: [...logits] };
        if (!json) await context.say(`${file}, ${mode}:\n${predictionLines(predictions)}\n`);
      });
    return { modes: results, warnings: picture.warnings };
  };
  // In `atrous` predictions come from the own phase alone, which is the pooled network.
  const macs = (mode: Mode) => network.plan(mode === 'atrous' ? 'pooled' : mode).macs;
  return forEachPicture(network, { pictures, modes, macs, json, task, ...report }, context);
}
