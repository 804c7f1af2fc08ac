import base64 from 'embed:weights/pets-vgg16.f16.safetensors';
import { decodeBase64 } from '../base/base64.js';

/** The embedded cat/dog network (weights/README.md) as a safetensors file. */
export const defaultNetwork = (): Uint8Array => decodeBase64(base64);
