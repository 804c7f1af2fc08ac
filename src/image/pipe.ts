import { throwIfAborted } from '../base/errors.js';
import { nodeModule } from '../base/platform.js';
import { concat } from './bytes.js';

/** Milliseconds between two looks at a pipe that has nothing yet. */
const PAUSE = 10;
/** Milliseconds that a pipe may stay without anybody who writes to it. */
const PATIENCE = 30_000;
/** Bytes read at once. */
const PIECE = 2 ** 20;

/**
 * Reads a named pipe to its end without ever blocking, so that it can be stopped at any moment: opening one in the ordinary way waits
 * in the operating system until somebody writes. Node only.
 *
 * @returns the bytes; `unused` where nobody has written for half a minute; `endless` where there are more than `limit`
 * @throws AtrousCamError ABORTED; the system's errors
 */
export async function readPipe(
  path: string | URL,
  limit: number,
  signal?: AbortSignal,
): Promise<Uint8Array | 'unused' | 'endless'> {
  const [fs, { constants }] = [await nodeModule('fs/promises'), await nodeModule('fs')];
  const file = await fs.open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const pieces: Uint8Array[] = [];
    let length = 0;
    for (const began = performance.now(); ; ) {
      throwIfAborted(signal);
      const piece = new Uint8Array(PIECE);
      // 0 bytes: nobody has it open for writing, or no longer; an error: somebody has, and writes nothing at the moment
      const bytesRead = await file.read(piece, 0, PIECE).then(
        (result) => result.bytesRead,
        (error: NodeJS.ErrnoException) => {
          if (error.code !== 'EAGAIN') throw error;
          return undefined;
        },
      );
      if (bytesRead === 0 && length > 0) return concat(pieces);
      if (bytesRead === 0 && performance.now() - began > PATIENCE) return 'unused';
      if (bytesRead) {
        pieces.push(piece.subarray(0, bytesRead).slice());
        length += bytesRead;
        if (length > limit) return 'endless';
      } else await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  } finally {
    await file.close();
  }
}
