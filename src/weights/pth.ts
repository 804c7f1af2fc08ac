import { sizeFrom } from '../base/shape.js';
import { readCheckpoint } from './checkpoint.js';
import { type Pickle, PickleError, PickleTooShort, type PickleValue, readPickle, type StoredData } from './pickle.js';
import { type ByteSource, badWeights, quote } from './source.js';
import { isContiguous, StridedTensor, spanOf } from './strided.js';
import type { RawTensor } from './tensor.js';
import { StoredTensor, type TensorFile } from './tensor-file.js';
import type { ZipFile } from './zip.js';

export { openZip } from './zip.js';

/** Bytes of an element. */
const elementBytes = new Map(
  Object.entries({ F64: 8, I64: 8, F32: 4, I32: 4, F16: 2, BF16: 2, I16: 2, I8: 1, U8: 1, BOOL: 1 }),
);
const maxPickle = 4 << 20; // VGG19's is 4 kB

/** The part of the file that holds a storage's numbers. */
type FindData = (data: StoredData) => Promise<{ source: ByteSource; offset: number }>;

/** Opens what `torch.save` writes since PyTorch 1.6: a zip archive of one pickle and one member a storage. */
export async function openPth(source: ByteSource, zip: ZipFile): Promise<TensorFile> {
  const pickle = zip.names.find((name) => /(^|\/)data\.pkl$/.test(name))!;
  const folder = pickle.slice(0, -'data.pkl'.length);
  const member = await zip.member(pickle);
  const size = member!.size;
  if (size > maxPickle)
    throw badWeights(source.name, `.pth: expected a pickle of at most ${maxPickle} bytes, got ${size}`);
  const order = await zip.member(`${folder}byteorder`);
  if (order && order.size < 16 && new TextDecoder().decode(await order.read(0, order.size)).trim() === 'big')
    throw badWeights(source.name, '.pth: its numbers are big-endian, which is not supported');
  const bytes = await member!.read(0, size);
  const pickled = unpickle(source, bytes, 0);
  if (!pickled) throw cutOff(source);
  const members = new Map<string, ByteSource>();
  return tensorFile(source, pickled.value, async ({ key, dtype, count }) => {
    const data = members.get(key) ?? (await zip.member(`${folder}data/${key}`));
    const bytes = count * elementBytes.get(dtype)!;
    if (data?.size !== bytes)
      throw badWeights(
        source.name,
        `.pth: expected ${bytes} bytes in "data/${key}", got ${data?.size ?? 'no such member'}`,
      );
    members.set(key, data);
    return { source: data, offset: 0 };
  });
}

/**
 * Opens what `torch.save` wrote before PyTorch 1.6 (torchvision's published files): a stream of pickles (magic number, version,
 * byte order, dictionary, keys of the storages), then each storage as a 64-bit number of elements and the elements.
 */
export async function openLegacyPth(source: ByteSource): Promise<TensorFile> {
  const pickles = await readPickles(source, 5);
  const [, version, system, object, keys] = pickles.map(({ value }) => value);
  if (version !== 1001) throw badWeights(source.name, `.pth: expected version 1001, got ${quote(String(version))}`);
  if (!(system instanceof Map) || system.get('little_endian') !== true)
    throw badWeights(source.name, '.pth: its numbers are big-endian, which is not supported');
  if (!Array.isArray(keys)) throw badWeights(source.name, '.pth: expected the keys of its storages');
  const stored = new Map(pickles[3].stored.map((data) => [data.key, data]));
  const offsets = new Map<string, number>();
  let at = pickles[4].end;
  for (const key of keys) {
    const data = stored.get(String(key));
    if (!data) throw badWeights(source.name, `.pth: storage ${quote(String(key))} belongs to no tensor`);
    const prefix = at + 8 <= source.size ? await source.read(at, 8) : undefined;
    const count = prefix && Number(new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true));
    if (count !== data.count)
      throw badWeights(
        source.name,
        `.pth: expected a storage of ${data.count} elements at byte ${at}, got ${count ?? 'the end'}`,
      );
    offsets.set(data.key, at + 8);
    at += 8 + count * elementBytes.get(data.dtype)!;
  }
  return tensorFile(source, object, async ({ key, dtype, count }) => {
    const offset = offsets.get(key);
    if (offset === undefined || offset + count * elementBytes.get(dtype)! > source.size)
      throw badWeights(source.name, `.pth: storage ${quote(key)} lies beyond the end; the file is truncated`);
    return { source, offset };
  });
}

/** Pickles that follow one another at the file's begin, of which nobody knows the length: more is read as long as one is cut. */
async function readPickles(source: ByteSource, count: number): Promise<Pickle[]> {
  for (let size = Math.min(1 << 16, source.size); ; size = Math.min(4 * size, source.size)) {
    const bytes = await source.read(0, size);
    const pickles: Pickle[] = [];
    while (pickles.length < count) {
      const pickle = unpickle(source, bytes, pickles.at(-1)?.end ?? 0);
      if (!pickle) break;
      pickles.push(pickle);
    }
    if (pickles.length === count) return pickles;
    if (size === source.size) throw cutOff(source);
    if (size >= maxPickle)
      throw badWeights(source.name, `.pth: expected pickles of at most ${maxPickle} bytes, got more`);
  }
}

const cutOff = (source: ByteSource): Error =>
  badWeights(source.name, '.pth: its pickle is cut off; the file is truncated');

/** One pickle; undefined where the bytes end before it does. */
function unpickle(source: ByteSource, bytes: Uint8Array, start: number): Pickle | undefined {
  try {
    return readPickle(bytes, start);
  } catch (error) {
    if (error instanceof PickleTooShort) return undefined;
    if (!(error instanceof PickleError)) throw error;
    throw badWeights(
      source.name,
      `.pth: ${error.message}; nothing of it was executed. Save the dictionary of tensors alone: torch.save(model.state_dict(), ...)`,
      { cause: error },
    );
  }
}

async function tensorFile(source: ByteSource, object: PickleValue, find: FindData): Promise<TensorFile> {
  const { tensors: entries, labels } = readCheckpoint(source.name, object);
  const tensors = new Map<string, RawTensor>();
  for (const [name, { data, offset, shape, strides }] of entries) {
    const elements = sizeFrom(shape);
    const span = isContiguous(shape, strides) ? elements : spanOf(shape, strides);
    if (span === undefined)
      throw badWeights(
        source.name,
        `tensor ${quote(name)}: its elements lie upon each other; save it with .contiguous()`,
      );
    if (offset + span > data.count)
      throw badWeights(
        source.name,
        `tensor ${quote(name)}: expected ${offset + span} elements, got a storage of ${data.count}`,
      );
    const found = await find(data);
    const at = found.offset + offset * elementBytes.get(data.dtype)!;
    tensors.set(
      name,
      isContiguous(shape, strides)
        ? new StoredTensor(found.source, name, data.dtype, shape, at)
        : new StridedTensor(
            source.name,
            name,
            shape,
            strides,
            new StoredTensor(found.source, name, data.dtype, [span], at),
          ),
    );
  }
  return { source: source.name, tensors, metadata: new Map(labels ? [['labels', JSON.stringify(labels)]] : []) };
}
