import { AtrousCamError, throwIfAborted } from '../base/errors.js';
import { checkOptions } from '../base/options.js';
import { sizeFrom } from '../base/shape.js';
import { openGiven, openWeights, type WeightsSource } from './open.js';
import type { Verified, VerifyOptions } from './published.js';
import { checksums, manifest, manifestEntry, matches } from './pull.js';
import { quote } from './source.js';

/** `verifyWeights` of the library. */
export async function verifyWeights(source: WeightsSource, options: VerifyOptions = {}): Promise<Verified> {
  checkOptions('verifyWeights', options, { signal: 1, onProgress: 1 });
  const { signal, onProgress } = options;
  const file = await openGiven(source, signal);
  try {
    const sums = (await checksums(file, ['sha256', 'md5'], {
      signal,
      onProgress: (done) => onProgress?.(done / 2),
    })) as { sha256: string; md5: string };
    const found = { bytes: file.size, ...sums };
    const named = typeof source === 'string' && file.name !== source ? manifestEntry(source) : undefined;
    if (named && !matches(named, found)) {
      const sum = named.sha256 ? `SHA-256 is ${named.sha256}` : `MD5 is ${named.md5}`;
      const cure = `remove it and run \`atrous-cam weights pull ${named.name}\``;
      throw new AtrousCamError(
        'BAD_WEIGHTS',
        `weights ${quote(file.name)}: it is not the published file, whose ${sum}; ${cure}`,
      );
    }
    const published = named ?? manifest.find((entry) => matches(entry, found));
    const parameters = await readAll(source, signal, (done) => onProgress?.(0.5 + done / 2));
    return { source: file.name, ...found, parameters, published: published?.name };
  } finally {
    file.close();
  }
}

/** Reads every tensor, which refuses numbers that are not finite; returns how many parameters there are. */
async function readAll(
  source: WeightsSource,
  signal: AbortSignal | undefined,
  onProgress: (done: number) => void,
): Promise<number> {
  const weights = await openWeights(source, { signal });
  try {
    let done = 0;
    for (const tensor of weights.tensors.values())
      await tensor.copyInto(new Float32Array(sizeFrom(tensor.shape)), (elements) => {
        throwIfAborted(signal);
        done += elements;
        onProgress(done / weights.parameters);
      });
    return weights.parameters;
  } finally {
    weights.close();
  }
}
