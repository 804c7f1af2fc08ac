import { checkMap, type GreyMap, refuse } from './map.js';
import { PassCounter, type Watch } from './passes.js';
import type { Probe } from './probe.js';

/** What is left of a score where the picture is seen through its map. */
export interface Drop {
  /** The score of the masked picture. */
  readonly score: number;
  /** max(s - s', 0) / (s + 1e-7), 0..1; its mean over pictures is the average drop: less is better. */
  readonly drop: number;
  /** 1 where s' > s, else 0; its mean is the average increase (in confidence): more is better. */
  readonly increase: number;
  /** max(s' - s, 0) / (1 - s + 1e-7), 0..1; its mean is the average gain: more is better. */
  readonly gain: number;
}

const EPSILON = 1e-7;

/**
 * Average drop and increase (Chattopadhyay et al. 2018, as torch-cam has them) and average gain (Zhang et al. 2023, as
 * Xplique has it) of one picture: the normalised input times the map, so that what the map calls 0 has the data set's
 * mean colour. One forward pass.
 *
 * A map of all ones is perfect by this measure, one of all zeros the worst: it rewards large areas.
 *
 * @param probe of the probability, not the logit
 * @param map (side, side) of 0..1
 * @throws AtrousCamError BAD_ARGUMENT (another size, a number outside of 0..1, a probe of logits), ABORTED
 * @example
 * const { drop, increase } = await averageDrop(probe, map);
 */
export async function averageDrop(probe: Probe, map: GreyMap, watch: Watch = {}): Promise<Drop> {
  const { side, tensor, score: s } = probe;
  checkMap('averageDrop', map, { width: side, height: side });
  if (!(s >= 0 && s <= 1)) refuse('averageDrop', 'a probe of the probability', `a score of ${s}`);
  const x = new Float32Array(tensor.length);
  for (let i = 0; i < side * side; i++) {
    const weight = map.data[i];
    if (!(weight >= 0 && weight <= 1)) refuse('averageDrop', 'a finished map of 0..1', weight);
    for (let at = 3 * i; at < 3 * i + 3; at++) x[at] = tensor[at] * weight;
  }
  const score = await new PassCounter(1, watch).pass(() => probe.scoreOf(x));
  return {
    score,
    drop: Math.max(s - score, 0) / (s + EPSILON),
    increase: score > s ? 1 : 0,
    gain: Math.max(score - s, 0) / (1 - s + EPSILON),
  };
}
