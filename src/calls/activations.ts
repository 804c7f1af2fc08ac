import type { Activation, ActivationsOptions, TensorInput } from '../api.js';
import { CALL, checkOptions, MODES, oneOf } from '../base/options.js';
import type { RgbImage } from '../base/types.js';
import { defaultLayer } from '../graph/names.js';
import type { outputStrides } from '../plan/modes.js';
import type { planFreely } from '../plan/wide.js';
import type { runPlan } from '../run/engine.js';
import type { LayerMap } from '../run/layer-map.js';
import type { Loaded } from '../run/loaded.js';
import type { readLayer } from './layers.js';
import type { inputOf } from './predict.js';

/** What activations borrow from the library, so that they can be loaded by themselves. */
export interface Tools {
  readonly inputOf: typeof inputOf;
  readonly LayerMap: typeof LayerMap;
  readonly outputStrides: typeof outputStrides;
  readonly planFreely: typeof planFreely;
  readonly readLayer: typeof readLayer;
  readonly runPlan: typeof runPlan;
}

/** Layers' outputs after their activation, by name, whole maps in NHWC: only what leads to them is computed. */
export async function activations(
  loaded: Loaded,
  image: RgbImage | TensorInput,
  options: ActivationsOptions,
  { inputOf, LayerMap, outputStrides, planFreely, readLayer, runPlan }: Tools,
): Promise<Record<string, Activation>> {
  const { runtime, network } = loaded;
  const { layout, graph } = network;
  checkOptions('activations', options, { ...CALL, mode: 1, layers: 1, outputStride: 1 });
  const mode = oneOf('mode', options.mode ?? 'pooled', MODES);
  const outputStride = oneOf('outputStride', options.outputStride ?? 1, outputStrides(layout));
  const names = options.layers ?? [graph.nodes[defaultLayer(graph)].name];
  const wanted = new Map(names.map((name) => [name, readLayer(layout, name)]));
  const take = [...new Set(wanted.values())];
  const maps = new Map(take.map((id) => [id, new LayerMap(layout, mode, id, outputStride)]));
  const input = inputOf(loaded, image, options);
  const { onProgress, signal } = options;
  await runPlan(runtime, network, planFreely(network, { mode, outputStride, take }), input, {
    signal,
    onTake: (id, x, at) => maps.get(id)!.put(runtime.arena, x, at),
    onProgress: onProgress && ((done) => onProgress({ stage: 'compute', mode, done })),
  });
  return Object.fromEntries(
    [...wanted].map(([name, id]) => {
      const { shape, data } = maps.get(id)!;
      return [name, { shape, data }];
    }),
  );
}
