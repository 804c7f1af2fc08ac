import { AtrousCamError } from '../base/errors.js';
import { largestIndex } from './format.js';
import { type OpenSibling, staysInside } from './onnx/siblings.js';
import { openSafetensors } from './safetensors.js';
import { type ByteSource, badWeights, quote } from './source.js';
import type { RawTensor } from './tensor.js';
import type { TensorFile } from './tensor-file.js';

const maxShards = 256;

/** Tensors of several safetensors files. */
export interface ShardedFile {
  readonly file: TensorFile;
  /** Closes the files beside the index. */
  close(): void;
}

/**
 * Opens the tensors that an index (`model.safetensors.index.json`) says lie in several safetensors files beside it. Throws BAD_WEIGHTS where the
 * files do not hold exactly what it says, and NOT_FOUND where they cannot be opened.
 *
 * @param open opens a file by its path from the index's folder
 */
export async function openShards(source: ByteSource, open: OpenSibling | undefined): Promise<ShardedFile> {
  const index = await readIndex(source);
  const names = [...new Set(index.values())];
  if (!open)
    throw new AtrousCamError(
      'NOT_FOUND',
      `weights ${quote(source.name)}: its tensors are in ${names.length} other files, ${quote(names[0])} and so on; give those too, or save the model as one file`,
    );
  const opened: ByteSource[] = [];
  const close = () => {
    for (const shard of opened) shard.close();
  };
  try {
    const tensors = new Map<string, RawTensor>();
    for (const name of names) {
      const shard = await open(name);
      opened.push(shard);
      for (const [tensor, raw] of (await openSafetensors(shard)).tensors) {
        if (index.get(tensor) !== name)
          throw badWeights(source.name, `the index does not say that tensor ${quote(tensor)} lies in ${quote(name)}`);
        tensors.set(tensor, raw);
      }
    }
    const missing = [...index.keys()].find((tensor) => !tensors.has(tensor));
    if (missing !== undefined)
      throw badWeights(
        source.name,
        `expected tensor ${quote(missing)} in ${quote(index.get(missing)!)}, got none there`,
      );
    return { file: { source: source.name, tensors, metadata: new Map() }, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** The file of each tensor. */
async function readIndex(source: ByteSource): Promise<Map<string, string>> {
  const bad = (message: string) => badWeights(source.name, `safetensors index: ${message}`);
  if (source.size > largestIndex) throw bad(`expected at most ${largestIndex} bytes, got ${source.size}`);
  let index: unknown;
  try {
    index = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(await source.read(0, source.size)));
  } catch (cause) {
    if (cause instanceof AtrousCamError) throw cause;
    throw bad('not valid JSON in UTF-8');
  }
  const map = (index as { weight_map?: unknown } | null)?.weight_map;
  if (typeof map !== 'object' || map === null || Array.isArray(map)) throw bad('expected an object "weight_map"');
  const files = new Map<string, string>();
  for (const [tensor, file] of Object.entries(map)) {
    if (typeof file !== 'string' || !staysInside(file))
      throw bad(`expected the name of a file beside it for ${quote(tensor)}, got ${quote(String(file))}`);
    files.set(tensor, file);
  }
  if (files.size === 0) throw bad('it names no tensors');
  const count = new Set(files.values()).size;
  if (count > maxShards) throw bad(`expected at most ${maxShards} files, got ${count}`);
  return files;
}
