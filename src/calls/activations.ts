import type { Activation, ActivationsOptions } from '../api.js';
import { MODES, oneOf, outputStrides } from '../base/options.js';
import type { RgbImage } from '../base/types.js';
import { convLayers } from '../graph/topology.js';
import { preprocess } from '../image/preprocess.js';
import { planMode, stepsUpTo } from '../plan/forward.js';
import { runSteps } from '../run/engine.js';
import { LayerMap } from '../run/layer-map.js';
import type { Loaded } from '../run/loaded.js';

/** Outputs of convolutions after ReLU, by name, whole maps in NHWC: only the blocks up to the deepest one asked for are computed. */
export async function activations(
  loaded: Loaded,
  image: RgbImage,
  options: ActivationsOptions = {},
): Promise<Record<string, Activation>> {
  const { runtime, network } = loaded;
  const { topology } = network;
  const mode = oneOf('mode', options.mode ?? 'pooled', MODES);
  const stride = oneOf('outputStride', options.outputStride ?? 1, outputStrides(topology));
  const all = convLayers(topology);
  const names = all.map((layer) => layer.name);
  const wanted = (options.layers ?? names.slice(-1)).map((name) => all[names.indexOf(oneOf('layer', name, names))]);

  const plan = planMode(topology, mode, stride);
  const maps = new Map(wanted.map((layer) => [layer.name, new LayerMap(topology, mode, layer, plan.outputStride)]));
  const { input } = preprocess(image, topology.inputSize, { ...loaded.preprocessing, ...options.preprocessing });
  const steps = stepsUpTo(plan, Math.max(...wanted.map((layer) => layer.block)));
  const { onProgress, signal } = options;
  await runSteps(
    runtime,
    network,
    plan,
    steps,
    input,
    ({ layer, at }, y) => maps.get(layer.name)?.put(runtime.arena, y, at),
    { signal, onProgress: onProgress && ((done) => onProgress({ stage: 'compute', mode, done })) },
  );
  return Object.fromEntries([...maps].map(([name, { shape, data }]) => [name, { shape, data }]));
}
