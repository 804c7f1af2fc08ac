import { AtrousCamError } from '../index.js';

/** Bytes that are read of a stream; a picture has fewer. */
const MAX_BYTES = 1e9;

/** Reads a stream to its end. Throws ABORTED as soon as the signal says so, BAD_IMAGE where there are too many bytes or none. */
export async function readAll(
  stream: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  const reading = (async () => {
    for await (const piece of stream) {
      pieces.push(piece);
      length += piece.length;
      if (length > MAX_BYTES)
        throw new AtrousCamError('BAD_IMAGE', `standard input: expected at most ${MAX_BYTES} bytes, got more`);
    }
  })();
  let stop: (() => void) | undefined;
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(new AtrousCamError('ABORTED', 'stopped while standard input was read'));
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop);
  });
  try {
    await Promise.race([reading, stopped]);
  } finally {
    signal.removeEventListener('abort', stop!);
  }
  return Buffer.concat(pieces);
}
