/** Formats that are decoded. */
export type Format = 'png' | 'jpeg' | 'webp' | 'gif' | 'bmp' | 'avif';

/** What a file's first bytes say it is: a format this package decodes, or the name of another, or nothing known. */
export type Sniffed = { format: Format } | { format: 'other'; name: string } | { format: 'unknown' };

/** Signatures at a fixed offset, in Latin-1. The first match wins, so the more specific one stands first. */
const signatures: readonly [offset: number, text: string, name: string][] = [
  [4, 'ftyphei', 'a HEIC picture'],
  [4, 'ftyphev', 'a HEIC picture'],
  [4, 'ftypmif1', 'a HEIC picture'],
  [4, 'ftypmsf1', 'a HEIC picture'],
  [4, 'ftyp', 'a video or other ISO media file'],
  [0, 'II*\0', 'a TIFF picture or a camera raw file'],
  [0, 'MM\0*', 'a TIFF picture or a camera raw file'],
  [0, '%PDF', 'a PDF document'],
  [0, '\xff\x0a', 'a JPEG XL picture'],
  [4, 'JXL \r\n\x87\n', 'a JPEG XL picture'],
  [4, 'jP  \r\n\x87\n', 'a JPEG 2000 picture'],
  [0, '\xff\x4f\xff\x51', 'a JPEG 2000 picture'],
  [0, '8BPS', 'a Photoshop document'],
];

/** Text formats, looked for after white space and a byte order mark. Lower case. */
const texts: readonly [start: RegExp, name: string][] = [
  [/^(<\?xml[^>]*>\s*)?(<!--[\s\S]*?-->\s*)?(<!doctype svg[^>]*>\s*)?<svg[\s>]/, 'an SVG drawing'],
  [/^(<!doctype html|<html|<head|<body)/, 'an HTML page'],
  [/^<\?xml/, 'an XML document'],
];

/**
 * Says what a file is by its first bytes; never by its name.
 *
 * @param bytes the file, or at least its first kilobyte
 */
export function sniff(bytes: Uint8Array): Sniffed {
  const head = latin1(bytes.subarray(0, 1024));
  // Four bytes are enough: a signature whose line endings a text transfer has changed is still a PNG, and its decoder says so.
  if (head.startsWith('\x89PNG')) return { format: 'png' };
  if (head.startsWith('\xff\xd8\xff')) return { format: 'jpeg' };
  if (head.startsWith('GIF8')) return { format: 'gif' };
  if (head.startsWith('RIFF') && head.startsWith('WEBP', 8)) return { format: 'webp' };
  if (isAvif(head)) return { format: 'avif' };
  if (head.startsWith('BM')) return { format: 'bmp' };
  const text = head
    .replace(/^\xef\xbb\xbf/, '')
    .trimStart()
    .toLowerCase();
  const name =
    signatures.find(([offset, signature]) => head.startsWith(signature, offset))?.[2] ??
    texts.find(([start]) => start.test(text))?.[1];
  return name === undefined ? { format: 'unknown' } : { format: 'other', name };
}

/** Whether the brands of an ISO media file, the main one or a compatible one, name AVIF. */
function isAvif(head: string): boolean {
  if (!head.startsWith('ftyp', 4)) return false;
  const length = head.charCodeAt(2) * 256 + head.charCodeAt(3); // longer than 64 KiB no list of brands is
  const brands = [head.slice(8, 12), ...(head.slice(16, length).match(/[\s\S]{4}/g) ?? [])];
  return brands.includes('avif') || brands.includes('avis');
}

/** One character per byte. */
function latin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
