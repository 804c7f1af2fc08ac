import { AtrousCamError, throwIfAborted } from '../base/errors.js';
import { checkOptions, type Names } from '../base/options.js';
import { sizeFrom } from '../base/shape.js';
import { degriddingMetadata } from '../weights/degridding.js';
import { evidenceMetadata, readEvidence } from '../weights/evidence.js';
import { encodeFloat16, firstNonFiniteHalf } from '../weights/floats.js';
import { openWeights, type WeightsSource } from '../weights/open.js';
import { safetensorsHeader } from '../weights/safetensors-header.js';
import { badWeights, quote } from '../weights/source.js';
import type { NetworkWeights, Tensor } from '../weights/types.js';
import type { PackOptions } from './pack.js';

/** Elements that are given at once. */
const BLOCK = 1 << 20;

const NAMES: Names<PackOptions> = {
  ...{ dtype: 1, evidence: 1, onProgress: 1, inputSize: 1, limits: 1, signal: 1, preprocessing: 1, labels: 1 },
};

/** `packWeights` of the library. */
export async function* packWeights(source?: WeightsSource, options: PackOptions = {}): AsyncGenerator<Uint8Array> {
  checkOptions('packWeights', options, NAMES);
  const { dtype = 'float16', evidence, onProgress, ...open } = options;
  if (dtype !== 'float16' && dtype !== 'float32')
    throw new AtrousCamError('BAD_ARGUMENT', `dtype: expected float16 or float32, got '${dtype}'`);
  const opened = await openWeights(source, open);
  const weights = evidence ? { ...opened, evidence: checkEvidence(opened, evidence) } : opened;
  try {
    yield* packNetworkWeights(weights, { dtype, onProgress, signal: open.signal });
  } finally {
    weights.close();
  }
}

function checkEvidence({ graph, close }: NetworkWeights, evidence: NonNullable<PackOptions['evidence']>) {
  try {
    return readEvidence(JSON.stringify(evidence), graph, 'to be packed');
  } catch (cause) {
    close();
    throw new AtrousCamError('BAD_ARGUMENT', 'evidence: expected [rows, columns] by layers of the network', { cause });
  }
}

/** `packWeights` of weights that are open already. */
export async function* packNetworkWeights(
  weights: NetworkWeights,
  { dtype, onProgress, signal }: Pick<PackOptions, 'onProgress' | 'signal'> & { dtype: 'float16' | 'float32' },
): AsyncGenerator<Uint8Array> {
  const entries = entriesOf(weights, dtype);
  yield header(weights, entries);
  let done = 0;
  for (const { tensor, half } of entries) {
    const values = new Float32Array(sizeOf(tensor));
    await tensor.copyInto(values, () => throwIfAborted(signal));
    for (let first = 0; first < values.length; first += BLOCK) {
      throwIfAborted(signal);
      const block = values.subarray(first, first + BLOCK);
      yield half
        ? halves(weights.source, tensor, block)
        : new Uint8Array(block.buffer, block.byteOffset, block.byteLength);
      done += block.length;
      onProgress?.(done / weights.parameters);
    }
  }
}

interface Entry {
  name: string;
  tensor: Tensor;
  half: boolean;
}

/** All vectors, then all kernels, so that float32 is aligned whatever the number of halves. */
function entriesOf(weights: NetworkWeights, dtype: 'float16' | 'float32'): Entry[] {
  const all = [...weights.tensors].map(([name, tensor]) => ({ name, tensor, isVector: tensor.shape.length < 2 }));
  return [
    ...all.filter(({ isVector }) => isVector).map((entry) => ({ ...entry, half: false })),
    ...all.filter(({ isVector }) => !isVector).map((entry) => ({ ...entry, half: dtype === 'float16' })),
  ];
}

function header(weights: NetworkWeights, entries: readonly Entry[]): Uint8Array {
  const { labels, preprocessing, chain, graph, family, evidence } = weights;
  const tensors = entries.map(({ name, tensor, half }) => ({
    name,
    dtype: half ? ('F16' as const) : ('F32' as const),
    shape: tensor.shape,
  }));
  return safetensorsHeader(tensors, {
    ...(labels.length > 0 && { labels: JSON.stringify(labels) }),
    preprocessing: JSON.stringify(preprocessing),
    ...(chain?.degridding && { degrid: degriddingMetadata(chain.degridding) }),
    ...(!chain && { graph: JSON.stringify(graph), ...(family !== undefined && { family }) }),
    ...(evidence && { evidence: evidenceMetadata(evidence) }),
  });
}

function halves(source: string, { name }: Tensor, block: Float32Array): Uint8Array {
  const bits = new Uint16Array(block.length);
  encodeFloat16(block, bits);
  const at = firstNonFiniteHalf(bits);
  if (at >= 0)
    throw badWeights(
      source,
      `tensor ${quote(name)}: expected at most 65504, the largest float16, got ${block[at]}; pack as float32`,
    );
  return new Uint8Array(bits.buffer);
}

const sizeOf = ({ shape }: Tensor): number => sizeFrom(shape);
