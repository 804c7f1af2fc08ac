import { throwIfAborted } from '../base/errors.js';

/** What every metric with forward passes listens and reports to. */
export interface Watch {
  /** Ends the call with the error ABORTED, within some 100 ms. */
  signal?: AbortSignal;
  /** Share of the forward passes that are done, 0..1. */
  onProgress?: (done: number) => void;
}

/** Counts the passes of one call. */
export class PassCounter {
  #done = 0;

  constructor(
    readonly total: number,
    readonly watch: Watch,
  ) {}

  /** One pass. */
  async pass<T>(run: () => Promise<T>): Promise<T> {
    throwIfAborted(this.watch.signal);
    const result = await run();
    this.watch.onProgress?.(++this.#done / this.total);
    return result;
  }
}

/** Milliseconds that a computation may take before it lets other things happen. */
const TURN = 40;

/** Lets events through now and then while something long is computed; `due` is cheap. */
export class Turns {
  #began = performance.now();

  constructor(readonly signal?: AbortSignal) {}

  /** Undefined while there is time left. */
  due(): Promise<void> | undefined {
    if (performance.now() - this.#began < TURN) return undefined;
    return new Promise((resolve) => setTimeout(resolve)).then(() => {
      throwIfAborted(this.signal);
      this.#began = performance.now();
    });
  }
}
