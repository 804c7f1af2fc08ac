import base64 from 'embed:node_modules/@jsquash/avif/codec/dec/avif_dec.wasm';
import { decodeBase64 } from '../base/base64.js';

/** libavif and libaom as @jsquash/avif builds them: a WebAssembly module. */
export const avifLibrary = (): Uint8Array => decodeBase64(base64);
