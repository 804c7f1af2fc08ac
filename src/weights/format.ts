import { type ByteSource, badWeights } from './source.js';

/** The formats that are read. */
export type WeightFormat = 'hdf5' | 'safetensors';

const hdf5Signature = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];
/** HDF5 allows a user block of 512, 1024, ... bytes before its signature. */
const hdf5Offsets = [0, 512, 1024, 2048];
const hint = 'not supported yet; export as safetensors';

/** Tells the format of a file by its content; file names are not looked at. Throws BAD_WEIGHTS naming what it is instead. */
export async function sniffFormat(source: ByteSource): Promise<WeightFormat> {
  if (source.size === 0) throw badWeights(source.name, 'the file is empty');
  const head = await source.read(0, Math.min(source.size, 4096));
  if (hdf5Offsets.some((offset) => startsWith(head.subarray(offset), hdf5Signature))) return 'hdf5';
  const other = otherFormat(head);
  if (other) throw badWeights(source.name, `expected safetensors or HDF5 (.h5), got ${other}`);
  if (head[8] === 0x7b) return 'safetensors';
  throw badWeights(source.name, 'expected safetensors or HDF5 (.h5), got an unknown format');
}

/** What else people have, by its first bytes. */
function otherFormat(head: Uint8Array): string | undefined {
  const text = new TextDecoder('latin1').decode(head);
  if (text.startsWith('PK\x03\x04')) {
    if (/data\.pkl|\.pth?\//.test(text)) return `a PyTorch .pth archive: ${hint}`;
    if (/metadata\.json|config\.json|model\.weights\.h5/.test(text)) return `a .keras archive: ${hint}, or save as .h5`;
    return `a zip archive: ${hint}`;
  }
  if (startsWith(head, [0x80]) && head[1] >= 2 && head[1] <= 5) return `a pickle, probably a PyTorch .pth: ${hint}`;
  if (text.startsWith('version https://git-lfs'))
    return 'a Git LFS pointer instead of the file; fetch it with `git lfs pull`';
  if (/^\s*<(!doctype|html|\?xml|head|body)/i.test(text))
    return 'an HTML or XML page instead of the file; download it again';
  if (startsWith(head, [0x1f, 0x8b])) return 'a gzip file; unpack it first';
  if (/^\s*\{/.test(text)) return `JSON: ${hint}`;
  // ModelProto begins with field 1, ir_version, then producer_name, a version, a domain or the graph itself.
  if (head[0] === 0x08 && head[1] < 0x20 && [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42].includes(head[2]))
    return `ONNX: ${hint}`;
  return undefined;
}

const startsWith = (bytes: Uint8Array, prefix: readonly number[]): boolean =>
  prefix.every((byte, i) => bytes[i] === byte);
