import { basename } from 'node:path';
import type { Explanation, Network } from '../api.js';
import { formatSeconds } from '../format.js';
import { drawFigure, encodeNpy, encodePng } from '../index.js';
import type { Mode } from '../types.js';
import type { Context } from './context.js';
import { type ExplainFlags, loadNetwork, modesOf, takeShard } from './options.js';
import {
  type NamedPicture,
  namePictures,
  type OutputFile,
  prepareFolder,
  refuseOverwriting,
  writeFiles,
} from './output.js';
import { forEachPicture, type PictureTask } from './pictures.js';
import { predictionLines } from './report.js';

/** `atrous-cam explain`: one figure per picture, the top five of each mode, maps as files. Returns the exit code. */
export async function explainCommand(files: string[], flags: ExplainFlags, context: Context): Promise<number> {
  const named = namePictures(files); // before sharding, so that the shards of one call never share a name
  refuseOverwriting(flags.out, named);
  const removeUnusedFolder = prepareFolder(flags.out);
  try {
    const network = await loadNetwork(flags, context);
    try {
      return await explainPictures(network, takeShard(named, flags), flags, context);
    } finally {
      network.dispose();
    }
  } finally {
    removeUnusedFolder();
  }
}

function explainPictures(
  network: Network,
  pictures: readonly NamedPicture[],
  flags: ExplainFlags,
  context: Context,
): Promise<number> {
  const { target, method, layer, score, heads, outputStride, degrid, json } = flags;
  const { signal } = context;
  const modes = modesOf(flags);
  const task: PictureTask<NamedPicture> = async ({ file, name }, run) => {
    const explanations: Explanation[] = [];
    for (const mode of modes)
      await run(mode, async (onProgress) => {
        // heads and outputStride matter in atrous only, but what the library refuses it should refuse before any work
        const options = { mode, target, method, layer, score, degrid, heads, outputStride, signal, onProgress };
        const first = explanations[0]; // decides the class of all modes; the picture is decoded once
        const explanation = first
          ? await network.explain(first.image, { ...options, target: first.target.index })
          : await network.explain(file, options);
        explanations.push(explanation);
        if (!json) await context.print(describeExplanation(file, explanation));
      });
    const written = await writeExplanations(name, file, explanations, flags);
    if (!json) await context.print(written.paths.map((path) => `wrote ${path}\n`).join(''));
    return { modes: Object.fromEntries(explanations.map((e) => [e.mode, toJson(e, written.files(e.mode))])) };
  };
  return forEachPicture(network, { pictures, modes, outputStride, json, task }, context);
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
