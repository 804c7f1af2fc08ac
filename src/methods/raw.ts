import { lazy } from '../base/lazy.js';
import type { Heads } from '../base/types.js';
import type { NodeId } from '../graph/graph.js';
import type { RawMap } from '../map/finish.js';
import { gemmJob, matrix, transpose } from '../wasm/ops/gemm.js';
import type { Runtime } from '../wasm/runtime.js';
import type { Cam } from './cams.js';
import { allPoints, eachPoint, type Field, ownPhaseOf, type Pause, type Points, phasesOf } from './field.js';
import type { LocatedMap, Work } from './work.js';

/** How the phases of a field take part. */
export interface Phases {
  /** Points that belong to one phase are this far apart in the field; 1 where the field has one phase only. */
  readonly period: number;
  /** Row and column of the own phase among them. */
  readonly own?: readonly [number, number];
  readonly heads: Heads;
}

/**
 * The raw map of a method. `one`: the weights are those of the own phase, that is the pooled network's, for all points. `each`: every
 * phase has its own weights, from its own activations, gradient and sums. `mean`: one set of weights from all points.
 */
export async function rawMap(
  cam: Cam,
  field: Field,
  { period, own = [0, 0], heads }: Phases,
  { runtime, pause, eigenSmooth = false }: { runtime: Runtime; pause: Pause; eigenSmooth?: boolean },
): Promise<RawMap> {
  const { height, width, channels, activation, gradient } = field;
  const { term } = cam;
  const projected = cam.project || eigenSmooth;
  const terms = new Float32Array(projected ? activation.length : 0);
  const raw = new Float32Array(height * width);
  for (const { source, target } of partsOf(field, period, own, heads)) {
    const weights = (await cam.weights?.(source, pause)) ?? new Float64Array(channels);
    await eachPoint(target, pause, (at) => {
      if (projected)
        for (let k = at; k < at + channels; k++) terms[k] = term(activation[k], gradient[k], weights[k - at]);
      else {
        let sum = 0;
        for (let k = at; k < at + channels; k++) sum += term(activation[k], gradient[k], weights[k - at]);
        raw[at / channels] = sum;
      }
    });
  }
  if (!projected) return { width, height, data: raw };
  const { project } = await lazy(() => import('./project.js'));
  const data = await project(runtime, terms, channels, pause, { gemmJob, matrix, transpose });
  return { width, height, data: cam.turns ? turned(data) : data };
}

/** A map with its largest value further from 0 than its least. */
function turned(map: Float32Array): Float32Array {
  const [least, most] = map.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [0, 0]);
  return -least > most ? map.map((value) => -value) : map;
}

/** A class activation map of each layer that is to be explained; `weigh` makes it of the layer's field. */
export async function camMaps(
  work: Work,
  gradient: boolean,
  weigh: (field: Field, layer: NodeId) => Promise<Cam>,
): Promise<LocatedMap[]> {
  const { layers, heads, eigenSmooth } = work.request;
  const fields = await work.fields(layers, gradient);
  const maps: LocatedMap[] = [];
  for (const [i, layer] of layers.entries()) {
    const place = work.placeOf(layer);
    const cam = await weigh(fields[i], layer);
    const raw = await rawMap(
      cam,
      fields[i],
      { period: place.period, own: ownPhaseOf(place), heads },
      { runtime: work.runtime, pause: work.pause, eigenSmooth },
    );
    maps.push({ raw, place });
  }
  return maps;
}

/** Which points give the weights, and which are weighted with them. */
function partsOf(
  field: Field,
  period: number,
  own: readonly [number, number],
  heads: Heads,
): { source: Points; target: Points }[] {
  const all = allPoints(field, heads === 'mean' ? period * period : 1);
  if (heads === 'mean' || period === 1) return [{ source: all, target: all }];
  const phases = phasesOf(field, period);
  if (heads === 'one') return [{ source: phases[own[0] * period + own[1]], target: all }];
  return phases.map((phase) => ({ source: phase, target: phase }));
}
