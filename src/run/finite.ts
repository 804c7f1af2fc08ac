import { AtrousCamError } from '../base/errors.js';
import type { Mode } from '../base/types.js';
import { pooledStride } from '../graph/topology.js';
import { planMode, stepsUpTo } from '../plan/forward.js';
import type { Arena } from '../wasm/arena.js';
import type { View } from '../wasm/job.js';
import { runSteps } from './engine.js';
import type { Loaded } from './loaded.js';

/**
 * Refuses logits that are not finite, naming the first layer whose output is not: only then the network runs a second time.
 *
 * Throws BAD_WEIGHTS.
 */
export async function requireFinite(
  { runtime, network }: Loaded,
  input: Float32Array,
  mode: Mode,
  logits: Float32Array,
  signal?: AbortSignal,
): Promise<void> {
  if (logits.every(Number.isFinite)) return;
  const { topology } = network;
  const plan = planMode(topology, mode === 'dilated' ? mode : 'pooled', pooledStride(topology));
  let first: string | undefined;
  const steps = stepsUpTo(plan, topology.blocks.length - 1);
  await runSteps(
    runtime,
    network,
    plan,
    steps,
    input,
    ({ layer }, y) => {
      if (first === undefined && !holdsFinite(runtime.arena, y)) first = layer.name;
    },
    { signal },
  );
  const where = first === undefined ? 'the dense layers' : `layer "${first}"`;
  throw new AtrousCamError(
    'BAD_WEIGHTS',
    `${where}: the output is not finite (NaN or beyond float32); the weights are damaged, or the preprocessing is not theirs`,
  );
}

function holdsFinite(arena: Arena, { ptr, h, w, c, row, pix }: View): boolean {
  const all = arena.f32(ptr, (h - 1) * row + (w - 1) * pix + c);
  for (let y = 0; y < h; y++)
    for (let x = 0; x < w; x++)
      for (let i = y * row + x * pix, end = i + c; i < end; i++) if (!Number.isFinite(all[i])) return false;
  return true;
}
