import { badImage, checkDimensions } from './bad-image.js';
import { type Decoding, tolerate } from './decoding.js';
import { exifOrientation } from './exif.js';

/** What a WebP file says of itself, checked, and the still picture in it as a file of its own. */
export interface WebpParts {
  /** Of the whole picture. */
  width: number;
  height: number;
  /** Where the first frame of an animation lies on it; 0, 0 of a still picture. */
  x: number;
  y: number;
  /** Of `still`. */
  frame: { width: number; height: number };
  /** EXIF's, 1..8. */
  orientation: number;
  /** RIFF file with nothing but the picture and its alpha. */
  still: Uint8Array;
}

interface Chunk {
  type: string;
  data: Uint8Array;
  /** Of the picture's chunks: with its header, and the byte that makes its length even. */
  whole: Uint8Array;
}

/**
 * Walks over the chunks of a WebP file (RFC 9649) and finds the picture, or the first frame of an animation. Its sizes come from the
 * picture's own header, because the decoder believes that one.
 *
 * @throws AtrousCamError BAD_IMAGE
 */
export function readWebpChunks(bytes: Uint8Array, decoding: Decoding): WebpParts {
  const { subject, maxPixels } = decoding;
  const chunks = listChunks(bytes.subarray(12), decoding);
  const find = (type: string, list = chunks) => list.find((chunk) => chunk.type === type)?.data;
  const extended = find('VP8X');
  const animation = find('ANMF');
  if (animation && animation.length < 16) throw badImage(subject, 'damaged WebP: a frame has no header');
  const own = animation ? listChunks(animation.subarray(16), decoding) : chunks;
  const picture = own.find(({ type }) => type === 'VP8 ' || type === 'VP8L');
  if (!picture) throw badImage(subject, 'truncated or damaged WebP: it has no picture');
  const frame = frameSize(picture, subject);
  checkDimensions(subject, frame.width, frame.height, maxPixels);
  const alpha = picture.type === 'VP8 ' ? own.find(({ type }) => type === 'ALPH') : undefined;
  const [x, y] = animation ? [2 * u24(animation, 0), 2 * u24(animation, 3)] : [0, 0];
  const screen =
    animation && extended && extended.length >= 10
      ? { width: u24(extended, 4) + 1, height: u24(extended, 7) + 1 }
      : frame;
  checkDimensions(subject, screen.width, screen.height, maxPixels);
  const exif = find('EXIF');
  return {
    ...screen,
    ...{ x, y, frame },
    orientation: exif ? exifOrientation(withoutPrefix(exif)) : 1,
    still: riff(alpha ? [headerOf(frame), alpha.whole, picture.whole] : [picture.whole]),
  };
}

function listChunks(bytes: Uint8Array, decoding: Decoding): Chunk[] {
  const chunks: Chunk[] = [];
  for (let at = 0; at + 8 <= bytes.length; ) {
    const type = String.fromCharCode(...bytes.subarray(at, at + 4));
    const length = u24(bytes, at + 4) + bytes[at + 7] * 2 ** 24;
    const end = at + 8 + length;
    const isPicture = type === 'VP8 ' || type === 'VP8L' || type === 'ALPH' || type === 'ANMF';
    if (end > bytes.length) {
      if (isPicture)
        throw badImage(
          decoding.subject,
          `truncated WebP: the chunk "${type}" has ${length} bytes, of which ${bytes.length - at - 8} are there`,
        );
      tolerate(decoding, `truncated WebP: the end of the file is missing, behind the picture`);
    }
    const data = bytes.subarray(at + 8, end);
    chunks.push({ type, data, whole: isPicture ? evenChunk(bytes.subarray(at, end)) : data });
    at = end + (length & 1);
  }
  return chunks;
}

/** A chunk with the byte that makes its length even, which the last one of a file may lack. */
function evenChunk(chunk: Uint8Array): Uint8Array {
  const whole = new Uint8Array(chunk.length + (chunk.length & 1));
  whole.set(chunk);
  return whole;
}

/** Width and height that the picture's data say. */
function frameSize({ type, data }: Chunk, subject: string): { width: number; height: number } {
  if (type === 'VP8L' && data[0] === 0x2f && data.length > 5) {
    const bits = data[1] | (data[2] << 8) | (data[3] << 16) | (data[4] << 24);
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
  }
  if (type === 'VP8 ' && data.length > 10 && data[3] === 0x9d && data[4] === 1 && data[5] === 0x2a)
    return { width: (data[6] | (data[7] << 8)) & 0x3fff, height: (data[8] | (data[9] << 8)) & 0x3fff };
  throw badImage(subject, 'damaged WebP: its picture has no header');
}

/** The chunk VP8X of a picture with alpha. */
function headerOf({ width, height }: { width: number; height: number }): Uint8Array {
  const [w, h] = [width - 1, height - 1];
  const flags = 0x10;
  const body = [flags, 0, 0, 0, w, w >> 8, w >> 16, h, h >> 8, h >> 16];
  return Uint8Array.from([...latin1('VP8X'), 10, 0, 0, 0, ...body]);
}

function riff(chunks: readonly Uint8Array[]): Uint8Array {
  const size = chunks.reduce((sum, chunk) => sum + chunk.length, 4);
  const file = new Uint8Array(8 + size);
  file.set(latin1('RIFF'));
  new DataView(file.buffer).setUint32(4, size, true);
  file.set(latin1('WEBP'), 8);
  let at = 12;
  for (const chunk of chunks) {
    file.set(chunk, at);
    at += chunk.length;
  }
  return file;
}

/** Some writers put JPEG's prefix before the block. */
const withoutPrefix = (exif: Uint8Array): Uint8Array =>
  String.fromCharCode(...exif.subarray(0, 4)) === 'Exif' ? exif.subarray(6) : exif;

const latin1 = (text: string): number[] => [...text].map((char) => char.charCodeAt(0));

const u24 = (bytes: Uint8Array, at: number): number => bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16);
