import startLibrary, { type AvifLibrary } from '@jsquash/avif/codec/dec/avif_dec.js';
import type { RgbImage } from '../base/types.js';
import { loadAsset } from './assets.js';
import { readAvifBoxes } from './avif-boxes.js';
import { badImage, checkDimensions } from './bad-image.js';
import { type Decoding, tolerate } from './decoding.js';
import { applyOrientation } from './orient.js';
import { overWhiteAt } from './place.js';

type Rgba = NonNullable<ReturnType<AvifLibrary['decode']>>;

let compiled: Promise<WebAssembly.Module> | undefined;

/** Bytes that decoding may take: libaom keeps several pictures of 16-bit samples, beside the RGBA that comes out. */
const memoryLimit = (pixels: number): number => Math.min(2 ** 31, 2 ** 26 + 48 * pixels);

/**
 * Decodes an AVIF file, upright by its own turns, transparency laid over white; of a sequence the first picture. Each picture gets an
 * instance of libavif of its own, whose memory is bounded by the size that the file says and goes with the instance.
 *
 * @throws AtrousCamError BAD_IMAGE
 */
export async function decodeAvif(bytes: Uint8Array, decoding: Decoding): Promise<RgbImage> {
  const { subject, maxPixels } = decoding;
  const { width, height, orientation, cropped } = readAvifBoxes(bytes, subject);
  checkDimensions(subject, width, height, maxPixels);
  if (cropped) tolerate(decoding, 'this AVIF picture asks to be cropped, which is not done');
  compiled ??= loadAsset('avif').then((code) => WebAssembly.compile(code as Uint8Array<ArrayBuffer>));
  const code = await compiled;
  const decoded = await run(code, memoryLimit(width * height), bytes);
  if (!decoded || decoded.width !== width || decoded.height !== height)
    throw badImage(subject, 'damaged or truncated AVIF: its picture does not decode');
  const image = { width, height, data: new Uint8Array(width * height * 3) };
  overWhiteAt(image, decoded);
  return applyOrientation(image, orientation);
}

/** Decodes in a new instance of the library; undefined where the file is damaged or takes too much memory. */
async function run(code: WebAssembly.Module, limit: number, bytes: Uint8Array): Promise<Rgba | undefined> {
  const scope = globalThis as { ImageData?: unknown };
  const hadImageData = 'ImageData' in scope;
  try {
    const library = await startLibrary({
      noInitialRun: true,
      print: () => {},
      printErr: () => {},
      locateFile: (name) => name, // asked for, though nothing is fetched
      instantiateWasm(imports, done) {
        const instance = new WebAssembly.Instance(code, imports);
        for (const part of Object.values(instance.exports)) if (part instanceof WebAssembly.Memory) bound(part, limit);
        done(instance);
        return instance.exports;
      },
    });
    return decodeWith(library, bytes);
  } finally {
    if (!hadImageData) delete scope.ImageData; // the library makes one where there is none, as in Node
  }
}

function decodeWith(library: AvifLibrary, bytes: Uint8Array): Rgba | undefined {
  try {
    return library.decode(bytes, 8) ?? undefined;
  } catch (error) {
    // It gave up, as it does without memory, or left its memory; C++ throws addresses.
    if (error instanceof WebAssembly.RuntimeError || typeof error === 'number') return undefined;
    throw error;
  }
}

/** Lets a memory grow to so many bytes only; the library takes a refusal for the end of the machine's memory. */
function bound(memory: WebAssembly.Memory, limit: number): void {
  const grow = memory.grow.bind(memory);
  const { buffer } = memory;
  let { byteLength } = buffer;
  memory.grow = (pages) => {
    if (byteLength + pages * 65536 > limit) throw new RangeError('the picture would take too much memory');
    byteLength += pages * 65536;
    return grow(pages);
  };
}
