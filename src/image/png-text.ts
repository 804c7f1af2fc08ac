import pako from 'pako';
import { upng } from './upng.js';

/** Bytes of the last chunk, IEND, which has no content. */
const IEND = 12;

/**
 * Adds texts to a PNG file, each as a compressed iTXt chunk before its end, where viewers ignore it (PNG specification, section
 * 11.3.3.4). A keyword has 1 to 79 Latin letters.
 */
export function addPngTexts(png: Uint8Array, texts: Readonly<Record<string, string>>): Uint8Array {
  const chunks = Object.entries(texts).map(([keyword, text]) => textChunk(keyword, text));
  const size = chunks.reduce((sum, chunk) => sum + chunk.length, png.length);
  const out = new Uint8Array(size);
  const end = png.length - IEND;
  out.set(png.subarray(0, end));
  let at = end;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
  }
  out.set(png.subarray(end), at);
  return out;
}

function textChunk(keyword: string, text: string): Uint8Array {
  // keyword, its end; compressed, by deflate; no language, no translated keyword
  const head = new TextEncoder().encode(`iTXt${keyword}\0\x01\0\0\0`);
  const body = pako.deflate(new TextEncoder().encode(text));
  const chunk = new Uint8Array(4 + head.length + body.length + 4);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, head.length - 4 + body.length);
  chunk.set(head, 4);
  chunk.set(body, 4 + head.length);
  view.setUint32(chunk.length - 4, upng.crc.crc(chunk, 4, head.length + body.length) >>> 0);
  return chunk;
}
