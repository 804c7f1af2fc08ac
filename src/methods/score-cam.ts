import type { NodeId, Shape } from '../graph/graph.js';
import { resample } from '../map/resample.js';
import type { Grid } from '../plan/modes.js';
import type { Field } from './field.js';
import type { Work } from './work.js';

/**
 * Score-CAM's weights (Wang et al. 2020): softmax over the channels of the score of the input times the channel's activation,
 * which is stretched to the input's size (corner to corner, as in pytorch-grad-cam; in `atrous` to where its points lie) and
 * brought to 0..1. One forward pass a channel.
 */
export async function scoreCamWeights(work: Work, field: Field, layer: NodeId): Promise<Float64Array[]> {
  const place = work.placeOf(layer);
  const { input, shape } = work;
  const scores = new Float64Array(field.channels);
  let ofNothing: number | undefined; // channels without any activation all leave the same empty input
  for (let k = 0; k < field.channels; k++) {
    const mask = unitRange(stretch(channelOf(field, k), field, place, shape));
    if (mask) scores[k] = await work.scoreOf(input.map((value, i) => value * mask[Math.floor(i / shape.c)]));
    else {
      ofNothing ??= await work.scoreOf(new Float32Array(input.length));
      scores[k] = ofNothing;
      work.advance();
    }
  }
  return [softmax(scores)];
}

const channelOf = ({ activation, channels }: Field, k: number): Float32Array =>
  Float32Array.from({ length: activation.length / channels }, (_, i) => activation[i * channels + k]);

function stretch(data: Float32Array, { width, height }: Field, place: Grid, { h, w }: Shape): Float32Array {
  const source = (points: number, side: number, origin: number) =>
    place.spacing < place.rate
      ? (at: number) => (at - origin) / place.spacing
      : (at: number) => (at * (points - 1)) / (side - 1);
  return resample({ width, height, data }, w, h, source(width, w, place.origin[1]), source(height, h, place.origin[0]));
}

/** (m - min m) / (max m - min m + 1e-8), in place; undefined where all values are equal: then it is 0 everywhere. */
function unitRange(map: Float32Array): Float32Array | undefined {
  let [least, most] = [Infinity, -Infinity];
  for (const value of map) {
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  if (!(most > least)) return undefined;
  for (let i = 0; i < map.length; i++) map[i] = (map[i] - least) / (most - least + 1e-8);
  return map;
}

function softmax(scores: Float64Array): Float64Array {
  const most = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = scores.map((score) => Math.exp(score - most));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / total);
}
