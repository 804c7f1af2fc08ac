import { type ByteSource, badWeights } from './source.js';

/** The formats that are read; what a zip archive holds is told by its members. */
export type WeightFormat = 'hdf5' | 'safetensors' | 'safetensors-index' | 'zip' | 'legacy-pth' | 'onnx' | 'tfjs';

const hdf5Signature = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];
/** HDF5 allows a user block of 512, 1024, ... bytes before its signature. */
const hdf5Offsets = [0, 512, 1024, 2048];
const known = 'Keras .h5 or .keras, safetensors, .pth, ONNX or TensorFlow.js';

/** Tells the format of a file by its content; file names are not looked at. Throws BAD_WEIGHTS naming what it is instead. */
export async function sniffFormat(source: ByteSource): Promise<WeightFormat> {
  if (source.size === 0) throw badWeights(source.name, 'the file is empty');
  const head = await source.read(0, Math.min(source.size, 4096));
  if (hdf5Offsets.some((offset) => startsWith(head.subarray(offset), hdf5Signature))) return 'hdf5';
  if (startsWith(head, [0x50, 0x4b, 0x03, 0x04])) return 'zip';
  if (startsWith(head.subarray(2), legacyMagic)) return 'legacy-pth';
  if (await isIndex(source, head)) return 'safetensors-index';
  if (isTfjs(head)) return 'tfjs';
  const other = otherFormat(head);
  if (other) throw badWeights(source.name, `expected ${known}, got ${other}`);
  // An ONNX file may have a brace there by chance, but not the length of a header before it.
  const isLength = head[6] === 0 && head[7] === 0;
  if (isOnnx(head) && !(head[8] === 0x7b && isLength)) return 'onnx';
  if (head[8] === 0x7b) return 'safetensors';
  throw badWeights(source.name, `expected ${known}, got an unknown format`);
}

/** The magic number 0x1950a86a20f9469cfc6c as a pickle, with which `torch.save` began before PyTorch 1.6. */
const legacyMagic = [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];

/** ModelProto begins with field 1, ir_version, then producer_name, a version, a domain, the opset or the graph itself. */
const isOnnx = (head: Uint8Array): boolean =>
  head[0] === 0x08 && head[1] < 0x20 && [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42].includes(head[2]);

/** The index of a safetensors model in several files: JSON with a `weight_map`, which may come late. */
async function isIndex(source: ByteSource, head: Uint8Array): Promise<boolean> {
  if (!/^\s*\{/.test(new TextDecoder('latin1').decode(head)) || source.size > largestIndex) return false;
  const bytes = source.size > head.length ? await source.read(0, source.size) : head;
  return new TextDecoder('latin1').decode(bytes).includes('"weight_map"');
}

/** The `model.json` of a TensorFlow.js model, which begins with its format, or with its layers. */
const isTfjs = (head: Uint8Array): boolean =>
  /^\s*\{[\s\S]*"(modelTopology|layers-model|graph-model)"/.test(new TextDecoder('latin1').decode(head));

/** Those of the largest models take 100 kB. */
export const largestIndex = 4 << 20;

/** What else people have, by its first bytes. */
function otherFormat(head: Uint8Array): string | undefined {
  const text = new TextDecoder('latin1').decode(head);
  if (startsWith(head, [0x80]) && head[1] >= 2 && head[1] <= 5)
    return 'a pickle, which may run any code; save the tensors with torch.save(model.state_dict(), ...) or as safetensors';
  if (text.startsWith('version https://git-lfs'))
    return 'a Git LFS pointer instead of the file; fetch it with `git lfs pull`';
  if (/^\s*<(!doctype|html|\?xml|head|body)/i.test(text))
    return 'an HTML or XML page instead of the file; download it again';
  if (startsWith(head, [0x1f, 0x8b])) return 'a gzip file; unpack it first';
  if (/^\s*\{/.test(text)) return 'JSON';
  return undefined;
}

const startsWith = (bytes: Uint8Array, prefix: readonly number[]): boolean =>
  prefix.every((byte, i) => bytes[i] === byte);
