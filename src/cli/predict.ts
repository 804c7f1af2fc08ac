import type { Context } from './context.js';
import { loadNetwork, type ModeFlags, modesOf, type NetworkFlags, type ShardFlags, takeShard } from './options.js';
import { forEachPicture } from './pictures.js';
import { predictionLines } from './report.js';

/** `atrous-cam predict`: the top five classes of each picture. Returns the exit code. */
export async function predictCommand(
  files: string[],
  flags: NetworkFlags & ModeFlags & ShardFlags,
  context: Context,
): Promise<number> {
  const network = await loadNetwork(flags, context);
  try {
    const pictures = takeShard(files, flags).map((file) => ({ file }));
    const { json } = flags;
    const modes = modesOf(flags);
    return await forEachPicture(
      network,
      {
        pictures,
        modes,
        outputStride: 16, // predictions come from the pooled points alone
        json,
        task: async ({ file }, run) => {
          const results: Record<string, object> = {};
          for (const mode of modes)
            await run(mode, async (onProgress) => {
              const options = { mode, signal: context.signal, onProgress };
              const { predictions, logits } = await network.predict(file, options);
              results[mode] = { predictions, logits: [...logits] };
              if (!json) await context.print(`${file}, ${mode}:\n${predictionLines(predictions)}\n`);
            });
          return { modes: results };
        },
      },
      context,
    );
  } finally {
    network.dispose();
  }
}
