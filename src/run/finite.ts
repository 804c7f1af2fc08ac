import { AtrousCamError } from '../base/errors.js';
import type { Mode } from '../base/types.js';
import type { NodeId } from '../graph/graph.js';
import { planForward } from '../plan/forward.js';
import type { Arena } from '../wasm/arena.js';
import type { View } from '../wasm/job.js';
import { runPlan } from './engine.js';
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
  const { layout, graph } = network;
  const body = graph.nodes.map((_, id) => id).filter((id) => id > 0 && !layout.placings[id].head);
  const plan = planForward(layout, { mode: mode === 'dilated' ? mode : 'pooled', take: body });
  const bad = new Set<NodeId>();
  await runPlan(runtime, network, plan, input, {
    signal,
    onTake: (id, x) => {
      if (!holdsFinite(runtime.arena, x)) bad.add(id);
    },
  });
  const first = body.find((id) => bad.has(id));
  const where = first === undefined ? 'the dense layers' : `layer "${graph.nodes[first].name}"`;
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
