import type { PackedNetwork } from './network.js';
import type { HeadStep } from './plan.js';
import { headCells } from './topology.js';
import { view } from './wasm/job.js';
import { denseJob } from './wasm/ops/dense.js';
import { maxPoolJob } from './wasm/ops/pool.js';
import { softmaxJob } from './wasm/ops/softmax.js';
import type { Runtime } from './wasm/runtime.js';

/** The forward pass of the dense layers, kept for the gradient. Pointers into the arena, in the caller's mark. */
export interface HeadResult {
  /** The pooled map (cells, cells, channels), input of the first dense layer. */
  readonly pooled: number;
  /** Output of each dense layer, after ReLU but for the last. */
  readonly outputs: readonly number[];
  readonly logits: Float32Array;
  readonly probabilities: Float32Array;
}

/** Max pool, dense layers with ReLU between them, softmax. */
export async function runHead(
  runtime: Runtime,
  network: PackedNetwork,
  step: HeadStep,
  signal?: AbortSignal,
): Promise<HeadResult> {
  const { arena } = runtime;
  const cells = headCells(network.topology);
  const pooled = arena.alloc(4 * cells * cells * step.x.c);
  const window = { size: step.size, stride: step.size, dilation: 1, offsetY: 0, offsetX: 0 };
  await runtime.runAsync(maxPoolJob(step.x, view(pooled, cells, cells, step.x.c), window), signal);

  let x = pooled;
  const outputs: number[] = [];
  for (const [i, layer] of network.dense.entries()) {
    const y = arena.alloc(4 * layer.out);
    const relu = i < network.dense.length - 1;
    await runtime.runAsync(
      denseJob({ x, w: layer.kernel, b: layer.bias, y, in: layer.in, out: layer.out, relu }),
      signal,
    );
    outputs.push(y);
    x = y;
  }
  const classes = network.dense.at(-1)!.out;
  const probabilities = arena.alloc(4 * classes);
  await runtime.runAsync(softmaxJob({ x, y: probabilities, rows: 1, columns: classes }), signal);
  return {
    pooled,
    outputs,
    logits: arena.f32(x, classes).slice(),
    probabilities: arena.f32(probabilities, classes).slice(),
  };
}
