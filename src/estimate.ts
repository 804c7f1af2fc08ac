import type { Estimate, ExplainOptions } from './api.js';
import { macsOf } from './methods/cost.js';
import { planMode } from './plan.js';
import { readRequest } from './request.js';
import type { Topology } from './topology.js';

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

/** What an explanation will compute, from the plans of all its passes. Throws what `explain` would throw of its options. */
export function estimate(topology: Topology, pace: Pace, options: ExplainOptions): Estimate {
  const request = readRequest(topology, options);
  const { mode, outputStride, method, streams, augSmooth } = request;
  const once = streams
    ? planMode(topology, mode, outputStride).macs
    : macsOf(method.cost({ topology, ...request }), { topology, ...request }, method.at === 'input');
  const macs = once * (augSmooth ? 6 : 1);
  return { macs, seconds: pace.secondsFor(macs) };
}
