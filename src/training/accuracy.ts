import type { CallOptions, Network } from '../api.js';
import { AtrousCamError } from '../base/errors.js';
import { checkOptions, type Names, oneOf } from '../base/options.js';
import type { Mode } from '../base/types.js';
import { decodePicture } from '../image/decode.js';
import { throwIfAborted } from '../wasm/runtime.js';
import { openDataset, type Sample } from './dataset.js';
import { type LeftOutPicture, LeftOutPictures, type PictureFaults } from './left-out.js';

/** What is measured, and how. */
export interface EvaluateOptions extends Pick<CallOptions, 'preprocessing' | 'signal'>, PictureFaults {
  /** Default `pooled`. */
  mode?: Mode;
  /** `val` (the default where there is a `val/`), `train`, or `all` pictures of the data. */
  part?: 'val' | 'train' | 'all';
  /** Only the first so many pictures of each class. */
  limit?: number;
  /** Pictures done, and all. */
  onProgress?: (done: number, total: number) => void;
}

const NAMES: Names<EvaluateOptions> = {
  ...{ mode: 1, part: 1, limit: 1, onProgress: 1, preprocessing: 1, signal: 1 },
  ...{ strict: 1, maxPixels: 1, onLeftOut: 1, onWarning: 1 },
};

/** How a network did. */
export interface Evaluation {
  /** The network's labels. */
  readonly labels: readonly string[];
  /** That were read and classified. */
  readonly pictures: number;
  /** Share of the pictures whose most probable class is their own. */
  readonly accuracy: number;
  /** Mean of minus the logarithm of the right class's probability. */
  readonly loss: number;
  /** `confusion[i][k]`: pictures of class i whose most probable class is k. */
  readonly confusion: readonly (readonly number[])[];
  /** Pictures that could not be read. */
  readonly leftOut: readonly LeftOutPicture[];
  /** Files of the data that are not named like pictures. */
  readonly others: readonly string[];
}

/** `evaluate` of src/training.ts. */
export async function runEvaluation(
  network: Network,
  data: string,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  checkOptions('evaluate', options, NAMES);
  const { mode = 'pooled', preprocessing, signal, onProgress, strict, maxPixels, onWarning } = options;
  const { labels } = network;
  const dataset = await openDataset(data, { valShare: 0 });
  try {
    const own = dataset.classes.map((name) => {
      const label = labels.indexOf(name);
      if (label >= 0) return label;
      const some = `${labels.slice(0, 5).join(', ')}${labels.length > 5 ? ', ...' : ''}`;
      throw new AtrousCamError(
        'BAD_ARGUMENT',
        `"${data}": expected folders named like labels of the network (${some}), got "${name}"`,
      );
    });
    const samples = chooseSamples(dataset, options);
    const confusion = labels.map(() => labels.map(() => 0));
    const leftOut = new LeftOutPictures(options);
    let pictures = 0;
    let loss = 0;
    for (const [i, sample] of samples.entries()) {
      throwIfAborted(signal);
      onProgress?.(i, samples.length);
      const label = own[sample.label];
      const { path } = sample;
      const decode = async () => decodePicture(await sample.read(), { name: path, strict, maxPixels });
      const picture = await leftOut.read(path, decode);
      if (!picture) continue;
      for (const warning of picture.warnings ?? []) onWarning?.(path, warning);
      const { probabilities } = await network.predict(picture, { mode, preprocessing, signal });
      pictures++;
      confusion[label][probabilities.indexOf(Math.max(...probabilities))]++;
      loss -= Math.log(Math.max(probabilities[label], 1e-45));
    }
    onProgress?.(samples.length, samples.length);
    if (pictures === 0)
      throw new AtrousCamError('BAD_IMAGE', `"${data}": none of the ${samples.length} pictures can be read`);
    const right = confusion.reduce((sum, row, i) => sum + row[i], 0);
    return {
      labels,
      pictures,
      confusion,
      accuracy: right / pictures,
      loss: loss / pictures,
      leftOut: leftOut.list,
      others: dataset.others,
    };
  } finally {
    await dataset.close();
  }
}

function chooseSamples(
  { train, val, ownVal }: { train: readonly Sample[]; val: readonly Sample[]; ownVal: boolean },
  { part, limit }: EvaluateOptions,
): Sample[] {
  const chosen = oneOf('part', part ?? (ownVal && val.length > 0 ? 'val' : 'all'), ['val', 'train', 'all']);
  const parts = { val, train, all: [...train, ...val] };
  const seen = new Map<number, number>();
  const samples = parts[chosen].filter(({ label }) => {
    seen.set(label, (seen.get(label) ?? 0) + 1);
    return limit === undefined || seen.get(label)! <= limit;
  });
  if (samples.length === 0) throw new AtrousCamError('BAD_ARGUMENT', `part: the data have no pictures in ${chosen}`);
  return samples;
}
