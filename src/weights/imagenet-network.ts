import base64 from 'embed:weights/imagenet-mobilenet.f16.safetensors';
import { decodeBase64 } from '../base/base64.js';

/** The embedded MobileNet of ImageNet's 1000 classes (weights/README.md) as a safetensors file. */
export const imagenetNetwork = (): Uint8Array => decodeBase64(base64);
