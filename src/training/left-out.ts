import { AtrousCamError } from '../base/errors.js';

/** What is done with pictures that cannot be read, or only in part. */
export interface PictureFaults {
  /** Stop at the first picture that cannot be read, and refuse damaged ones that could be shown. Default false: it is left out. */
  strict?: boolean;
  /** Width x height of the largest picture that is read; default 100 million. */
  maxPixels?: number;
  /** Called once with each picture that is left out, and why. */
  onLeftOut?: (path: string, error: Error) => void;
  /** Called with what is wrong with a picture that is read all the same. */
  onWarning?: (path: string, warning: string) => void;
}

/** A picture that was left out. */
export interface LeftOutPicture {
  readonly path: string;
  /** Why, in a sentence. */
  readonly reason: string;
}

/** Keeps the account of pictures that cannot be read. */
export class LeftOutPictures {
  readonly #reasons = new Map<string, string>();

  constructor(readonly options: PictureFaults) {}

  /** Each once, in the order in which they were met. */
  get list(): LeftOutPicture[] {
    return Array.from(this.#reasons, ([path, reason]) => ({ path, reason }));
  }

  /** What reading a picture gives, or undefined where it cannot be read. */
  async read<T>(path: string, reading: () => Promise<T>): Promise<T | undefined> {
    if (this.#reasons.has(path)) return undefined;
    try {
      return await reading();
    } catch (error) {
      if (this.options.strict || !concernsPicture(error)) throw error;
      this.#reasons.set(path, error.message);
      this.options.onLeftOut?.(path, error);
      return undefined;
    }
  }
}

/** Whether another picture may be read, though this one cannot: what is wrong is the file. */
const concernsPicture = (error: unknown): error is Error =>
  error instanceof AtrousCamError
    ? error.code === 'BAD_IMAGE' || error.code === 'NOT_FOUND'
    : ['ENOENT', 'EACCES', 'EISDIR', 'EIO'].includes((error as NodeJS.ErrnoException).code ?? '');
