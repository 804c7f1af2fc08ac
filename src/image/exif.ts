/** TIFF tag 0x0112: which corner of the stored picture is the upright one's top left. */
const ORIENTATION = 0x0112;
const SHORT = 3;

/**
 * The orientation in an EXIF block (Exif 2.3, TIFF 6.0). Reads the first directory only, follows no chain of offsets
 * and never throws: whatever is missing, cut off or out of range means 1, upright.
 *
 * @param tiff the block from its `II` or `MM` on (in a JPEG after `Exif\0\0`, in a PNG the whole `eXIf` chunk)
 * @returns 1..8
 */
export function exifOrientation(tiff: Uint8Array): number {
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  if (view.byteLength < 8) return 1;
  const order = view.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d) return 1;
  const little = order === 0x4949;
  const directory = view.getUint32(4, little);
  if (directory + 2 > view.byteLength) return 1;
  const entries = view.getUint16(directory, little);
  for (let i = 0, at = directory + 2; i < entries && at + 12 <= view.byteLength; i++, at += 12) {
    if (view.getUint16(at, little) !== ORIENTATION) continue;
    const value = view.getUint16(at + 8, little);
    return view.getUint16(at + 2, little) === SHORT && value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}
