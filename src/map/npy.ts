import { AtrousCamError } from '../base/errors.js';
import { sizeFrom } from '../base/shape.js';

/**
 * An array as the bytes of a `.npy` file (format version 1.0): little-endian float32, or bytes, in C order, header padded so that the
 * numbers start at a multiple of 64 bytes. `shape`: rows first; its product is `data.length`, otherwise BAD_ARGUMENT.
 * Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 *
 * @example
 * const { map } = await net.explain('photo.jpg');
 * await writeFile('map.npy', encodeNpy(map.data, [map.height, map.width]));
 */
export function encodeNpy(data: Float32Array | Uint8Array, shape: readonly number[]): Uint8Array {
  const size = sizeFrom(shape);
  if (size !== data.length)
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      `npy: expected ${size} values for shape (${shape.join(', ')}), got ${data.length}`,
    );
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`; // a Python tuple of one keeps its comma
  const isFloat = data instanceof Float32Array;
  const fields = `{'descr': '${isFloat ? '<f4' : '|u1'}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const prefix = 10; // magic, version, length of the header
  const start = Math.ceil((prefix + fields.length + 1) / 64) * 64;
  const header = `${fields.padEnd(start - prefix - 1)}\n`;

  const bytes = new Uint8Array(start + (isFloat ? 4 : 1) * data.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]); // \x93NUMPY, 1.0
  view.setUint16(8, header.length, true);
  bytes.set(new TextEncoder().encode(header), prefix);
  if (isFloat) for (let i = 0; i < data.length; i++) view.setFloat32(start + 4 * i, data[i], true);
  else bytes.set(data, start);
  return bytes;
}
