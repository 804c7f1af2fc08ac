import type { Explanation } from '../src/api.js';
import type { Mode, RgbImage } from '../src/base/types.js';
import type { WorkerNetwork } from '../src/worker.js';
import type { Photo } from './photo.js';
import { explainOptions, modesOf, type Settings } from './settings.js';

/** A map on its way: finished as far as it goes. */
export interface Partial {
  map: Float32Array;
  outputStride: number;
}

export interface RunProgress {
  mode: Mode;
  /** Share of all modes' work, 0..1. */
  done: number;
  /** Seconds that the rest will take at the pace so far; undefined until that can be told. */
  left?: number;
}

/** Below this share of the work nothing is said of the time left. */
const EARLY = 0.05;

/** The explanations of one photograph by one network: each is computed once and kept until the photograph or the network changes. */
export class Explanations {
  readonly #finished = new Map<string, Explanation>();
  readonly #partial = new Map<string, Partial>();
  /** The decoded photograph, which every result would otherwise hold a copy of. */
  #image: RgbImage | undefined;

  constructor(
    readonly network: WorkerNetwork,
    readonly photo: Photo,
  ) {}

  finished(settings: Settings, mode: Mode): Explanation | undefined {
    return this.#finished.get(key(settings, mode));
  }

  partial(settings: Settings, mode: Mode): Partial | undefined {
    return this.#partial.get(key(settings, mode));
  }

  /** The modes that the settings show and that are not computed yet. */
  missing(settings: Settings): Mode[] {
    return modesOf(settings).filter((mode) => !this.finished(settings, mode));
  }

  /** Seconds that the missing modes will take, as far as that can be told before they run. */
  estimate(settings: Settings): number {
    return this.missing(settings).reduce(
      (sum, mode) => sum + this.network.estimate(explainOptions(settings, mode)).seconds,
      0,
    );
  }

  /** Computes what is missing, mode by mode. What was refined before `signal` stopped it is kept. Throws as `explain`. */
  async run(settings: Settings, signal: AbortSignal, onProgress: (progress: RunProgress) => void): Promise<void> {
    const modes = this.missing(settings);
    const work = modes.map((mode) => this.network.estimate(explainOptions(settings, mode)).macs);
    const all = work.reduce((sum, macs) => sum + macs, 0);
    const start = performance.now();
    let before = 0;
    for (const [i, mode] of modes.entries()) {
      const report = (share: number) => {
        const done = (before + share * work[i]) / all;
        const seconds = (performance.now() - start) / 1000;
        onProgress({ mode, done, left: done > EARLY ? (seconds / done) * (1 - done) : undefined });
      };
      report(0);
      const result = await this.network.explain(this.photo.input, {
        ...explainOptions(settings, mode),
        signal,
        onProgress: ({ done, map, outputStride }) => {
          if (signal.aborted) return;
          if (map && outputStride) this.#partial.set(key(settings, mode), { map, outputStride });
          report(done);
        },
      });
      this.#image ??= result.image;
      result.image = this.#image;
      this.#finished.set(key(settings, mode), result);
      this.#partial.delete(key(settings, mode));
      before += work[i];
      report(0);
    }
  }
}

const key = (settings: Settings, mode: Mode): string => JSON.stringify(explainOptions(settings, mode));
