import type { Estimate, ExplainOptions } from '../api.js';
import type { Layout } from '../graph/levels.js';
import { macsOf } from '../methods/cost.js';
import { planForward } from '../plan/forward.js';
import { readRequest } from './request.js';

/** Multiply-accumulates a second and thread that every machine with SIMD reaches, whatever the method: a careful guess. */
const CAREFUL = 4e9;

/** How fast a loaded network has been. */
export class Pace {
  #rate: number;

  constructor(threads: number) {
    this.#rate = CAREFUL * threads;
  }

  /** Remembers a run; very short ones say more of their overhead. */
  note(macs: number, seconds: number): void {
    if (seconds > 0.02) this.#rate = macs / seconds;
  }

  secondsFor(macs: number): number {
    return macs / this.#rate;
  }
}

/**
 * What is computed for an explanation, and its multiply-accumulates, from the plans of all its passes. Throws what `explain` would throw of
 * its options.
 */
export function estimateCost(layout: Layout, options: ExplainOptions): Omit<Estimate, 'seconds'> {
  const request = readRequest(layout, options);
  const { mode, outputStride, facts, streams, augSmooth, shifts, zooms } = request;
  const once = streams
    ? planForward(layout, { mode, outputStride, head: true, fold: request.layers[0] }).macs
    : macsOf(facts.cost({ layout, ...request }), { layout, ...request }, facts.at === 'input');
  const area = zooms.reduce((sum, zoom) => sum + zoom * zoom, 0);
  return { mode, zoom: zooms, macs: once * (augSmooth ? 6 : 1) * shifts.length * area };
}
