import type { ErrorData } from '../base/messages.js';
import type { DecoderName } from '../image/assets.js';
import type { AssetName } from '../weights/assets.js';

/** What the two sides of a worker say to each other. All of it can be cloned; results and progress are transferred. */

/** From the caller to the worker. */
export type Request =
  /** Asks whether the worker listens. It holds the Web Lock of this name while it lives, so that the caller notices its end. */
  | { type: 'hello'; lock: string }
  /** `load` and `inspect` with a weight file, or a method of the loaded network with a picture. */
  | { type: 'call'; id: number; method: string; input: Input; options: object; progress: boolean }
  | { type: 'abort'; id: number }
  | { type: 'ping' }
  | { type: 'asset'; name: AssetName | DecoderName; bytes?: Uint8Array; error?: ErrorData };

/** From the worker to the caller. */
export type Reply =
  | { type: 'ready'; locked: boolean }
  | { type: 'pong' }
  | { type: 'progress'; id: number; progress: unknown }
  | { type: 'result'; id: number; value: unknown }
  | { type: 'error'; id: number; error: ErrorData }
  | { type: 'asset'; name: AssetName | DecoderName };

/** A weight file or a picture: what structured clone does not carry everywhere is taken apart. */
export type Input =
  | { url: string }
  | { blob: Blob; name?: string }
  | { several: readonly Input[] }
  | { value: unknown };
