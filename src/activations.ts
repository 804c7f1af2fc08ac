import type { Activation, ActivationsOptions } from './api.js';
import { runSteps } from './engine.js';
import type { Loaded } from './explain.js';
import { MODES, oneOf, outputStrides } from './options.js';
import { mapSpacing, planMode, stepsUpTo } from './plan.js';
import { preprocess } from './preprocess.js';
import type { OutputStride, RgbImage } from './types.js';

/** Outputs of convolutions after ReLU, by name, whole maps in NHWC: only the blocks up to the deepest one asked for are computed. */
export async function activations(
  loaded: Loaded,
  image: RgbImage,
  options: ActivationsOptions = {},
): Promise<Record<string, Activation>> {
  const { runtime, network } = loaded;
  const { topology } = network;
  const mode = oneOf('mode', options.mode ?? 'pooled', MODES);
  const stride = oneOf('outputStride', options.outputStride ?? 1, outputStrides(topology)) as OutputStride;
  const all = topology.blocks.flat();
  const names = all.map((layer) => layer.name);
  const wanted = (options.layers ?? names.slice(-1)).map((name) => all[names.indexOf(oneOf('layer', name, names))]);

  const plan = planMode(topology, mode, stride);
  const maps = new Map(
    wanted.map((layer) => {
      const spacing = mapSpacing(mode, layer.block, plan.outputStride);
      const side = topology.inputSize / spacing;
      const shape: Activation['shape'] = [1, side, side, layer.cout];
      return [layer.name, { shape, spacing, data: new Float32Array(side * side * layer.cout) }];
    }),
  );
  const { input } = preprocess(image, topology.inputSize, { ...loaded.preprocessing, ...options.preprocessing });
  const steps = stepsUpTo(plan, Math.max(...wanted.map((layer) => layer.block)));
  const { onProgress, signal } = options;
  await runSteps(
    runtime,
    network,
    plan,
    steps,
    input,
    ({ layer, y, at }, pixel) => {
      const map = maps.get(layer.name);
      if (!map) return;
      const [, , width, channels] = map.shape;
      for (let i = 0; i < y.h; i++) {
        const row = (at.row + i * at.spacing) / map.spacing;
        for (let j = 0; j < y.w; j++) {
          const column = (at.column + j * at.spacing) / map.spacing;
          map.data.set(pixel(i, j), (row * width + column) * channels);
        }
      }
    },
    { signal, onProgress: onProgress && ((done) => onProgress({ stage: 'compute', mode, done })) },
  );
  return Object.fromEntries([...maps].map(([name, { shape, data }]) => [name, { shape, data }]));
}
