import base64 from 'embed:node_modules/@cwasm/webp/webp.wasm';
import { decodeBase64 } from '../base/base64.js';

/** libwebp's decoder as @cwasm/webp builds it: a WebAssembly module. */
export const webpLibrary = (): Uint8Array => decodeBase64(base64);
