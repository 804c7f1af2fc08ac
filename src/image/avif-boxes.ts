import { badImage } from './bad-image.js';

/** What the boxes of an AVIF file say of its picture. */
export interface AvifParts {
  /** As stored, before it is turned. */
  width: number;
  height: number;
  /** How it is turned and mirrored, as EXIF would say it, 1..8. */
  orientation: number;
  /** A part of it is to be cut out. */
  cropped: boolean;
}

interface Box {
  type: string;
  data: Uint8Array;
}

/** Boxes of one level that are looked at; a file of pictures has a few dozen. */
const MAX_BOXES = 1000;

/**
 * Reads the size and the orientation of the main picture from an AVIF file's boxes (ISO 23008-12): the properties that belong to the
 * primary item.
 *
 * @throws AtrousCamError BAD_IMAGE
 */
export function readAvifBoxes(bytes: Uint8Array, subject: string): AvifParts {
  const missing = (what: string) => badImage(subject, `truncated or damaged AVIF: ${what}`);
  const meta = find(boxes(bytes), 'meta');
  if (!meta) throw missing('it does not say what it holds');
  const inner = boxes(meta.subarray(4));
  const primary = find(inner, 'pitm');
  const properties = find(inner, 'iprp');
  if (!primary || primary.length < 6 || !properties) throw missing('it does not say which picture is the main one');
  const item = primary[0] === 0 ? u16(primary, 4) : u32(primary, 4);
  const list = boxes(properties);
  const all = boxes(find(list, 'ipco') ?? new Uint8Array(0));
  const own = list
    .filter(({ type }) => type === 'ipma')
    .flatMap(({ data }) => associations(data, item))
    .flatMap((index) => all[index - 1] ?? []);
  const size = find(own, 'ispe');
  if (!size || size.length < 12) throw missing('it does not say how large it is');
  const angle = (find(own, 'irot')?.[0] ?? 0) & 3;
  const mirror = find(own, 'imir')?.[0];
  return {
    width: u32(size, 4),
    height: u32(size, 8),
    orientation: orientationOf(angle, mirror === undefined ? undefined : mirror & 1),
    cropped: find(own, 'clap') !== undefined,
  };
}

/** The boxes that lie one after another in `bytes`; the last one may be cut off. */
function boxes(bytes: Uint8Array): Box[] {
  const found: Box[] = [];
  for (let at = 0; at + 8 <= bytes.length && found.length < MAX_BOXES; ) {
    const short = u32(bytes, at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const isLong = short === 1 && at + 16 <= bytes.length;
    const head = isLong ? 16 : 8;
    const length = isLong
      ? u32(bytes, at + 8) * 2 ** 32 + u32(bytes, at + 12)
      : short === 0
        ? bytes.length - at
        : short;
    if (length < head) break;
    found.push({ type, data: bytes.subarray(at + head, Math.min(at + length, bytes.length)) });
    at += length;
  }
  return found;
}

const find = (list: readonly Box[], wanted: string): Uint8Array | undefined =>
  list.find(({ type }) => type === wanted)?.data;

/** Numbers of an item's properties, from 1 on (the box `ipma`). */
function associations(data: Uint8Array, item: number): number[] {
  if (data.length < 8) return [];
  const [version, wide] = [data[0], (data[3] & 1) === 1];
  let at = 8;
  for (let left = Math.min(u32(data, 4), MAX_BOXES); left > 0 && at < data.length; left--) {
    const id = version < 1 ? u16(data, at) : u32(data, at);
    at += version < 1 ? 2 : 4;
    const count = data[at++] ?? 0;
    const numbers = Array.from({ length: count }, (_, i) =>
      wide ? u16(data, at + 2 * i) & 0x7fff : (data[at + i] ?? 0) & 0x7f,
    );
    if (id === item) return numbers;
    at += count * (wide ? 2 : 1);
  }
  return [];
}

/**
 * EXIF's number for a picture that is turned and then mirrored.
 *
 * @param angle quarter turns against the clock
 * @param mirror 0: top and bottom change places, 1: left and right, undefined: neither
 */
function orientationOf(angle: number, mirror: number | undefined): number {
  const column = mirror === undefined ? 0 : 1 + mirror;
  return [
    [1, 4, 2],
    [8, 5, 7],
    [3, 2, 4],
    [6, 7, 5],
  ][angle][column];
}

const u16 = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
const u32 = (bytes: Uint8Array, at: number): number => u16(bytes, at) * 2 ** 16 + u16(bytes, at + 2);
