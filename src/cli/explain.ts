import { basename } from 'node:path';
import type { Explanation, ImageInput } from '../api.js';
import { formatSeconds } from '../format.js';
import { drawFigure, encodeNpy, encodePng } from '../index.js';
import type { Mode } from '../types.js';
import type { Context } from './context.js';
import { type ExplainFlags, loadNetwork, modesOf, takeShard } from './options.js';
import { namePictures, type OutputFile, prepareFolder, refuseOverwriting, writeFiles } from './output.js';
import { forEachPicture } from './pictures.js';
import { predictionLines } from './report.js';

/** `atrous-cam explain`: one figure per picture, the top five of each mode, maps as files. Returns the exit code. */
export async function explainCommand(files: string[], flags: ExplainFlags, context: Context): Promise<number> {
  const named = namePictures(files); // before sharding, so that the shards of one call never share a name
  const pictures = takeShard(named, flags);
  prepareFolder(flags.out);
  refuseOverwriting(flags.out, named);
  const network = await loadNetwork(flags, context);
  try {
    const { target, method, layer, score, heads, outputStride, degrid, json } = flags;
    const modes = modesOf(flags);
    return await forEachPicture(
      network,
      {
        pictures,
        modes,
        outputStride,
        json,
        task: async ({ file, name }, run) => {
          const explanations: Explanation[] = [];
          let image: ImageInput = file;
          for (const mode of modes)
            await run(mode, async (onProgress) => {
              const scope = mode === 'atrous' ? { heads, outputStride } : {};
              const options = {
                mode,
                target,
                method,
                layer,
                score,
                degrid,
                ...scope,
                signal: context.signal,
                onProgress,
              };
              const explanation = await network.explain(image, options);
              image = explanation.image; // decoded once
              explanations.push(explanation);
              if (!json) await context.print(describeExplanation(file, explanation));
            });
          const written = await writeExplanations(name, file, explanations, flags);
          if (!json) await context.print(written.paths.map((path) => `wrote ${path}\n`).join(''));
          return { modes: Object.fromEntries(explanations.map((e) => [e.mode, toJson(e, written.files(e.mode))])) };
        },
      },
      context,
    );
  } finally {
    network.dispose();
  }
}

function describeExplanation(file: string, { mode, raw, map, seconds, target, predictions }: Explanation): string {
  const size = `${raw.width} x ${raw.height} map${map.flat ? ' (flat: nothing speaks for it)' : ''}`;
  const what = `${size} for ${target.label} (${target.index}) in ${formatSeconds(seconds)}`;
  return `${file}, ${mode}: ${what}\n${predictionLines(predictions)}\n`;
}

/** Writes a picture's figure and, with --npy, its maps; all of them or none. */
async function writeExplanations(
  name: string,
  file: string,
  explanations: readonly Explanation[],
  { out, npy }: ExplainFlags,
): Promise<{ paths: string[]; files: (mode: Mode) => Record<string, string> }> {
  const figure = await drawFigure(explanations, { name: basename(file) });
  const outputs: OutputFile[] = [{ name: `${name}.png`, content: encodePng(figure) }];
  if (npy)
    for (const { mode, raw, map } of explanations)
      outputs.push(
        { name: `${name}.${mode}.raw.npy`, content: encodeNpy(raw.data, [raw.height, raw.width]) },
        { name: `${name}.${mode}.map.npy`, content: encodeNpy(map.data, [map.height, map.width]) },
      );
  const paths = writeFiles(out, outputs);
  const files = (mode: Mode) => {
    const first = 1 + 2 * explanations.findIndex((e) => e.mode === mode);
    return { picture: paths[0], ...(npy && { raw: paths[first], map: paths[first + 1] }) };
  };
  return { paths, files };
}

function toJson(explanation: Explanation, files: Record<string, string>): object {
  const { predictions, logits, target, score, raw, map, seconds, peakBytes } = explanation;
  return {
    predictions,
    logits: [...logits],
    target,
    score,
    map: { width: raw.width, height: raw.height, flat: map.flat },
    seconds,
    peakBytes,
    files,
  };
}
