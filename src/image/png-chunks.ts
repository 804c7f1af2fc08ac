import { badImage, checkDimensions } from './bad-image.js';
import { type Decoding, tolerate } from './decoding.js';
import { exifOrientation } from './exif.js';
import { upng } from './upng.js';

export type PngColor = 'grey' | 'rgb' | 'palette' | 'grey-alpha' | 'rgb-alpha';

/** The parts of a PNG file that its pixels depend on, checked. */
export interface PngParts {
  width: number;
  height: number;
  /** Bits per sample: 1, 2, 4, 8 or 16. */
  depth: number;
  color: PngColor;
  /** The number IHDR writes for `color`: 0, 2, 3, 4, 6. */
  colorType: number;
  /** Samples per pixel. */
  channels: number;
  interlaced: boolean;
  /** RGB triples; empty where there is none. */
  palette: Uint8Array;
  /** The raw tRNS chunk, for the colours that may have one; else empty. */
  transparency: Uint8Array;
  /** The raw eXIf chunk; else empty. */
  exif: Uint8Array;
  /** The zlib stream, in the pieces in which it is stored. None is empty. */
  idat: Uint8Array[];
}

/** By IHDR's colour type: name, samples per pixel, allowed bit depths (PNG specification, table 11.1). */
const colorTypes: Record<number, [PngColor, number, number[]]> = {
  0: ['grey', 1, [1, 2, 4, 8, 16]],
  2: ['rgb', 3, [8, 16]],
  3: ['palette', 1, [1, 2, 4, 8]],
  4: ['grey-alpha', 2, [8, 16]],
  6: ['rgb-alpha', 4, [8, 16]],
};

const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/**
 * Walks a PNG file from chunk to chunk: signature, lengths, checksums, IHDR first and valid, PLTE where needed, IDAT there. Nothing is
 * decompressed here, and compressed chunks other than IDAT (iCCP, zTXt, iTXt) never are. What follows IEND is ignored. As browsers
 * do, chunks that the picture could be shown without are left out where their checksum is wrong, and a file may end behind its pixels.
 *
 * @throws AtrousCamError BAD_IMAGE
 */
export function readPngChunks(bytes: Uint8Array, decoding: Decoding): PngParts {
  const { subject, maxPixels } = decoding;
  if (!signature.every((byte, i) => bytes[i] === byte)) {
    throw badImage(
      subject,
      bytes.length < signature.length
        ? `truncated PNG: expected at least 8 bytes, got ${bytes.length}`
        : 'damaged PNG signature: expected 89 50 4E 47 0D 0A 1A 0A; transfer the file as binary, not as text',
    );
  }
  let parts: PngParts | undefined;
  for (let at = signature.length; ; ) {
    if (parts && parts.idat.length > 0 && at + 12 > bytes.length) {
      tolerate(decoding, `truncated PNG: it ends at byte ${bytes.length}, before "IEND"`);
      return complete(parts, subject);
    }
    const { type, data, end, sound } = readChunk(bytes, at, decoding);
    if (parts === undefined) {
      if (type !== 'IHDR') throw badImage(subject, `damaged PNG: expected the chunk "IHDR" first, got "${type}"`);
      parts = readHeader(data, subject, maxPixels);
    } else if (type === 'IEND') {
      return complete(parts, subject);
    } else if (sound) {
      keepChunk(parts, type, data, decoding);
    }
    at = end;
  }
}

/** One chunk: length, type, data, CRC-32 of type and data. `sound`: the checksum is right. */
function readChunk(
  bytes: Uint8Array,
  at: number,
  decoding: Decoding,
): { type: string; data: Uint8Array; end: number; sound: boolean } {
  const { subject } = decoding;
  if (at + 12 > bytes.length) throw badImage(subject, `truncated PNG: it ends at byte ${bytes.length}, before "IEND"`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
  if (!/^[A-Za-z]{4}$/.test(type)) throw badImage(subject, `damaged PNG: expected a chunk name at byte ${at + 4}`);
  const dataEnd = at + 8 + view.getUint32(at);
  if (dataEnd + 4 > bytes.length) {
    const fault = `truncated PNG: the chunk "${type}" ends at byte ${dataEnd + 4}, the file at ${bytes.length}`;
    if (type === 'IHDR' || type === 'PLTE') throw badImage(subject, fault);
    tolerate(decoding, fault); // whether all pixels are there is seen when they are unpacked
    return { type, data: bytes.subarray(at + 8, dataEnd), end: bytes.length, sound: type === 'IDAT' };
  }
  const sound = upng.crc.crc(bytes, at + 4, dataEnd - at - 4) >>> 0 === view.getUint32(dataEnd);
  if (!sound) {
    const fault = `damaged PNG: the checksum of the chunk "${type}" at byte ${at} does not match its content`;
    if (isCritical(type)) throw badImage(subject, fault);
    tolerate(decoding, `${fault}; it was left out`);
  }
  return { type, data: bytes.subarray(at + 8, dataEnd), end: dataEnd + 4, sound };
}

/** An upper-case first letter means that the picture cannot be shown without the chunk. */
const isCritical = (type: string): boolean => type[0] === type[0].toUpperCase();

function readHeader(data: Uint8Array, subject: string, maxPixels: number): PngParts {
  if (data.length !== 13) throw badImage(subject, `damaged PNG: expected 13 bytes in "IHDR", got ${data.length}`);
  const view = new DataView(data.buffer, data.byteOffset, 13);
  const width = view.getUint32(0);
  const height = view.getUint32(4);
  checkDimensions(subject, width, height, maxPixels);
  const [depth, colorType, compression, filter, interlace] = data.subarray(8);
  const known = colorTypes[colorType];
  if (known === undefined || !known[2].includes(depth)) {
    throw badImage(subject, `damaged PNG: no such colour type and bit depth as ${colorType} and ${depth}`);
  }
  if (compression !== 0 || filter !== 0 || interlace > 1) {
    throw badImage(
      subject,
      `damaged PNG: unknown compression, filter or interlace method (${compression}, ${filter}, ${interlace})`,
    );
  }
  const none = new Uint8Array(0);
  const [color, channels] = known;
  return {
    width,
    height,
    depth,
    color,
    colorType,
    channels,
    interlaced: interlace === 1,
    palette: none,
    transparency: none,
    exif: none,
    idat: [],
  };
}

/** Takes over what the pixels need of a chunk after IHDR, and checks its length. */
function keepChunk(parts: PngParts, type: string, data: Uint8Array, { subject, warnings }: Decoding): void {
  switch (type) {
    case 'IDAT':
      if (data.length > 0) parts.idat.push(data);
      break;
    case 'PLTE':
      if (data.length === 0 || data.length % 3 !== 0 || data.length > 768) {
        throw badImage(
          subject,
          `damaged PNG: expected 1 to 256 colours of 3 bytes in "PLTE", got ${data.length} bytes`,
        );
      }
      parts.palette = data;
      break;
    case 'tRNS': {
      const lengths: Partial<Record<PngColor, number>> = { grey: 2, rgb: 6, palette: data.length };
      const expected = lengths[parts.color];
      if (expected === undefined) break; // not allowed beside an alpha channel; decoders ignore it
      if (data.length !== expected || data.length > 256) {
        throw badImage(subject, `damaged PNG: expected ${Math.min(expected, 256)} bytes in "tRNS", got ${data.length}`);
      }
      parts.transparency = data;
      break;
    }
    case 'eXIf':
      // Behind the pixels browsers take no notice of it; other programs turn the picture.
      if (parts.idat.length === 0) parts.exif = data;
      else if (exifOrientation(data) !== 1)
        warnings.push('its orientation stands behind its pixels; it was left as it is stored, as browsers show it');
      break;
    default:
      if (isCritical(type)) throw badImage(subject, `unsupported PNG: unknown chunk "${type}"`);
  }
}

function complete(parts: PngParts, subject: string): PngParts {
  if (parts.idat.length === 0) throw badImage(subject, 'damaged PNG: it has no "IDAT" chunk, so no pixels');
  if (parts.color === 'palette' && parts.palette.length === 0) {
    throw badImage(subject, 'damaged PNG: it has no "PLTE" chunk, so no colours for its palette');
  }
  return parts;
}
