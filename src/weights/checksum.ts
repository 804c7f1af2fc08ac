import { md5 } from '@noble/hashes/legacy.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { throwIfAborted } from '../base/errors.js';
import type { ByteSource } from './source.js';

const block = 1 << 22;

/**
 * SHA-256 and MD5 of a file in hexadecimal, read piece by piece. A library computes them, because browsers hash only what is in
 * memory as a whole, and no MD5, which is all that is published of Keras' files.
 */
export async function checksums(
  source: ByteSource,
  kinds: readonly ('sha256' | 'md5')[],
  { signal, onProgress }: { signal?: AbortSignal; onProgress?: (done: number) => void } = {},
): Promise<{ sha256?: string; md5?: string }> {
  const hashes = kinds.map((kind) => ({ kind, hash: kind === 'sha256' ? sha256.create() : md5.create() }));
  for (let at = 0; at < source.size; at += block) {
    throwIfAborted(signal);
    const bytes = await source.read(at, Math.min(block, source.size - at));
    for (const { hash } of hashes) hash.update(bytes);
    onProgress?.(Math.min(1, (at + block) / source.size));
  }
  return Object.fromEntries(hashes.map(({ kind, hash }) => [kind, bytesToHex(hash.digest())]));
}
