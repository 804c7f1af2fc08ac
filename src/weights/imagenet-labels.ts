import base64 from 'embed:weights/imagenet-labels.txt';
import { decodeBase64 } from '../base/base64.js';

/** ImageNet's 1000 labels in class order, as Keras names them; `crane` and `maillot` occur twice. */
export const imagenetLabels = (): string[] => new TextDecoder().decode(decodeBase64(base64)).trimEnd().split('\n');
