import type { Explanation } from '../src/api.js';
import type { Mode, RgbImage, Sign } from '../src/base/types.js';
import type { WorkerNetwork } from '../src/worker.js';
import { type Photo, pixelsOf } from './photo.js';
import { explainOptions, type Settings, type Step, type View } from './settings.js';
import { refuseZoom, stepsOf, usualStep } from './steps.js';
import { joinSides, otherSide } from './two-sided.js';

/** A map on its way: finished as far as it goes. */
export interface Partial {
  map: Float32Array;
  outputStride: number;
}

/** What a view has so far. */
export interface Shown {
  step: Step;
  explanation: Explanation;
}

export interface RunProgress {
  mode: Mode;
  /** Share of the whole work, 0..1. */
  done: number;
  /** Seconds that the rest will take at the pace so far; undefined until that can be told. */
  left?: number;
}

/** One call of `explain` that is to be made. */
interface Wanted {
  settings: Settings;
  step: Step;
}

/** Below this share of the work nothing is said of the time left. */
const EARLY = 0.05;
/** Explanations that are kept; each has up to some 2 MB. */
const MOST_KEPT = 100;
/** Classes whose maps share a scale. */
const COMPARED = 5;

/** The explanations of one photograph by one network: each is computed once and kept until the photograph or the network changes. */
export class Explanations {
  readonly #finished = new Map<string, Explanation>();
  readonly #partial = new Map<string, Partial>();

  constructor(
    readonly network: WorkerNetwork,
    readonly photo: Photo,
  ) {}

  /** The sharpest finished map of a view. */
  best(settings: Settings, view: View): Shown | undefined {
    for (const step of this.#stepsOf(settings, view).slice().reverse()) {
      const explanation = this.#finished.get(key(settings, step));
      if (explanation) return { step, explanation };
    }
    return undefined;
  }

  /** What of the view's next map is there. */
  partial(settings: Settings, view: View): Partial | undefined {
    for (const step of this.#stepsOf(settings, view).slice().reverse()) {
      if (this.#finished.has(key(settings, step))) return undefined;
      const partial = this.#partial.get(key(settings, step));
      if (partial) return partial;
    }
    return undefined;
  }

  /** How strong the class's evidence is beside that of the strongest class computed so far, 0..1, where they share a scale. */
  strength(settings: Settings): number {
    if (settings.scale !== 'shared') return 1;
    const step = usualStep(this.network);
    const own = this.#finished.get(key(settings, step));
    if (!own) return 1;
    const all = this.#compared(own, settings).map((other) => this.#finished.get(key(other, step)));
    const most = Math.max(...[own, ...all].map((one) => (one ? peakOf(one, settings) : 0)));
    return most > 0 ? peakOf(own, settings) / most : 1;
  }

  /** The calls that the settings ask for and that were not made yet: the first map of each view before the second of any. */
  missing(settings: Settings): Wanted[] {
    const views = [...new Set(['usual', 'sharp', settings.left, settings.right] as View[])];
    const steps = views.map((view) => this.#stepsOf(settings, view));
    const rounds = Math.max(...steps.map(({ length }) => length));
    const ordered = Array.from({ length: rounds }, (_, i) => steps.flatMap((all) => all.slice(i, i + 1))).flat();
    const wanted = ordered.map((step): Wanted => ({ settings, step }));
    const step = usualStep(this.network);
    const own = settings.scale === 'shared' && this.#finished.get(key(settings, step));
    if (own) wanted.push(...this.#compared(own, settings).map((other) => ({ settings: other, step })));
    const keys = new Set<string>();
    return wanted.filter(({ settings, step }) => {
      const name = key(settings, step);
      if (keys.has(name) || this.#finished.has(name)) return false;
      return keys.add(name);
    });
  }

  /** Seconds that calls will take, as far as that can be told before they are made. */
  estimate(wanted: readonly Wanted[]): number {
    return wanted.reduce((sum, { settings, step }) => sum + this.#cost(settings, step).seconds, 0);
  }

  /** Makes the calls that are missing. What was refined before `signal` stopped it is kept. Throws as `explain`. */
  async run(settings: Settings, signal: AbortSignal, onProgress: (progress: RunProgress) => void): Promise<void> {
    const start = performance.now();
    const image = await pixelsOf(this.photo, this.network);
    let before = 0;
    for (let missing = this.missing(settings); missing.length > 0; missing = this.missing(settings)) {
      const [next] = missing;
      const work = missing.map((wanted) => this.#cost(wanted.settings, wanted.step).macs);
      const all = before + work.reduce((sum, macs) => sum + macs, 0);
      const report = (share: number) => {
        const done = (before + share * work[0]) / all;
        const seconds = (performance.now() - start) / 1000;
        onProgress({ mode: next.step.mode, done, left: done > EARLY ? (seconds / done) * (1 - done) : undefined });
      };
      report(0);
      try {
        await this.#compute(next, image, signal, report);
      } catch (error) {
        if (!next.step.zoom || !/^zoom: /.test((error as Error).message)) throw error;
        refuseZoom(this.network); // its other steps follow
        continue;
      }
      before += work[0];
      report(0);
    }
  }

  async #compute(
    { settings, step }: Wanted,
    image: RgbImage,
    signal: AbortSignal,
    report: (share: number) => void,
  ): Promise<void> {
    const name = key(settings, step);
    const options = { ...explainOptions(settings, step), reuse: true, signal };
    const result = await this.network.explain(image, {
      ...options,
      onProgress: ({ done, map, outputStride }) => {
        if (signal.aborted) return;
        if (map && outputStride && !step.zoom) this.#partial.set(name, { map, outputStride });
        report(done);
      },
    });
    const other = otherSide(options, result);
    if (other) joinSides(result, await this.network.explain(image, other));
    result.image = image; // the same for all, so that it is held once
    this.#finished.set(name, result);
    this.#partial.delete(name);
    if (this.#finished.size > MOST_KEPT) this.#finished.delete(this.#finished.keys().next().value!);
  }

  #stepsOf(settings: Settings, view: View): readonly Step[] {
    const { own, most } = stepsOf(this.network, settings, view);
    return most && settings.detail === 'most' ? [...own, most] : own;
  }

  /** The listed classes in place of the target, where that is one class. */
  #compared({ predictions, target }: Explanation, settings: Settings): Settings[] {
    if (target.index < 0) return [];
    return predictions.slice(0, COMPARED).map(({ index }) => ({ ...settings, target: String(index) }));
  }

  #cost(settings: Settings, step: Step): { macs: number; seconds: number } {
    try {
      return this.network.estimate(explainOptions(settings, step));
    } catch {
      return { macs: 1, seconds: 0 }; // the settings do not fit together, which `explain` then says
    }
  }
}

const key = (settings: Settings, step: Step): string => JSON.stringify(explainOptions(settings, step));

/** The strongest evidence in a raw map. */
function peakOf({ raw }: Explanation, settings: Settings): number {
  const sign = explainOptions(settings, { mode: 'pooled' }).sign as Sign;
  const part = { positive: (v: number) => v, negative: (v: number) => -v, absolute: Math.abs, signed: Math.abs }[sign];
  return raw.data.reduce((most, value) => Math.max(most, part(value)), 0);
}
