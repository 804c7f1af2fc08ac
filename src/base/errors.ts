/** What kind of thing went wrong. Stable: callers may branch on it. */
export type ErrorCode =
  | 'BAD_ARGUMENT' // an option or argument that cannot be: unknown label, layer, mode, shape
  | 'BAD_IMAGE' // a picture that cannot be decoded or is too large
  | 'BAD_WEIGHTS' // a weight file that is broken, or holds another network
  | 'NOT_FOUND' // a file that is not there or cannot be read
  | 'DOWNLOAD_FAILED' // published weights that cannot be downloaded, or are not what was published
  | 'OUT_OF_MEMORY' // the network does not fit
  | 'UNSUPPORTED' // something this machine or version cannot do
  | 'ABORTED' // stopped by an AbortSignal or dispose()
  | 'WORKER_FAILED'; // the worker of atrous-cam/worker could not be started, or it or a thread ended by itself

/**
 * Every error this package throws on purpose. The message says what, where and what to do, in one line.
 *
 * @example
 * try { await load('vgg16.h5'); } catch (error) { if (error instanceof AtrousCamError) console.error(error.code, error.message); }
 */
export class AtrousCamError extends Error {
  override readonly name = 'AtrousCamError';
  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The error of a call that its caller's signal stopped. */
export const abortedBy = (signal: AbortSignal): AtrousCamError =>
  new AtrousCamError('ABORTED', 'stopped by the caller', { cause: signal.reason });

/** Throws ABORTED where the signal says so. */
export function throwIfAborted(signal?: AbortSignal): void {
  if (signal?.aborted) throw abortedBy(signal);
}
