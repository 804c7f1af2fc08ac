import { AtrousCamError, type ErrorCode } from './errors.js';

/** What both ends of a worker's channel share, whatever they say to each other. */

/** A thrown value as data. */
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
