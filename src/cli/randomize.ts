import { packWeights } from '../index.js';
import { type MapSource, type MaskedPicture, randomizationCheck } from '../metrics.js';
import type { Context } from './context.js';
import { loadOptions, type NetworkFlags } from './options.js';

/** How like maps are to those of the unchanged network, once a layer and all behind it are random. */
export interface LayerSimilarity {
  layer: string;
  /** Means over the pictures, by map. */
  maps: Record<string, { correlation: number; similarity: number }>;
}

/** The parameter randomisation test, from the last layer on, of the maps that are explanations. */
export async function randomizeLayers(
  pictures: readonly MaskedPicture[],
  maps: Readonly<Record<string, MapSource>>,
  flags: NetworkFlags & { target?: string | number; seed?: number },
  { load, signal, progress }: Context,
): Promise<LayerSimilarity[]> {
  const explained = Object.entries(maps).flatMap(([name, source]) =>
    typeof source === 'string' ? [] : [{ name, source }],
  );
  const options = loadOptions(flags);
  const { inputSize, preprocessing } = options;
  const pieces: Uint8Array[] = [];
  for await (const piece of packWeights(flags.weights, { dtype: 'float32', inputSize, preprocessing, signal }))
    pieces.push(piece);
  progress.begin(1);
  const steps = await randomizationCheck(Buffer.concat(pieces), {
    load: (weights) => load(weights, { ...options, signal }),
    explain: async (net) => {
      const all = [];
      for (const { source } of explained)
        for (const { path, label } of pictures) {
          const { map } = await net.explain(path, { ...source, target: flags.target ?? label, signal });
          all.push(map);
        }
      return all;
    },
    seed: flags.seed,
    signal,
    onProgress: (done, total) => progress.update('randomising layers', done / total),
  });
  return steps.map(({ layer, correlations, similarities }) => {
    const mean = (values: readonly number[], k: number) =>
      values.slice(k * pictures.length, (k + 1) * pictures.length).reduce((a, b) => a + b, 0) / pictures.length;
    const entries = explained.map(({ name }, k) => [
      name,
      { correlation: mean(correlations, k), similarity: mean(similarities, k) },
    ]);
    return { layer, maps: Object.fromEntries(entries) };
  });
}
