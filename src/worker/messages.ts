import type { AssetName } from '../assets.js';
import { AtrousCamError, type ErrorCode } from '../errors.js';

/** What the two sides of a worker say to each other. All of it can be cloned; results and progress are transferred. */

/** From the caller to the worker. */
export type Request =
  /** Asks whether the worker listens. It holds the Web Lock of this name while it lives, so that the caller notices its end. */
  | { type: 'hello'; lock: string }
  /** `load` and `inspect` with a weight file, or a method of the loaded network with a picture. */
  | { type: 'call'; id: number; method: string; input: Input; options: object; progress: boolean }
  | { type: 'abort'; id: number }
  | { type: 'asset'; name: AssetName; bytes?: Uint8Array; error?: ErrorData };

/** From the worker to the caller. */
export type Reply =
  | { type: 'ready'; locked: boolean }
  | { type: 'progress'; id: number; progress: unknown }
  | { type: 'result'; id: number; value: unknown }
  | { type: 'error'; id: number; error: ErrorData }
  | { type: 'asset'; name: AssetName };

/** A weight file or a picture: what structured clone does not carry everywhere is taken apart. */
export type Input = { url: string } | { blob: Blob; name?: string } | { value: unknown };

export interface ErrorData {
  name: string;
  message: string;
  stack?: string;
  /** Of an AtrousCamError. */
  code?: ErrorCode;
  cause?: ErrorData;
}

const MARK = 'atrous-cam';

/** Messages carry a mark, so that both sides leave others on the same channel alone. */
export const mark = <Message>(message: Message): { [MARK]: Message } => ({ [MARK]: message });

/** The message in what came over the channel; undefined where it is somebody else's. */
export const unmark = <Message>(data: unknown): Message | undefined =>
  typeof data === 'object' && data !== null ? (data as { [MARK]?: Message })[MARK] : undefined;

/** A thrown value as data: clones of errors lose their class and their code. */
export function errorData(error: unknown): ErrorData {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const { name, message, stack, cause } = error;
  return {
    name,
    message,
    stack,
    ...(error instanceof AtrousCamError && { code: error.code }),
    ...(cause !== undefined && { cause: errorData(cause) }),
  };
}

/** The error again: an AtrousCamError where it was one. */
export function toError({ name, message, stack, code, cause }: ErrorData): Error {
  const options = cause && { cause: toError(cause) };
  if (code) return new AtrousCamError(code, message, options);
  const error = new Error(message, options);
  error.name = name;
  if (stack) error.stack = stack;
  return error;
}
