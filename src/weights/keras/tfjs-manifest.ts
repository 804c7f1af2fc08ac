import { AtrousCamError } from '../../base/errors.js';
import { sizeFrom } from '../../base/shape.js';
import { type OpenSibling, staysInside } from '../onnx/siblings.js';
import { type ByteSource, badWeights, quote } from '../source.js';
import type { RawTensor } from '../tensor.js';
import { StoredTensor } from '../tensor-file.js';
import type { KerasArray } from './contents.js';

/** What `weightsManifest` of a `model.json` names: files, and the arrays that lie in them one after the other. */

const limits = { files: 4096, arrays: 10_000 };

/** Bytes of an element. */
const elementBytes: Readonly<Record<string, number>> = {
  float32: 4,
  int32: 4,
  uint16: 2,
  float16: 2,
  uint8: 1,
  bool: 1,
};

interface Manifest {
  readonly arrays: readonly KerasArray<RawTensor>[];
  /** Closes the files. */
  close(): void;
}

/** The arrays of all groups, in order. Throws BAD_WEIGHTS where the files do not hold exactly what the manifest says. */
export async function readManifest(
  model: ByteSource,
  manifest: unknown,
  open: OpenSibling | undefined,
): Promise<Manifest> {
  const bad = (message: string) => badWeights(model.name, `weightsManifest: ${message}`);
  if (!Array.isArray(manifest)) throw bad('expected a list of groups of files');
  const opened: ByteSource[] = [];
  const close = () => {
    for (const file of opened) file.close();
  };
  const arrays: KerasArray<RawTensor>[] = [];
  try {
    for (const group of manifest) {
      const { paths, weights } = (group ?? {}) as Record<string, unknown>;
      if (!Array.isArray(paths) || !Array.isArray(weights)) throw bad('expected groups of "paths" and "weights"');
      const files: ByteSource[] = [];
      for (const path of paths) {
        if (typeof path !== 'string' || !staysInside(path))
          throw bad(`expected the name of a file beside the model, got ${quote(String(path))}`);
        if (opened.length >= limits.files) throw bad(`expected at most ${limits.files} files`);
        const file = await openFile(model, path, open);
        opened.push(file);
        files.push(file);
      }
      arrays.push(...arraysOf(joined(model.name, files), weights, bad));
      if (arrays.length > limits.arrays) throw bad(`expected at most ${limits.arrays} arrays`);
    }
    return { arrays, close };
  } catch (error) {
    close();
    throw error;
  }
}

function openFile(model: ByteSource, path: string, open: OpenSibling | undefined): Promise<ByteSource> {
  if (open) return open(path);
  throw new AtrousCamError(
    'NOT_FOUND',
    `weights ${quote(model.name)}: its numbers are in other files, ${quote(path)} and so on; give those too`,
  );
}

/** The arrays of one group of files, which they fill. */
function arraysOf(file: ByteSource, weights: readonly unknown[], bad: (message: string) => Error) {
  let offset = 0;
  const arrays = weights.map((weight): KerasArray<RawTensor> => {
    const { name, shape, dtype, quantization } = (weight ?? {}) as Record<string, unknown>;
    const packed = (quantization ?? undefined) as Quantization | undefined;
    const type = packed?.dtype ?? dtype;
    const bytes = typeof type === 'string' && Object.hasOwn(elementBytes, type) ? elementBytes[type] : undefined;
    if (typeof name !== 'string' || !isShape(shape)) throw bad('expected arrays with a "name" and a "shape"');
    if (bytes === undefined) throw bad(`array ${quote(name)}: its type ${quote(String(type))} is not known`);
    const begin = offset;
    offset += sizeFrom(shape) * bytes;
    if (!(offset <= file.size))
      throw bad(
        `array ${quote(name)}: expected bytes up to ${offset}, got files of ${file.size} bytes; one is missing or cut off`,
      );
    const isFloat = packed ? (packed.original_dtype ?? 'float32') === 'float32' : dtype === 'float32';
    if (!isFloat) return { name };
    if (type === 'float32') return { name, tensor: new StoredTensor(file, name, 'F32', shape, begin) };
    if (type === 'float16') return { name, tensor: new StoredTensor(file, name, 'F16', shape, begin) };
    const { scale, min } = packed!;
    if (!isNumber(scale) || !isNumber(min)) throw bad(`array ${quote(name)}: expected numbers "scale" and "min"`);
    return { name, tensor: quantized(file, { name, shape, begin, bytes, scale, min }) };
  });
  if (offset !== file.size) throw bad(`expected files of ${offset} bytes, got ${file.size}`);
  return arrays;
}

interface Quantization {
  readonly dtype: unknown;
  readonly original_dtype?: unknown;
  readonly scale?: unknown;
  readonly min?: unknown;
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

const isShape = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length <= 8 && value.every((side) => Number.isSafeInteger(side) && side >= 0);

interface Packed {
  readonly name: string;
  readonly shape: readonly number[];
  /** Where its bytes begin. */
  readonly begin: number;
  readonly bytes: number;
  readonly scale: number;
  readonly min: number;
}

/** whole number * scale + min */
function quantized(file: ByteSource, { name, shape, begin, bytes, scale, min }: Packed): RawTensor {
  return {
    name,
    shape,
    async readRows(first, target) {
      const numbers = bytes === 1 ? new Uint8Array(target.length) : new Uint16Array(target.length);
      await file.fill(begin + first * sizeFrom(shape, 1) * bytes, new Uint8Array(numbers.buffer));
      for (let i = 0; i < target.length; i++) target[i] = numbers[i] * scale + min;
    },
  };
}

/** Files one behind the other, as one. */
function joined(name: string, files: readonly ByteSource[]): ByteSource {
  let size = 0;
  const parts = files.map((file) => {
    const begin = size;
    size += file.size;
    return { file, begin };
  });
  const fill = async (offset: number, target: Uint8Array) => {
    for (const { file, begin } of parts) {
      const [from, to] = [Math.max(offset, begin), Math.min(offset + target.length, begin + file.size)];
      if (from < to) await file.fill(from - begin, target.subarray(from - offset, to - offset));
    }
  };
  const read = async (offset: number, length: number) => {
    const bytes = new Uint8Array(length);
    await fill(offset, bytes);
    return bytes;
  };
  return { name, size, read, fill, close: () => {} };
}
