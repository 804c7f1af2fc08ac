import type { RgbImage } from '../base/types.js';
import { loadAsset } from './assets.js';
import { badImage } from './bad-image.js';
import type { Decoding } from './decoding.js';
import { applyOrientation } from './orient.js';
import { overWhiteAt } from './place.js';
import { readWebpChunks } from './webp-chunks.js';

/** What @cwasm/webp's module has: libwebp's C function, its memory and its allocator. */
interface Library {
  memory: WebAssembly.Memory;
  malloc(bytes: number): number;
  /** RGBA of a file, or 0; width and height are written as 32-bit numbers. */
  WebPDecodeRGBA(file: number, length: number, width: number, height: number): number;
}

let compiled: Promise<WebAssembly.Module> | undefined;

/** libwebp writes no files; it would print what is wrong with memory. */
const noFiles = () => 8;

/**
 * Decodes a WebP file, lossy or lossless, upright by its EXIF orientation, transparency laid over white; of an animation the first
 * frame. Each picture gets an instance of libwebp of its own, so that its memory goes with it and a damaged file harms no other.
 *
 * @throws AtrousCamError BAD_IMAGE
 */
export async function decodeWebp(bytes: Uint8Array, decoding: Decoding): Promise<RgbImage> {
  const { width, height, x, y, frame, orientation, still } = readWebpChunks(bytes, decoding);
  compiled ??= loadAsset('webp').then((code) => WebAssembly.compile(code as Uint8Array<ArrayBuffer>));
  const stubs = { fd_close: noFiles, fd_seek: noFiles, fd_write: noFiles };
  const { exports } = await WebAssembly.instantiate(await compiled, { wasi_snapshot_preview1: stubs });
  const rgba = decodeStill(exports as unknown as Library, still, frame);
  if (!rgba) throw badImage(decoding.subject, 'damaged WebP: its picture does not decode');
  const data = new Uint8Array(width * height * 3).fill(255);
  overWhiteAt({ width, height, data }, { ...frame, data: rgba }, x, y);
  return applyOrientation({ width, height, data }, orientation);
}

/** RGBA in the library's own memory, or undefined. */
function decodeStill(
  { memory, malloc, WebPDecodeRGBA }: Library,
  still: Uint8Array,
  { width, height }: { width: number; height: number },
): Uint8Array | undefined {
  try {
    const file = malloc(still.length);
    const sizes = malloc(8);
    if (!file || !sizes) return undefined;
    const bytes = () => {
      const { buffer } = memory; // another one each time the memory has grown
      return new Uint8Array(buffer);
    };
    bytes().set(still, file);
    const pixels = WebPDecodeRGBA(file, still.length, sizes, sizes + 4);
    if (!pixels) return undefined;
    const all = bytes();
    const [w, h] = new Uint32Array(all.buffer, sizes, 2);
    return w === width && h === height ? all.subarray(pixels, pixels + 4 * width * height) : undefined;
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) return undefined; // it left its memory or gave up
    throw error;
  }
}
